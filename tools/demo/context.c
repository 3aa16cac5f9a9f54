/* context.c: questions about readings and notes that stand in the system message, and those that
 * need a computation on them. */
#include <stdio.h>
#include <string.h>

#include "demo.h"

/* ---- readings of rooms ---- */

void demo_readings_make(demo *d, demo_readings *r, size_t least, size_t most)
{
	bool used[40] = { false };

	r->count = least + demo_below(d, most - least + 1);
	demo_pick_rooms(d, r->rooms, r->count);
	for (size_t i = 0; i < r->count; i++) {
		int whole;

		/* Whole degrees differ, so that "warmest" has one answer. */
		do
			whole = 5 + (int)demo_below(d, 30);
		while (used[whole]);
		used[whole] = true;
		r->tenths[i] = whole * 10 + (int)demo_below(d, 10);
		r->humidity[i] = demo_chance(d, 0.8) ? demo_pick_number(d, 20, 90) : 0;
	}
}

void demo_readings_write(demo *d, const demo_readings *r, char *out, size_t room)
{
	static const char *const titles[] = { "Readings: ", "Readings:\n", "" };
	static const char *const separators[] = { "; ", "\n", ", " };
	size_t form = demo_below(d, 3);

	demo_append(out, room, "%s", titles[form]);
	for (size_t i = 0; i < r->count; i++) {
		demo_append(out, room, "%s", i ? separators[form] : "");
		demo_reading_say(r, i, false, out, room);
		if (!r->humidity[i])
			continue;
		demo_append(out, room, "%s", separators[form]);
		demo_reading_say(r, i, true, out, room);
	}
}

void demo_reading_say(const demo_readings *r, size_t i, bool humid, char *out, size_t room)
{
	const char *name = r->rooms[i].name;

	if (humid)
		demo_append(out, room, "%s humidity: %d %%", name, r->humidity[i]);
	else
		demo_append(out, room, "%s temperature: %d.%d C", name, r->tenths[i] / 10,
			    r->tenths[i] % 10);
}

