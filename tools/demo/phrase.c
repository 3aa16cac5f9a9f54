/* phrase.c: patterns, and what a person makes of them: capitals, full stops, slips. */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demo.h"

static void fail(const char *what, const char *text)
{
	fprintf(stderr, "demo_data: %s: %s\n", what, text);
	exit(1);
}

size_t demo_below(demo *d, size_t count)
{
	return (size_t)(elm__random_unit(&d->random) * (double)count);
}

bool demo_chance(demo *d, double probability)
{
	return elm__random_unit(&d->random) < probability;
}

size_t demo_count(const char *const *list)
{
	size_t n = 0;

	while (list[n])
		n++;
	return n;
}

const char *demo_choose(demo *d, const char *const *list)
{
	return list[demo_below(d, demo_count(list))];
}

const char *demo_pick(demo *d, const demo_list *list)
{
	return demo_choose(d, d->held ? list->held : list->train);
}

void demo_append(char *out, size_t room, const char *format, ...)
{
	size_t used = strlen(out);
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(out + used, room - used, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= room - used)
		fail("text is too long", out);
}

/* The end of a piece of pattern: where one of `stops` stands outside of all brackets. */
static const char *piece_end(const char *at, const char *stops)
{
	int depth = 0;

	for (; *at; at++) {
		if (!depth && strchr(stops, *at))
			return at;
		depth += (*at == '[') - (*at == ']');
	}
	fail("a bracket is not closed", stops);
	return at;
}

/* One letter doubled, dropped, or two swapped; the first stays. */
static void slip(demo *d, char *word, size_t length)
{
	size_t at = 1 + demo_below(d, length - 2);
	char swapped = word[at];

	switch (demo_below(d, 3)) {
	case 0:
		word[at] = word[at + 1];
		word[at + 1] = swapped;
		break;
	case 1:
		memmove(word + at, word + at + 1, length - at);
		break;
	default:
		memmove(word + at + 1, word + at, length - at + 1);
		break;
	}
}

static void put_literal(demo *d, char *out, size_t room, const char *text, size_t length,
			bool typos)
{
	size_t at = 0;

	while (at < length) {
		char word[64] = "";
		size_t n = 0;

		while (at + n < length && isalpha((unsigned char)text[at + n]))
			n++;
		if (!n) {
			demo_append(out, room, "%c", text[at++]);
			continue;
		}
		if (n >= sizeof(word) - 2)
			fail("a word is too long", text);
		memcpy(word, text + at, n);
		at += n;
		if (typos && n >= 4 && demo_chance(d, 0.015))
			slip(d, word, n);
		demo_append(out, room, "%s", word);
	}
}

static void expand(demo *d, char *out, size_t room, const char *at, const char *end,
		   const demo_slot *slots, size_t count, bool typos);

/* One of the alternatives in at[0..end). */
static void expand_choice(demo *d, char *out, size_t room, const char *at, const char *end,
			  const demo_slot *slots, size_t count, bool typos)
{
	size_t choices = 1, wanted;
	const char *stop;

	for (stop = piece_end(at, "|]"); stop < end; stop = piece_end(stop + 1, "|]"))
		choices++;
	wanted = demo_below(d, choices);
	while (wanted--)
		at = piece_end(at, "|]") + 1;
	expand(d, out, room, at, piece_end(at, "|]"), slots, count, typos);
}

static void put_slot(char *out, size_t room, const char *name, size_t length,
		     const demo_slot *slots, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (strlen(slots[i].name) == length && !memcmp(slots[i].name, name, length)) {
			demo_append(out, room, "%s", slots[i].value);
			return;
		}
	}
	fail("no such slot", name);
}

static void expand(demo *d, char *out, size_t room, const char *at, const char *end,
		   const demo_slot *slots, size_t count, bool typos)
{
	while (at < end) {
		const char *stop;

		if (*at == '[') {
			stop = piece_end(at + 1, "]");
			expand_choice(d, out, room, at + 1, stop, slots, count, typos);
			at = stop + 1;
		} else if (*at == '<') {
			stop = piece_end(at + 1, ">");
			put_slot(out, room, at + 1, (size_t)(stop - at) - 1, slots, count);
			at = stop + 1;
		} else {
			size_t n = strcspn(at, "[<");

			if (at + n > end)
				n = (size_t)(end - at);
			put_literal(d, out, room, at, n, typos);
			at += n;
		}
	}
}

