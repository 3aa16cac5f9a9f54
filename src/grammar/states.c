#include "grammar/states.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

/*
 * A frame has four words, the first three being its key: where to go back to, how many more
 * iterations of a loop must follow and how many may, and the number of the stacks below. Frames of
 * a set are ordered by key, and no two have the same.
 */
enum { BACK, REQUIRED, ALLOWED, BELOW, FRAME };

#define TO_END UINT32_MAX	   /* BACK: the bottom of the stack */
#define TO_BEYOND (UINT32_MAX - 1) /* BACK: the stack was cut off here */
#define NO_LOOP (UINT32_MAX - 1)   /* ALLOWED: a call */
#define UNKNOWN UINT32_MAX	   /* no such stack; a step that was not computed */

/* The first two sets of stacks. */
enum { BOTTOM, CUT };

enum { MAX_FRAMES = 4096 /* of a set of stacks */ };

static void fail(elm__states *s, elm_status status)
{
	if (!s->status)
		s->status = status;
}

static elm_status report(elm__states *s, elm_error *error)
{
	elm_status status = s->status;

	s->status = ELM_OK;
	if (status == ELM_ERR_NO_MEMORY)
		return elm_error_set(error, status, "out of memory for the states of a grammar");
	if (status)
		return elm_error_set(error, status,
				     "the grammar is too ambiguous: following all the ways to read "
				     "the text takes too much memory or time");
	return ELM_OK;
}

size_t elm__states_memory(const elm__states *s)
{
	return elm__lists_memory(&s->stacks) + elm__lists_memory(&s->states) +
	       elm__lists_memory(&s->memos) + s->depth_room * sizeof(s->depths[0]) +
	       s->next_room * sizeof(s->next[0]) + s->result_room * sizeof(s->results[0]) +
	       s->kind_room;
}

static void charge(elm__states *s)
{
	if (++s->work > ELM__MAX_STATE_WORK)
		fail(s, ELM_ERR_LIMIT);
}

static bool append(elm__states *s, const uint32_t *words, uint32_t count)
{
	void *block = elm__grown(s->words, &s->word_room, (uint64_t)s->word_count + count,
				 sizeof(s->words[0]));

	if (!block) {
		fail(s, ELM_ERR_NO_MEMORY);
		return false;
	}
	s->words = block;
	memcpy(s->words + s->word_count, words, count * sizeof(*words));
	s->word_count += count;
	return true;
}

/* ---- stacks ---- */

static const uint32_t *frames_of(const elm__states *s, uint32_t stack, uint32_t *count)
{
	*count = s->stacks.items[stack].count / FRAME;
	return s->stacks.words + s->stacks.items[stack].first;
}

static uint32_t intern_stack(elm__states *s, const uint32_t *words, uint32_t count)
{
	uint32_t known = s->stacks.count, depth = 0, out;
	void *block =
		elm__grown(s->depths, &s->depth_room, (uint64_t)known + 1, sizeof(s->depths[0]));

	if (block)
		s->depths = block;
	if (count > MAX_FRAMES * FRAME || elm__states_memory(s) > ELM__MAX_STATE_MEMORY)
		fail(s, ELM_ERR_LIMIT);
	if (s->status)
		return CUT;
	if (!block || !elm__lists_intern(&s->stacks, words, count, &out)) {
		fail(s, ELM_ERR_NO_MEMORY);
		return CUT;
	}
	if (out < known)
		return out;
	for (uint32_t i = 0; i < count; i += FRAME)
		if (words[i + BACK] < TO_BEYOND && s->depths[words[i + BELOW]] >= depth)
			depth = s->depths[words[i + BELOW]] + 1;
	s->depths[out] = depth;
	return out;
}

static uint32_t push(elm__states *s, uint32_t back, uint32_t required, uint32_t allowed,
		     uint32_t below)
{
	uint32_t frame[FRAME] = { back, required, allowed, below };

	if (s->depths[below] < ELM__MAX_DEPTH)
		return intern_stack(s, frame, FRAME);
	s->flags |= ELM__DEEP;
	return UNKNOWN;
}

