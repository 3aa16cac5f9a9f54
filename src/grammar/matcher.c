#include "grammar/matcher.h"

#include <string.h>

#include "base/alloc.h"

#define NO_MASK UINT32_MAX /* tokens go beyond what the state knows of its stack */

enum {
	STATE_MEMORY = 16 << 20, /* before the first tidying */
	MASK_MEMORY = 16 << 20,
	FEWEST_MASKS = 16,
	MOST_MASKS = 4096,
};

static elm_status start(const elm__matcher *m, elm__states *states, uint32_t *plain,
			uint32_t *fresh, elm_error *error)
{
	elm_status status = elm__states_start(states, plain, error);

	*fresh = *plain;
	if (!status && m->lexicon->drops_space)
		status = elm__states_fresh(states, *plain, fresh, error);
	return status;
}

elm_status elm__matcher_create(const elm__program *program, elm_lexicon *lexicon,
			       elm__matcher **out, elm_error *error)
{
	elm__matcher *m = elm__calloc(1, sizeof(*m));
	size_t masks = MASK_MEMORY / sizeof(uint32_t) / (elm__mask_words(lexicon) + 1);
	elm_status status = ELM_OK;

	*out = NULL;
	if (!m)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for a grammar");
	pthread_mutex_init(&m->lock, NULL); /* cannot fail without attributes */
	m->lexicon = elm__lexicon_retain(lexicon);
	m->memory_limit = STATE_MEMORY;
	m->mask_count = (uint32_t)(masks < FEWEST_MASKS ? FEWEST_MASKS :
				   masks > MOST_MASKS	? MOST_MASKS :
							  masks);
	m->masks = elm__calloc(m->mask_count, sizeof(m->masks[0]));
	m->path = elm__realloc_array(NULL, (size_t)lexicon->longest + 1, sizeof(m->path[0]));
	if (!m->masks || !m->path)
		status = elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for a grammar");
	if (!status)
		status = elm__states_init(&m->states, program, error);
	if (!status)
		status = start(m, &m->states, &m->start, &m->fresh, error);
	if (status) {
		elm__matcher_free(m);
		return status;
	}
	*out = m;
	return ELM_OK;
}

void elm__matcher_free(elm__matcher *m)
{
	if (!m)
		return;
	for (uint32_t i = 0; m->masks && i < m->mask_count; i++)
		elm__free(m->masks[i].bits);
	elm__free(m->masks);
	elm__free(m->mask_of);
	elm__free(m->path);
	elm__states_release(&m->states);
	elm_lexicon_free(m->lexicon);
	pthread_mutex_destroy(&m->lock);
	elm__free(m);
}

elm_status elm__matcher_go(elm__matcher *m, uint32_t state, const char *bytes, size_t length,
			   uint32_t *out, elm_error *error)
{
	const elm__program *program = m->states.program;
	elm_status status = ELM_OK;

	*out = state;
	elm__states_allow_work(&m->states);
	for (size_t i = 0; i < length && *out != ELM__DEAD && !status; i++)
		status = elm__states_step(&m->states, *out, program->class_of[(uint8_t)bytes[i]],
					  out, error);
	if (!status && !elm__state_lives(&m->states, *out))
		*out = ELM__DEAD;
	return status;
}

/* ---- masks ---- */

/* Walks the tree as far as the grammar lets it. *beyond: the state, whose stacks may be cut off,
 * knows too little of them. */
static elm_status walk(elm__matcher *m, uint32_t state, bool cut, uint32_t *bits, bool *beyond,
		       elm_error *error)
{
	unsigned unknown = cut ? ELM__BEYOND | ELM__DEEP : 0;
	const elm__branch *tree = m->lexicon->tree;
	const uint8_t *class_of = m->states.program->class_of;
	uint32_t count = m->lexicon->tree_count, i = 0, to;
	const uint32_t *order = m->lexicon->order;
	elm_status status;

	*beyond = false;
	m->path[0] = state;
	while (i < count) {
		const elm__branch *branch = &tree[i];
		uint32_t from = m->path[branch->depth - 1];
		uint8_t class = class_of[branch->byte];

		if (!elm__states_known(&m->states, from, class, &to)) {
			status = elm__states_step(&m->states, from, class, &to, error);
			if (status)
				return status;
		}
		if (elm__state_flags(&m->states, to) & unknown) {
			*beyond = true;
			return ELM_OK;
		}
		if (!elm__state_lives(&m->states, to)) {
			i = branch->skip;
			continue;
		}
		m->path[branch->depth] = to;
		for (uint32_t r = branch->rank; r < branch[1].rank; r++)
			bits[order[r] / 32] |= (uint32_t)1 << order[r] % 32;
		i++;
	}
	return ELM_OK;
}

/* The slot that was used longest ago, emptied. NULL when memory runs out. */
static elm__mask *free_slot(elm__matcher *m)
{
	elm__mask *oldest = &m->masks[0];

	for (uint32_t i = 1; i < m->mask_count; i++)
		if (m->masks[i].used < oldest->used)
			oldest = &m->masks[i];
	if (oldest->state != ELM__DEAD)
		m->mask_of[oldest->state] = 0;
	oldest->state = ELM__DEAD;
	if (!oldest->bits)
		oldest->bits = elm__malloc(elm__mask_words(m->lexicon) * sizeof(uint32_t));
	return oldest->bits ? oldest : NULL;
}

static elm_status out_of_memory(elm_error *error)
{
	return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for a mask of tokens");
}

