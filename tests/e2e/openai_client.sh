#!/bin/sh
# Asks a server with OpenAI's own client. Exit 77 where node, npm or the client cannot be had.
# usage: openai_client.sh SOURCE_FOLDER WORK_FOLDER EDGELM MAKE_TINY_MODEL
set -eu
source=$1 work=$2
export EDGELM="$3" MAKE_TINY_MODEL="$4"
. "$source/tests/e2e/npm.sh"

npm_packages openai_client "$source/tests/e2e/openai-client" "$work"
# Modules look for packages beside themselves.
cp "$source/tests/e2e/openai-client/test.mjs" "$work"
exec node --test --test-reporter=spec "$work/test.mjs"
