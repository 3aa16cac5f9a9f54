#include "engine/scheduler.h"

#include <string.h>

#include "engine/figures.h"

/* --- who runs --- */

static uint32_t computed(const elm_scheduler *s, const elm__request *r)
{
	return elm_session_length(s->session, r->sequence);
}

/* Blocks that those who run will take for what they have now, and one more token. */
static uint64_t promised(const elm_scheduler *s)
{
	uint64_t blocks = 0;

	for (uint32_t i = 0; i < s->n_running; i++)
		blocks += elm__cache_blocks(s->running[i]->count + 1) -
			  elm__cache_blocks(computed(s, s->running[i]));
	return blocks;
}

/* Whether a request can be computed without anybody having to make room soon: its text fits, and
 * one more block for each who runs. Alone it always fits. */
static bool fits(const elm_scheduler *s, const elm__request *r)
{
	uint32_t reusable = elm__request_reusable(r), idle, found;
	uint64_t needed;

	if (!s->n_running)
		return true;
	found = elm__cache_peek(s->cache, r->what.cache_scope, r->tokens,
				reusable < r->count ? reusable : r->count - 1, &idle);
	needed = elm__cache_blocks(r->count + 1) - found + idle;
	return needed + promised(s) + s->n_running <= elm__cache_available(s->cache);
}

static bool before(const elm__request *a, const elm__request *b)
{
	if (a->what.priority != b->what.priority)
		return a->what.priority > b->what.priority;
	return a->turn < b->turn;
}

static void start(elm_scheduler *s, elm__request *r, uint64_t now)
{
	uint32_t at = s->n_running++;

	r->sequence = s->free_sequences[--s->n_free_sequences];
	if (!r->turn)
		r->turn = ++s->turns;
	for (; at > 0 && before(r, s->running[at - 1]); at--)
		s->running[at] = s->running[at - 1];
	s->running[at] = r;
	if (!r->stats.start_ns) {
		r->stats.start_ns = now;
		elm__histogram_add(&s->stats.queue_time,
				   (double)(now - r->stats.arrival_ns) * 1e-9);
	}
}

void elm__batch_leave(elm_scheduler *s, elm__request *r)
{
	uint32_t at = 0;

	while (s->running[at] != r)
		at++;
	s->n_running--;
	memmove(s->running + at, s->running + at + 1, (s->n_running - at) * sizeof(*s->running));
	elm_session_truncate(s->session, r->sequence, 0);
	s->free_sequences[s->n_free_sequences++] = r->sequence;
}

/* The last in line makes room. Its tokens are kept and computed again when its turn comes. */
static void preempt_last(elm_scheduler *s)
{
	elm__request *r = s->running[s->n_running - 1];

	elm__batch_leave(s, r);
	r->stats.preemptions++;
	s->stats.preemptions++;
	elm__queue_return(&s->queue, r);
}

static uint32_t most_running(const elm_scheduler *s)
{
	uint32_t most = s->options.session.max_sequences;

	return s->pressure.level >= ELM_PRESSURE_FEWER && most > 1 ? most / 2 : most;
}

void elm__batch_admit(elm_scheduler *s, uint64_t now)
{
	bool is_static = s->options.scheduling == ELM_SCHEDULING_STATIC;
	elm__request *r;

	if (is_static && s->n_running)
		return;
	while ((r = elm__queue_next(&s->queue))) {
		if (s->n_running < most_running(s) && fits(s, r)) {
			elm__queue_remove(&s->queue, r);
			start(s, r, now);
		} else if (!is_static &&
			   s->running[s->n_running - 1]->what.priority < r->what.priority) {
			preempt_last(s);
		} else {
			break;
		}
	}
}

/* --- the rows of a step --- */

