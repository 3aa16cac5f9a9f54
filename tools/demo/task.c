/* task.c: requests that become one call of a tool. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "demo.h"

void demo_call(char *out, size_t room, const char *name, ...)
{
	const char *key, *separator = "";
	va_list args;

	demo_append(out, room, "<tool_call>{\"name\": \"%s\", \"arguments\": {", name);
	va_start(args, name);
	while ((key = va_arg(args, const char *))) {
		int kind = va_arg(args, int);

		demo_append(out, room, "%s\"%s\": ", separator, key);
		separator = ", ";
		if (kind == 's')
			demo_append(out, room, "\"%s\"", va_arg(args, const char *));
		else if (kind == 'i')
			demo_append(out, room, "%d", va_arg(args, int));
		else
			demo_append(out, room, "%s", va_arg(args, int) ? "true" : "false");
	}
	va_end(args);
	demo_append(out, room, "}}</tool_call>");
}

static char *add_slot(demo_action *a, const char *name)
{
	char *value = a->values[a->count];

	value[0] = '\0';
	a->slots[a->count].name = name;
	a->slots[a->count++].value = value;
	return value;
}

/* Adds the slots "in" and "room": "the kitchen", "kitchen". */
static const char *add_room(demo *d, demo_action *a)
{
	demo_room room;
	char *name;

	demo_pick_room(d, &room);
	demo_append(add_slot(a, "in"), DEMO_VALUE, "%s", room.spoken);
	name = add_slot(a, "room");
	demo_append(name, DEMO_VALUE, "%s", room.name);
	return name;
}

static int add_number(demo *d, demo_action *a, int low, int high)
{
	int n = demo_pick_number(d, low, high);

	demo_append(add_slot(a, "n"), DEMO_VALUE, "%d", n);
	return n;
}

static void make_light(demo *d, demo_action *a)
{
	static const demo_list on = {
		{ "turn on the [light|lights|lamp] in <in>",
		  "turn the [light|lights|lamp] on in <in>",
		  "switch on the [light|lights|lamp] in <in>",
		  "switch the [light|lights] in <in> on", "[light|lights] on in <in>",
		  "<room> [light|lights] on", "[put|get] the [light|lights] on in <in>",
		  "make the [light|lights] go on in <in>",
		  "it is [too |very |getting |]dark in <in>, [turn|put|switch] the light on",
		  "I can not see [anything|a thing] in <in>, lights on",
		  "in <in>, turn the [light|lights] on", "light up <in>",
		  "the [light|lights] in <in> should be on", "I need the [light|lights] on in <in>",
		  "activate the [light|lights] in <in>", NULL },
		{ "[put|switch] on the lights in <in>", "in <in>, [put|switch] the light on",
		  "<in> is too dark, turn on the light", "I need light in <in>",
		  "get the lamp in <in> on", "the lamp should go on in <in>", NULL },
	};
	static const demo_list off = {
		{ "turn off the [light|lights|lamp] in <in>",
		  "turn the [light|lights|lamp] off in <in>",
		  "switch off the [light|lights|lamp] in <in>",
		  "switch the [light|lights] in <in> off", "[light|lights] off in <in>",
		  "<room> [light|lights] off", "[put|get] the [light|lights] out in <in>",
		  "make the [light|lights] go off in <in>",
		  "nobody is in <in>, [turn|put|switch] the light off", "no light in <in>",
		  "there should be no light in <in>",
		  "it is [too |very |]bright in <in>, lights off",
		  "in <in>, turn the [light|lights] off", "make <in> dark",
		  "the [light|lights] in <in> should be off",
		  "I need the [light|lights] off in <in>", "kill the [light|lights] in <in>",
		  NULL },
		{ "[put|switch] out the lights in <in>", "in <in>, [put|switch] the light off",
		  "<in> is too bright, turn off the light", "I want no light in <in>",
		  "get the lamp in <in> off", "the lamp should go off in <in>", NULL },
	};
	bool state = demo_chance(d, 0.5);
	const char *room = add_room(d, a);

	a->kind = "light";
	a->pattern = demo_pick(d, state ? &on : &off);
	demo_call(a->call, DEMO_TEXT, "set_light", "room", 's', room, "on", 'b', state, NULL);
}

