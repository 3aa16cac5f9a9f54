/* access.c: what the API key of a request gives it, and what it may not have now. */
#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "server/internal.h"

/* What is left, for clients that slow down by themselves. */
static void tell_left(elm__http_exchange *exchange, const char *what, uint32_t limit, double left)
{
	char name[64], value[32];

	if (left < 0)
		return;
	snprintf(name, sizeof(name), "x-ratelimit-limit-%s", what);
	snprintf(value, sizeof(value), "%u", limit);
	elm__http_set_header(exchange, name, value);
	snprintf(name, sizeof(name), "x-ratelimit-remaining-%s", what);
	snprintf(value, sizeof(value), "%.0f", floor(left));
	elm__http_set_header(exchange, name, value);
}

void elm__server_retry_after(elm__http_exchange *exchange, double seconds)
{
	char value[16];

	snprintf(value, sizeof(value), "%d", seconds < 3600 ? (int)ceil(seconds) : 3600);
	elm__http_set_header(exchange, "Retry-After", value);
}

bool elm__access_admit(elm__server *server, elm__http_exchange *exchange)
{
	const elm__http_key *key = elm__http_used_key(exchange);
	elm__rates_left left;
	double wait = elm__rates_request(server->rates, key, elm__now_ns(), &left);

	if (key) {
		tell_left(exchange, "requests", key->requests_per_minute, left.requests);
		tell_left(exchange, "tokens", key->tokens_per_minute, left.tokens);
	}
	if (wait <= 0)
		return true;
	elm__server_retry_after(exchange, wait);
	elm__http_fail(exchange, 429, "rate_limit_error",
		       "This API key has used up its requests or tokens of this minute; try again "
		       "in %.0f seconds",
		       ceil(wait));
	return false;
}

void elm__access_charge(elm__server *server, const elm__http_exchange *exchange, size_t tokens)
{
	elm__rates_tokens(server->rates, elm__http_used_key(exchange), elm__now_ns(), tokens);
}

void elm__access_apply(const elm__server *server, const elm__http_exchange *exchange,
		       const int32_t *priority, elm_request *request)
{
	const elm__http_key *key = elm__http_used_key(exchange);
	double timeout = server->options.timeout;

	request->arrival_ns = elm__http_arrival(exchange);
	if (timeout > 0)
		request->deadline_ns = request->arrival_ns + (uint64_t)(timeout * 1e9);
	request->tenant = key ? key->number : 0;
	/* Whether a prompt was computed before shows in the time that it takes: not to others.
	 * Prompts on disk outlive the process, and so do scopes. */
	request->cache_scope = key ? key->scope : 0;
	/* A key gives the priority at most; a request may lower it. */
	request->priority = priority ? *priority : 0;
	if (key && (!priority || *priority > key->priority))
		request->priority = key->priority;
}
