/* inspection.h: what `edgelm inspect` knows of a model file, gathered before it is printed. */
#ifndef ELM_CLI_INSPECTION_H
#define ELM_CLI_INSPECTION_H

#include <edgelm/session.h>

#include "cli/cli.h"
#include "cli/hash.h"

enum { CLI_SHAPE_VALUES = 12, CLI_SHOWN_NAME = 128 };

typedef struct cli_type_use {
	elm_type type;
	size_t tensors;
	uint64_t elements, bytes;
} cli_type_use;

typedef struct cli_shape_value {
	const char *label, *key; /* "context length", "context_length" */
	uint32_t value;
} cli_shape_value;

typedef struct cli_inspection {
	elm_gguf *gguf;
	/* Printable, cut to fit; empty where the file has none. */
	char architecture[CLI_SHOWN_NAME], name[CLI_SHOWN_NAME], tokenizer[CLI_SHOWN_NAME];
	uint64_t elements, bytes;	    /* of all tensors */
	uint64_t vocabulary;		    /* tokens listed in the file */
	cli_type_use types[ELM_TYPE_LIMIT]; /* those in use, the largest first */
	size_t type_count;
	cli_shape_value shape[CLI_SHAPE_VALUES]; /* those that the metadata has */
	size_t shape_count;
	bool has_memory; /* else no_memory says why not */
	elm_session_options options;
	elm_memory_estimate memory;
	elm_error no_memory;
	char (*hashes)[CLI_SHA256_TEXT]; /* one per file, NULL unless asked for */
} cli_inspection;

static inline double cli_bits_per_weight(uint64_t bytes, uint64_t elements)
{
	return elements ? 8.0 * (double)bytes / (double)elements : 0;
}

/* Opens the file and fills in all but the hashes. Released also after a failure. */
ELM_NODISCARD elm_status cli_inspection_init(cli_inspection *inspection, const char *path,
					     const elm_session_options *options, elm_error *error);
void cli_inspection_release(cli_inspection *inspection);

/* As one object; NULL when memory runs out. */
json_t *cli_inspection_json(const cli_inspection *inspection, bool tensors, bool metadata);

#endif