/* Whether the result for a key is there; if not, *memo is where it has to be written. */
static bool recall(elm__states *s, const uint32_t *key, uint32_t count, uint32_t *memo)
{
	uint32_t known = s->memos.count;
	void *block =
		elm__grown(s->results, &s->result_room, (uint64_t)known + 1, sizeof(s->results[0]));

	*memo = 0;
	if (block)
		s->results = block;
	if (!block || !elm__lists_intern(&s->memos, key, count, memo)) {
		fail(s, ELM_ERR_NO_MEMORY);
		return false;
	}
	if (*memo == known)
		s->results[*memo] = UNKNOWN;
	return s->results[*memo] != UNKNOWN;
}

static int compare_keys(const uint32_t *a, const uint32_t *b)
{
	for (int i = 0; i < BELOW; i++)
		if (a[i] != b[i])
			return a[i] < b[i] ? -1 : 1;
	return 0;
}

/* All stacks of both sets. Recursive, as deep as the stacks are. */
static uint32_t merge(elm__states *s, uint32_t a, uint32_t b)
{
	uint32_t key[2] = { a < b ? a : b, a < b ? b : a }, memo, out;
	uint32_t start = s->word_count, i = 0, k = 0;

	if (a == b || s->status)
		return a;
	if (recall(s, key, 2, &memo))
		return s->results[memo];
	for (; !s->status; charge(s)) {
		uint32_t frame[FRAME], a_count, b_count;
		const uint32_t *x = frames_of(s, a, &a_count) + (size_t)i * FRAME;
		const uint32_t *y = frames_of(s, b, &b_count) + (size_t)k * FRAME;
		int order;

		if (i == a_count && k == b_count)
			break;
		order = i == a_count ? 1 : k == b_count ? -1 : compare_keys(x, y);
		memcpy(frame, order <= 0 ? x : y, sizeof(frame));
		if (!order)
			frame[BELOW] = merge(s, x[BELOW], y[BELOW]);
		i += order <= 0;
		k += order >= 0;
		(void)append(s, frame, FRAME);
	}
	out = s->status ? a : intern_stack(s, s->words + start, s->word_count - start);
	s->word_count = start;
	if (!s->status)
		s->results[memo] = out;
	return out;
}

/* ---- items ---- */

static void begin(elm__states *s)
{
	if (!++s->generation) {
		memset(s->mark, 0, s->program->node_count * sizeof(s->mark[0]));
		s->generation = 1;
	}
	s->queue_count = s->touched_count = s->word_count = s->flags = 0;
}

/* A node can be reached with these stacks. */
static void reach(elm__states *s, uint32_t node, uint32_t stack)
{
	uint32_t all = stack;

	if (stack == UNKNOWN) /* too deep */
		return;
	if (s->mark[node] != s->generation) {
		s->mark[node] = s->generation;
		s->queued[node] = 0;
		s->touched[s->touched_count++] = node;
	} else {
		all = merge(s, s->stack_of[node], stack);
		if (all == s->stack_of[node])
			return;
	}
	s->stack_of[node] = all;
	if (!s->queued[node]) {
		s->queued[node] = 1;
		s->queue[s->queue_count++] = node;
	}
}

/* The rest of a loop, for stacks whose top is one of its frames. */
static void iterate(elm__states *s, uint32_t node, uint32_t required, uint32_t allowed,
		    uint32_t below)
{
	const elm__node *n = &s->program->nodes[node];

	if (!required)
		reach(s, n->b, below);
	if (allowed)
		reach(s, n->a,
		      push(s, node, required ? required - 1 : 0,
			   allowed == ELM__UNLIMITED ? ELM__UNLIMITED : allowed - 1, below));
}