/* mask_of gets an entry for every state. */
static elm_status cover_states(elm__matcher *m, elm_error *error)
{
	uint32_t room = m->mask_room;
	void *block = elm__grown(m->mask_of, &m->mask_room, m->states.states.count,
				 sizeof(m->mask_of[0]));

	if (!block)
		return out_of_memory(error);
	m->mask_of = block;
	memset(m->mask_of + room, 0, (m->mask_room - room) * sizeof(m->mask_of[0]));
	return ELM_OK;
}

/* The mask of a reduced state; *bits is NULL when it knows too little of its stack. */
static elm_status reduced_mask(elm__matcher *m, uint32_t state, bool cut, const uint32_t **bits,
			       elm_error *error)
{
	elm_status status = cover_states(m, error);
	elm__mask *mask;
	bool beyond;

	*bits = NULL;
	if (status || (cut && m->mask_of[state] == NO_MASK))
		return status;
	if (m->mask_of[state] && m->mask_of[state] != NO_MASK) {
		mask = &m->masks[m->mask_of[state] - 1];
	} else {
		mask = free_slot(m);
		if (!mask)
			return out_of_memory(error);
		memset(mask->bits, 0, elm__mask_words(m->lexicon) * sizeof(uint32_t));
		status = walk(m, state, cut, mask->bits, &beyond, error);
		if (status)
			return status;
		if (beyond) {
			m->mask_of[state] = NO_MASK;
			return ELM_OK;
		}
		mask->state = state;
		m->mask_of[state] = (uint32_t)(mask - m->masks) + 1;
	}
	mask->used = ++m->clock;
	*bits = mask->bits;
	return ELM_OK;
}

/*
 * Masks belong to states of which only the top of the stack is known, so that the same value deep
 * in different places, or in different rounds of a loop, shares one. Where a token reaches below
 * that, more of the stack is looked at.
 */
elm_status elm__matcher_mask(elm__matcher *m, uint32_t state, const uint32_t **bits,
			     elm_error *error)
{
	static const uint32_t depths[] = { 6, 24, UINT32_MAX };
	enum { LEVELS = sizeof(depths) / sizeof(depths[0]) };
	size_t i = elm__state_depth(&m->states, state) < ELM__MAX_DEPTH / 2 ? 0 : LEVELS - 1;
	elm_status status = ELM_OK;
	uint32_t reduced;

	*bits = NULL;
	elm__states_allow_work(&m->states);
	for (; i < LEVELS && !*bits && !status; i++) {
		status = elm__states_reduce(&m->states, state, depths[i], m->lexicon->longest,
					    &reduced, error);
		if (!status)
			status = reduced_mask(m, reduced, i < LEVELS - 1, bits, error);
	}
	return status;
}

/* ---- tidying up ---- */

/* All states that constraints stand at or may go back to, as pointers; returns how many. `out` may
 * be NULL. */
static size_t list_kept(const elm__matcher *m, uint32_t **out)
{
	size_t count = 0;

	for (elm_constraint *c = m->constraints; c; c = c->next) {
		if (out)
			out[count] = &c->state;
		count++;
		for (uint32_t i = 1; i <= c->remembered; i++, count++)
			if (out)
				out[count] = &c->history[(c->at - i) % ELM_CONSTRAINT_ROLLBACK];
	}
	return count;
}

/* Everything that a tidying needs before it can be done; then nothing can fail. */
typedef struct plan {
	elm__states states;
	uint32_t start, fresh;
	uint32_t **kept, *numbers; /* old and new */
	size_t count;
	uint32_t *map;
} plan;

static elm_status make_plan(const elm__matcher *m, plan *p, elm_error *error)
{
	uint32_t stacks = m->states.stacks.count;
	elm_status status;

	p->count = list_kept(m, NULL);
	p->kept = elm__realloc_array(NULL, p->count, sizeof(p->kept[0]));
	p->numbers = elm__realloc_array(NULL, p->count, sizeof(p->numbers[0]));
	p->map = elm__realloc_array(NULL, stacks, sizeof(p->map[0]));
	if (!p->kept || !p->numbers || !p->map)
		return out_of_memory(error);
	(void)list_kept(m, p->kept);
	memset(p->map, 0xff, stacks * sizeof(p->map[0]));
	status = elm__states_init(&p->states, m->states.program, error);
	if (!status)
		status = start(m, &p->states, &p->start, &p->fresh, error);
	for (size_t i = 0; i < p->count && !status; i++) {
		p->numbers[i] = p->fresh;
		if (elm__state_flags(&m->states, *p->kept[i]) & ELM__FRESH)
			continue;
		status = elm__states_import(&p->states, &m->states, *p->kept[i], p->map,
					    &p->numbers[i], error);
	}
	return status;
}

elm_status elm__matcher_tidy(elm__matcher *m, elm_error *error)
{
	plan p = { .kept = NULL };
	elm__states old;
	elm_status status;

	if (elm__states_memory(&m->states) <= m->memory_limit)
		return ELM_OK;
	status = make_plan(m, &p, error);
	if (!status) {
		for (size_t i = 0; i < p.count; i++)
			*p.kept[i] = p.numbers[i];
		old = m->states;
		m->states = p.states;
		p.states = old;
		m->start = p.start;
		m->fresh = p.fresh;
		if (m->mask_of) /* there may have been no mask yet */
			memset(m->mask_of, 0, m->mask_room * sizeof(m->mask_of[0]));
		for (uint32_t i = 0; i < m->mask_count; i++)
			m->masks[i].state = ELM__DEAD;
		m->memory_limit = 2 * elm__states_memory(&m->states);
		if (m->memory_limit < STATE_MEMORY)
			m->memory_limit = STATE_MEMORY;
	}
	elm__states_release(&p.states);
	elm__free(p.kept);
	elm__free(p.numbers);
	elm__free(p.map);
	return status;
}
