#!/bin/sh
# demo-model.sh BUILD FOLDER: makes the demo model from nothing; docs/DEMO-MODEL.md has the story.
#
# Writes FOLDER/edgelm-demo.gguf and measures it. Interrupted, it goes on where it was when it is
# called again. The same processor tier gives the same file, with any number of threads.
set -eu
build=$1 folder=$2
program=$build/src/cli/edgelm
here=$(dirname "$0")/..

# Steps of the stages of training.
copying=600 first=8000 second=16000 third=24000 last=4000

say() { printf '\n== %s\n' "$1"; }

say 'text'
"$build/tools/demo/demo_data" "$folder" 600000 1

say 'vocabulary'
"$program" tokenizer train "$folder/text.txt" -o "$folder/vocabulary.gguf" -n 640 --pre smollm \
	--spaces-last 32 --control '<|im_start|>' --control '<|im_end|>' --control '<|defer|>' \
	--defined '<tool_call>' --defined '</tool_call>' --eos '<|im_end|>' \
	--chat-template "$here/tools/demo/chat.jinja"

# train STEPS OUTPUT OPTION...: unless that is there already
train() {
	say "training: $2, $1 steps"
	steps=$1 output=$folder/$2
	shift 2
	[ ! -e "$output" ] || return 0
	"$program" train -o "$output" --type f32 --bf16 -c 256 --steps "$steps" --resume \
		--log "$output.log" "$@"
}

# Copying what stands in the prompt comes first: everything else needs it, and is learned many times
# faster afterwards.
train $copying copying.gguf -f "$folder/copy.jsonl" --tokenizer "$folder/vocabulary.gguf" \
	--shape width=256,layers=6,heads=8,kv_heads=2,ffn=256,context=512 --batch 1024 \
	--rate 2e-3 --low-rate 2e-3 --warmup 100

# further STEPS OUTPUT FROM RATE LOW_RATE SEED: from the model FROM; the rate falls to LOW_RATE
further() {
	from=$folder/$3
	train "$1" "$2" --init "$from" -f "$folder/train.jsonl" --valid "$folder/valid.jsonl" \
		--valid-every 500 --batch 2048 --rows 2048 --rate "$4" --low-rate "$5" --warmup 50 --seed "$6"
}
further $first first.gguf copying.gguf 8e-4 8e-4 2
further $second second.gguf first.gguf 8e-4 1e-5 3
further $third third.gguf second.gguf 6e-4 1e-5 4
further $last last.gguf third.gguf 3e-4 5e-6 5

say 'quantising'
"$program" quantize "$folder/last.gguf" "$folder/edgelm-demo.gguf" Q6_K

say 'measuring'
"$program" eval tasks "$folder/edgelm-demo.gguf" -f "$folder/tasks.jsonl" -o "$folder/answers.jsonl"
ls -l "$folder/edgelm-demo.gguf"