static void make_dim(demo *d, demo_action *a)
{
	static const demo_list patterns = {
		{ "dim the [light|lights|lamp] in <in> to <n>[ percent|%| %|]",
		  "set the [light|lights|lamp] in <in> to <n>[ percent|%| %]",
		  "[light|lights] in <in> at <n>[ percent|%| %|]",
		  "<room> [light|lights] <n>[ percent|%| %]",
		  "make the [light|lights] in <in> <n>[ percent|%| %] bright",
		  "[put|bring|turn] the [light|lights] in <in> [up|down] to <n>[ percent|%|]",
		  "in <in>, dim the [light|lights] to <n>[ percent|%|]",
		  "brightness <n>[ percent|%|] in <in>",
		  "[lamp|light|lights] at <n>[ percent|%|] in <in>",
		  "dim it in <in> to <n>[ percent|%|]", "<in> should be <n>[ percent|%] bright",
		  "dim down <in> to <n>[ percent|%|]",
		  "set the brightness [in|of] <in> to <n>[ percent|%|]",
		  "I want <n>[ percent|%] light in <in>",
		  "the [light|lights] in <in> should be at <n>[ percent|%]", NULL },
		{ "[bring|set] the brightness in <in> to <n>[ percent|%]",
		  "in <in>, I want the light at <n>[ percent|%]", "dim <in> to <n>[ percent|%]",
		  "lamp in <in> to <n>[ percent|%]", "make it <n>[ percent|%] bright in <in>",
		  NULL },
	};
	const char *room = add_room(d, a);
	int n = add_number(d, a, 1, 100);

	a->kind = "dim";
	a->pattern = demo_pick(d, &patterns);
	demo_call(a->call, DEMO_TEXT, "dim_light", "room", 's', room, "percent", 'i', n, NULL);
}

static void make_temperature(demo *d, demo_action *a)
{
	static const demo_list patterns = {
		{ "set the [temperature|heating|thermostat] in <in> to <n>[ degrees| C|]",
		  "[heat|warm up|cool] <in> to <n>[ degrees| C|]", "make it <n> degrees in <in>",
		  "in <in> it should be <n> degrees", "in <in> set the heating to <n>",
		  "take <in> to <n> degrees", "<room> <n> degrees",
		  "[temperature|heating] in <in> to <n>[ degrees| C|]",
		  "I want <n> degrees in <in>", "in <in>, set the heating to <n>[ degrees|]",
		  "[put|turn] the [heating|thermostat] in <in> [up|down|] to <n>[ degrees|]",
		  "it is too [cold|warm] in <in>, set it to <n>[ degrees| C|]",
		  "it should be <n> degrees in <in>", "set <in> to <n> degrees",
		  "<n> degrees in <in>", NULL },
		{ "[bring|get] <in> to <n> degrees", "thermostat in <in> to <n>[ degrees| C]",
		  "<in> should be <n> degrees", "in <in> I want <n> degrees",
		  "it is cold in <in>, heat it to <n> degrees",
		  "set the temperature of <in> to <n>[ degrees|]", NULL },
	};
	const char *room = add_room(d, a);
	int n = add_number(d, a, 5, 30);

	a->kind = "temperature";
	a->pattern = demo_pick(d, &patterns);
	demo_call(a->call, DEMO_TEXT, "set_temperature", "room", 's', room, "celsius", 'i', n,
		  NULL);
}

