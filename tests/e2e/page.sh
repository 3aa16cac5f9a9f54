#!/bin/sh
# Runs the tests of the web page in a browser. Exit 77 where node, npm, its packages or chromium cannot
# be had.
# usage: page.sh SOURCE_FOLDER WORK_FOLDER EDGELM MAKE_TINY_MODEL [SCRIPT [ARGUMENT...]]
set -eu
source=$1 work=$2 edgelm=$3 model=$4
shift 4

for tool in node npm; do
	if ! command -v $tool >/dev/null; then
		echo "page: skipped, $tool is not installed"
		exit 77
	fi
done
if ! browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome); then
	echo "page: skipped, chromium is not installed"
	exit 77
fi

# Once for each version of the lock file.
mkdir -p "$work"
if ! cmp -s "$source/web/package-lock.json" "$work/installed-lock.json"; then
	cp "$source/web/package.json" "$source/web/package-lock.json" "$work"
	if ! (cd "$work" && npm ci --ignore-scripts --no-audit --no-fund --prefer-offline --fetch-retries=1) \
		>"$work/npm.log" 2>&1; then
		cat "$work/npm.log"
		echo "page: skipped, npm cannot fetch playwright-core"
		exit 77
	fi
	cp "$work/package-lock.json" "$work/installed-lock.json"
fi

script=${1:-$source/tests/e2e/test_page.mjs}
[ $# = 0 ] || shift
node "$script" "$edgelm" "$model" "$work" "$browser" "$@"
