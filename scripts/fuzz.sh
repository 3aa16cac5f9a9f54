#!/bin/bash
# fuzz.sh [FOLDER [SECONDS [TARGET...]]]: builds the fuzz targets with clang under address and
# undefined behaviour sanitizers in FOLDER, and runs each (or those named) for SECONDS. What they
# find interesting is kept in FOLDER/corpus/ and taken up by the next run; an input that fails is
# written to FOLDER/crash-*. Ends with 1 if there was one.
set -eu
cd "$(dirname "$0")/.."
build=${1:-build-fuzz}
seconds=${2:-60}
shift $(($# < 2 ? $# : 2))

[ -f "$build/build.ninja" ] || CC=clang meson setup "$build" -Dfuzz=true -Dbuildtype=debugoptimized \
	-Db_sanitize=address,undefined -Db_lundef=false
ninja -C "$build" fuzzers
[ $# -gt 0 ] || set -- $(cd "$build/tests/fuzz" && for f in fuzz_*; do [ -f "$f" ] && echo "${f#fuzz_}"; done)

failed=0
for target; do
	corpus=$build/corpus/$target
	mkdir -p "$corpus"
	dictionary=tests/fuzz/$target.dict
	echo "fuzz_$target: $seconds seconds"
	"$build/tests/fuzz/fuzz_$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 \
		-print_final_stats=1 -verbosity=0 -artifact_prefix="$build/" \
		$([ -f "$dictionary" ] && echo "-dict=$dictionary") \
		"$corpus" "$build/tests/fuzz/seeds/$target" 2>&1 | tee "$build/$target.log" |
		grep -E '^stat::number_of_executed|^stat::average_exec|ERROR|SUMMARY|runtime error' || true
	grep -qE 'ERROR|SUMMARY|runtime error' "$build/$target.log" && failed=1
done
[ $failed = 0 ] && echo 'nothing found' || { echo "failures: see $build/crash-* and $build/*.log" >&2; exit 1; }
