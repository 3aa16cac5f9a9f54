/*
 * states.h: where a text stands in a grammar, as numbered states that are made when they are
 * needed.
 *
 * A state is a set of items: a node that waits for a byte, and the stacks with which it can be
 * reached. The stacks of an item are one number too: a set of frames, each above another such set.
 * So all stacks that share a part share its memory, and a grammar with exponentially many parses
 * costs no more than their common structure. Equal sets and equal states have equal numbers, which
 * makes the machine deterministic: from a state, a class of bytes leads to one state, computed
 * once.
 */
#ifndef ELM_GRAMMAR_STATES_H
#define ELM_GRAMMAR_STATES_H

#include "grammar/lists.h"
#include "grammar/program.h"

enum {
	ELM__DEAD = 0,	       /* the state of texts that are not in the language */
	ELM__MAX_DEPTH = 1024, /* frames of a stack; a byte that needs more is refused */
	ELM__MAX_STATE_MEMORY = 64 << 20,
	ELM__MAX_STATE_WORK = 1 << 22, /* frames and items looked at: some tenths of a second */
};

/* What a state is apart from its items. */
enum {
	ELM__ENDS = 1,	 /* the text can end here */
	ELM__BEYOND = 2, /* it goes on below the part of the stack that is known */
	ELM__DEEP = 8,	 /* ways were left out that need a deeper stack */
	ELM__FRESH = 4,	 /* a space does not count: see elm__states_fresh */
};

typedef struct elm__states {
	const elm__program *program;
	elm__lists stacks; /* frames of four words */
	elm__lists states; /* flags, then a node and a stack for each item */
	elm__lists memos;  /* arguments of the functions on stacks */
	uint32_t *depths;  /* of each stack */
	uint32_t *next;	   /* of each state, one for each class of bytes */
	uint32_t *results; /* of each memo */
	uint8_t *kinds;	   /* flags of each state */
	uint32_t depth_room, next_room, result_room, kind_room;

	/* scratch: for each node, while the items of a state are collected */
	uint32_t *stack_of, *mark, *queue, *touched;
	uint8_t *queued;
	uint32_t generation, queue_count, touched_count, flags;
	uint32_t *words; /* a growing list */
	uint32_t word_count, word_room;
	elm_status status; /* of the operation under way */
	size_t work;	   /* since elm__states_allow_work */
} elm__states;

ELM_NODISCARD elm_status elm__states_init(elm__states *s, const elm__program *program,
					  elm_error *error);
void elm__states_release(elm__states *s);
size_t elm__states_memory(const elm__states *s); /* bytes */

/* From here on ELM__MAX_STATE_WORK may be done; then all fails with ELM_ERR_LIMIT. */
static inline void elm__states_allow_work(elm__states *s)
{
	s->work = 0;
}

/* The state of the empty text. */
ELM_NODISCARD elm_status elm__states_start(elm__states *s, uint32_t *out, elm_error *error);

/* The state after a byte of this class: computes what elm__states_known does not know yet. */
ELM_NODISCARD elm_status elm__states_step(elm__states *s, uint32_t state, uint8_t class,
					  uint32_t *out, elm_error *error);
/* false when it was never computed. */
static inline bool elm__states_known(const elm__states *s, uint32_t state, uint8_t class,
				     uint32_t *out)
{
	*out = s->next[(size_t)state * s->program->class_count + class];
	return *out != UINT32_MAX;
}

static inline unsigned elm__state_flags(const elm__states *s, uint32_t state)
{
	return s->kinds[state];
}

/* The depth of its deepest stack. */
uint32_t elm__state_depth(const elm__states *s, uint32_t state);
/* Whether any byte can follow. */
static inline bool elm__state_goes_on(const elm__states *s, uint32_t state)
{
	return s->states.items[state].count > 1;
}
/* Whether the text so far can be, or become, one of the language. */
static inline bool elm__state_lives(const elm__states *s, uint32_t state)
{
	return elm__state_goes_on(s, state) || (s->kinds[state] & ELM__ENDS);
}

/* The same state, except that a space leads to the state itself. */
ELM_NODISCARD elm_status elm__states_fresh(elm__states *s, uint32_t state, uint32_t *out,
					   elm_error *error);

/*
 * The same state with stacks cut off below `depth` frames, and counters as they look to a text of
 * at most `bytes` bytes. States that no such text can tell apart, unless it comes to what was cut
 * off (ELM__BEYOND) or to the limit of the depth (ELM__DEEP), become equal; whether they can end is
 * forgotten. What was cut off counts as ELM__MAX_DEPTH / 2 frames: deeper states are not to be cut.
 * A fresh state stays as it is.
 */
ELM_NODISCARD elm_status elm__states_reduce(elm__states *s, uint32_t state, uint32_t depth,
					    uint32_t bytes, uint32_t *out, elm_error *error);

/* The state of the same items as one (not fresh) of another machine for the same program. `map` has
 * an entry, UINT32_MAX at first, for each stack of that machine. */
ELM_NODISCARD elm_status elm__states_import(elm__states *s, const elm__states *from, uint32_t state,
					    uint32_t *map, uint32_t *out, elm_error *error);

#endif
