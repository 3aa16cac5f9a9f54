/*
 * workload.h: the queries of a study, in five categories, and the prompts made of them.
 *
 * The categories, their limits and their templates are those of the AgentsonEdge study, whose
 * results ours stand beside.
 */
#ifndef ELM_STUDY_WORKLOAD_H
#define ELM_STUDY_WORKLOAD_H

#include <edgelm/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "study/queries.h"

typedef struct elm__category_form {
	uint32_t limit; /* tokens of an answer */
	/* The text around a query; `after` of the original ends a question with a mark even when it
	 * has one, see ELM__PROMPT_PLAIN. */
	const char *before, *after;
	const char *system, *request; /* as a conversation; the request follows the query; NULL:
					 none */
} elm__category_form;

extern const elm__category_form elm__category_forms[ELM__CATEGORY_COUNT];

typedef enum elm__prompt_form {
	ELM__PROMPT_CHAT,   /* a conversation, for the chat template of the model */
	ELM__PROMPT_PLAIN,  /* the text around the query, without a second question mark */
	ELM__PROMPT_QUOTED, /* as the original: the same text, with literal quotes around it */
	ELM__PROMPT_FORMS
} elm__prompt_form;

extern const char *const elm__prompt_form_names[ELM__PROMPT_FORMS + 1]; /* ends with NULL */

/* What a model is asked. */
typedef struct elm__prompt {
	bool chat;	    /* else `text` is the whole prompt */
	const char *system; /* NULL: none; only of a conversation */
	const char *text;
} elm__prompt;

/* The queries that a study asks. */
typedef struct elm__workload {
	elm__queries all[ELM__CATEGORY_COUNT];
	/* Indices of those that are asked, spread evenly over the file, in its order. */
	size_t *chosen[ELM__CATEGORY_COUNT];
	size_t counts[ELM__CATEGORY_COUNT];
	/* The index of the query whose length in characters is nearest to the median of all of its
	 * category; of several the first. */
	size_t medians[ELM__CATEGORY_COUNT];
	uint64_t hash; /* of all queries, so that two studies can tell whether they had the same */
} elm__workload;

/* Reads the queries of a folder, or with NULL the program's own (queries.h), and chooses at most
 * `limit` of each category; 0: all. Release it also after a failure. */
ELM_NODISCARD elm_status elm__workload_load(elm__workload *workload, const char *folder,
					    size_t limit, elm_error *error);
void elm__workload_release(elm__workload *workload);

/* The prompt for a query; its text is put into `out`, and valid until that changes. */
elm__prompt elm__workload_prompt(elm__category category, const char *query, elm__prompt_form form,
				 elm__buf *out);

/* Length in characters. */
size_t elm__text_length(const char *text);

/*
 * `text` made about `characters` long: cut at the end of a character, or said again from the
 * beginning. At least one character.
 */
void elm__text_fit(const char *text, size_t characters, elm__buf *out);

#endif
