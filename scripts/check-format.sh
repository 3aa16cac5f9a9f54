#!/bin/sh
# Checks that every C file is what clang-format makes of it. Exit 77 where the tool is missing.
set -eu
cd "$(dirname "$0")/.."
if ! command -v clang-format >/dev/null; then
	echo "check-format: skipped, clang-format is not installed"
	exit 77
fi
find examples include src tests tools -name '*.[ch]' -print0 | xargs -0 clang-format --dry-run -Werror
echo "format: fine"
