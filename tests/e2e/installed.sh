#!/bin/sh
# Installs into an empty folder and uses what lies there as a stranger would: pkg-config finds the
# library, an example builds against it, shared and static, and runs; program, manual page and
# completion are in place.
# usage: installed.sh BUILD_FOLDER SOURCE_FOLDER CC
set -eu
build=$1 source=$2 cc=$3
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

meson install -C "$build" --no-rebuild --quiet --destdir "$root"
PKG_CONFIG_LIBDIR=$(dirname "$(find "$root" -name edgelm.pc)"):$(pkg-config --variable pc_path pkg-config)
library=$(dirname "$(find "$root" -name libedgelm.so)")
export PKG_CONFIG_LIBDIR
prefix=$(pkg-config --variable prefix edgelm)
flags=$(pkg-config --cflags --libs edgelm | sed "s|$prefix|$root$prefix|g")
static=$(pkg-config --cflags --libs --static edgelm |
	sed -e "s|$prefix|$root$prefix|g" -e 's|-ledgelm|-l:libedgelm.a|')

for example in types generate; do
	# shellcheck disable=SC2086 # lists of words
	$cc -std=c11 -Wall -Werror -o "$root/$example" "$source/examples/$example.c" $flags
	# shellcheck disable=SC2086
	$cc -std=c11 -Wall -Werror -o "$root/$example-static" "$source/examples/$example.c" $static
done
LD_LIBRARY_PATH=$library "$root/types" >"$root/shared.txt"
"$root/types-static" >"$root/static.txt"
cmp "$root/shared.txt" "$root/static.txt"
grep -q '^Q4_K  *4.5000 bits per weight$' "$root/shared.txt"

model=$source/../shared/golden/models/stories260K-F32.gguf
if [ -e "$model" ]; then
	LD_LIBRARY_PATH=$library "$root/generate" "$model" "Once upon a time" | grep -q '^, there was a little girl'
	"$root/generate-static" "$model" "Once upon a time" | grep -q '^, there was a little girl'
else
	echo "no golden model: examples/generate.c is built, not run"
fi

version=$(pkg-config --modversion edgelm)
[ "$("$root$prefix/bin/edgelm" --version)" = "edgelm $version" ]
grep -q '^\.TH edgelm 1' "$root$prefix/share/man/man1/edgelm.1"
bash -n "$root$prefix/share/bash-completion/completions/edgelm.bash"
echo "installed edgelm $version works"
