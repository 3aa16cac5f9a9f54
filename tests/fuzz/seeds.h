/*
 * seeds.h: the corpora that fuzzing starts from. They are generated, by our own writers and from
 * the cases of the unit tests, so that the tree holds no binary files.
 *
 * A subject has a function in a file seeds_<subject>.c, called by make_seeds.c.
 */
#ifndef ELM_TESTS_SEEDS_H
#define ELM_TESTS_SEEDS_H

#include <stddef.h>

/* The path CORPUS/NAME in the output folder, whose folder exists. Valid until the next call. */
const char *seed_path(const char *corpus, const char *name);

/* Writes a seed; ends the program when that fails. */
void seed_write(const char *corpus, const char *name, const void *data, size_t size);

/* Ends the program with the message. */
void seed_fail(const char *message);

/* What the seed of fuzz_prompt is a file of: tokens 0, 1, 2 ... and a block. */
enum {
	PROMPT_SEED_MODEL = 7,
	PROMPT_SEED_SCOPE = 3,
	PROMPT_SEED_TOKENS = 64,
	PROMPT_SEED_BLOCK = 96
};

void seeds_convert(void);
void seeds_calib(void);
void seeds_completion(void);
void seeds_predictions(void);
void seeds_gguf(void);
void seeds_grammar(void);
void seeds_import(void);
void seeds_model(void);
void seeds_jinja(void);
void seeds_negotiate(void);
void seeds_prompt(void);
void seeds_request(void);
void seeds_sse(void);
void seeds_tasks(void);
void seeds_telemetry(void);
void seeds_tokenizer(void);
void seeds_training(void);

#endif
