/* convert_cases.h: small sources of models, for the unit test and as seeds of the fuzzers. */
#ifndef ELM_TESTS_CONVERT_CASES_H
#define ELM_TESTS_CONVERT_CASES_H

#include "base/buffer.h"

/* The config.json of the model below. */
extern const char convert_config[];

/* Configurations of all families and kinds of rope scaling. */
extern const char *const convert_configs[];
extern const size_t convert_config_count;

/* Appends the safetensors file of a llama of one layer, all weights one half; with `coded`, its
 * feed-forward matrices are GPTQ, AWQ, and GPTQ of 8 bits out of order. */
void convert_model_file(bool coded, elm__buf *out);

#endif
