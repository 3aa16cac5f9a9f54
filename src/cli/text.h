/* text.h: the text that a model is calibrated or measured with: plain, or records in *.jsonl, as
 * edgelm train reads them. */
#ifndef ELM_CLI_TEXT_H
#define ELM_CLI_TEXT_H

#include "eval/perplexity.h"
#include "train/corpus.h"

typedef struct cli_text {
	const elm_token *tokens; /* of all of it */
	size_t count;
	bool records; /* then what is trained of them is what is scored */
	/* private */
	elm_token *plain;
	elm__corpus corpus;
} cli_text;

/* `file` NULL or "-" is standard input, which is plain text; of that, only the first `bytes` count,
 * 0 for all. On failure nothing needs release. */
ELM_NODISCARD elm_status cli_text_read(cli_text *text, const elm_tokenizer *tokenizer,
				       const char *file, size_t bytes, elm_error *error);
void cli_text_release(cli_text *text); /* a zeroed struct is fine */

/* Begins to score it; see elm__perplexity_init. */
ELM_NODISCARD elm_status cli_text_score(const cli_text *text, elm_session *session, uint32_t window,
					elm__perplexity *out, elm_error *error);

/* What was scored, for people: "the second half of 27 windows of 256 tokens". */
const char *cli_text_scored(const cli_text *text, const elm__perplexity *p, char *out, size_t size);

#endif