static void go_back(elm__states *s, uint32_t stack)
{
	for (uint32_t i = 0; !s->status; i++, charge(s)) {
		uint32_t frame[FRAME], count;
		const uint32_t *frames = frames_of(s, stack, &count);

		if (i == count)
			break;
		memcpy(frame, frames + (size_t)i * FRAME, sizeof(frame));
		if (frame[BACK] == TO_END)
			s->flags |= ELM__ENDS;
		else if (frame[BACK] == TO_BEYOND)
			s->flags |= ELM__BEYOND;
		else if (frame[ALLOWED] == NO_LOOP)
			reach(s, frame[BACK], frame[BELOW]);
		else
			iterate(s, frame[BACK], frame[REQUIRED], frame[ALLOWED], frame[BELOW]);
	}
}

/* Goes on from all nodes that were reached until they wait for a byte. Ends because a grammar
 * without left recursion has a longest way without a byte. */
static void follow(elm__states *s)
{
	while (s->queue_count && !s->status) {
		uint32_t node = s->queue[--s->queue_count], stack = s->stack_of[node];
		const elm__node *n = &s->program->nodes[node];

		s->queued[node] = 0;
		charge(s);
		switch ((elm__node_kind)n->kind) {
		case ELM__NODE_BYTE:
			break;
		case ELM__NODE_SPLIT:
			reach(s, n->a, stack);
			reach(s, n->b, stack);
			break;
		case ELM__NODE_JUMP:
			reach(s, n->a, stack);
			break;
		case ELM__NODE_CALL:
			reach(s, n->a, push(s, n->b, 0, NO_LOOP, stack));
			break;
		case ELM__NODE_REPEAT:
			iterate(s, node, s->program->loops[n->extra].min,
				s->program->loops[n->extra].max, stack);
			break;
		case ELM__NODE_RETURN:
			go_back(s, stack);
			break;
		}
	}
}