static void make_lookup(demo *d, demo_sample *s)
{
	static const demo_list warmth = {
		{ "how [warm|cold|hot] is it in <in>",
		  "what is the temperature in <in>",
		  "[tell|show|give] me the temperature in <in>",
		  "temperature in <in>",
		  "what does the thermometer in <in> say",
		  "how [warm|cold|hot] is <in>",
		  "how many degrees is it in <in>",
		  "what temperature does <in> have",
		  "<room> temperature",
		  "and in <in>, how [warm|cold] is it",
		  "in <in>, what does the thermometer say",
		  "the temperature [in|of] <in>",
		  "I [want|need|have] to know the temperature in <in>",
		  "I would like to [hear|see|have] the temperature in <in>",
		  "do you know the temperature in <in>",
		  "do you know how [warm|cold|hot] it is in <in>",
		  "can you [say|see|tell me] how [warm|cold|hot] it is in <in>",
		  "[I wonder|any idea] how [warm|cold|hot] it is in <in>",
		  "let me know the temperature in <in>",
		  "what is the temperature like in <in>",
		  "what about the temperature in <in>",
		  "how many degrees does <in> have",
		  "how many degrees are there in <in>",
		  "how many degrees [does|would] the thermometer in <in> show",
		  "is it [warm|cold|hot] in <in>, what is the temperature",
		  "how high is the temperature in <in>",
		  "which temperature does <in> have",
		  "look up the temperature of <in>",
		  "<in>: what temperature",
		  "what temperature has <in>",
		  NULL },
		{ "in <in>, how [warm|cold|hot] is it", "how many degrees has <in>",
		  "what is the temperature of <in>", "I would like to know the temperature in <in>",
		  NULL },
	};
	static const demo_list damp = {
		{ "how [humid|damp|dry] is it in <in>",
		  "what is the humidity in <in>",
		  "[tell|show|give] me the humidity in <in>",
		  "humidity in <in>",
		  "how [humid|damp|dry] is <in>",
		  "what humidity does <in> have",
		  "<room> humidity",
		  "how many percent humidity has <in>",
		  "and in <in>, how [humid|damp] is it",
		  "in <in>, what does the hygrometer say",
		  "the humidity [in|of] <in>",
		  "I [want|need|have] to know the humidity in <in>",
		  "I would like to [hear|see|have] the humidity in <in>",
		  "do you know the humidity in <in>",
		  "do you know how [humid|damp|dry] it is in <in>",
		  "can you [say|see|tell me] how [humid|damp|dry] it is in <in>",
		  "[I wonder|any idea] how [humid|damp|dry] it is in <in>",
		  "let me know the humidity in <in>",
		  "what is the humidity like in <in>",
		  "what about the humidity in <in>",
		  "how many percent does <in> have",
		  "how many percent are there in <in>",
		  "how many percent [does|would] the hygrometer in <in> show",
		  "is it [humid|damp|dry] in <in>, what is the humidity",
		  "how high is the humidity in <in>",
		  "which humidity does <in> have",
		  "look up the humidity of <in>",
		  "<in>: what humidity",
		  "what humidity has <in>",
		  NULL },
		{ "in <in>, how [humid|damp|dry] is it", "what is the humidity of <in>",
		  "I would like to know the humidity in <in>",
		  "how many percent is the humidity in <in>", NULL },
	};
	bool humid = demo_chance(d, 0.5), absent = demo_chance(d, 0.15);
	demo_readings r;
	size_t i;
	demo_slot slots[2] = { { "in", NULL }, { "room", NULL } };

	demo_readings_make(d, &r, absent ? 2 : 1, 4);
	/* The last room is asked for but not told of. */
	i = demo_below(d, r.count);
	if (absent)
		i = --r.count;
	demo_readings_write(d, &r, demo_message_add(s, "system"), DEMO_TEXT);
	slots[0].value = r.rooms[i].spoken;
	slots[1].value = r.rooms[i].name;
	demo_user_says(d, s, demo_pick(d, humid ? &damp : &warmth), slots, 2, true);
	absent |= humid && !r.humidity[i];
	s->kind = absent ? "absent" : humid ? "humidity" : "warmth";
	if (absent)
		demo_append(s->answer, DEMO_TEXT, "%s %s: unknown", r.rooms[i].name,
			    humid ? "humidity" : "temperature");
	else
		demo_reading_say(&r, i, humid, s->answer, DEMO_TEXT);
}

