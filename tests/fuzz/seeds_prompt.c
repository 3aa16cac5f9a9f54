/* Seeds of fuzz_prompt: a file that is as it must be, written from its description. */
#include <string.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "engine/prompt_store.h"
#include "seeds.h"

void seeds_prompt(void)
{
	uint8_t file[64 + 4 * PROMPT_SEED_TOKENS + PROMPT_SEED_BLOCK] = "ELMPROMP";
	uint8_t *block = file + sizeof(file) - PROMPT_SEED_BLOCK;

	for (int i = 0; i < PROMPT_SEED_BLOCK; i++)
		block[i] = (uint8_t)(i * 5);
	elm__put32(file + 8, ELM__PROMPT_STORE_VERSION);
	elm__put32(file + 12, PROMPT_SEED_TOKENS);
	elm__put64(file + 16, PROMPT_SEED_MODEL);
	elm__put64(file + 24, PROMPT_SEED_SCOPE);
	elm__put64(file + 32, PROMPT_SEED_BLOCK);
	elm__put64(file + 40, elm__hash64(block, PROMPT_SEED_BLOCK, 0));
	for (uint32_t i = 0; i < PROMPT_SEED_TOKENS; i++)
		elm__put32(file + 64 + (size_t)4 * i, i);
	seed_write("prompt", "whole", file, sizeof(file));
	seed_write("prompt", "cut", file, sizeof(file) / 2);
}