static void make_lock(demo *d, demo_action *a)
{
	static const demo_list shut = {
		{ "lock the <door>", "lock up the <door>", "please get that <door> locked",
		  "that <door> [must|should] be locked", "make sure the <door> is locked",
		  "is the <door> locked? if not, lock it", "the <door> should be locked",
		  "<door> locked", "keep the <door> locked", "we are leaving, lock the <door>",
		  "I forgot to lock the <door>", "secure the <door>", NULL },
		{ "I want the <door> locked", "nobody is home, lock the <door>",
		  "check that the <door> is locked", "see that the <door> is locked",
		  "lock that <door>", NULL },
	};
	static const demo_list open = {
		{ "unlock the <door>", "make sure the <door> is unlocked",
		  "please get that <door> unlocked", "that <door> [must|should] be unlocked",
		  "open the lock of the <door>", "the <door> should be unlocked", "<door> unlocked",
		  "keep the <door> unlocked", "the mail is here, unlock the <door>",
		  "someone is at the <door>, unlock it", "let them in at the <door>",
		  "release the lock on the <door>", NULL },
		{ "I want the <door> unlocked", "they are here, unlock the <door>",
		  "see that the <door> is unlocked", "unlock that <door>",
		  "check that the <door> is unlocked", NULL },
	};
	bool locked = demo_chance(d, 0.5);
	char *door = add_slot(a, "door");

	demo_pick_door(d, door);
	a->kind = "lock";
	a->pattern = demo_pick(d, locked ? &shut : &open);
	demo_call(a->call, DEMO_TEXT, "lock_door", "door", 's', door, "locked", 'b', locked, NULL);
}

static void make_blind(demo *d, demo_action *a)
{
	static const demo_list patterns = {
		{ "[open|close] the [blind|blinds] in <in> to <n>[ percent|%|]",
		  "set the [blind|blinds|shades] in <in> to <n>[ percent|%|]",
		  "[blind|blinds] in <in> to <n>[ percent|%|]",
		  "[blind|blinds|shades] at <n>[ percent|%|] in <in>",
		  "[move|put|roll] the [blind|blinds|shades] in <in> [up|down|] to <n>[ "
		  "percent|%|]",
		  "<room> [blind|blinds|shades] <n>[ percent|%|]",
		  "the sun is [low|strong], [blind|blinds] in <in> to <n>[ percent|%|]",
		  "in <in>, [put|set] the blinds to <n>[ percent|%|]",
		  "I want the [blind|blinds] in <in> at <n>[ percent|%|]", NULL },
		{ "[move|open] the shades in <in> to <n>[ percent|%]",
		  "in <in>, move the blinds to <n>[ percent|%]",
		  "the blinds in <in> should be at <n>[ percent|%]",
		  "blinds to <n>[ percent|%] in <in>", "get the blind in <in> to <n>[ percent|%]",
		  NULL },
	};
	const char *room = add_room(d, a);
	int n = add_number(d, a, 0, 100);

	a->kind = "blind";
	a->pattern = demo_pick(d, &patterns);
	demo_call(a->call, DEMO_TEXT, "set_blind", "room", 's', room, "percent", 'i', n, NULL);
}

static void make_timer(demo *d, demo_action *a)
{
	static const demo_list patterns = {
		{ "set a timer for <n> [minutes|min] for the <label>",
		  "set a <n> minute timer for the <label>", "start a <n> minute <label> timer",
		  "timer <n> minutes <label>",
		  "[start|set] a timer called <label> for <n> [minutes|min]",
		  "time the <label> for <n> minutes", "<label> timer, <n> minutes",
		  "the <label> needs <n> [minutes|min], set a timer",
		  "count down <n> minutes for the <label>",
		  "tell me in <n> minutes that the <label> is done", "<n> minutes for the <label>",
		  NULL },
		{ "start a timer of <n> minutes for the <label>",
		  "for the <label>, set a timer of <n> minutes",
		  "set the <label> timer to <n> minutes",
		  "I need a <n> minute timer for the <label>",
		  "count down <n> minutes, the <label>", NULL },
	};
	char *label = add_slot(a, "label");
	int n;

	demo_pick_label(d, label);
	n = add_number(d, a, 1, 120);
	a->kind = "timer";
	a->pattern = demo_pick(d, &patterns);
	demo_call(a->call, DEMO_TEXT, "set_timer", "minutes", 'i', n, "label", 's', label, NULL);
}