static void make_extreme(demo *d, demo_sample *s)
{
	static const demo_list warmest = {
		{ "which room is the [warmest|hottest]",
		  "what is the [warmest|hottest] room",
		  "where is it [warmest|hottest]",
		  "[warmest|hottest] room",
		  "which room has the highest temperature",
		  "where is the temperature highest",
		  "tell me the [warmest|hottest] room",
		  "the [warmest|hottest] place",
		  "in what room is it [warmest|hottest]",
		  "which is the [warmest|hottest] room",
		  "what place is the [warmest|hottest]",
		  "[say|find|show me] the [warmest|hottest] room",
		  "in which place is the temperature highest",
		  "which of the rooms is [warmest|hottest]",
		  "what room is [warmest|hottest]",
		  "the highest temperature is where",
		  "do you know the [warmest|hottest] room",
		  "which room shows the highest temperature",
		  "I want to know which room is [warmest|hottest]",
		  "where do we have the highest temperature",
		  "of the rooms, which is [warmest|hottest]",
		  NULL },
		{ "in which room is it [warmest|hottest]", "name the [warmest|hottest] room",
		  "what room has the highest temperature", NULL },
	};
	static const demo_list coldest = {
		{ "which room is the [coldest|coolest]",
		  "what is the [coldest|coolest] room",
		  "where is it [coldest|coolest]",
		  "[coldest|coolest] room",
		  "which room has the lowest temperature",
		  "where is the temperature lowest",
		  "tell me the [coldest|coolest] room",
		  "the [coldest|coolest] place",
		  "in what room is it [coldest|coolest]",
		  "which is the [coldest|coolest] room",
		  "what place is the [coldest|coolest]",
		  "[say|find|show me] the [coldest|coolest] room",
		  "in which place is the temperature lowest",
		  "which of the rooms is [coldest|coolest]",
		  "what room is [coldest|coolest]",
		  "the lowest temperature is where",
		  "do you know the [coldest|coolest] room",
		  "which room shows the lowest temperature",
		  "I want to know which room is [coldest|coolest]",
		  "where do we have the lowest temperature",
		  "of the rooms, which is [coldest|coolest]",
		  NULL },
		{ "in which room is it [coldest|coolest]", "name the [coldest|coolest] room",
		  "what room has the lowest temperature", NULL },
	};
	bool warm = demo_chance(d, 0.5);
	demo_readings r;
	size_t best = 0;

	demo_readings_make(d, &r, 2, 4);
	for (size_t i = 1; i < r.count; i++)
		if ((r.tenths[i] > r.tenths[best]) == warm)
			best = i;
	demo_readings_write(d, &r, demo_message_add(s, "system"), DEMO_TEXT);
	demo_user_says(d, s, demo_pick(d, warm ? &warmest : &coldest), NULL, 0, true);
	s->kind = warm ? "warmest" : "coldest";
	demo_append(s->answer, DEMO_TEXT, "%s", r.rooms[best].name);
}

static void make_threshold(demo *d, demo_sample *s)
{
	static const demo_list above = {
		{ "is it [above|over] <n>[ degrees| C] in <in>",
		  "is it [warmer|more] than <n>[ degrees| C|] in <in>",
		  "is <in> [above|over|warmer than] <n>[ degrees| C]",
		  "does <in> have more than <n> degrees",
		  "in <in>, is it warmer than <n>[ degrees| C|]",
		  "in <in>, are there more than <n> degrees",
		  "are there more than <n>[ degrees| C] in <in>",
		  "do we have more than <n> degrees in <in>",
		  "is the temperature [of|inside] <in> [above|over] <n>[ degrees| C]",
		  "is <in> at more than <n>[ degrees| C]",
		  "can you see if it is [above|over] <n>[ degrees| C] in <in>",
		  "tell me if <in> is [above|over] <n>[ degrees| C]",
		  "<in>, is it [above|over] <n>[ degrees| C]",
		  "is the thermometer in <in> [above|over] <n>[ degrees| C]",
		  "is it warmer in <in> than <n>[ degrees| C]",
		  "does it have more than <n> degrees in <in>", NULL },
		{ "in <in>, is it [above|over] <n>[ degrees| C]", "has <in> more than <n> degrees",
		  "is the temperature in <in> [above|over] <n>[ degrees| C]", NULL },
	};
	static const demo_list below = {
		{ "is it [below|under] <n>[ degrees| C] in <in>",
		  "is it [colder|less] than <n>[ degrees| C|] in <in>",
		  "is <in> [below|under|colder than] <n>[ degrees| C]",
		  "does <in> have less than <n> degrees",
		  "in <in>, is it colder than <n>[ degrees| C|]",
		  "in <in>, are there less than <n> degrees",
		  "are there less than <n>[ degrees| C] in <in>",
		  "do we have less than <n> degrees in <in>",
		  "is the temperature [of|inside] <in> [below|under] <n>[ degrees| C]",
		  "is <in> at less than <n>[ degrees| C]",
		  "can you see if it is [below|under] <n>[ degrees| C] in <in>",
		  "tell me if <in> is [below|under] <n>[ degrees| C]",
		  "<in>, is it [below|under] <n>[ degrees| C]",
		  "is the thermometer in <in> [below|under] <n>[ degrees| C]",
		  "is it colder in <in> than <n>[ degrees| C]",
		  "does it have less than <n> degrees in <in>", NULL },
		{ "in <in>, is it [below|under] <n>[ degrees| C]", "has <in> less than <n> degrees",
		  "is the temperature in <in> [below|under] <n>[ degrees| C]", NULL },
	};
	bool up = demo_chance(d, 0.5), over;
	demo_readings r;
	char number[DEMO_VALUE] = "";
	demo_slot slots[2] = { { "in", NULL }, { "n", number } };
	size_t i;
	int n;

	demo_readings_make(d, &r, 1, 3);
	i = demo_below(d, r.count);
	slots[0].value = r.rooms[i].spoken;
	do
		n = demo_pick_number(d, 5, 35);
	while (n == r.tenths[i] / 10);
	demo_append(number, sizeof(number), "%d", n);
	demo_readings_write(d, &r, demo_message_add(s, "system"), DEMO_TEXT);
	demo_user_says(d, s, demo_pick(d, up ? &above : &below), slots, 2, true);
	s->kind = "threshold";
	demo_reading_say(&r, i, false, s->answer, DEMO_TEXT);
	over = r.tenths[i] > n * 10;
	demo_append(s->answer, DEMO_TEXT, ", %s %d C, so %s", over ? "over" : "under", n,
		    over == up ? "yes" : "no");
}

