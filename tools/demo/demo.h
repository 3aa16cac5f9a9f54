/*
 * demo.h: the text that the demo model is trained on and measured with, made from patterns.
 *
 * A sample is a conversation and the answer that is wanted. Everything follows from the seed. Held-
 * out samples use patterns, names and values that no other sample uses: docs/DEMO-MODEL.md.
 */
#ifndef ELM_TOOLS_DEMO_H
#define ELM_TOOLS_DEMO_H

#include <stdbool.h>
#include <stddef.h>

#include "base/random.h"

typedef enum demo_category {
	DEMO_SIMPLE,
	DEMO_COMPLEX,
	DEMO_CONVERSATIONAL,
	DEMO_CONTEXTUAL,
	DEMO_TASK,
	DEMO_OUTSIDE, /* what the assistant is to hand over */
	DEMO_ECHO,    /* an exercise */
	DEMO_CATEGORIES
} demo_category;

enum { DEMO_TEXT = 1024, DEMO_VALUE = 96, DEMO_MESSAGES = 10, DEMO_SLOTS = 8 };

typedef struct demo_message {
	const char *role;
	char text[DEMO_TEXT];
} demo_message;

typedef struct demo_sample {
	demo_message messages[DEMO_MESSAGES];
	size_t count;
	char answer[DEMO_TEXT];
	const char *kind; /* what it asks for: "dim", "warmest" */
} demo_sample;

typedef struct demo {
	elm__random random;
	bool held;  /* use what is held out, and nothing else */
	bool lower; /* this person writes without capitals */
} demo;

/* Both lists end with NULL. */
typedef struct demo_list {
	const char *train[104], *held[32];
} demo_list;

/* What stands for <name> in a pattern. */
typedef struct demo_slot {
	const char *name, *value;
} demo_slot;

size_t demo_below(demo *d, size_t count); /* 0 to count - 1 */
bool demo_chance(demo *d, double probability);
size_t demo_count(const char *const *list);
const char *demo_choose(demo *d, const char *const *list);
const char *demo_pick(demo *d, const demo_list *list); /* of the half that is in use */

/* Appends formatted text; ends the program when it does not fit, which is a bug in a pattern. */
void demo_append(char *out, size_t room, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Appends a pattern. [a|b|] is one of the alternatives, which may hold others; <name> is the value
 * of a slot. Words outside of slots get a typing error now and then when `typos` is true.
 */
void demo_expand(demo *d, char *out, size_t room, const char *pattern, const demo_slot *slots,
		 size_t count, bool typos);

/* Adds a message; its text is still empty. */
char *demo_message_add(demo_sample *s, const char *role);
/* Adds what the user says: a pattern, with a capital and a full stop or not. `ask`: a question. */
void demo_user_says(demo *d, demo_sample *s, const char *pattern, const demo_slot *slots,
		    size_t count, bool ask);
/* The same with something polite before it and, where `end`, after it. */
void demo_user_requests(demo *d, demo_sample *s, const char *pattern, const demo_slot *slots,
			size_t count, bool end);

/* ---- values.c ---- */

/* A room as it is named in a call, and with its article as it is spoken of. */
typedef struct demo_room {
	char name[DEMO_VALUE];
	char spoken[DEMO_VALUE];
} demo_room;

void demo_pick_room(demo *d, demo_room *out);
/* Rooms with different names, none of which is part of another. */
void demo_pick_rooms(demo *d, demo_room *out, size_t count);
void demo_pick_person(demo *d, char out[DEMO_VALUE]);
void demo_pick_task(demo *d, char out[DEMO_VALUE]);    /* "water the ferns" */
void demo_pick_thing(demo *d, char out[DEMO_VALUE]);   /* "spare key" */
void demo_pick_message(demo *d, char out[DEMO_VALUE]); /* "dinner is ready" */
void demo_pick_title(demo *d, char out[DEMO_VALUE]);   /* "Blue Lantern" */
void demo_pick_label(demo *d, char out[DEMO_VALUE]);   /* "pasta" */
void demo_pick_time(demo *d, char out[DEMO_VALUE]);    /* "7:45" */
void demo_pick_device(demo *d, char out[DEMO_VALUE]);  /* "coffee machine" */
void demo_pick_door(demo *d, char out[DEMO_VALUE]);    /* "front door" */
/* Words that mean nothing. */
void demo_pick_gibberish(demo *d, char *out, size_t room);
/* A number from low to high. One in five is held out: those whose digits add up to 3, 8, 13, 18. */
int demo_pick_number(demo *d, int low, int high);
/* The name of a time in words, and in digits; times are held out like numbers. */
void demo_pick_spoken_time(demo *d, char words[DEMO_VALUE], char digits[DEMO_VALUE]);

/* ---- one source file for each category ---- */

/* One call of a tool: the user's words and the call, in text that follows <tool_call>. */
typedef struct demo_action {
	const char *kind;
	const char *pattern;
	char values[DEMO_SLOTS][DEMO_VALUE];
	demo_slot slots[DEMO_SLOTS];
	size_t count;
	char call[DEMO_TEXT];
} demo_action;

void demo_action_make(demo *d, demo_action *a);
/* Adds what the user says for it. */
void demo_user_acts(demo *d, demo_sample *s, const demo_action *a);
/* The call of a tool, in the form of the chat template: name, then key, kind ('s' text, 'i' number,
 * 'b' true or false), value and so on, and NULL. */
void demo_call(char *out, size_t room, const char *name, ...);

void demo_make_task(demo *d, demo_sample *s);
void demo_make_simple(demo *d, demo_sample *s);
void demo_make_contextual(demo *d, demo_sample *s);
void demo_make_complex(demo *d, demo_sample *s);
void demo_make_conversational(demo *d, demo_sample *s);
void demo_make_outside(demo *d, demo_sample *s);
/* An exercise in copying, which all others need; nothing is measured with it. */
void demo_make_echo(demo *d, demo_sample *s);

/* Readings of rooms, in the words of a system message. */
typedef struct demo_readings {
	demo_room rooms[5];
	size_t count;
	int tenths[5];	 /* of a degree */
	int humidity[5]; /* percent; 0 where none is known */
} demo_readings;

void demo_readings_make(demo *d, demo_readings *r, size_t least, size_t most);
/* "attic temperature: 17.0 C", the words of the answer and of the system message. */
void demo_reading_say(const demo_readings *r, size_t i, bool humid, char *out, size_t room);
void demo_readings_write(demo *d, const demo_readings *r, char *out, size_t room);

#endif
