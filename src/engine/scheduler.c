#include "engine/scheduler.h"

#include <signal.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "engine/figures.h"

/* Of the time that requests run: how much the last one counts. */
static const double seconds_each_weight = 0.1;

elm_scheduler_options elm_scheduler_defaults(void)
{
	return (elm_scheduler_options){ .session = elm_session_defaults() };
}

elm_status elm_scheduler_estimate(const elm_model *model, elm_scheduler_options *options,
				  elm_memory_estimate *out, elm_error *error)
{
	return elm__capacity_plan(model, options, out, error);
}

/* --- the engine thread: what happens between two steps, under the lock --- */

/* What others may see from here on. */
static void publish(elm_scheduler *s)
{
	elm_scheduler_stats *stats = &s->stats;

	stats->running = s->n_running;
	stats->kv_blocks_kept = s->cache->prefix.n_idle;
	stats->kv_blocks_used = stats->kv_blocks - elm__cache_available(s->cache);
	stats->evictions = s->cache->evictions;
	s->published = *stats;
	s->n_slots = s->n_running;
	for (uint32_t i = 0; i < s->n_running; i++) {
		const elm__request *r = s->running[i];
		uint32_t done = elm_session_length(s->session, r->sequence);

		s->slots[i] = (elm_slot){
			.request = r->id,
			.tenant = r->what.tenant,
			.prompt_count = r->stats.prompt_count,
			.prompt_done = done < r->stats.prompt_count ? done : r->stats.prompt_count,
			.token_count = r->stats.token_count,
			.max_tokens = r->what.max_tokens,
		};
	}
}

/* Ends a request that was cancelled or whose time is over. True when it has ended. */
static bool has_ended(const elm_scheduler *s, elm__request *r, uint64_t now)
{
	bool late = r->what.deadline_ns && now >= r->what.deadline_ns;

	if (elm__request_ended(r))
		return true;
	if (s->dropping || r->cancelled)
		r->finish = ELM_FINISH_CANCELLED;
	else if (late && r->stats.start_ns)
		r->finish = ELM_FINISH_DEADLINE;
	else if (late)
		elm_error_set(&r->error, ELM_ERR_CANCELLED,
			      "the request was still waiting at its deadline");
	return elm__request_ended(r);
}

static void account(elm_scheduler *s, elm__request *r)
{
	elm_scheduler_stats *stats = &s->stats;

	elm__request_seal(r);
	if (r->error.status) {
		stats->failed++;
		return;
	}
	stats->finished[r->finish]++;
	elm__histogram_add(&stats->prompt_sizes, (double)r->stats.prompt_count);
	if (!r->what.pooling)
		elm__histogram_add(&stats->answer_sizes, (double)r->stats.token_count);
	if (r->stats.token_count) {
		double seconds = elm__seconds_between(r->stats.start_ns, r->stats.end_ns);

		s->seconds_each += s->seconds_each > 0 ?
					   (seconds - s->seconds_each) * seconds_each_weight :
					   seconds;
	}
}

/* Takes all that have ended out of the queue and out of those that run, as a list in the order of
 * their ids or places. */
static elm__request *collect(elm_scheduler *s, uint64_t now)
{
	elm__request *ended = NULL, **end = &ended, *next;

	for (uint32_t i = 0; i < s->n_running;) {
		elm__request *r = s->running[i];

		if (!has_ended(s, r, now)) {
			i++;
			continue;
		}
		elm__batch_leave(s, r);
		*end = r;
		end = &r->next;
	}
	for (elm__request *r = s->queue.first; r; r = next) {
		next = r->next;
		if (!has_ended(s, r, now))
			continue;
		elm__queue_remove(&s->queue, r);
		*end = r;
		end = &r->next;
	}
	*end = NULL;
	for (elm__request *r = ended; r; r = r->next) {
		elm__queue_forget(r);
		account(s, r);
	}
	return ended;
}

/* Delivers the last events, without the lock. */
static void settle(elm_scheduler *s, elm__request *ended)
{
	uint32_t n = 0;

	pthread_mutex_unlock(&s->lock);
	while (ended) {
		elm__request *next = ended->next;

		elm__request_end(ended);
		elm__request_free(ended);
		ended = next;
		n++;
	}
	pthread_mutex_lock(&s->lock);
	s->unsettled -= n;
	if (!s->unsettled)
		pthread_cond_broadcast(&s->settled);
}

