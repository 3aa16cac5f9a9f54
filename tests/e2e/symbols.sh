#!/bin/sh
# The shared library exports every elm_ function of the public headers, and nothing else.
# usage: symbols.sh LIBEDGELM.SO INCLUDE_FOLDER
set -eu
library=$1 include=$2
exported=$(nm -D --defined-only "$library" | awk '{ print $3 }' | sort)
declared=$(sed -e 's|/\*.*\*/||' "$include"/edgelm/*.h | tr '\n' ' ' | grep -o 'ELM_API[^;]*;' |
	sed -e 's/([^()]*) *;.*//' -e 's/ELM_PRINTF.*//' -e 's/(.*//' | grep -o 'elm_[a-z0-9_]*$' | sort -u)

extra=$(printf '%s\n' "$exported" | grep -v '^elm_[a-z]' || true)
if [ -n "$extra" ]; then
	printf 'exported, but not ours to export:\n%s\n' "$extra"
	exit 1
fi
missing=$(printf '%s\n' "$declared" | while read -r name; do
	printf '%s\n' "$exported" | grep -qx "$name" || echo "$name"
done)
if [ -n "$missing" ]; then
	printf 'declared in a public header, but not exported:\n%s\n' "$missing"
	exit 1
fi
printf '%s symbols\n' "$(printf '%s\n' "$exported" | wc -l)"
