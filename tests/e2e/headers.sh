#!/bin/sh
# Each public header compiles alone, as C11 and as C++11, without a warning.
# usage: headers.sh INCLUDE_FOLDER CC [CXX]
set -eu
include=$1 cc=$2 cxx=${3:-}
flags="-I$include -fsyntax-only -pedantic-errors -Wall -Wextra -Werror"
count=0
for header in "$include"/edgelm/*.h; do
	name=edgelm/$(basename "$header")
	# shellcheck disable=SC2086 # lists of words
	echo "#include <$name>" | $cc $flags -std=c11 -x c -
	# shellcheck disable=SC2086
	[ -z "$cxx" ] || echo "#include <$name>" | $cxx $flags -std=c++11 -x c++ -
	count=$((count + 1))
done
echo "$count headers"
[ "$count" -gt 4 ]
