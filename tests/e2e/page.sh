#!/bin/sh
# Runs the tests of the web page in a browser. Exit 77 where node, npm, its packages or chromium cannot
# be had.
# usage: page.sh SOURCE_FOLDER WORK_FOLDER EDGELM MAKE_TINY_MODEL LIBRARY [SCRIPT [ARGUMENT...]]
# LIBRARY is one of those that the build has fetched for the page.
set -eu
source=$1 work=$2 edgelm=$3 model=$4 library=$5
shift 5
. "$source/tests/e2e/npm.sh"

if ! [ -s "$library" ]; then
	echo "page: skipped, the page was built without its libraries"
	exit 77
fi
if ! browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome); then
	echo "page: skipped, chromium is not installed"
	exit 77
fi

npm_packages page "$source/web" "$work"
if ! node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)'; then
	echo "page: skipped, playwright-core needs node 20 or later"
	exit 77
fi

script=${1:-$source/tests/e2e/test_page.mjs}
[ $# = 0 ] || shift
node "$script" "$edgelm" "$model" "$work" "$browser" "$@"
