/* monitor_lines.c: a look at a device and a server as lines of text. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "cli/monitoring.h"

/* The value of a reading, or a plain number; NaN where it is not measured, or not there. */
static double value_of(const json_t *object, const char *key)
{
	const json_t *item = json_object_get(object, key);

	if (json_is_object(item))
		item = json_object_get(item, "value");
	return json_is_number(item) ? json_number_value(item) : NAN;
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static monitor_line *add(monitor_lines *out, const char *label, double share)
{
	monitor_line *line;

	if (out->count == out->room) {
		size_t room = out->room ? 2 * out->room : 64;
		monitor_line *more = elm__realloc_array(out->lines, room, sizeof(*more));

		if (!more) {
			out->failed = true;
			return NULL;
		}
		out->lines = more;
		out->room = room;
	}
	line = &out->lines[out->count++];
	*line = (monitor_line){ .share = isnan(share) ? -1 : fmin(fmax(share, 0), 1) };
	snprintf(line->label, sizeof(line->label), "%s", label);
	elm__make_printable(line->label);
	return line;
}

static void say(monitor_line *line, const char *format, ...) ELM_PRINTF(2, 3);

/* Appends to the text of a line; what does not fit is cut. */
static void say(monitor_line *line, const char *format, ...)
{
	size_t length;
	va_list arguments;

	if (!line)
		return;
	length = strlen(line->text);
	va_start(arguments, format);
	vsnprintf(line->text + length, sizeof(line->text) - length, format, arguments);
	va_end(arguments);
	elm__make_printable(line->text);
}

static void say_bytes(monitor_line *line, const char *before, double bytes)
{
	char text[32];

	if (!isnan(bytes) && bytes >= 0 && bytes < 1e18)
		say(line, "%s%s", before, elm__format_bytes((uint64_t)bytes, text, sizeof(text)));
}

/* "614 MHz" */
static void say_clock(monitor_line *line, const char *before, double hertz)
{
	if (!isnan(hertz))
		say(line, "%s%.0f MHz", before, hertz * 1e-6);
}

static void say_reason(monitor_lines *out, const char *label, const json_t *object, const char *key)
{
	const char *reason = text_of(json_object_get(object, key), "unmeasured");

	if (reason[0])
		say(add(out, label, NAN), "unmeasured: %s", reason);
}

static void say_span(monitor_line *line, double seconds)
{
	unsigned long all = seconds >= 0 && seconds < 1e12 ? (unsigned long)seconds : 0;

	if (all >= 86400)
		say(line, "%lu d ", all / 86400);
	say(line, "%lu:%02lu:%02lu", all / 3600 % 24, all / 60 % 60, all % 60);
}

static void describe_device_line(const json_t *device, const json_t *look, monitor_lines *out)
{
	monitor_line *line = add(out, "Device", NAN);
	double uptime = value_of(device, "uptime"), clocks = value_of(device, "jetson_clocks");
	const json_t *mode = json_object_get(device, "power_mode");

	say(line, "%s", text_of(look, "model"));
	if (!isnan(uptime)) {
		say(line, "%sup ", line && line->text[0] ? ", " : "");
		say_span(line, uptime);
	}
	if (text_of(mode, "name")[0])
		say(line, ", mode %s", text_of(mode, "name"));
	if (!isnan(clocks))
		say(line, ", jetson_clocks %s", clocks > 0 ? "on" : "off");
}

static void describe_processor(const json_t *device, monitor_lines *out)
{
	const json_t *cores = json_object_get(device, "cores"),
		     *clocks = json_object_get(device, "clocks");
	double cpu = value_of(device, "cpu");
	size_t i;
	const json_t *core;

	if (isnan(cpu))
		say_reason(out, "CPU", device, "cpu");
	else
		say(add(out, "CPU", cpu / 100), "%5.1f %%", cpu);
	json_array_foreach(cores, i, core)
	{
		const json_t *clock = json_array_get(clocks, i);
		double busy = json_number_value(json_object_get(core, "value"));
		const char *reason = text_of(core, "unmeasured");
		monitor_line *line;
		char label[32];

		snprintf(label, sizeof(label), "  core %zu", i);
		line = add(out, label, reason[0] ? NAN : busy / 100);
		if (reason[0])
			say(line, "%s", reason);
		else
			say(line, "%5.1f %%", busy);
		say_clock(line, ", ", value_of(clock, "now"));
		if (text_of(clock, "governor")[0])
			say(line, " (%s)", text_of(clock, "governor"));
	}
}

static void describe_memory(const json_t *device, monitor_lines *out)
{
	const json_t *memory = json_object_get(device, "memory");
	double total = value_of(memory, "total"), available = value_of(memory, "available");
	double swap = value_of(memory, "swap_total"), used = value_of(memory, "swap_used");
	double stall = value_of(memory, "stall");
	monitor_line *line;

	if (isnan(total) || isnan(available)) {
		say_reason(out, "Memory", memory, isnan(total) ? "total" : "available");
	} else {
		line = add(out, "Memory", total > 0 ? 1 - available / total : NAN);
		say_bytes(line, "", total - available);
		say_bytes(line, " of ", total);
		if (!isnan(stall))
			say(line, ", %.1f %% of the time somebody waited", stall);
		if (line)
			line->alarm = stall > 10;
	}
	if (swap > 0 && !isnan(used)) {
		line = add(out, "Swap", used / swap);
		say_bytes(line, "", used);
		say_bytes(line, " of ", swap);
	}
}

static void describe_gpus(const json_t *device, monitor_lines *out)
{
	const json_t *gpus = json_object_get(device, "gpus"), *gpu;
	size_t i;

	json_array_foreach(gpus, i, gpu)
	{
		double load = value_of(gpu, "load"), total = value_of(gpu, "memory_total");
		double power = value_of(gpu, "power");
		monitor_line *line = add(out, "GPU", load / 100);

		if (isnan(load))
			say(line, "%s", text_of(gpu, "name"));
		else
			say(line, "%5.1f %% %s", load, text_of(gpu, "name"));
		say_clock(line, ", ", value_of(gpu, "now"));
		say_bytes(line, ", ", value_of(gpu, "memory_used"));
		say_bytes(line, " of ", total);
		if (!isnan(power))
			say(line, ", %.1f W", power);
	}
}

static void describe_jetson(const json_t *device, monitor_lines *out)
{
	const json_t *emc = json_object_get(device, "emc"), *iram = json_object_get(device, "iram"),
		     *engines = json_object_get(device, "engines"), *engine;
	double load = value_of(emc, "load"), used = value_of(iram, "used");
	monitor_line *line;
	size_t i;

	if (!isnan(value_of(emc, "now"))) {
		line = add(out, "EMC", load / 100);
		if (!isnan(load))
			say(line, "%5.1f %%", load);
		say_clock(line, isnan(load) ? "" : ", ", value_of(emc, "now"));
	}
	if (!isnan(used)) {
		line = add(out, "IRAM", used / value_of(iram, "total"));
		say_bytes(line, "", used);
		say_bytes(line, " of ", value_of(iram, "total"));
	}
	if (!json_array_size(engines))
		return;
	line = add(out, "Engines", NAN);
	json_array_foreach(engines, i, engine)
	{
		double rate = json_number_value(json_object_get(engine, "value"));

		say(line, "%s%s ", i ? ", " : "", text_of(engine, "name"));
		if (rate > 0)
			say_clock(line, "", rate);
		else
			say(line, "off");
	}
}

static void describe_fans(const json_t *device, monitor_lines *out)
{
	const json_t *fans = json_object_get(device, "fans"), *fan;
	size_t i;

	json_array_foreach(fans, i, fan)
	{
		double duty = value_of(fan, "duty"), speed = value_of(fan, "speed");
		monitor_line *line = add(out, "Fan", duty / 100);

		if (!isnan(duty))
			say(line, "%5.1f %% ", duty);
		say(line, "%s", text_of(fan, "name"));
		if (!isnan(speed))
			say(line, ", %.0f rpm", speed);
	}
}

/* Readings with names, "a 1.5, b 2.0", as many lines as it takes. */
static void describe_named(const json_t *list, const char *label, const char *unit,
			   monitor_lines *out)
{
	enum { IN_A_LINE = 60 };
	monitor_line *line = NULL;
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		double value = json_number_value(json_object_get(item, "value"));

		if (!json_object_get(item, "value"))
			continue;
		if (!line || strlen(line->text) > IN_A_LINE)
			line = add(out, label, NAN);
		say(line, "%s%s %.1f %s", line && line->text[0] ? ", " : "", text_of(item, "name"),
		    value, unit);
		label = "";
	}
}

