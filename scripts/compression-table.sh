#!/bin/sh
# compression-table.sh PROGRAM MODEL TRAIN VALID TASKS FOLDER: what each way of making a model smaller
# costs, as a table (docs/COMPRESSION-RESULTS.md).
#
# MODEL has F32 weights; TRAIN and VALID are records (*.jsonl) as edgelm train reads them, TASKS as
# edgelm eval tasks does. Everything is kept in FOLDER; what is there already is not made again, so it
# goes on where it was interrupted. Needs jq.
#
# From the environment: CONTEXT (256), CALIBRATION (records, 3000), STEPS of distillation (1500),
# BATCH (2048) and RATE (5e-4) of it, LIMIT (tasks per category; all), SPARSITY (0.2), THREADS.
set -eu
program=$1 model=$2 train=$3 valid=$4 tasks=$5 folder=$6
context=${CONTEXT:-256} limit=${LIMIT:+--limit $LIMIT} threads=${THREADS:+-t $THREADS}

command -v jq >/dev/null || { echo "compression-table.sh: jq is missing; install it" >&2; exit 1; }
mkdir -p "$folder"
export EDGELM_CACHE="$folder/cache"

# make FILE COMMAND...: unless it is there already
make() {
	[ -e "$folder/$1" ] && return
	echo "== $1" >&2
	shift
	# shellcheck disable=SC2086 # an option and its value, or nothing
	"$program" "$@" $threads -q >&2
}

# quantise NAME FROM OPTION...
quantise() {
	name=$1 from=$2
	shift 2
	make "$name.gguf" quantize "$folder/$from.gguf" "$folder/$name.gguf" "$@"
}

# measure NAME TITLE [TYPE OF THE CACHE]: adds a row to the table
measure() {
	file=$folder/$1.gguf kv=${3:-f16} base=$folder/$1-$kv
	if [ ! -e "$base.tasks" ]; then
		echo "== measuring $2" >&2
		# shellcheck disable=SC2086 # options with their values, or nothing
		"$program" eval kld "$file" --base "$folder/f32.gguf" --base-kv-type f32 --kv-type "$kv" \
			-f "$valid" -c "$context" --json -q --no-engine-cache $threads >"$base.kld"
		# shellcheck disable=SC2086
		"$program" bench "$file" -p 0 -n 64 -ctk "$kv" -o json --no-engine-cache $threads \
			>"$base.bench"
		# shellcheck disable=SC2086
		"$program" eval tasks "$file" -f "$tasks" --kv-type "$kv" $limit --json -q \
			--no-engine-cache $threads >"$base.partial"
		mv "$base.partial" "$base.tasks"
	fi
	jq -n -r --arg title "$2" --argjson bytes "$(wc -c <"$file")" --slurpfile kld "$base.kld" \
		--slurpfile bench "$base.bench" --slurpfile tasks "$base.tasks" '
		def digits($n): . * pow(10; $n) | round / pow(10; $n);
		def short: if . < 0.000000001 then "0" else
			(log10 | floor) as $e | "\(. / pow(10; $e) | digits(1))e\($e)" end;
		$kld[0] as $k | $tasks[0].all as $t |
		"| \($title) | \($bytes / 1000000 | digits(2)) | \($k.perplexity.value | digits(4)) | " +
		"\($k.kl_divergence.value | short) ± \($k.kl_divergence.standard_error | short) | " +
		"\($k.top1_agreement.value * 100 | digits(2)) % | \($t.accuracy * 100 | digits(1)) % ± " +
		"\($t.standard_error * 100 | digits(1)) | \($bench[0][0].avg_ts | round) |"' \
		>>"$folder/table.partial"
}

[ -e "$folder/f32.gguf" ] || cp "$model" "$folder/f32.gguf"
head -n "${CALIBRATION:-3000}" "$train" >"$folder/calib.jsonl"
make f32.calib calibrate "$folder/f32.gguf" -f "$folder/calib.jsonl" -c "$context" --hessian \
	-o "$folder/f32.calib"
calib=$folder/f32.calib

quantise f16 f32 F16
quantise q8_0 f32 Q8_0
quantise rtn f32 Q4_0 --method rtn
quantise imatrix f32 Q4_0 --calib "$calib"
quantise awq f32 Q4_0 --method awq --calib "$calib"
quantise gptq f32 Q4_0 --method gptq --calib "$calib"
quantise both f32 Q4_0 --method awq-gptq --calib "$calib"
quantise q4_k_m f32 Q4_K_M --method rtn
quantise q4_k_m-calib f32 Q4_K_M --calib "$calib"

sparsity=${SPARSITY:-0.2}
make bare.gguf prune "$folder/f32.gguf" "$folder/bare.gguf" --sparsity "$sparsity" --calib "$calib" \
	--no-reconstruct
make pruned.gguf prune "$folder/f32.gguf" "$folder/pruned.gguf" --sparsity "$sparsity" --calib "$calib"
make taught.gguf distill "$folder/f32.gguf" "$folder/pruned.gguf" -f "$train" -o "$folder/taught.gguf" \
	--type f32 -c "$context" --batch "${BATCH:-2048}" --rows 2048 --steps "${STEPS:-1500}" \
	--rate "${RATE:-5e-4}" --low-rate 1e-5 --warmup 50 --bf16 --resume
make taught.calib calibrate "$folder/taught.gguf" -f "$folder/calib.jsonl" -c "$context" --hessian \
	-o "$folder/taught.calib"
quantise taught-gptq taught Q4_0 --method gptq --calib "$folder/taught.calib"
quantise taught-q4_k_m taught Q4_K_M --calib "$folder/taught.calib"

: >"$folder/table.partial"
measure f32 F32
measure f16 F16
measure q8_0 Q8_0
measure rtn 'Q4_0, rounded'
measure imatrix 'Q4_0, imatrix'
measure awq 'Q4_0, AWQ'
measure gptq 'Q4_0, GPTQ'
measure both 'Q4_0, AWQ and GPTQ'
measure q4_k_m 'Q4_K_M, rounded'
measure q4_k_m-calib 'Q4_K_M, imatrix'
measure f16 'F16, cache int8' int8
measure f16 'F16, cache int4' int4
percent=$(jq -n "$sparsity * 100")
measure bare "F32, $percent % pruned"
measure pruned "F32, $percent % pruned, reconstructed"
measure taught "F32, $percent % pruned, distilled"
measure taught-gptq "the same in Q4_0, GPTQ"
measure taught-q4_k_m "the same in Q4_K_M, imatrix"

{
	echo '| | MB | Perplexity | KL divergence, nats | Top-1 | Tasks right | Tokens/s |'
	echo '|---|---|---|---|---|---|---|'
	cat "$folder/table.partial"
} >"$folder/table.md"
rm "$folder/table.partial"
cat "$folder/table.md"
