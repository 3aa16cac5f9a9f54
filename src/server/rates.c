#include "server/rates.h"

#include <pthread.h>

#include "base/alloc.h"

/* Of one key. */
typedef struct stores {
	double requests, tokens;
	uint64_t filled_ns; /* when they were brought up to date; 0: never, they are full */
} stores;

struct elm__rates {
	pthread_mutex_t lock;
	size_t count;
	stores stores[]; /* by the number of the key, from 1 */
};

elm_status elm__rates_create(const elm__http_keys *keys, elm__rates **out, elm_error *error)
{
	size_t count = keys ? keys->count : 0;

	*out = elm__calloc(1, sizeof(**out) + count * sizeof(stores));
	if (!*out)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	(*out)->count = count;
	pthread_mutex_init(&(*out)->lock, NULL);
	return ELM_OK;
}

void elm__rates_free(elm__rates *rates)
{
	if (!rates)
		return;
	pthread_mutex_destroy(&rates->lock);
	elm__free(rates);
}

static double fill(double level, uint32_t per_minute, double seconds)
{
	level += seconds * per_minute / 60;
	return level < per_minute ? level : per_minute;
}

/* With the lock: the stores of a key as they are now. */
static stores *look(elm__rates *rates, const elm__http_key *key, uint64_t now_ns)
{
	stores *s = &rates->stores[key->number - 1];
	double seconds = now_ns > s->filled_ns ? (double)(now_ns - s->filled_ns) * 1e-9 : 0;

	if (!s->filled_ns)
		seconds = 60;
	s->requests = fill(s->requests, key->requests_per_minute, seconds);
	s->tokens = fill(s->tokens, key->tokens_per_minute, seconds);
	if (now_ns > s->filled_ns)
		s->filled_ns = now_ns;
	return s;
}

/* Seconds until a store holds `wanted`. */
static double time_to(double level, double wanted, uint32_t per_minute)
{
	return level < wanted ? (wanted - level) * 60 / per_minute : 0;
}

static bool is_limited(const elm__rates *rates, const elm__http_key *key)
{
	return key && key->number <= rates->count &&
	       (key->requests_per_minute || key->tokens_per_minute);
}

double elm__rates_request(elm__rates *rates, const elm__http_key *key, uint64_t now_ns,
			  elm__rates_left *left)
{
	double wait = 0, other = 0;
	stores *s;

	*left = (elm__rates_left){ -1, -1 };
	if (!is_limited(rates, key))
		return 0;
	pthread_mutex_lock(&rates->lock);
	s = look(rates, key, now_ns);
	if (key->requests_per_minute)
		wait = time_to(s->requests, 1, key->requests_per_minute);
	if (key->tokens_per_minute)
		other = time_to(s->tokens, 1, key->tokens_per_minute);
	wait = wait > other ? wait : other;
	if (wait <= 0)
		s->requests -= 1;
	if (key->requests_per_minute)
		left->requests = s->requests > 0 ? s->requests : 0;
	if (key->tokens_per_minute)
		left->tokens = s->tokens > 0 ? s->tokens : 0;
	pthread_mutex_unlock(&rates->lock);
	return wait > 0 ? wait : 0;
}

void elm__rates_tokens(elm__rates *rates, const elm__http_key *key, uint64_t now_ns, size_t tokens)
{
	if (!is_limited(rates, key))
		return;
	pthread_mutex_lock(&rates->lock);
	look(rates, key, now_ns)->tokens -= (double)tokens;
	pthread_mutex_unlock(&rates->lock);
}