static void describe_power(const json_t *device, monitor_lines *out)
{
	double power = value_of(device, "power"), energy = value_of(device, "energy");
	monitor_line *line;

	if (isnan(power)) {
		say_reason(out, "Power", device, "power");
	} else {
		line = add(out, "Power", NAN);
		say(line, "%.2f W (%s)", power, text_of(device, "power_scope"));
		if (!isnan(energy))
			say(line, ", %.1f J since the start", energy);
	}
	describe_named(json_object_get(device, "rails"), "  rails", "W", out);
}

static void describe_battery(const json_t *device, monitor_lines *out)
{
	const json_t *battery = json_object_get(device, "battery");
	double level = value_of(battery, "level"), power = value_of(battery, "power");
	double mains = value_of(device, "mains");
	monitor_line *line;

	if (isnan(level))
		return;
	line = add(out, "Battery", level / 100);
	say(line, "%5.1f %% %s", level, text_of(battery, "state"));
	if (!isnan(power))
		say(line, ", %.2f W", power);
	if (!isnan(mains))
		say(line, ", mains %s", mains > 0 ? "on" : "off");
	if (line)
		line->alarm = level < 10 && !(mains > 0);
}

static void describe_heat(const json_t *device, monitor_lines *out)
{
	double throttled = value_of(device, "throttled"),
	       events = value_of(device, "throttle_events");
	monitor_line *line;

	if (isnan(value_of(device, "temperature")))
		say_reason(out, "Temperature", device, "temperature");
	describe_named(json_object_get(device, "temperatures"), "Temperature", "C", out);
	if (isnan(throttled))
		return;
	line = add(out, "Throttled", NAN);
	say(line, "%s", throttled > 0 ? text_of(device, "throttle_causes") : "no");
	if (!isnan(events))
		say(line, ", %.0f events since the start of the system", events);
	if (line)
		line->alarm = throttled > 0;
}