/* The state that s->words describes. */
static uint32_t intern_state(elm__states *s)
{
	uint32_t classes = s->program->class_count, known = s->states.count, out;
	void *block = elm__grown(s->next, &s->next_room, ((uint64_t)known + 1) * classes,
				 sizeof(s->next[0]));

	if (block)
		s->next = block;
	block = block ? elm__grown(s->kinds, &s->kind_room, (uint64_t)known + 1, 1) : NULL;
	if (block)
		s->kinds = block;
	if (elm__states_memory(s) > ELM__MAX_STATE_MEMORY)
		fail(s, ELM_ERR_LIMIT);
	if (s->status)
		return ELM__DEAD;
	if (!block || !elm__lists_intern(&s->states, s->words, s->word_count, &out)) {
		fail(s, ELM_ERR_NO_MEMORY);
		return ELM__DEAD;
	}
	if (out == known) {
		s->kinds[out] = (uint8_t)s->words[0];
		memset(s->next + (size_t)out * classes, 0xff, classes * sizeof(s->next[0]));
	}
	return out;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* The state of what was reached. */
static uint32_t collect(elm__states *s)
{
	uint32_t count = 0;

	follow(s);
	for (uint32_t i = 0; i < s->touched_count; i++)
		if (s->program->nodes[s->touched[i]].kind == ELM__NODE_BYTE)
			s->touched[count++] = s->touched[i];
	qsort(s->touched, count, sizeof(s->touched[0]), by_number);
	s->word_count = 0;
	(void)append(s, &s->flags, 1);
	for (uint32_t i = 0; i < count && !s->status; i++) {
		uint32_t item[2] = { s->touched[i], s->stack_of[s->touched[i]] };

		(void)append(s, item, 2);
	}
	return s->status ? ELM__DEAD : intern_state(s);
}

elm_status elm__states_start(elm__states *s, uint32_t *out, elm_error *error)
{
	begin(s);
	reach(s, s->program->start, BOTTOM);
	*out = collect(s);
	return report(s, error);
}

elm_status elm__states_step(elm__states *s, uint32_t state, uint8_t class, uint32_t *out,
			    elm_error *error)
{
	elm__list list = s->states.items[state];
	uint8_t byte = s->program->class_byte[class];

	if (elm__states_known(s, state, class, out))
		return ELM_OK;
	begin(s);
	for (uint32_t i = 1; i < list.count; i += 2) {
		const uint32_t *item = s->states.words + list.first + i;
		const elm__node *n = &s->program->nodes[item[0]];

		if (elm__byteset_has(&s->program->sets[n->extra], byte))
			reach(s, n->a, item[1]);
	}
	*out = collect(s);
	if (!s->status)
		s->next[(size_t)state * s->program->class_count + class] = *out;
	return report(s, error);
}

/* ---- whole states ---- */

uint32_t elm__state_depth(const elm__states *s, uint32_t state)
{
	elm__list list = s->states.items[state];
	uint32_t depth = 0;

	for (uint32_t i = 2; i < list.count; i += 2) {
		uint32_t stack = s->states.words[list.first + i];

		depth = s->depths[stack] > depth ? s->depths[stack] : depth;
	}
	return depth;
}

elm_status elm__states_fresh(elm__states *s, uint32_t state, uint32_t *out, elm_error *error)
{
	elm__list list = s->states.items[state];
	uint32_t flags = s->kinds[state] | (uint32_t)ELM__FRESH;

	begin(s);
	if (append(s, &flags, 1))
		(void)append(s, s->states.words + list.first + 1, list.count - 1);
	*out = s->status ? ELM__DEAD : intern_state(s);
	if (!s->status)
		s->next[(size_t)*out * s->program->class_count + s->program->class_of[' ']] = state;
	return report(s, error);
}

static uint32_t at_most(uint32_t count, uint32_t bytes)
{
	return count == ELM__UNLIMITED || count == NO_LOOP || count <= bytes ? count : bytes + 1;
}

static uint32_t reduce(elm__states *s, uint32_t stack, uint32_t depth, uint32_t bytes)
{
	uint32_t key[3] = { stack, depth, bytes }, start = s->word_count, memo, out;

	if (stack == BOTTOM || s->status)
		return stack;
	if (!depth)
		return CUT;
	if (depth >= s->depths[stack])
		key[1] = depth = UINT32_MAX; /* all of it */
	if (recall(s, key, 3, &memo))
		return s->results[memo];
	for (uint32_t i = 0; !s->status; i++, charge(s)) {
		uint32_t frame[FRAME], count, *last;
		const uint32_t *frames = frames_of(s, stack, &count);

		if (i == count)
			break;
		memcpy(frame, frames + (size_t)i * FRAME, sizeof(frame));
		frame[REQUIRED] = at_most(frame[REQUIRED], bytes);
		frame[ALLOWED] = at_most(frame[ALLOWED], bytes);
		if (frame[BACK] < TO_BEYOND)
			frame[BELOW] = reduce(s, frame[BELOW],
					      depth == UINT32_MAX ? depth : depth - 1, bytes);
		/* The order of the keys stays: of one loop, a frame that requires more also allows
		 * more, so what has become equal is together. */
		last = s->word_count > start ? s->words + s->word_count - FRAME : NULL;
		if (last && !compare_keys(last, frame)) {
			uint32_t both = merge(s, last[BELOW], frame[BELOW]);

			s->words[s->word_count - FRAME + BELOW] = both;
		} else {
			(void)append(s, frame, FRAME);
		}
	}
	out = s->status ? CUT : intern_stack(s, s->words + start, s->word_count - start);
	s->word_count = start;
	if (!s->status)
		s->results[memo] = out;
	return out;
}

elm_status elm__states_reduce(elm__states *s, uint32_t state, uint32_t depth, uint32_t bytes,
			      uint32_t *out, elm_error *error)
{
	elm__list list = s->states.items[state];

	*out = state;
	if (s->kinds[state] & ELM__FRESH)
		return ELM_OK;
	begin(s);
	(void)append(s, &s->flags, 1);
	for (uint32_t i = 1; i < list.count && !s->status; i += 2) {
		uint32_t item[2];

		memcpy(item, s->states.words + list.first + i, sizeof(item));
		item[1] = reduce(s, item[1], depth, bytes);
		(void)append(s, item, 2);
	}
	*out = s->status ? ELM__DEAD : intern_state(s);
	return report(s, error);
}

static uint32_t import(elm__states *s, const elm__states *from, uint32_t stack, uint32_t *map)
{
	uint32_t start = s->word_count, count;
	const uint32_t *frames = frames_of(from, stack, &count);

	if (map[stack] != UNKNOWN || s->status)
		return map[stack];
	for (uint32_t i = 0; i < count; i++) {
		uint32_t frame[FRAME];

		memcpy(frame, frames + (size_t)i * FRAME, sizeof(frame));
		if (frame[BACK] < TO_BEYOND)
			frame[BELOW] = import(s, from, frame[BELOW], map);
		(void)append(s, frame, FRAME);
	}
	if (!s->status)
		map[stack] = intern_stack(s, s->words + start, s->word_count - start);
	s->word_count = start;
	return map[stack];
}

elm_status elm__states_import(elm__states *s, const elm__states *from, uint32_t state,
			      uint32_t *map, uint32_t *out, elm_error *error)
{
	elm__list list = from->states.items[state];
	const uint32_t *words = from->states.words + list.first;

	begin(s);
	(void)append(s, words, 1);
	for (uint32_t i = 1; i < list.count && !s->status; i += 2) {
		uint32_t item[2] = { words[i], import(s, from, words[i + 1], map) };

		(void)append(s, item, 2);
	}
	*out = s->status ? ELM__DEAD : intern_state(s);
	return report(s, error);
}

static void make_first_lists(elm__states *s)
{
	const uint32_t bottom[FRAME] = { TO_END, 0, NO_LOOP, BOTTOM };
	const uint32_t cut[FRAME] = { TO_BEYOND, 0, NO_LOOP, CUT };

	(void)intern_stack(s, bottom, FRAME);
	(void)intern_stack(s, cut, FRAME);
	if (!s->status)
		s->depths[CUT] = ELM__MAX_DEPTH / 2;
	begin(s);
	(void)append(s, &s->flags, 1);
	(void)intern_state(s);
	if (!s->status)
		memset(s->next, 0, s->program->class_count * sizeof(s->next[0])); /* stays dead */
}

elm_status elm__states_init(elm__states *s, const elm__program *program, elm_error *error)
{
	size_t n = program->node_count;
	elm_status status;

	memset(s, 0, sizeof(*s));
	s->program = program;
	s->stack_of = elm__realloc_array(NULL, n, sizeof(uint32_t));
	s->mark = elm__calloc(n, sizeof(uint32_t));
	s->queue = elm__realloc_array(NULL, n, sizeof(uint32_t));
	s->touched = elm__realloc_array(NULL, n, sizeof(uint32_t));
	s->queued = elm__malloc(n);
	if (!s->stack_of || !s->mark || !s->queue || !s->touched || !s->queued)
		fail(s, ELM_ERR_NO_MEMORY);
	else
		make_first_lists(s);
	status = report(s, error);
	if (status)
		elm__states_release(s);
	return status;
}

void elm__states_release(elm__states *s)
{
	elm__lists_release(&s->stacks);
	elm__lists_release(&s->states);
	elm__lists_release(&s->memos);
	elm__free(s->depths);
	elm__free(s->next);
	elm__free(s->kinds);
	elm__free(s->results);
	elm__free(s->stack_of);
	elm__free(s->mark);
	elm__free(s->queue);
	elm__free(s->touched);
	elm__free(s->queued);
	elm__free(s->words);
	memset(s, 0, sizeof(*s));
}