static void mind_memory(elm_scheduler *s, uint64_t now)
{
	if (elm__pressure_look(&s->pressure, now) && s->pressure.level >= ELM_PRESSURE_SHRINK)
		elm__cache_shrink(s->cache);
}

/* --- the engine thread: a step, without the lock --- */

static void fail_step(elm_scheduler *s, const elm_error *error)
{
	for (uint32_t i = 0; i < s->step.n_members; i++)
		s->step.members[i].request->error = *error;
}

static void count_step(elm_scheduler *s, uint64_t start, uint64_t end)
{
	const elm__step *step = &s->step;
	uint32_t prompt_rows = step->n - step->decode_rows;
	elm_scheduler_stats *stats = &s->stats;
	double seconds = elm__seconds_between(start, end);
	elm_step_report report = { step->decode_rows, prompt_rows, start, end };

	elm__pace_learn(&s->pace, step->decode_rows, prompt_rows, seconds);
	stats->steps++;
	if (!step->decode_rows)
		stats->prompt_seconds += seconds;
	else if (!prompt_rows)
		stats->decode_seconds += seconds;
	else
		stats->mixed_seconds += seconds;
	elm__histogram_add(&stats->step_time, seconds);
	if (step->decode_rows)
		elm__histogram_add(&stats->batch_size, step->decode_rows);
	if (s->options.on_step)
		s->options.on_step(s->options.step_user, &report);
}

/* The rows of a request are computed: what is kept of it, and what it owes to its tenant. */
static void take_rows(elm_scheduler *s, elm__request *r, uint32_t rows)
{
	uint32_t now = elm_session_length(s->session, r->sequence), first = now - rows;

	if (first < r->highest)
		s->stats.recomputed_tokens += (now < r->highest ? now : r->highest) - first;
	if (now > r->highest)
		r->highest = now;
	if (first < r->stats.prompt_count)
		r->owed += rows * ELM__PROMPT_TOKEN_COST;
	if (!s->options.no_prefix_cache && s->memory_is_fine) {
		elm__cache_keep(s->cache, r->sequence, r->what.cache_scope, r->tokens);
		elm__restore_save(s, r);
	}
	if (r->what.progress && first < r->stats.prompt_count)
		elm__request_progress(r, now);
}

/* What the choice of a token adds to the figures. */
static void count_token(elm_scheduler *s, const elm__request *r, const elm_request_stats *before)
{
	elm_scheduler_stats *stats = &s->stats;

	if (!before->prompt_end_ns) {
		stats->prompt_tokens += r->stats.prompt_count;
		stats->reused_tokens += r->stats.prompt_reused;
	}
	if (r->stats.token_count == before->token_count)
		return;
	stats->generated_tokens++;
	if (!before->first_text_ns && r->stats.first_text_ns)
		elm__histogram_add(&stats->ttft, elm__seconds_between(r->stats.arrival_ns,
								      r->stats.first_text_ns));
	if (before->last_token_ns)
		elm__histogram_add(&stats->tbt, elm__seconds_between(before->last_token_ns,
								     r->stats.last_token_ns));
}

/* The states of the rows that asked for them, from the index-th of the step on; how many. */
static uint32_t take_states(elm_scheduler *s, elm__request *r, uint32_t rows, uint32_t index)
{
	uint32_t end = elm_session_length(s->session, r->sequence), n = 0;

	for (uint32_t i = end - rows; i < end; i++)
		if (elm__request_wants_state(r, i))
			elm__request_pool(r, i, elm_session_state(s->session, index + n++));
	if (r->what.pooling && end == r->count && !r->finish) {
		r->stats.prompt_end_ns = elm__now_ns();
		r->finish = ELM_FINISH_POOLED;
	}
	return n;
}