void demo_expand(demo *d, char *out, size_t room, const char *pattern, const demo_slot *slots,
		 size_t count, bool typos)
{
	expand(d, out, room, pattern, pattern + strlen(pattern), slots, count, typos);
}

char *demo_message_add(demo_sample *s, const char *role)
{
	demo_message *m = &s->messages[s->count];

	if (s->count++ == DEMO_MESSAGES)
		fail("too many messages", role);
	m->role = role;
	m->text[0] = '\0';
	return m->text;
}

void demo_user_says(demo *d, demo_sample *s, const char *pattern, const demo_slot *slots,
		    size_t count, bool ask)
{
	char *text = demo_message_add(s, "user");

	demo_expand(d, text, DEMO_TEXT, pattern, slots, count, true);
	if (d->lower)
		for (char *c = text; *c; c++)
			*c = (char)tolower((unsigned char)*c);
	else if (demo_chance(d, 0.7))
		text[0] = (char)toupper((unsigned char)text[0]);
	if (demo_chance(d, ask ? 0.8 : 0.4) && !strchr("?!.", text[strlen(text) - 1]))
		demo_append(text, DEMO_TEXT, "%s", ask ? "?" : ".");
}

static const demo_list before = {
	{ "please ",
	  "please ",
	  "hey, ",
	  "hi, ",
	  "hello, ",
	  "ok, ",
	  "okay ",
	  "could you ",
	  "can you ",
	  "would you ",
	  "will you ",
	  "can you please ",
	  "could you please ",
	  "I want you to ",
	  "I need you to ",
	  "I would like you to ",
	  "now ",
	  "quickly ",
	  "just ",
	  "alright, ",
	  "one more thing: ",
	  "good morning, ",
	  "good evening, ",
	  "computer, ",
	  "be so kind and ",
	  "next, ",
	  "well, ",
	  "also ",
	  "right, ",
	  "assistant, ",
	  "if you can, ",
	  "before I forget, ",
	  "do me a favour and ",
	  "ok now, ",
	  "oh, ",
	  "yes please, ",
	  "so now ",
	  "and now ",
	  "well then, ",
	  "hey there, ",
	  "good day, ",
	  "dear assistant, ",
	  "hey house, ",
	  "hello computer, ",
	  "would you ",
	  "please now ",
	  "would you kindly ",
	  "if possible, ",
	  "I think you should ",
	  "listen, ",
	  NULL },
	{ "hi there, ", "would you please ", "hey computer, ", "so, ", "good afternoon, ",
	  "now please ", "ok then, ", "yes, ", NULL },
};

static const demo_list after = {
	{ " please",
	  " please",
	  " for me",
	  " now",
	  " right now",
	  " thanks",
	  ", thank you",
	  ", thanks",
	  " if you can",
	  " when you can",
	  " as soon as you can",
	  " right away",
	  ", okay",
	  ", will you",
	  " for us",
	  " please now",
	  " if possible",
	  ", thank you so much",
	  " thank you",
	  " for me now",
	  " for now",
	  ", quickly",
	  " right now please",
	  ", if you can",
	  " and thanks",
	  " for me right now",
	  ", please and thank you",
	  " at the moment",
	  " at this very moment",
	  " at your convenience",
	  " at last",
	  " without delay",
	  " straight away",
	  " in a moment",
	  " some time soon",
	  " as usual",
	  " for the night",
	  " for a while",
	  " this once",
	  " if it is no trouble",
	  " before I leave",
	  " once more",
	  " for me at least",
	  " today",
	  NULL },
	{ " for me please", ", please", " now please", " please, thanks", " for me, thanks",
	  " at once", NULL },
};

void demo_user_requests(demo *d, demo_sample *s, const char *pattern, const demo_slot *slots,
			size_t count, bool end)
{
	char whole[DEMO_TEXT] = "";

	if (demo_chance(d, 0.4))
		demo_append(whole, sizeof(whole), "%s", demo_pick(d, &before));
	demo_append(whole, sizeof(whole), "%s", pattern);
	if (end && demo_chance(d, 0.25))
		demo_append(whole, sizeof(whole), "%s", demo_pick(d, &after));
	demo_user_says(d, s, whole, slots, count, false);
}
