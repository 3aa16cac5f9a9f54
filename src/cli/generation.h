/* generation.h: what is said about a generation when it has ended. */
#ifndef ELM_CLI_GENERATION_H
#define ELM_CLI_GENERATION_H

#include <edgelm/generate.h>

#include <jansson.h>

/* The summary for people, on stderr. */
void cli_print_generation(const elm_generate_result *result, uint64_t seed);

/* The same as a JSON object, with the text; NULL when memory runs out. */
json_t *cli_generation_json(const elm_generate_result *result, uint64_t seed);

#endif