/* ---- doors and windows ---- */

static void make_state(demo *d, demo_sample *s)
{
	static const demo_list patterns = {
		{ "is the <what> <state>",
		  "can you see if the <what> is <state>",
		  "did I leave the <what> <state>",
		  "is the <what> <state> now",
		  "tell me if the <what> is <state>",
		  "the <what>, is it <state>",
		  "please check, is the <what> <state>",
		  "[do you know|can you say] if the <what> is <state>",
		  "I want to know if the <what> is <state>",
		  "please [look|check|tell me] if the <what> is <state>",
		  "is that <what> <state>",
		  "is the <what> still <state>",
		  "is the <what> [really|already|also] <state>",
		  "has someone left the <what> <state>",
		  "was the <what> left <state>",
		  "see if the <what> is <state>",
		  "the <what> is <state>, right",
		  "how about the <what>, <state>",
		  "would you check if the <what> is <state>",
		  "let me know if the <what> is <state>",
		  "is the <what> at the moment <state>",
		  NULL },
		{ "can you tell me if the <what> is <state>", "please see if the <what> is <state>",
		  "is the <what> <state> right now", NULL },
	};
	static const char *const kinds[] = { "window", "door", "gate", "vent", "shutter", NULL };
	static const char *const states[][2] = { { "open", "closed" }, { "locked", "unlocked" } };
	const char *const *pair = states[demo_below(d, 2)];
	char *text = demo_message_add(s, "system"), names[4][DEMO_VALUE];
	size_t count = 2 + demo_below(d, 3), asked = demo_below(d, count),
	       wanted = demo_below(d, 2);
	demo_room rooms[4];
	size_t real = 0;
	demo_slot slots[2];

	demo_pick_rooms(d, rooms, count);
	demo_append(text, DEMO_TEXT, "State: ");
	for (size_t i = 0; i < count; i++) {
		size_t state = demo_below(d, 2);

		names[i][0] = '\0';
		demo_append(names[i], DEMO_VALUE, "%s %s", rooms[i].name, demo_choose(d, kinds));
		if (i == asked)
			real = state;
		demo_append(text, DEMO_TEXT, "%s: %s%s", names[i], pair[state],
			    i + 1 == count ? "" : "; ");
	}
	slots[0] = (demo_slot){ "what", names[asked] };
	slots[1] = (demo_slot){ "state", pair[wanted] };
	demo_user_says(d, s, demo_pick(d, &patterns), slots, 2, true);
	s->kind = "state";
	demo_append(s->answer, DEMO_TEXT, "%s: %s", names[asked], pair[real]);
}

