#!/bin/sh
# demo.sh PROGRAM MODEL: a few requests to the demo model, then how to go on. Needs no network.
set -eu
program=$1 model=$2

if [ ! -r "$model" ]; then
	echo "make demo: $model is not there. \"make demo-model\" trains it (docs/DEMO-MODEL.md);" >&2
	echo "or give another model: make demo MODEL=path/to/model.gguf" >&2
	exit 1
fi

# ask SYSTEM REQUEST: shows both and the answer of the model
ask() {
	[ -z "$1" ] || printf '  (the device says) %s\n' "$1"
	printf '  you:    %s\n  edgelm: ' "$2"
	"$program" run "$model" -q --chat ${1:+--system "$1"} -p "$2" --temp 0
	printf '\n'
}

readings='kitchen temperature: 21.4 C, kitchen humidity: 45 %, attic temperature: 17.0 C, cellar temperature: 12.8 C'
printf '%s: a model of our own for homes and devices. Docs: docs/DEMO-MODEL.md\n\n' "$model"
ask '' 'What does the red light on the smoke alarm mean?'
ask '' 'dim the lights in the kitchen to 40 percent please'
ask '' 'Remind Priya to water the ferns at 7:45'
ask "$readings" 'How warm is it in the attic?'
ask "$readings" 'Is it over 15 degrees in the cellar?'
ask 'Notes: Priya comes on Friday at 17:40. The ladder is with Amara.' 'Who has the ladder?'
ask '' 'Turn off the fan in the study and play Blue River in the hall'
ask '' 'What is the capital of Peru?'

cat <<END
Go on with it:
  $program chat $model
  $program serve $model        # then http://127.0.0.1:8080 in a browser
Another model:
  make demo MODEL=path/to/model.gguf
END
