/*
 * edgelm/grammar.h: output that must have a form: a GBNF grammar, a JSON schema, or any JSON.
 *
 * A grammar says which texts are allowed; it knows nothing of a model. A lexicon holds the tokens
 * of a model in the order of their bytes; one per model serves all grammars. A constraint follows
 * one sequence: it says which tokens may come next and is told which one came.
 *
 * Grammars and lexicons may be used by several threads at once; a constraint by one at a time.
 * Constraints of the same grammar and lexicon share what has been computed for them, behind a lock.
 * All three are counted: what still needs a grammar or a lexicon keeps it alive after its _free.
 */
#ifndef EDGELM_GRAMMAR_H
#define EDGELM_GRAMMAR_H

#include <edgelm/tokenizer.h>

typedef struct elm_grammar elm_grammar;
typedef struct elm_lexicon elm_lexicon;
typedef struct elm_constraint elm_constraint;

enum { ELM_CONSTRAINT_ROLLBACK = 64 /* tokens that can be taken back */ };

ELM_BEGIN_DECLS

/*
 * Reads a grammar in the GBNF notation; the text is that of the rule `root`. docs/GRAMMARS.md has
 * the notation. A syntax error is ELM_ERR_FORMAT with line and column (counted in characters, from
 * 1); left recursion and rules that can never end are ELM_ERR_UNSUPPORTED; what is too large is
 * ELM_ERR_LIMIT.
 */
ELM_API ELM_NODISCARD elm_status elm_grammar_create_gbnf(const char *text, size_t length,
							 elm_grammar **out, elm_error *error);

/*
 * Compiles a JSON schema (a JSON text) to the grammar of JSON texts that it accepts. Keywords that
 * are not supported are ELM_ERR_UNSUPPORTED, contradictions and wrong values ELM_ERR_FORMAT, both
 * with the JSON pointer of the place; nothing is ignored but annotations. docs/GRAMMARS.md has the
 * keywords. Not every text that a schema accepts is in the grammar: members come in the order of
 * the schema, white space and the length of numbers are bounded.
 */
ELM_API ELM_NODISCARD elm_status elm_grammar_create_schema(const char *json, size_t length,
							   elm_grammar **out, elm_error *error);

/* Any JSON object. */
ELM_API ELM_NODISCARD elm_status elm_grammar_create_json(elm_grammar **out, elm_error *error);

ELM_API void elm_grammar_free(elm_grammar *grammar); /* NULL allowed */

/* Takes tens of milliseconds and about 4 MB for a vocabulary of 128k tokens. Does not need the
 * tokenizer afterwards. */
ELM_API ELM_NODISCARD elm_status elm_lexicon_create(const elm_tokenizer *tokenizer,
						    elm_lexicon **out, elm_error *error);
ELM_API void elm_lexicon_free(elm_lexicon *lexicon); /* NULL allowed */

/* At the start of a text, as elm_constraint_reset(constraint, false). */
ELM_API ELM_NODISCARD elm_status elm_constraint_create(elm_grammar *grammar, elm_lexicon *lexicon,
						       elm_constraint **out, elm_error *error);
/* Another one at the same place, with the same history. */
ELM_API ELM_NODISCARD elm_status elm_constraint_clone(elm_constraint *constraint,
						      elm_constraint **out, elm_error *error);
ELM_API void elm_constraint_free(elm_constraint *constraint); /* NULL allowed */

/*
 * Starts over. With `new_text` the first token begins a text of its own, as the answer of a chat
 * does: the space that an SPM vocabulary puts in front is then not part of the text (see
 * elm_token_stream).
 */
ELM_API void elm_constraint_reset(elm_constraint *constraint, bool new_text);

/*
 * Sets bit t % 32 of bits[t / 32] for each token t that may come next, and clears all others, in
 * (size of the vocabulary + 31) / 32 words. Tokens that end a generation are allowed where the text
 * can end; other control tokens never are. *any (may be NULL) says whether a bit is set: without
 * one, no token of this vocabulary continues the text. ELM_ERR_LIMIT: the grammar is so ambiguous
 * that following it takes too much memory or time.
 */
ELM_API ELM_NODISCARD elm_status elm_constraint_mask(elm_constraint *constraint, uint32_t *bits,
						     bool *any, elm_error *error);

/* The same, as logits: those of forbidden tokens, and of all from the size of the vocabulary to
 * `count`, become -INFINITY. */
ELM_API ELM_NODISCARD elm_status elm_constraint_apply(elm_constraint *constraint, float *logits,
						      size_t count, bool *any, elm_error *error);

/* Goes on by a token. One that is not allowed is ELM_ERR_ARGUMENT, and then nothing changes. */
ELM_API ELM_NODISCARD elm_status elm_constraint_accept(elm_constraint *constraint, elm_token token,
						       elm_error *error);

/* Takes back the last `count` accepted tokens. ELM_ERR_ARGUMENT when there are fewer since the
 * start, or more than ELM_CONSTRAINT_ROLLBACK. */
ELM_API ELM_NODISCARD elm_status elm_constraint_rollback(elm_constraint *constraint, size_t count,
							 elm_error *error);

/* Whether the text can end here. */
ELM_API bool elm_constraint_can_end(elm_constraint *constraint);
/* Whether it must: it can end and nothing can follow, or a token has ended it. */
ELM_API bool elm_constraint_finished(elm_constraint *constraint);

ELM_END_DECLS

#endif
