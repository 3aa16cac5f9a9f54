/* talk.c: conversations, in which the last request can only be understood from those before it. */
#include <stdio.h>
#include <string.h>

#include "demo.h"

static void add_exchange(demo_sample *s, const char *call, const char *result, const char *reply)
{
	demo_append(demo_message_add(s, "assistant"), DEMO_TEXT, "%s", call);
	demo_append(demo_message_add(s, "tool"), DEMO_TEXT, "%s", result);
	if (reply)
		demo_append(demo_message_add(s, "assistant"), DEMO_TEXT, "%s", reply);
}

/* After the call of a tool: what it says becomes the answer. */
static void make_result(demo *d, demo_sample *s)
{
	demo_action a;
	char result[DEMO_VALUE] = "";

	demo_action_make(d, &a);
	demo_user_acts(d, s, &a);
	s->kind = "result";
	if (!strcmp(a.kind, "reading")) {
		if (strstr(a.call, "humidity"))
			demo_append(result, DEMO_VALUE, "%d %%", demo_pick_number(d, 20, 90));
		else
			demo_append(result, DEMO_VALUE, "%d.%d C", demo_pick_number(d, 5, 34),
				    (int)demo_below(d, 10));
		demo_append(s->answer, DEMO_TEXT, "%s", result);
	} else if (demo_chance(d, 0.25)) {
		demo_append(result, DEMO_VALUE, "failed");
		demo_append(s->answer, DEMO_TEXT, "That did not work.");
	} else {
		demo_append(result, DEMO_VALUE, "ok");
		demo_append(s->answer, DEMO_TEXT, "Done.");
	}
	add_exchange(s, a.call, result, NULL);
}

/* "and in the attic too", "make it 30", "off again" after a request about a room */
static void make_again(demo *d, demo_sample *s)
{
	static const demo_list elsewhere = {
		{ "and in <in>[ too|]", "the same in <in>", "now [also |]in <in>",
		  "do that in <in>[ too| as well|]", "<in> as well", "also in <in>", "and <in>",
		  "I meant <in>", "<in> too", NULL },
		{ "and the same in <in>", "please also in <in>", "do the same in <in>",
		  "in <in> as well", NULL },
	};
	static const demo_list other = {
		{ "make it <n>", "<n> [is better|instead]", "change it to <n>", "no, <n>",
		  "[set|put] it to <n>", "better <n>", "I meant <n>", "try <n>", "<n> please",
		  NULL },
		{ "no, make it <n>", "change that to <n>", "set that to <n>", "<n> would be better",
		  NULL },
	};
	static const demo_list opposite = {
		{ "turn it <state> again", "and <state> again", "now <state>", "<state> please",
		  "back <state>", "no, <state>", "I meant <state>", "make that <state>", NULL },
		{ "turn it back <state>", "no, turn it <state>", "and now <state>",
		  "please <state> again", NULL },
	};
	static const struct {
		const char *tool, *key, *unit;
		int low, high;
	} tools[] = { { "dim_light", "percent", "%", 1, 100 },
		      { "set_temperature", "celsius", "degrees", 5, 30 },
		      { "set_blind", "percent", "%", 0, 100 },
		      { "set_light", NULL, NULL, 0, 0 } };
	static const char *const openings[] = { "dim the light in <in> to <n>",
						"set the temperature in <in> to <n>",
						"set the blinds in <in> to <n>",
						"turn the light in <in> <state>" };
	static const char *const held_openings[] = { "bring the light in <in> down to <n>",
						     "get the heating in <in> to <n>",
						     "put the blinds in <in> at <n>",
						     "put the light in <in> <state>" };
	size_t tool = demo_below(d, 4);
	bool on = demo_chance(d, 0.5), same_room = demo_chance(d, 0.5);
	demo_room rooms[2];
	char number[DEMO_VALUE] = "", first[DEMO_TEXT] = "";
	demo_slot slots[3];
	int n = tool < 3 ? demo_pick_number(d, tools[tool].low, tools[tool].high) : 0;

	demo_pick_rooms(d, rooms, 2);
	demo_append(number, sizeof(number), "%d", n);
	slots[0] = (demo_slot){ "in", rooms[0].spoken };
	slots[1] = (demo_slot){ "n", number };
	slots[2] = (demo_slot){ "state", on ? "on" : "off" };
	demo_user_requests(d, s, (d->held ? held_openings : openings)[tool], slots, 3, true);
	for (int turn = 0; turn < 2; turn++) {
		const char *room = rooms[turn && !same_room].name;
		char *out = turn ? s->answer : first;

		if (tool < 3)
			demo_call(out, DEMO_TEXT, tools[tool].tool, "room", 's', room,
				  tools[tool].key, 'i', n, NULL);
		else
			demo_call(out, DEMO_TEXT, tools[tool].tool, "room", 's', room, "on", 'b',
				  on, NULL);
		if (turn)
			break;
		add_exchange(s, first, "ok", "Done.");
		if (same_room && tool < 3)
			n = demo_pick_number(d, tools[tool].low, tools[tool].high);
		else if (same_room)
			on = !on;
	}
	number[0] = '\0';
	demo_append(number, sizeof(number), "%d", n);
	slots[0].value = rooms[1].spoken;
	slots[2].value = on ? "on" : "off";
	s->kind = same_room ? "change" : "elsewhere";
	demo_user_says(d, s,
		       demo_pick(d, !same_room ? &elsewhere :
				    tool < 3   ? &other :
						 &opposite),
		       slots, 3, false);
}

