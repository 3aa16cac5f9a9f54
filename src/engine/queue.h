/*
 * queue.h: the requests that wait, and whose turn it is.
 *
 * Higher priorities come first; then those that had to make room for others; then the tenant that
 * was served least; then the one that came first. A tenant that comes (back) starts at the level of
 * the least served one who is there, so that nobody saves up for a rush. Who is served is counted
 * in tokens, those of answers more than those of prompts, as they cost more (Sheng et al.,
 * "Fairness in Serving Large Language Models", 2024).
 */
#ifndef ELM_ENGINE_QUEUE_H
#define ELM_ENGINE_QUEUE_H

#include "engine/request.h"

enum { ELM__PROMPT_TOKEN_COST = 1, ELM__ANSWER_TOKEN_COST = 2 };

typedef struct elm__queue {
	elm__request *first, *last; /* by time of arrival */
	uint32_t count;
	elm__tenant *tenants; /* those with requests, and others that may be replaced */
	size_t n_tenants, tenant_room;
} elm__queue;

/* For at most `requests` at a time, waiting or running. False when the arena is out of memory. */
bool elm__queue_init(elm__queue *queue, size_t requests, elm__arena *arena);

/* Requests of a tenant that wait. */
uint32_t elm__queue_of_tenant(const elm__queue *queue, uint64_t key);

/* Adds a new request at the end and finds its tenant. */
void elm__queue_add(elm__queue *queue, elm__request *request);
/* Puts one back that made room for others. */
void elm__queue_return(elm__queue *queue, elm__request *request);

/* Whose turn it is; NULL when nobody waits. */
elm__request *elm__queue_next(const elm__queue *queue);
void elm__queue_remove(elm__queue *queue, elm__request *request);

/* The request does not wait, and is gone for good. */
void elm__queue_forget(elm__request *request);

#endif
