/*
 * perplexity.h: how well a model predicts a text.
 *
 * The text's tokens are cut into windows of `window` tokens; a shorter rest is left out. The first
 * token of each window is replaced by BOS (where the model has and wants one), so that each is a
 * text of its own, and the predictions of its second half are scored: the tokens at positions
 * window/2 + 1 to window - 1. Perplexity is e^(mean of -ln p).
 *
 * Or the text is a list of documents, with marks that say which tokens are scored, the answers of a
 * conversation for example. Then each document is a window of its own.
 */
#ifndef ELM_EVAL_PERPLEXITY_H
#define ELM_EVAL_PERPLEXITY_H

#include <edgelm/session.h>

/* Sees prediction `row` of a window (from 0): the logits, and the token that came. What is not
 * ELM_OK ends the window. */
typedef elm_status elm__prediction(void *user, uint32_t row, const float *logits, elm_token next,
				   elm_error *error);

typedef struct elm__perplexity {
	elm__prediction *each; /* NULL, or set by the caller after init */
	void *user;
	uint32_t windows;	 /* in the text */
	uint32_t done;		 /* computed so far */
	uint64_t scored;	 /* tokens */
	double sum, sum_squares; /* of -ln p */
	/* private */
	elm_session *session;
	const elm_token *tokens;
	elm_token *buffer, bos;
	uint8_t *wanted;
	uint32_t window;
	struct elm__document *documents; /* NULL: the text is cut into windows */
	const uint8_t *marks;
} elm__perplexity;

/* Documents i = 0 ... documents - 1 are tokens[starts[i] ... starts[i + 1]); the tokens whose mark
 * is not 0 are scored, but for the first of a document. */
typedef struct elm__marked_text {
	const elm_token *tokens;
	const uint8_t *marks;
	const size_t *starts;
	size_t documents;
} elm__marked_text;

/*
 * Prepares; `tokens` must live as long. The session needs a context of `window` (at least 4) and
 * max_logits of its batch or elm__logits_rows_at_once. ELM_ERR_ARGUMENT when the text is shorter
 * than one window. On failure the struct needs no release.
 */
ELM_NODISCARD elm_status elm__perplexity_init(elm__perplexity *p, elm_session *session,
					      const elm_token *tokens, size_t count,
					      uint32_t window, elm_error *error);
/* The same for documents, of which at most `window` tokens count. ELM_ERR_ARGUMENT when nothing is
 * to be scored. */
ELM_NODISCARD elm_status elm__perplexity_init_marked(elm__perplexity *p, elm_session *session,
						     const elm__marked_text *text, uint32_t window,
						     elm_error *error);
void elm__perplexity_release(elm__perplexity *p);

/* How many predictions the first n windows have in all; and at most in one of them. */
uint64_t elm__perplexity_scores(const elm__perplexity *p, uint32_t n);
uint32_t elm__perplexity_rows(const elm__perplexity *p);

/* Computes the next window (done < windows). After a failure, ELM_ERR_CANCELLED for example, the
 * windows done before still stand. */
ELM_NODISCARD elm_status elm__perplexity_next(elm__perplexity *p, elm_error *error);

/* Of the windows done, at least one. */
double elm__perplexity_value(const elm__perplexity *p);
/* The standard error of the value, from the spread of -ln p as if tokens were independent. */
double elm__perplexity_error(const elm__perplexity *p);

#endif
