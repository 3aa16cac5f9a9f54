/*
 * rates.h: how many requests and tokens a minute each API key may have.
 *
 * A key with a limit of N a minute has a store of at most N, which fills up evenly. A request takes
 * one; tokens are taken as they are known, prompts when they come in and answers when they end, so
 * that the store may fall below nothing, and the next request waits until it has recovered.
 */
#ifndef ELM_SERVER_RATES_H
#define ELM_SERVER_RATES_H

#include "http/keys.h"

typedef struct elm__rates elm__rates;

/* The keys may be NULL: nothing is limited then. They must outlive it. */
ELM_NODISCARD elm_status elm__rates_create(const elm__http_keys *keys, elm__rates **out,
					   elm_error *error);
void elm__rates_free(elm__rates *rates); /* NULL allowed */

/* What is left of a key's requests and tokens; -1 where they are not limited. */
typedef struct elm__rates_left {
	double requests, tokens;
} elm__rates_left;

/* Takes a request from the key's store (NULL: no key, no limit). Returns 0, or how many seconds the
 * client has to wait before it may have one. Times are CLOCK_MONOTONIC; from any thread. */
double elm__rates_request(elm__rates *rates, const elm__http_key *key, uint64_t now_ns,
			  elm__rates_left *left);
/* Takes tokens. */
void elm__rates_tokens(elm__rates *rates, const elm__http_key *key, uint64_t now_ns, size_t tokens);

#endif
