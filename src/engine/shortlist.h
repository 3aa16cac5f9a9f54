/*
 * shortlist.h: from the logits of a whole vocabulary to the few tokens worth looking at, without
 * sorting the rest.
 *
 * Weights are probabilities up to a common factor: e^(logit - best). The order of tokens is by
 * logit, larger first, then by number, smaller first. NaN counts as -infinity and +infinity as
 * FLT_MAX throughout.
 */
#ifndef ELM_ENGINE_SHORTLIST_H
#define ELM_ENGINE_SHORTLIST_H

#include <edgelm/sampler.h>

typedef struct elm__shortlist {
	elm_candidate *items; /* `probability` is left to the caller */
	size_t count;
} elm__shortlist;

/* The largest logit; -INFINITY when there is none above that. */
float elm__logits_best(const float *logits, size_t count);

/* The first token with exactly this logit (as elm__logits_best returned it). */
elm_token elm__logits_find(const float *logits, size_t count, float logit);

/* The sum of e^((logit - best) / temperature) over all tokens, in the same order of additions on
 * every machine. */
double elm__logits_mass(const float *logits, size_t count, float best, float temperature);

/* The k first tokens in their order; items needs room for k. */
void elm__shortlist_top_k(elm__shortlist *list, const float *logits, size_t count, size_t k);

/* All tokens whose logit is at least `floor` and above -INFINITY, by number; items needs room for
 * all. */
void elm__shortlist_above(elm__shortlist *list, const float *logits, size_t count, float floor);

/* Puts the whole list in order. */
void elm__shortlist_sort(elm__shortlist *list);

/* Sets `probability` of all items to e^((logit - best) / temperature) and returns their sum. */
double elm__shortlist_weigh(elm__shortlist *list, float best, float temperature);

/* e^(logit - best) */
float elm__candidate_weight(const elm_candidate *candidate, float best);

/* Keeps the first tokens in their order whose weights reach `mass`, at least one. */
void elm__shortlist_take_likely(elm__shortlist *list, float best, double mass);

/* The same, but in the order of how near each token's surprise (-ln of its probability) is to the
 * entropy of the list; the list is then ordered by nearness. */
void elm__shortlist_take_typical(elm__shortlist *list, float best, double share);

#endif