static void make_count(demo *d, demo_sample *s)
{
	static const demo_list patterns = {
		{ "how many <what>s are <state>", "count the <state> <what>s",
		  "how many <what>s did I leave <state>", "the number of <state> <what>s",
		  "tell me how many <what>s are <state>",
		  "how many of the <what>s did I leave <state>",
		  "what is the number of <state> <what>s", "how many <state> <what>s are there",
		  "how many <state> <what>s do we have", "give me a count of the <state> <what>s",
		  "are there <state> <what>s, and how many", "say how many <what>s are <state>",
		  NULL },
		{ "how many of the <what>s are <state>", "give me the number of <state> <what>s",
		  NULL },
	};
	static const char *const kinds[] = { "window", "door", NULL };
	const char *kind = demo_choose(d, kinds), *state = demo_chance(d, 0.6) ? "open" : "closed";
	char *text = demo_message_add(s, "system");
	size_t count = 2 + demo_below(d, 3), found = 0;
	demo_room rooms[4];
	demo_slot slots[2] = { { "what", kind }, { "state", state } };

	demo_pick_rooms(d, rooms, count);
	demo_append(text, DEMO_TEXT, "State: ");
	for (size_t i = 0; i < count; i++) {
		bool open = demo_chance(d, 0.5);

		found += open == !strcmp(state, "open");
		demo_append(text, DEMO_TEXT, "%s %s: %s%s", rooms[i].name, kind,
			    open ? "open" : "closed", i + 1 == count ? "" : "; ");
	}
	demo_user_says(d, s, demo_pick(d, &patterns), slots, 2, true);
	s->kind = "count";
	demo_append(s->answer, DEMO_TEXT, "%zu", found);
}

/* ---- notes ---- */

static void make_notes(demo *d, demo_sample *s)
{
	static const demo_list who = {
		{ "who has the <thing>",
		  "where is the <thing>",
		  "who took the <thing>",
		  "I need the <thing>, who has it",
		  "with whom is the <thing>",
		  "who keeps the <thing>",
		  "do you know who has the <thing>",
		  "who is using the <thing>",
		  "who is the <thing> with",
		  "who is holding the <thing>",
		  "tell me who [took|keeps|borrowed] the <thing>",
		  "tell me where the <thing> is",
		  "the <thing>, where is it",
		  "the <thing>, who took it",
		  "the <thing> is with whom",
		  "who borrowed the <thing>",
		  "who could have the <thing>",
		  "can you tell me who has the <thing>",
		  "I am looking for the <thing>",
		  "at whose place is the <thing>",
		  "who got the <thing>",
		  "does anyone have the <thing>",
		  "the <thing>, who [keeps|has got] it",
		  "the <thing>, with whom is it",
		  "say who has the <thing>",
		  "find out who has the <thing>",
		  NULL },
		{ "who is keeping the <thing>", "the <thing>, who has it",
		  "tell me who has the <thing>", NULL },
	};
	static const demo_list when = {
		{ "when does <who> come",
		  "when will <who> [come|arrive|be here]",
		  "at what time does <who> come",
		  "what time is <who> coming",
		  "when is <who> [here|coming]",
		  "when can <who> be here",
		  "when can we see <who>",
		  "when can I meet <who>",
		  "when do we expect <who>",
		  "when should I expect <who>",
		  "what time does <who> [come|get here]",
		  "what time will <who> be here",
		  "at what time is <who> [here|coming]",
		  "at which time does <who> [come|arrive]",
		  "when will we see <who>",
		  "do you know when <who> comes",
		  "tell me when <who> [comes|arrives]",
		  "on which day does <who> come",
		  "which day is <who> coming",
		  "I want to know when <who> comes",
		  "<who> comes when",
		  "how long until <who> comes",
		  NULL },
		{ "what time does <who> arrive", "when can I expect <who>",
		  "at what time will <who> come", NULL },
	};
	static const char *const days[] = { "Monday", "Tuesday",  "Wednesday", "Thursday",
					    "Friday", "Saturday", "Sunday",    NULL };
	size_t count = 2 + demo_below(d, 3), asked = demo_below(d, count);
	char *text = demo_message_add(s, "system");
	char people[4][DEMO_VALUE], things[4][DEMO_VALUE];
	bool times[4];
	demo_slot slots[2] = { { "who", people[asked] }, { "thing", things[asked] } };

	demo_append(text, DEMO_TEXT, "Notes:");
	for (size_t i = 0; i < count; i++) {
		bool clash;

		times[i] = demo_chance(d, 0.4);
		do {
			demo_pick_person(d, people[i]);
			demo_pick_thing(d, things[i]);
			clash = false;
			for (size_t j = 0; j < i; j++)
				clash |= !strcmp(people[i], people[j]) ||
					 strstr(things[i], things[j]) ||
					 strstr(things[j], things[i]);
		} while (clash);
		if (times[i]) {
			char time[DEMO_VALUE];

			demo_pick_time(d, time);
			things[i][0] = '\0';
			demo_append(things[i], DEMO_VALUE, "%s at %s", demo_choose(d, days), time);
			demo_append(text, DEMO_TEXT, " %s comes on %s.", people[i], things[i]);
		} else {
			demo_append(text, DEMO_TEXT, " The %s is with %s.", things[i], people[i]);
		}
	}
	demo_user_says(d, s, demo_pick(d, times[asked] ? &when : &who), slots, 2, true);
	s->kind = times[asked] ? "when" : "who";
	if (times[asked])
		demo_append(s->answer, DEMO_TEXT, "%s comes on %s.", people[asked], things[asked]);
	else
		demo_append(s->answer, DEMO_TEXT, "The %s is with %s.", things[asked],
			    people[asked]);
}