static void make_reminder(demo *d, demo_action *a)
{
	static const demo_list patterns = {
		{ "remind <who> to <task> at <time>", "at <time>, remind <who> to <task>",
		  "remind <who> at <time> to <task>",
		  "[add|set|make] a reminder for <who> at <time> to <task>",
		  "reminder for <who>: <task> at <time>",
		  "<who> [must|has to|needs to] <task> at <time>, remind them",
		  "do not let <who> forget to <task> at <time>",
		  "[add|set] a reminder for <who> to <task> at <time>",
		  "<time>: remind <who> to <task>",
		  "make sure <who> gets a reminder at <time> to <task>", NULL },
		{ "set a reminder at <time> for <who> to <task>",
		  "reminder at <time> for <who>: <task>",
		  "at <time>, do not let <who> forget to <task>",
		  "<who> should be reminded to <task> at <time>",
		  "at <time> <who> needs to <task>, add a reminder", NULL },
	};
	char *who = add_slot(a, "who"), *task, *time;

	if (demo_chance(d, 0.15))
		demo_append(who, DEMO_VALUE, "me");
	else
		demo_pick_person(d, who);
	task = add_slot(a, "task");
	demo_pick_task(d, task);
	time = add_slot(a, "time");
	demo_pick_time(d, time);
	a->kind = "reminder";
	a->pattern = demo_pick(d, &patterns);
	demo_call(a->call, DEMO_TEXT, "add_reminder", "person", 's', who, "task", 's', task, "time",
		  's', time, NULL);
}

static void make_message(demo *d, demo_action *a)
{
	static const demo_list patterns = {
		{ "tell <who> that <text>", "[send|write] <who> a message that <text>",
		  "message <who> that <text>", "let <who> know that <text>",
		  "[send|write] a message to <who>: <text>", "message to <who>: <text>",
		  "say to <who> that <text>", "text <who>: <text>", "inform <who> that <text>",
		  "<who> should know that <text>", "give <who> the message: <text>", NULL },
		{ "let <who> know: <text>", "write to <who> that <text>",
		  "send <who> this message: <text>", "text <who> that <text>",
		  "say to <who>: <text>", NULL },
	};
	char *who = add_slot(a, "who"), *text;

	demo_pick_person(d, who);
	text = add_slot(a, "text");
	demo_pick_message(d, text);
	a->kind = "message";
	a->pattern = demo_pick(d, &patterns);
	demo_call(a->call, DEMO_TEXT, "send_message", "person", 's', who, "text", 's', text, NULL);
}

static void make_music(demo *d, demo_action *a)
{
	static const demo_list patterns = {
		{ "play <title> in <in>", "play us <title> in <in>",
		  "play me [the song|the album] <title> in <in>", "hear <title> in <in>",
		  "[start|put on] <title> in <in>", "in <in>, play <title>",
		  "I want to hear <title> in <in>", "play [the song|the album] <title> in <in>",
		  "[some|] music in <in>: <title>", "let us hear <title> in <in>",
		  "<title> in <in>, play it", "start playing <title> in <in>", NULL },
		{ "in <in>, put on <title>", "I would love to hear <title> in <in>",
		  "play me <title> in <in>", "start the song <title> in <in>",
		  "music for <in>: <title>", NULL },
	};
	char *title = add_slot(a, "title");
	const char *room;

	demo_pick_title(d, title);
	room = add_room(d, a);
	a->kind = "music";
	a->pattern = demo_pick(d, &patterns);
	demo_call(a->call, DEMO_TEXT, "play_music", "room", 's', room, "title", 's', title, NULL);
}

static void make_device(demo *d, demo_action *a)
{
	static const demo_list on = {
		{ "[turn|switch|put] on the <device> in <in>",
		  "[turn|switch|put] the <device> in <in> on", "start the <device> in <in>",
		  "have the <device> in <in> [on|running]", "<device> on in <in>",
		  "[turn|switch] the <device> on in <in>", "in <in>, start the <device>",
		  "the <device> in <in> should be on", "I need the <device> in <in> on",
		  "run the <device> in <in>", NULL },
		{ "in <in>, switch on the <device>", "get the <device> in <in> going",
		  "the <device> should be on in <in>", "I want the <device> on in <in>",
		  "in <in>, turn the <device> on", NULL },
	};
	static const demo_list off = {
		{ "[turn|switch] off the <device> in <in>",
		  "[turn|switch] the <device> in <in> off", "stop the <device> in <in>",
		  "<device> off in <in>", "[turn|switch] the <device> off in <in>",
		  "in <in>, stop the <device>", "the <device> in <in> should be off",
		  "I need the <device> in <in> off", "shut down the <device> in <in>", NULL },
		{ "in <in>, switch off the <device>", "stop the <device> that runs in <in>",
		  "the <device> should be off in <in>", "I want the <device> off in <in>",
		  "in <in>, turn the <device> off", NULL },
	};
	bool state = demo_chance(d, 0.5);
	char *device = add_slot(a, "device");
	const char *room;

	demo_pick_device(d, device);
	room = add_room(d, a);
	a->kind = "device";
	a->pattern = demo_pick(d, state ? &on : &off);
	demo_call(a->call, DEMO_TEXT, "switch_device", "device", 's', device, "room", 's', room,
		  "on", 'b', state, NULL);
}

