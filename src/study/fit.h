/* fit.h: prompts of a given number of tokens. */
#ifndef ELM_STUDY_FIT_H
#define ELM_STUDY_FIT_H

#include "study/subject.h"

/*
 * Makes the text of a query so long, by cutting it or saying it again, that its prompt has `target`
 * tokens, or as near as can be found in as many counts as the subject allows. The text is put into
 * *out, and *tokens is what its prompt has.
 */
ELM_NODISCARD elm_status elm__fit_query(elm__subject *subject, elm__category category,
					const char *query, elm__prompt_form form, uint32_t target,
					elm__buf *out, uint32_t *tokens, elm_error *error);

/* The query of a category whose prompt has the number of tokens nearest to the target. */
ELM_NODISCARD elm_status elm__nearest_query(elm__subject *subject, const elm__workload *workload,
					    elm__category category, elm__prompt_form form,
					    uint32_t target, size_t *query, elm_error *error);

#endif