void demo_make_contextual(demo *d, demo_sample *s)
{
	static void (*const makers[])(demo *, demo_sample *) = {
		make_lookup, make_lookup, make_lookup, make_threshold, make_threshold,
		make_state,  make_state,  make_notes,  make_notes
	};

	d->lower = false;
	makers[demo_below(d, sizeof(makers) / sizeof(makers[0]))](d, s);
}

/* ---- what needs more than one step ---- */

static void make_difference(demo *d, demo_sample *s)
{
	static const demo_list patterns = {
		{ "how much warmer is <a> than <b>", "what is the difference between <a> and <b>",
		  "by how many degrees is <a> warmer than <b>",
		  "how many degrees warmer is <a> than <b>", "<a> is how much warmer than <b>",
		  "how many degrees lie between <a> and <b>",
		  "tell me how much warmer <a> is than <b>",
		  "what is the difference in degrees between <a> and <b>",
		  "between <a> and <b>, what is the difference",
		  "how big is the difference between <a> and <b>",
		  "<a> and <b>, how many degrees apart", NULL },
		{ "<a> is how many degrees warmer than <b>",
		  "how many degrees are between <a> and <b>", NULL },
	};
	char *text = demo_message_add(s, "system");
	int low = 8 + (int)demo_below(d, 15), more = 1 + (int)demo_below(d, 9);
	demo_room rooms[2];
	demo_slot slots[2];
	size_t first = demo_below(d, 2);

	demo_pick_rooms(d, rooms, 2);
	for (size_t i = 0; i < 2; i++)
		demo_append(text, DEMO_TEXT, "%s%s %d C%s", i ? "" : "Readings: ", rooms[i].name,
			    i == first ? low + more : low, i ? "." : "; ");
	slots[0] = (demo_slot){ "a", rooms[first].spoken };
	slots[1] = (demo_slot){ "b", rooms[!first].spoken };
	demo_user_says(d, s, demo_pick(d, &patterns), slots, 2, true);
	s->kind = "difference";
	demo_append(s->answer, DEMO_TEXT, "%d", more);
}