static void run_step(elm_scheduler *s)
{
	elm__step *step = &s->step;
	elm_batch batch = { .rows = step->n,
			    .tokens = step->tokens,
			    .sequences = step->sequences,
			    .logits = step->logits,
			    .states = s->limits.width ? step->states : NULL };
	elm_error error = { 0 };
	uint64_t start = elm__now_ns();
	uint32_t index = 0, state = 0;

	if (elm_session_step(s->session, &batch, &error)) {
		fail_step(s, &error);
		return;
	}
	count_step(s, start, elm__now_ns());
	for (uint32_t i = 0; i < step->n_members; i++) {
		elm__request *r = step->members[i].request;
		elm_request_stats before;

		before = r->stats;
		take_rows(s, r, step->members[i].rows);
		state += take_states(s, r, step->members[i].rows, state);
		if (r->finish == ELM_FINISH_POOLED)
			count_token(s, r, &before);
		if (r->what.pooling)
			continue;
		if (elm_session_length(s->session, r->sequence) < r->count)
			continue;
		if (!r->finish) { /* its callback may have had enough */
			elm__request_choose(r, elm_session_logits(s->session, index),
					    s->limits.vocabulary);
			r->owed += ELM__ANSWER_TOKEN_COST;
			count_token(s, r, &before);
		}
		index++;
	}
}

static void charge(elm_scheduler *s)
{
	for (uint32_t i = 0; i < s->n_running; i++) {
		s->running[i]->tenant->served += s->running[i]->owed;
		s->running[i]->owed = 0;
	}
}