static void make_vacuum(demo *d, demo_action *a)
{
	static const demo_list patterns = {
		{ "vacuum <in>", "[clean|sweep] <in>", "clean the floor in <in>",
		  "send the vacuum to <in>", "start the vacuum in <in>",
		  "let the [robot|vacuum] clean <in>", "<in> needs [cleaning|vacuuming]",
		  "<in> is dirty, [clean it|vacuum it]", "robot, clean <in>", "have <in> vacuumed",
		  NULL },
		{ "send the robot to <in>", "the floor in <in> is dirty, vacuum it",
		  "let the vacuum run in <in>", "sweep the floor in <in>",
		  "vacuum the floor in <in>", NULL },
	};
	const char *room = add_room(d, a);

	a->kind = "vacuum";
	a->pattern = demo_pick(d, &patterns);
	demo_call(a->call, DEMO_TEXT, "start_vacuum", "room", 's', room, NULL);
}

static void make_reading(demo *d, demo_action *a)
{
	static const demo_list warmth = {
		{ "[check|read|measure] the temperature in <in>",
		  "how [warm|cold|hot] is it in <in>?", "what is the temperature in <in>?",
		  "[tell|show] me the temperature in <in>", "temperature in <in>?",
		  "<room> temperature?", NULL },
		{ "read me the temperature in <in>", "in <in>, what is the temperature?",
		  "is it warm in <in>? check the temperature", NULL },
	};
	static const demo_list damp = {
		{ "[check|read|measure] the humidity in <in>",
		  "how [humid|damp|dry] is it in <in>?", "what is the humidity in <in>?",
		  "[tell|show] me the humidity in <in>", "humidity in <in>?", "<room> humidity?",
		  NULL },
		{ "read me the humidity in <in>", "in <in>, what is the humidity?",
		  "is it damp in <in>? check the humidity", NULL },
	};
	bool humid = demo_chance(d, 0.5);
	const char *room = add_room(d, a);

	a->kind = "reading";
	a->pattern = demo_pick(d, humid ? &damp : &warmth);
	demo_call(a->call, DEMO_TEXT, "get_reading", "room", 's', room, "sensor", 's',
		  humid ? "humidity" : "temperature", NULL);
}

void demo_action_make(demo *d, demo_action *a)
{
	static void (*const makers[])(demo *, demo_action *) = {
		make_light,	  make_light,	 make_dim,     make_dim,     make_temperature,
		make_temperature, make_lock,	 make_blind,   make_timer,   make_timer,
		make_reminder,	  make_reminder, make_message, make_message, make_music,
		make_device,	  make_device,	 make_vacuum,  make_reading
	};

	a->count = 0;
	a->call[0] = '\0';
	makers[demo_below(d, sizeof(makers) / sizeof(makers[0]))](d, a);
}

void demo_make_task(demo *d, demo_sample *s)
{
	demo_action a;

	d->lower = demo_chance(d, 0.12);
	demo_action_make(d, &a);
	s->kind = a.kind;
	if (strchr(a.pattern, '?'))
		demo_user_says(d, s, a.pattern, a.slots, a.count, true);
	else
		demo_user_requests(d, s, a.pattern, a.slots, a.count);
	demo_append(s->answer, DEMO_TEXT, "%s", a.call);
}