static void make_condition(demo *d, demo_sample *s)
{
	static const demo_list patterns = {
		{ "if <in> is [above|over] <limit> degrees, set the blinds there to <n>",
		  "when it is warmer than <limit> degrees in <in>, blinds to <n>",
		  "set the blinds in <in> to <n> if it is [above|over] <limit>[ degrees|]",
		  "if it is [warmer than|over] <limit>[ degrees|] in <in>, [set|put] the blinds "
		  "[there |]to <n>",
		  "blinds in <in> to <n> if it is [over|above|warmer than] <limit>[ degrees|]",
		  "only if <in> is [over|above] <limit> degrees, blinds to <n>",
		  "put the blinds in <in> to <n>, but only if it is [above|warmer than] <limit> "
		  "degrees",
		  "if <in> has more than <limit> degrees, blinds to <n>",
		  "should it be over <limit> degrees in <in>, set the blinds to <n>", NULL },
		{ "blinds in <in> to <n>, but only if it is over <limit> degrees",
		  "if it is above <limit> degrees in <in>, blinds to <n>", NULL },
	};
	demo_readings r;
	char limit[DEMO_VALUE] = "", number[DEMO_VALUE] = "";
	demo_slot slots[3] = { { "in", NULL }, { "limit", limit }, { "n", number } };
	size_t i;
	int n, bar;

	demo_readings_make(d, &r, 1, 3);
	i = demo_below(d, r.count);
	slots[0].value = r.rooms[i].spoken;
	n = demo_pick_number(d, 0, 100);
	do
		bar = demo_pick_number(d, 8, 32);
	while (bar == r.tenths[i] / 10);
	demo_append(limit, sizeof(limit), "%d", bar);
	demo_append(number, sizeof(number), "%d", n);
	demo_readings_write(d, &r, demo_message_add(s, "system"), DEMO_TEXT);
	demo_user_requests(d, s, demo_pick(d, &patterns), slots, 3, true);
	s->kind = "condition";
	if (r.tenths[i] > bar * 10)
		demo_call(s->answer, DEMO_TEXT, "set_blind", "room", 's', r.rooms[i].name,
			  "percent", 'i', n, NULL);
	else {
		demo_reading_say(&r, i, false, s->answer, DEMO_TEXT);
		demo_append(s->answer, DEMO_TEXT, ", nothing to do");
	}
}

static void make_two_actions(demo *d, demo_sample *s)
{
	static const demo_list joints = {
		{ " and ", ", and ", ", then ", " and then ", ". also ", "; ", NULL },
		{ ", and then ", ". and ", ", and also ", NULL },
	};
	char first[DEMO_TEXT] = "", second[DEMO_TEXT] = "";
	demo_slot slots[2] = { { "first", first }, { "second", second } };
	demo_action a, b;
	char pattern[64] = "";

	do {
		demo_action_make(d, &a);
		demo_action_make(d, &b);
	} while (!strcmp(a.call, b.call) || strchr(a.pattern, '?') || strchr(b.pattern, '?'));
	demo_expand(d, first, DEMO_TEXT, a.pattern, a.slots, a.count, true);
	demo_expand(d, second, DEMO_TEXT, b.pattern, b.slots, b.count, true);
	demo_append(pattern, sizeof(pattern), "<first>%s<second>", demo_pick(d, &joints));
	demo_user_requests(d, s, pattern, slots, 2, strcmp(b.kind, "message") != 0);
	s->kind = "two";
	demo_append(s->answer, DEMO_TEXT, "%s%s", a.call, b.call);
}

void demo_make_complex(demo *d, demo_sample *s)
{
	double kind = elm__random_unit(&d->random);

	d->lower = false;
	if (kind < 0.5)
		make_two_actions(d, s);
	else if (kind < 0.6)
		make_difference(d, s);
	else if (kind < 0.75)
		make_condition(d, s);
	else if (kind < 0.9)
		make_extreme(d, s);
	else
		make_count(d, s);
}
