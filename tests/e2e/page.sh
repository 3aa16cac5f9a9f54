#!/bin/sh
# Runs the tests of the web page in a browser. Exit 77 where node, npm, its packages or chromium cannot
# be had.
# usage: page.sh SOURCE_FOLDER WORK_FOLDER EDGELM MAKE_TINY_MODEL [SCRIPT [ARGUMENT...]]
set -eu
source=$1 work=$2 edgelm=$3 model=$4
shift 4
. "$source/tests/e2e/npm.sh"

if ! browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome); then
	echo "page: skipped, chromium is not installed"
	exit 77
fi

npm_packages page "$source/web" "$work"

script=${1:-$source/tests/e2e/test_page.mjs}
[ $# = 0 ] || shift
node "$script" "$edgelm" "$model" "$work" "$browser" "$@"