/* Readings in the system message, a question, and then the same of another room. */
static void make_follow_up(demo *d, demo_sample *s)
{
	static const demo_list patterns = {
		{ "and in <in>", "and <in>", "what about <in>", "how about <in>",
		  "the same for <in>", "now <in>", NULL },
		{ "and what about <in>", "and how about <in>", "same for <in>", NULL },
	};
	static const demo_list warmth = {
		{ "how warm is it in <in>", "what is the temperature in <in>", NULL },
		{ "how many degrees has <in>", NULL },
	};
	static const demo_list damp = {
		{ "how humid is it in <in>", "what is the humidity in <in>", NULL },
		{ "how many percent humidity are in <in>", NULL },
	};
	demo_readings r;
	size_t first, second;
	bool humid = demo_chance(d, 0.5);
	demo_slot slot = { "in", NULL };

	demo_readings_make(d, &r, 2, 4);
	first = demo_below(d, r.count);
	second = (first + 1 + demo_below(d, r.count - 1)) % r.count;
	demo_readings_write(d, &r, demo_message_add(s, "system"), DEMO_TEXT);
	for (int turn = 0; turn < 2; turn++) {
		size_t i = turn ? second : first;
		char *out;

		slot.value = r.rooms[i].spoken;
		demo_user_says(d, s,
			       demo_pick(d, turn  ? &patterns :
					    humid ? &damp :
						    &warmth),
			       &slot, 1, true);
		out = turn ? s->answer : demo_message_add(s, "assistant");
		if (humid && !r.humidity[i])
			demo_append(out, DEMO_TEXT, "%s humidity: unknown", r.rooms[i].name);
		else
			demo_reading_say(&r, i, humid, out, DEMO_TEXT);
	}
	s->kind = "follow-up";
}

/* What was said before must not disturb: a conversation that turns to something else. */
static void make_new_subject(demo *d, demo_sample *s)
{
	demo_sample before = { 0 }, next = { 0 };

	demo_make_task(d, &before);
	d->lower = false;
	if (demo_chance(d, 0.5))
		demo_make_simple(d, &next);
	else
		demo_make_task(d, &next);
	s->messages[s->count++] = before.messages[0];
	add_exchange(s, before.answer, "ok", "Done.");
	s->messages[s->count++] = next.messages[0];
	demo_append(s->answer, DEMO_TEXT, "%s", next.answer);
	s->kind = "new-subject";
}

void demo_make_conversational(demo *d, demo_sample *s)
{
	double kind = elm__random_unit(&d->random);

	d->lower = false;
	if (kind < 0.2)
		make_result(d, s);
	else if (kind < 0.65)
		make_again(d, s);
	else if (kind < 0.85)
		make_follow_up(d, s);
	else
		make_new_subject(d, s);
}

void demo_make_echo(demo *d, demo_sample *s)
{
	static const char *const patterns[] = { "repeat: <text>",	   "say: <text>",
						"repeat after me: <text>", "say this: <text>",
						"please repeat: <text>",   "quote: <text>",
						"in quotes: <text>",	   NULL };
	char text[DEMO_VALUE * 4] = "", part[DEMO_VALUE];
	demo_slot slot = { "text", text };
	size_t parts = 1 + demo_below(d, 3);
	const char *pattern;

	d->lower = false;
	for (size_t i = 0; i < parts; i++) {
		part[0] = '\0';
		switch (demo_below(d, 5)) {
		case 0:
			demo_pick_person(d, part);
			break;
		case 1:
			demo_pick_task(d, part);
			break;
		case 2:
			demo_append(part, sizeof(part), "%d", (int)demo_below(d, 1000));
			break;
		default:
			demo_pick_gibberish(d, part, sizeof(part));
		}
		demo_append(text, sizeof(text), "%s%s", i ? " " : "", part);
	}
	pattern = demo_choose(d, patterns);
	demo_expand(d, demo_message_add(s, "user"), DEMO_TEXT, pattern, &slot, 1, false);
	s->kind = "echo";
	demo_append(s->answer, DEMO_TEXT, strstr(pattern, "quote") ? "\"%s\"" : "%s", text);
}