static void add_rows(elm_scheduler *s, elm__request *r, uint32_t first, uint32_t n)
{
	elm__step *step = &s->step;

	memcpy(step->tokens + step->n, r->tokens + first, n * sizeof(*step->tokens));
	for (uint32_t i = 0; i < n; i++)
		step->sequences[step->n + i] = r->sequence;
	memset(step->logits + step->n, 0, n);
	for (uint32_t i = 0; i < n; i++)
		step->states[step->n + i] = elm__request_wants_state(r, first + i);
	step->n += n;
	step->logits[step->n - 1] = !r->what.pooling && first + n == r->count;
	step->members[step->n_members++] = (struct elm__step_member){ r, n };
}

/* At most n rows that can be had for `blocks`. */
static uint32_t rows_for(const elm_scheduler *s, const elm__request *r, uint32_t n, uint32_t blocks)
{
	while (n && elm__cache_cost(s->cache, r->sequence, n) > blocks)
		n -= n > ELM__KV_BLOCK ? ELM__KV_BLOCK : 1;
	return n;
}

void elm__batch_found(elm_scheduler *s, elm__request *r, uint32_t from)
{
	uint32_t to = computed(s, r);

	if (to > r->highest) {
		uint32_t start = from > r->highest ? from : r->highest;

		if (start < r->stats.prompt_count)
			r->stats.prompt_reused +=
				(to < r->stats.prompt_count ? to : r->stats.prompt_count) - start;
		r->highest = to;
	}
}

static void find_prefix(elm_scheduler *s, elm__request *r)
{
	uint32_t from = computed(s, r);

	elm__cache_extend(s->cache, r->sequence, r->what.cache_scope, r->tokens,
			  elm__request_reusable(r));
	elm__batch_found(s, r, from);
}

/* Prompt rows that the step may have beside the decode rows. */
static uint32_t slice_of(const elm_scheduler *s, uint32_t decode_rows)
{
	uint32_t batch = s->options.session.batch, rows;

	if (!decode_rows)
		return batch;
	rows = batch > decode_rows ? batch - decode_rows : 1;
	if (s->options.scheduling == ELM_SCHEDULING_STATIC)
		return rows;
	if (s->options.slice)
		return rows < s->options.slice ? rows : s->options.slice;
	return elm__pace_slice(&s->pace, decode_rows, rows);
}

/* Gives a request its rows. Who needs a block that is not there takes it from the last in the list,
 * who has no rows yet; the last itself waits. */
static uint32_t plan_one(elm_scheduler *s, elm__request *r, uint32_t most, uint32_t *spent)
{
	uint32_t first = computed(s, r), rows = r->count - first, can;

	rows = rows < most ? rows : most;
	for (;;) {
		can = rows_for(s, r, rows, elm__cache_available(s->cache) - *spent);
		if (can || s->running[s->n_running - 1] == r)
			break;
		preempt_last(s);
	}
	if (can) {
		*spent += elm__cache_cost(s->cache, r->sequence, can);
		add_rows(s, r, first, can);
	}
	return can;
}

/* In the order of the list, with at most `slice` rows of prompts, for those who wait for the disk
 * too or not. */
static void plan_rows(elm_scheduler *s, uint32_t slice, bool restoring)
{
	elm__step *step = &s->step;
	uint32_t spent = 0;

	step->n = step->n_members = step->decode_rows = 0;
	for (uint32_t i = 0; i < s->n_running; i++) {
		elm__request *r = s->running[i];

		if (r->count - computed(s, r) == 1)
			step->decode_rows += plan_one(s, r, 1, &spent);
		else if (slice && (restoring || !r->restoring))
			slice -= plan_one(s, r, slice, &spent);
	}
}

/*
 * The first in the list always gets its rows, sooner or later: when nobody else has any, it may
 * take the cache from all others. When it has ended, the next is first. So there is no deadlock.
 */
void elm__batch_plan(elm_scheduler *s)
{
	uint32_t decode_rows = 0;

	for (uint32_t i = 0; i < s->n_running; i++) {
		elm__request *r = s->running[i];

		if (r->count - computed(s, r) > 1)
			find_prefix(s, r);
		decode_rows += r->count - computed(s, r) == 1;
	}
	plan_rows(s, slice_of(s, decode_rows), false);
	if (!s->step.n)
		plan_rows(s, s->options.session.batch, true);
}
