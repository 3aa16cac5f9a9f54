#!/bin/sh
# Installs the Debian packages that the build and the tests need, plus those named as arguments.
# Does nothing when all are there. Without root and without passwordless sudo it prints the command
# to run and fails.
set -eu

packages="build-essential meson ninja-build pkg-config libjansson-dev libpcre2-dev libutf8proc-dev
libmicrohttpd-dev libcmocka-dev libssl-dev libedit-dev libncurses-dev libsqlite3-dev libcurl4-openssl-dev libcairo2-dev python3 man-db groff $*"

if ! command -v dpkg-query >/dev/null; then
	echo "install-deps: this is not Debian; see that these are installed: $packages" >&2
	exit 0
fi

missing=
for package in $packages; do
	dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
		missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
	sudo=
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
	sudo=sudo
else
	echo "install-deps: packages are missing; run: sudo apt-get install -y$missing" >&2
	exit 1
fi

echo "install-deps: installing$missing"
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -q
# shellcheck disable=SC2086 # a list of words
$sudo apt-get install -y -q --no-install-recommends $missing
