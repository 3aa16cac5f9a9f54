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
		  "switch the [light|lights] in <in> on",
		  "[light|lights] on in <in>",
		  "<room> [light|lights] on",
		  "[put|get] the [light|lights] on in <in>",
		  "make the [light|lights] go on in <in>",
		  "it is [too |very |getting |]dark in <in>, [turn|put|switch] the light on",
		  "I can not see [anything|a thing] in <in>, lights on",
		  "in <in>, turn the [light|lights] on",
		  "light up <in>",
		  "the [light|lights] in <in> should be on",
		  "I need the [light|lights] on in <in>",
		  "activate the [light|lights] in <in>",
		  "turn on [every|each|any] [light|lamp] in <in>",
		  "[have|keep] the [light|lights|lamp] on in <in>",
		  "[bring|flip|flick] on the [light|lights|lamp] in <in>",
		  "in <in>, [get|have|bring] the lamp on",
		  "in <in> we need light",
		  "in <in> I [want|need|would like] the [light|lights] on",
		  "give [me|us] [some |more |]light in <in>",
		  "we need [some |more |]light in <in>",
		  "<in> needs [some |more |]light",
		  "[get|bring] some light into <in>",
		  "see that the [light|lights|lamp] in <in> [goes|go] on",
		  "<in> should not be dark",
		  "<in> is [so|very|completely|pitch] dark",
		  "<in> is dark, [get|bring] the [light|lamp] on",
		  "the [light|lamp] in <in> [must|has to|can] go on",
		  "lamp on in <in>",
		  "have [light|the light] in <in>",
		  NULL },
		{ "[put|get] on the lights in <in>", "in <in>, [put|switch] the light on",
		  "<in> is too dark, turn on the light", "I need light in <in>",
		  "get the lamp in <in> on", "the lamp should go on in <in>", NULL },
	};
	static const demo_list off = {
		{ "turn off the [light|lights|lamp] in <in>",
		  "turn the [light|lights|lamp] off in <in>",
		  "switch off the [light|lights|lamp] in <in>",
		  "switch the [light|lights] in <in> off",
		  "[light|lights] off in <in>",
		  "<room> [light|lights] off",
		  "[put|get] the [light|lights] out in <in>",
		  "make the [light|lights] go off in <in>",
		  "nobody is in <in>, [turn|put|switch] the light off",
		  "no light in <in>",
		  "there should be no light in <in>",
		  "it is [too |very |]bright in <in>, lights off",
		  "in <in>, turn the [light|lights] off",
		  "make <in> dark",
		  "the [light|lights] in <in> should be off",
		  "I need the [light|lights] off in <in>",
		  "kill the [light|lights] in <in>",
		  "turn off [every|each|any] [light|lamp] in <in>",
		  "[have|keep] the [light|lights|lamp] off in <in>",
		  "[flip|flick|get] off the [light|lights|lamp] in <in>",
		  "in <in>, [get|have] the lamp off",
		  "in <in> we need no light",
		  "in <in> I [want|need|would like] the [light|lights] off",
		  "[cut|end] the [light|lights|lamp] in <in>",
		  "we do not need [any |]light in <in>",
		  "<in> needs no light",
		  "[take|get] the light out in <in>",
		  "put out the lamp in <in>",
		  "put out [every|each|any] light in <in>",
		  "see that the [light|lights|lamp] in <in> [goes|go] off",
		  "<in> should be dark",
		  "<in> is [so|very|far too] bright",
		  "<in> is bright, get the [light|lamp] off",
		  "the [light|lamp] in <in> [must|has to|can] go off",
		  "lamp off in <in>",
		  "everyone has left <in>, lights out",
		  "lights out in <in>",
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
		  "dim it in <in> to <n>[ percent|%|]",
		  "<in> should be <n>[ percent|%] bright",
		  "dim down <in> to <n>[ percent|%|]",
		  "set the brightness [in|of] <in> to <n>[ percent|%|]",
		  "I want <n>[ percent|%] light in <in>",
		  "the [light|lights] in <in> should be at <n>[ percent|%]",
		  "in <in> I [want|need|would like] <n>[ percent|%] [light|brightness]",
		  "in <in>, [bring|set|get] the [light|lights|lamp] to <n>[ percent|%|]",
		  "in <in>, the [light|lights] should be at <n>[ percent|%]",
		  "<in> needs <n>[ percent|%] [light|brightness]",
		  "[have|get|keep] the [light|lights|lamp] in <in> at <n>[ percent|%|]",
		  "[bring|get|turn] <in> [up|down] to <n>[ percent|%] [light|brightness]",
		  "[lower|raise|adjust|change] the [light|lights|brightness] in <in> to <n>[ "
		  "percent|%|]",
		  "brighten <in> to <n>[ percent|%|]",
		  "the brightness in <in> should be <n>[ percent|%]",
		  "give <in> <n>[ percent|%] light",
		  "it should be <n>[ percent|%] bright in <in>",
		  "lights in <in> to <n>[ percent|%|]",
		  "lamp at <n>[ percent|%|] in <in>",
		  "brightness to <n>[ percent|%|] in <in>",
		  "brightness of <in> to <n>[ percent|%|]",
		  NULL },
		{ "[bring|take] the brightness in <in> to <n>[ percent|%]",
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
		  "[heat|warm up|cool] <in> to <n>[ degrees| C|]",
		  "make it <n> degrees in <in>",
		  "in <in> it should be <n> degrees",
		  "in <in> set the heating to <n>",
		  "take <in> to <n> degrees",
		  "<room> <n> degrees",
		  "[temperature|heating] in <in> to <n>[ degrees| C|]",
		  "I want <n> degrees in <in>",
		  "in <in>, set the heating to <n>[ degrees|]",
		  "[put|turn] the [heating|thermostat] in <in> [up|down|] to <n>[ degrees|]",
		  "it is too [cold|warm] in <in>, set it to <n>[ degrees| C|]",
		  "it should be <n> degrees in <in>",
		  "set <in> to <n> degrees",
		  "<n> degrees in <in>",
		  "in <in> we need <n> degrees",
		  "in <in>, [bring|take|get] it to <n> degrees",
		  "in <in> the temperature should be <n>[ degrees| C|]",
		  "[bring|get|raise|lower] the temperature in <in> to <n>[ degrees| C|]",
		  "[heat|cool] [up|down] <in> to <n>[ degrees| C]",
		  "<in> needs <n> degrees",
		  "<in> [must|has to] be <n> degrees",
		  "<in> at <n> degrees",
		  "we need <n> degrees in <in>",
		  "<in> is too [cold|warm], [set|bring|take] it to <n>[ degrees| C|]",
		  "it is [cold|freezing|chilly|hot|warm] in <in>, make it <n>[ degrees|]",
		  "heat it to <n>[ degrees| C] in <in>",
		  "heating in <in> at <n>[ degrees|]",
		  "[keep|hold|have] <in> at <n> degrees",
		  "adjust the [heating|thermostat|temperature] [in|of] <in> to <n>[ degrees|]",
		  "thermostat of <in> to <n>[ degrees|]",
		  "I would like <n> degrees in <in>",
		  "the temperature in <in> should be <n> degrees",
		  NULL },
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
		{ "lock the <door>",
		  "lock up the <door>",
		  "please get that <door> locked",
		  "that <door> [must|should] be locked",
		  "make sure the <door> is locked",
		  "is the <door> locked? if not, lock it",
		  "the <door> should be locked",
		  "<door> locked",
		  "keep the <door> locked",
		  "we are leaving, lock the <door>",
		  "I forgot to lock the <door>",
		  "secure the <door>",
		  "[get|have|keep] the <door> [locked|shut and locked]",
		  "I [need|would like] the <door> locked",
		  "we want the <door> locked",
		  "nobody is [here|left], lock the <door>",
		  "everyone is gone, lock the <door>",
		  "it is late, lock the <door>",
		  "check the <door> and lock it",
		  "see to it that the <door> is locked",
		  "verify that the <door> is locked",
		  "[lock|bolt] that <door> up",
		  "the <door> [must|has to|needs to] be locked",
		  "the <door> is open, lock it",
		  "be sure that the <door> is locked",
		  "go and lock the <door>",
		  "can the <door> be locked",
		  "someone left the <door> unlocked, lock it",
		  "that <door> should be locked",
		  NULL },
		{ "I want the <door> locked", "nobody is home, lock the <door>",
		  "check that the <door> is locked", "see that the <door> is locked",
		  "lock that <door>", NULL },
	};
	static const demo_list open = {
		{ "unlock the <door>",
		  "make sure the <door> is unlocked",
		  "please get that <door> unlocked",
		  "that <door> [must|should] be unlocked",
		  "open the lock of the <door>",
		  "the <door> should be unlocked",
		  "<door> unlocked",
		  "keep the <door> unlocked",
		  "the mail is here, unlock the <door>",
		  "someone is at the <door>, unlock it",
		  "let them in at the <door>",
		  "release the lock on the <door>",
		  "[get|have] the <door> unlocked",
		  "I [need|would like] the <door> unlocked",
		  "we want the <door> unlocked",
		  "[my guests|my friends|the kids] are here, unlock the <door>",
		  "they are waiting, unlock the <door>",
		  "he is here, unlock the <door>",
		  "check the <door> and unlock it",
		  "see to it that the <door> is unlocked",
		  "verify that the <door> is unlocked",
		  "[unlock|unbolt] that <door> for them",
		  "the <door> [must|has to|needs to] be unlocked",
		  "the <door> is locked, unlock it",
		  "be sure that the <door> is unlocked",
		  "go and unlock the <door>",
		  "someone locked the <door>, unlock it",
		  "that <door> should be unlocked",
		  NULL },
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
		  "I want the [blind|blinds] in <in> at <n>[ percent|%|]",
		  "in <in>, [get|bring|roll|open|close] the [blind|blinds|shades] to <n>[ "
		  "percent|%|]",
		  "in <in> I [want|need|would like] the [blind|blinds|shades] at <n>[ percent|%|]",
		  "the [blind|shades] in <in> should be at <n>[ percent|%]",
		  "in <in>, the [blind|blinds|shades] should be at <n>[ percent|%]",
		  "[bring|get|have|keep] the [blinds|shades] in <in> at <n>[ percent|%|]",
		  "[blind|shades] to <n>[ percent|%|] in <in>",
		  "[open|close|move|raise|lower] the [blind|blinds] to <n>[ percent|%|] in <in>",
		  "close the shades in <in> to <n>[ percent|%|]",
		  "<in> needs the [blinds|shades] at <n>[ percent|%|]",
		  "[raise|lower|adjust] the [blind|blinds|shades] in <in> to <n>[ percent|%|]",
		  "the [blind|blinds] in <in> [must|have to|can] go to <n>[ percent|%|]",
		  NULL },
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
		  "set a <n> minute timer for the <label>",
		  "start a <n> minute <label> timer",
		  "timer <n> minutes <label>",
		  "[start|set] a timer called <label> for <n> [minutes|min]",
		  "time the <label> for <n> minutes",
		  "<label> timer, <n> minutes",
		  "the <label> needs <n> [minutes|min], set a timer",
		  "count down <n> minutes for the <label>",
		  "tell me in <n> minutes that the <label> is done",
		  "<n> minutes for the <label>",
		  "for the <label>, [start|make|add] a timer [of|for] <n> minutes",
		  "for the <label> I need <n> minutes",
		  "for the <label>, <n> minutes",
		  "[make|add] a [timer|countdown] of <n> [minutes|min] for the <label>",
		  "[start|put|change] the <label> timer [to|at] <n> minutes",
		  "[I want|we need|give me] a <n> minute timer for the <label>",
		  "I need a timer of <n> minutes for the <label>",
		  "[count|measure] <n> minutes, [for |]the <label>",
		  "the <label> takes <n> minutes",
		  "the <label> is ready in <n> minutes, time it",
		  "[start|begin] counting <n> minutes for the <label>",
		  "[let me know|call me] in <n> minutes, the <label>",
		  "timer for the <label>: <n> minutes",
		  "<n> minutes on the clock for the <label>",
		  "set <n> minutes for the <label>",
		  "the <label> timer should run <n> minutes",
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
		{ "remind <who> to <task> at <time>",
		  "at <time>, remind <who> to <task>",
		  "remind <who> at <time> to <task>",
		  "[add|set|make] a reminder for <who> at <time> to <task>",
		  "reminder for <who>: <task> at <time>",
		  "<who> [must|has to|needs to] <task> at <time>, remind them",
		  "do not let <who> forget to <task> at <time>",
		  "[add|set] a reminder for <who> to <task> at <time>",
		  "<time>: remind <who> to <task>",
		  "make sure <who> gets a reminder at <time> to <task>",
		  "at <time> remind <who> to <task>",
		  "at <time>, <who> [must|has to] <task>, remind them",
		  "at <time> <who> [must|should|has to] <task>, [set|make] a reminder",
		  "at <time>, make sure <who> does not forget to <task>",
		  "at <time>, tell <who> to <task>",
		  "<who> needs to <task> at <time>, [add|set] a reminder",
		  "[put|note|schedule] a reminder at <time> for <who> to <task>",
		  "reminder at <time> to <task> for <who>",
		  "reminder: <who>, <task>, <time>",
		  "<who> [should|must] <task> at <time>",
		  "<who> wants to be reminded at <time> to <task>",
		  "<who> should be told to <task> at <time>",
		  "<who> should get a reminder to <task> at <time>",
		  "[make sure|see to it that] <who> is reminded to <task> at <time>",
		  "for <who>: <task> at <time>",
		  "at <time> do not let <who> miss to <task>",
		  "help <who> remember to <task> at <time>",
		  "a reminder for <who> at <time>: <task>",
		  "have <who> reminded at <time> to <task>",
		  NULL },
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
		{ "tell <who> that <text>",
		  "[send|write] <who> a message that <text>",
		  "message <who> that <text>",
		  "let <who> know that <text>",
		  "[send|write] a message to <who>: <text>",
		  "message to <who>: <text>",
		  "say to <who> that <text>",
		  "text <who>: <text>",
		  "inform <who> that <text>",
		  "<who> should know that <text>",
		  "give <who> the message: <text>",
		  "let <who> [hear|read|see]: <text>",
		  "[let|have] <who> know this: <text>",
		  "write <who>: <text>",
		  "write <who> that <text>",
		  "write <who> [a note|this]: <text>",
		  "[send|pass|give] <who> [this|this note|the note|the news]: <text>",
		  "[send|pass] <who> a [text|note]: <text>",
		  "send <who>: <text>",
		  "send to <who>: <text>",
		  "tell <who>: <text>",
		  "tell <who> this: <text>",
		  "inform <who>: <text>",
		  "note to <who>: <text>",
		  "[drop|leave] <who> a [line|note|message]: <text>",
		  "a message for <who>: <text>",
		  "[please |]notify <who> that <text>",
		  "notify <who>: <text>",
		  "message <who>: <text>",
		  "for <who>: <text>",
		  "I want <who> to know that <text>",
		  "<who> must hear that <text>",
		  "say that <text> to <who>",
		  NULL },
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
		{ "play <title> in <in>",
		  "play us <title> in <in>",
		  "play me [the song|the album] <title> in <in>",
		  "hear <title> in <in>",
		  "[start|put on] <title> in <in>",
		  "in <in>, play <title>",
		  "I want to hear <title> in <in>",
		  "play [the song|the album] <title> in <in>",
		  "[some|] music in <in>: <title>",
		  "let us hear <title> in <in>",
		  "<title> in <in>, play it",
		  "start playing <title> in <in>",
		  "in <in>, [start|hear|begin with] <title>",
		  "in <in> I [want|would like] to hear <title>",
		  "in <in>: <title>",
		  "in <in>, [play us|play me|let us hear] <title>",
		  "play me <title> over in <in>",
		  "[I would|we would] like to hear <title> in <in>",
		  "we [want|would love] to listen to <title> in <in>",
		  "listen to <title> in <in>",
		  "[start|begin] [the album|the record] <title> in <in>",
		  "[put|throw] [the song|the album|the record] <title> on in <in>",
		  "[songs|a song|sound] for <in>: <title>",
		  "some music for <in>, <title>",
		  "<in> needs music: <title>",
		  "have <title> [playing|on] in <in>",
		  "put <title> on in <in>",
		  "bring <title> to <in>",
		  "can we hear <title> in <in>",
		  "the song <title> in <in>",
		  NULL },
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
		  "[turn|switch|put] the <device> in <in> on",
		  "start the <device> in <in>",
		  "have the <device> in <in> [on|running]",
		  "<device> on in <in>",
		  "[turn|switch] the <device> on in <in>",
		  "in <in>, start the <device>",
		  "the <device> in <in> should be on",
		  "I need the <device> in <in> on",
		  "run the <device> in <in>",
		  "in <in>, [put|run|bring] [on |]the <device>",
		  "in <in>, [get|have|put] the <device> [on|running]",
		  "get the <device> [started|running|working] in <in>",
		  "[get|set|have] the <device> in <in> [started|running|working]",
		  "get things going in <in>: the <device>",
		  "set the <device> going in <in>",
		  "have the <device> going in <in>",
		  "the <device> [must|has to|can] be on in <in>",
		  "the <device> should [run|go on|start] in <in>",
		  "I [need|would like] the <device> [on|running] in <in>",
		  "we [want|need] the <device> in <in> on",
		  "in <in> we need the <device>",
		  "in <in>, the <device> should be on",
		  "activate the <device> in <in>",
		  "[power|fire] up the <device> in <in>",
		  "let the <device> in <in> run",
		  "keep the <device> on in <in>",
		  "I want the <device> in <in> to run",
		  "use the <device> in <in>",
		  NULL },
		{ "in <in>, switch on the <device>", "get the <device> in <in> going",
		  "the <device> should be on in <in>", "I want the <device> on in <in>",
		  "in <in>, turn the <device> on", NULL },
	};
	static const demo_list off = {
		{ "[turn|switch] off the <device> in <in>",
		  "[turn|switch] the <device> in <in> off",
		  "stop the <device> in <in>",
		  "<device> off in <in>",
		  "[turn|switch] the <device> off in <in>",
		  "in <in>, stop the <device>",
		  "the <device> in <in> should be off",
		  "I need the <device> in <in> off",
		  "shut down the <device> in <in>",
		  "in <in>, [put|get|have] the <device> off",
		  "in <in>, end the <device>",
		  "get the <device> [stopped|off] in <in>",
		  "[get|have] the <device> in <in> [stopped|off]",
		  "the <device> [must|has to|can] be off in <in>",
		  "the <device> should [stop|go off] in <in>",
		  "I [need|would like] the <device> off in <in>",
		  "we [want|need] the <device> in <in> off",
		  "in <in>, the <device> should be off",
		  "deactivate the <device> in <in>",
		  "power down the <device> in <in>",
		  "stop the <device> that is [on|running] in <in>",
		  "switch off the <device> that is on in <in>",
		  "keep the <device> off in <in>",
		  "[end|cut|halt] the <device> in <in>",
		  "I want the <device> in <in> to stop",
		  "put off the <device> in <in>",
		  NULL },
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
		{ "vacuum <in>",
		  "[clean|sweep] <in>",
		  "clean the floor in <in>",
		  "send the vacuum to <in>",
		  "start the vacuum in <in>",
		  "let the [robot|vacuum] clean <in>",
		  "<in> needs [cleaning|vacuuming]",
		  "<in> is dirty, [clean it|vacuum it]",
		  "robot, clean <in>",
		  "have <in> vacuumed",
		  "[wash|wipe|mop] the floor in <in>",
		  "[wipe|mop] <in>",
		  "the floor in <in> [is dirty|needs cleaning|must be cleaned]",
		  "the floor in <in> is dirty, [clean it|sweep it]",
		  "let the [robot|vacuum] [do|go to] <in>",
		  "let the [robot|cleaner] run in <in>",
		  "[run|use] the [vacuum|robot] in <in>",
		  "send the cleaner to <in>",
		  "in <in>, [run the vacuum|clean the floor]",
		  "have <in> [cleaned|swept]",
		  "<in> must be [cleaned|vacuumed|swept]",
		  "clean up in <in>",
		  "get the [vacuum|robot] to [clean <in>|<in>]",
		  "vacuum in <in>",
		  "the robot should [clean|vacuum|go to] <in>",
		  "there is dirt in <in>, vacuum it",
		  "the [carpet|rug] in <in> is dirty, [vacuum it|clean it]",
		  "<in> looks dirty, vacuum it",
		  "it is dirty in <in>, vacuum [it|there]",
		  "the floor in <in> looks bad, vacuum it",
		  "vacuum the [carpet|rug|rugs] in <in>",
		  "let the vacuum [clean|do] the floor in <in>",
		  "send the [robot cleaner|machine] to <in>",
		  "send a robot to <in>",
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
		  "<room> temperature?", "read [us|out] the temperature in <in>",
		  "in <in>, how [cool|chilly] is it?", "in <in>, is it [warm|cold]?",
		  "in <in>, what does the thermometer say?",
		  "is it [cold|hot|freezing] in <in>? [check|measure] the temperature",
		  "get me the temperature in <in>", "[check|see] how [warm|cold|hot] it is in <in>",
		  "what temperature is it in <in>?", "look at the thermometer in <in>",
		  "the temperature in <in>?", "give me the temperature in <in>", NULL },
		{ "read me the temperature in <in>", "in <in>, what is the temperature?",
		  "is it warm in <in>? check the temperature", NULL },
	};
	static const demo_list damp = {
		{ "[check|read|measure] the humidity in <in>",
		  "how [humid|damp|dry] is it in <in>?", "what is the humidity in <in>?",
		  "[tell|show] me the humidity in <in>", "humidity in <in>?", "<room> humidity?",
		  "read [us|out] the humidity in <in>", "in <in>, how [moist|wet] is it?",
		  "in <in>, is it [damp|dry]?", "in <in>, what does the hygrometer say?",
		  "is it [dry|humid|wet] in <in>? [check|measure] the humidity",
		  "get me the humidity in <in>", "[check|see] how [humid|damp|dry] it is in <in>",
		  "what humidity is it in <in>?", "look at the hygrometer in <in>",
		  "the humidity in <in>?", "give me the humidity in <in>", NULL },
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

void demo_user_acts(demo *d, demo_sample *s, const demo_action *a)
{
	/* "please" after a message could be a part of it. */
	bool open = !strcmp(a->kind, "message");

	if (strchr(a->pattern, '?'))
		demo_user_says(d, s, a->pattern, a->slots, a->count, true);
	else
		demo_user_requests(d, s, a->pattern, a->slots, a->count, !open);
}

void demo_make_task(demo *d, demo_sample *s)
{
	demo_action a;

	d->lower = demo_chance(d, 0.12);
	demo_action_make(d, &a);
	s->kind = a.kind;
	demo_user_acts(d, s, &a);
	demo_append(s->answer, DEMO_TEXT, "%s", a.call);
}
