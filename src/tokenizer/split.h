/*
 * split.h: pre-tokenizers. Text is cut into words by regular expressions before byte-level BPE
 * merges inside each word. docs/TOKENIZERS.md tells how to add one.
 */
#ifndef ELM_TOKENIZER_SPLIT_H
#define ELM_TOKENIZER_SPLIT_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <edgelm/gguf.h>
#include <pcre2.h>

#include "base/buffer.h"

enum { ELM__SPLIT_STAGES = 5 };

/* Read-only once created; threads share it. */
typedef struct elm__splitter {
	pcre2_code *stages[ELM__SPLIT_STAGES];
	unsigned count;
	bool whole_words; /* what the vocabularies of this name imply */
	bool add_bos;
} elm__splitter;

/* ELM_ERR_UNSUPPORTED for a name that is not known, with the list of those that are. */
ELM_NODISCARD elm_status elm__splitter_create(elm__splitter *splitter, elm_gguf_string name,
					      elm_error *error);
void elm__splitter_release(elm__splitter *splitter); /* a zeroed one is allowed */

/* What one caller needs while it splits. */
typedef struct elm__split {
	const elm__splitter *splitter;
	pcre2_match_data *match;
	pcre2_match_context *context;
	elm__buf valid; /* text whose invalid bytes are replaced */
	/* Called with each word in turn: text[begin..end) of what is being split. */
	elm_status (*word)(void *user, size_t begin, size_t end, elm_error *error);
	void *user;
} elm__split;

ELM_NODISCARD elm_status elm__split_init(elm__split *split, const elm__splitter *splitter,
					 elm_error *error);
void elm__split_release(elm__split *split); /* a zeroed one is allowed */

/* Any bytes: one that is not part of a character counts as a symbol of its own. */
ELM_NODISCARD elm_status elm__split_text(elm__split *split, const char *text, size_t length,
					 elm_error *error);

#endif