static void *engine_main(void *user)
{
	elm_scheduler *s = user;

	pthread_mutex_lock(&s->lock);
	for (;;) {
		uint64_t now = elm__now_ns();
		elm__request *ended = collect(s, now);

		publish(s);
		if (ended)
			settle(s, ended);
		now = elm__now_ns(); /* requests may have come in while there was no lock */
		mind_memory(s, now);
		elm__batch_admit(s, now);
		if (!s->n_running) {
			if (s->quitting)
				break;
			pthread_cond_wait(&s->wake, &s->lock);
			continue;
		}
		s->memory_is_fine = s->pressure.level < ELM_PRESSURE_SHRINK;
		if (s->store && s->memory_is_fine) {
			pthread_mutex_unlock(&s->lock);
			elm__restore_read(s);
			pthread_mutex_lock(&s->lock);
		}
		elm__batch_plan(s);
		publish(s);
		pthread_mutex_unlock(&s->lock);
		run_step(s);
		pthread_mutex_lock(&s->lock);
		charge(s);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* --- life --- */

/* Tokens that end a generation; counted first, so that the memory is exact. */
static bool find_ends(elm_scheduler *s, const elm_tokenizer *tokenizer)
{
	size_t size = elm_tokenizer_size(tokenizer), n = 0;
	elm_token *ends;

	for (size_t i = 0; i < size; i++)
		n += elm_tokenizer_is_eog(tokenizer, (elm_token)i);
	ends = elm__arena_calloc(&s->arena, n, sizeof(*ends));
	if (!ends)
		return false;
	for (size_t i = 0; i < size; i++)
		if (elm_tokenizer_is_eog(tokenizer, (elm_token)i))
			ends[s->limits.n_ends++] = (elm_token)i;
	s->limits.ends = ends;
	return true;
}

/* All tables, so that nothing is allocated later but requests. */
static elm_status take_tables(elm_scheduler *s, elm_error *error)
{
	const elm_scheduler_options *o = &s->options;
	uint32_t most = o->session.max_sequences, rows = o->session.batch + most;
	elm__arena *arena = &s->arena;

	s->running = elm__arena_calloc(arena, most, sizeof(*s->running));
	s->slots = elm__arena_calloc(arena, most, sizeof(*s->slots));
	s->free_sequences = elm__arena_calloc(arena, most, sizeof(*s->free_sequences));
	s->step.tokens = elm__arena_calloc(arena, rows, sizeof(*s->step.tokens));
	s->step.sequences = elm__arena_calloc(arena, rows, sizeof(*s->step.sequences));
	s->step.logits = elm__arena_calloc(arena, rows, sizeof(*s->step.logits));
	s->step.states = elm__arena_calloc(arena, rows, sizeof(*s->step.states));
	s->step.members = elm__arena_calloc(arena, most, sizeof(*s->step.members));
	if (!s->running || !s->slots || !s->free_sequences || !s->step.tokens ||
	    !s->step.sequences || !s->step.logits || !s->step.states || !s->step.members ||
	    !elm__queue_init(&s->queue, (size_t)o->queue + most, arena) ||
	    !elm__pace_init(&s->pace, o->step_ms * 1e-3, most, arena) ||
	    !find_ends(s, s->limits.tokenizer))
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for a scheduler");
	while (s->n_free_sequences < most) {
		s->free_sequences[s->n_free_sequences] = most - 1 - s->n_free_sequences;
		s->n_free_sequences++;
	}
	return ELM_OK;
}

static elm_status make_locks(elm_scheduler *s, elm_error *error)
{
	pthread_condattr_t attributes;
	int rc = pthread_mutex_init(&s->lock, NULL);

	if (!rc)
		rc = pthread_cond_init(&s->wake, NULL);
	if (!rc)
		rc = pthread_condattr_init(&attributes);
	if (!rc) {
		(void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
		rc = pthread_cond_init(&s->settled, &attributes);
		pthread_condattr_destroy(&attributes);
	}
	if (rc)
		return elm_error_set(error, ELM_ERR_SYSTEM, "cannot make a lock: %s", strerror(rc));
	return ELM_OK;
}

static void destroy_locks(elm_scheduler *s)
{
	pthread_cond_destroy(&s->settled);
	pthread_cond_destroy(&s->wake);
	pthread_mutex_destroy(&s->lock);
}

/* Signals are for the threads of the program, not for ours. */
static elm_status start_thread(elm_scheduler *s, elm_error *error)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&s->thread, NULL, engine_main, s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc)
		return elm_error_set(error, ELM_ERR_SYSTEM, "cannot start the engine thread: %s",
				     strerror(rc));
	return ELM_OK;
}

static void release(elm_scheduler *s)
{
	elm__prompt_store_close(s->store);
	elm_session_free(s->session);
	elm__arena_release(&s->arena);
	elm__free(s);
}

static elm_status set_up(elm_scheduler *s, elm_error *error)
{
	const elm_session_options *used;
	elm_memory_estimate estimate;
	elm_status status = elm__capacity_plan(s->model, &s->options, &estimate, error);

	if (status)
		return status;
	status = elm_session_create(s->model, &s->options.session, &s->session, error);
	if (status)
		return status;
	used = elm_session_get_options(s->session);
	s->options.session = *used;
	s->cache = elm__session_cache(s->session);
	s->limits = (elm__request_limits){
		.tokenizer = elm_model_tokenizer(s->model),
		.vocabulary = elm_model_get_info(s->model)->vocabulary,
		.width = s->options.states ? elm_model_get_info(s->model)->width : 0,
		.context = s->options.context,
	};
	elm__figures_init(&s->stats);
	s->stats.max_sequences = used->max_sequences;
	s->stats.queue = s->options.queue;
	s->stats.kv_blocks = s->cache->kv.blocks;
	s->stats.kv_bytes = estimate.kv;
	elm__pressure_init(&s->pressure, s->options.sysroot, s->options.memory_reserve);
	(void)elm__pressure_look(&s->pressure, elm__now_ns());
	status = take_tables(s, error);
	if (!status)
		status = elm__restore_open(s, error);
	if (status)
		return status;
	publish(s);
	status = make_locks(s, error);
	if (status)
		return status;
	status = start_thread(s, error);
	if (status)
		destroy_locks(s);
	return status;
}

elm_status elm_scheduler_create(elm_model *model, const elm_scheduler_options *options,
				elm_scheduler **out, elm_error *error)
{
	elm_scheduler *s = elm__calloc(1, sizeof(*s));
	elm_status status;

	*out = NULL;
	if (!s)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for a scheduler");
	elm__arena_init(&s->arena, 0);
	s->model = model;
	s->options = options ? *options : elm_scheduler_defaults();
	status = set_up(s, error);
	if (status)
		release(s);
	else
		*out = s;
	return status;
}

void elm_scheduler_free(elm_scheduler *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->draining = s->dropping = s->quitting = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	destroy_locks(s);
	release(s);
}

const elm_scheduler_options *elm_scheduler_get_options(const elm_scheduler *s)
{
	return &s->options;
}

elm_model *elm_scheduler_model(const elm_scheduler *s)
{
	return s->model;
}

/* --- from any thread --- */

/* Whether one more may wait; under the lock. */
static elm_status admissible(elm_scheduler *s, const elm__request *r, elm_error *error)
{
	const elm_scheduler_options *o = &s->options;

	if (s->draining)
		return elm_error_set(error, ELM_ERR_CANCELLED,
				     "no more requests are accepted: shutting down");
	if (s->pressure.level == ELM_PRESSURE_REFUSE) {
		(void)elm__pressure_look(&s->pressure, elm__now_ns());
		if (s->pressure.level == ELM_PRESSURE_REFUSE)
			return elm_error_set(error, ELM_ERR_FULL,
					     "the machine is short of memory; try again later");
	}
	if (s->queue.count >= o->queue)
		return elm_error_set(error, ELM_ERR_FULL,
				     "%lu requests are waiting already; try again later",
				     (unsigned long)s->queue.count);
	if (o->tenant_queue && elm__queue_of_tenant(&s->queue, r->what.tenant) >= o->tenant_queue)
		return elm_error_set(error, ELM_ERR_QUOTA,
				     "%lu of your requests are waiting already; try again later",
				     (unsigned long)o->tenant_queue);
	return ELM_OK;
}

elm_status elm_scheduler_submit(elm_scheduler *s, const elm_request *request, uint64_t *id,
				elm_error *error)
{
	elm__request *r;
	elm_status status = elm__request_create(request, &s->limits, &r, error);

	if (status)
		return status;
	pthread_mutex_lock(&s->lock);
	status = admissible(s, r, error);
	if (status) {
		s->refused++;
	} else {
		r->id = ++s->last_id;
		if (id)
			*id = r->id;
		s->unsettled++;
		elm__queue_add(&s->queue, r);
		pthread_cond_signal(&s->wake);
	}
	pthread_mutex_unlock(&s->lock);
	if (status)
		elm__request_free(r);
	return status;
}

void elm_scheduler_cancel(elm_scheduler *s, uint64_t id)
{
	pthread_mutex_lock(&s->lock);
	for (uint32_t i = 0; i < s->n_running; i++)
		if (s->running[i]->id == id)
			s->running[i]->cancelled = true;
	for (elm__request *r = s->queue.first; r; r = r->next)
		if (r->id == id)
			r->cancelled = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
}

elm_status elm_scheduler_drain(elm_scheduler *s, double seconds, elm_error *error)
{
	uint64_t end = elm__now_ns();
	struct timespec until;
	elm_status status = ELM_OK;
	int rc = 0;

	if (seconds > 0)
		end += seconds < 1e9 ? (uint64_t)(seconds * 1e9) : (uint64_t)1e18;
	until.tv_sec = (time_t)(end / 1000000000);
	until.tv_nsec = (long)(end % 1000000000);
	pthread_mutex_lock(&s->lock);
	s->draining = true;
	while (s->unsettled && !rc)
		rc = pthread_cond_timedwait(&s->settled, &s->lock, &until);
	if (s->unsettled) {
		status = elm_error_set(error, ELM_ERR_CANCELLED,
				       "%lu requests had not ended in %g seconds and were "
				       "cancelled",
				       (unsigned long)s->unsettled, seconds);
		s->dropping = true;
		pthread_cond_signal(&s->wake);
		while (s->unsettled)
			pthread_cond_wait(&s->settled, &s->lock);
	}
	pthread_mutex_unlock(&s->lock);
	return status;
}

double elm_scheduler_retry_after(elm_scheduler *s)
{
	double seconds;

	pthread_mutex_lock(&s->lock);
	seconds = s->n_running ? s->seconds_each / s->n_running : 0;
	pthread_mutex_unlock(&s->lock);
	return seconds > 1 ? seconds : 1;
}

void elm_scheduler_get_stats(elm_scheduler *s, elm_scheduler_stats *out)
{
	pthread_mutex_lock(&s->lock);
	*out = s->published;
	out->waiting = s->queue.count;
	out->submitted = s->last_id;
	out->refused = s->refused;
	out->pressure = s->pressure.level;
	if (s->store) /* which goes on when the engine rests */
		elm__prompt_store_get_stats(s->store, &out->prompt_cache);
	pthread_mutex_unlock(&s->lock);
}

size_t elm_scheduler_slots(elm_scheduler *s, elm_slot *out, size_t room)
{
	size_t n;

	pthread_mutex_lock(&s->lock);
	n = s->n_slots;
	for (size_t i = 0; i < n && i < room; i++)
		out[i] = s->slots[i];
	pthread_mutex_unlock(&s->lock);
	return n;
}
