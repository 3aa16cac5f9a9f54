#!/bin/sh
# Builds for 64-bit ARM and runs the unit tests under qemu, and the kernel test as several processors:
# Cortex-A57 (Jetson Nano) and A72 (Raspberry Pi 4) have plain NEON, A76 (Pi 5) the dot product, "max"
# all that qemu knows. Exit 77 where the packages cannot be had.
set -eu
cd "$(dirname "$0")/../.."

packages="gcc-aarch64-linux-gnu qemu-user libjansson-dev:arm64 libpcre2-dev:arm64
libutf8proc-dev:arm64 libcmocka-dev:arm64"

installed() {
	for package in $packages; do
		dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || return 1
	done
}

if ! installed; then
	if [ "$(id -u)" != 0 ] || [ ! -e /etc/debian_version ]; then
		echo "aarch64: not all installed, and not root to do so:" $packages
		exit 77
	fi
	export DEBIAN_FRONTEND=noninteractive
	dpkg --add-architecture arm64
	# shellcheck disable=SC2086 # a list of words
	if ! apt-get update -q || ! apt-get install -y -q --no-install-recommends $packages; then
		echo "aarch64: the packages cannot be installed here"
		exit 77
	fi
fi

[ -e build-aarch64/build.ninja ] ||
	meson setup build-aarch64 --cross-file scripts/cross/aarch64.txt -Dwerror=true
ninja -C build-aarch64
QEMU_CPU=max meson test -C build-aarch64 --no-rebuild --print-errorlogs --suite unit -t 10
for cpu in cortex-a57 cortex-a76 max; do
	echo "== kernels on $cpu"
	QEMU_CPU=$cpu meson test -C build-aarch64 --no-rebuild --print-errorlogs --suite kernel -t 10 \
		--test-args='--rounds 1'
done