/* Our own process is of no interest. */
static void describe_process(const json_t *look, const json_t *device, monitor_lines *out)
{
	const json_t *process = json_object_get(device, "process");
	double cpu = value_of(process, "cpu");
	monitor_line *line;

	if (!text_of(look, "process")[0])
		return;

	if (isnan(value_of(process, "rss"))) {
		say_reason(out, "Process", process, "rss");
		return;
	}
	line = add(out, "Process", cpu / 100);
	if (!isnan(cpu))
		say(line, "%5.1f %%, ", cpu);
	say(line, "%s, ", text_of(look, "process"));
	say_bytes(line, "resident ", value_of(process, "rss"));
	say_bytes(line, ": anonymous ", value_of(process, "anonymous"));
	say_bytes(line, ", files ", value_of(process, "file"));
	say_bytes(line, ", shared ", value_of(process, "shared"));
	say_bytes(line, "; PSS ", value_of(process, "pss"));
}

/* What a counter has gone up by, per second. */
static double rate(const json_t *now, const json_t *before, const char *key, double seconds)
{
	return seconds > 0 ? (value_of(now, key) - value_of(before, key)) / seconds : NAN;
}

static void describe_model(const json_t *model, const json_t *before, double seconds,
			   monitor_lines *out)
{
	const json_t *requests = json_object_get(model, "requests"),
		     *tokens = json_object_get(model, "tokens"), *kv = json_object_get(model, "kv"),
		     *first = json_object_get(model, "time_to_first_token");
	const json_t *tokens_before = json_object_get(before, "tokens");
	double written = rate(tokens, tokens_before, "generated", seconds);
	double blocks = value_of(kv, "blocks"), used = value_of(kv, "used");
	double count = value_of(first, "count");
	monitor_line *line = add(out, "Model", NAN);

	say(line, "%s (%s)", text_of(model, "name"), text_of(model, "state"));
	line = add(out, "  requests", NAN);
	say(line, "%.0f running, %.0f waiting, %.0f refused", value_of(requests, "running"),
	    value_of(requests, "waiting"), value_of(requests, "refused"));
	line = add(out, "  tokens", NAN);
	if (!isnan(written))
		say(line, "%.1f/s written, %.1f/s read; ", written,
		    rate(tokens, tokens_before, "prompt", seconds));
	say(line, "%.0f written, %.0f read", value_of(tokens, "generated"),
	    value_of(tokens, "prompt"));
	if (count > 0)
		say(line, ", first after %.3f s on average", value_of(first, "sum") / count);
	if (blocks > 0) {
		line = add(out, "  cache", used / blocks);
		say(line, "%.0f of %.0f blocks", used, blocks);
	}
}

static void describe_server(const json_t *server, const json_t *before, monitor_lines *out)
{
	const json_t *models = json_object_get(server, "models"), *model;
	double seconds = before ? value_of(server, "clock") - value_of(before, "clock") : 0;
	monitor_line *line = add(out, "Server", NAN);
	size_t i;

	say(line, "edgelm %s, up ", text_of(server, "version"));
	say_span(line, value_of(server, "uptime"));
	json_array_foreach(models, i, model) describe_model(
		model, json_array_get(json_object_get(before, "models"), i), seconds, out);
}

void monitor_describe(const json_t *look, const json_t *before, monitor_lines *out)
{
	const json_t *device = json_object_get(look, "device"),
		     *server = json_object_get(look, "server");
	const char *trouble = text_of(look, "trouble");

	if (trouble[0]) {
		monitor_line *line = add(out, "Trouble", NAN);

		say(line, "%s", trouble);
		if (line)
			line->alarm = true;
		return;
	}
	if (server)
		describe_server(server, json_object_get(before, "server"), out);
	describe_device_line(device, look, out);
	describe_processor(device, out);
	describe_memory(device, out);
	describe_gpus(device, out);
	describe_jetson(device, out);
	describe_heat(device, out);
	describe_fans(device, out);
	describe_power(device, out);
	describe_battery(device, out);
	describe_process(look, device, out);
}

void monitor_lines_release(monitor_lines *lines)
{
	elm__free(lines->lines);
	*lines = (monitor_lines){ 0 };
}
