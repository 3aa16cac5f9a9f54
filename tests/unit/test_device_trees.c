/* Every reading of the devices in tests/support/device_trees.c, and what becomes of the readings
 * when a file is missing, denied, or has something else in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>
#include <jansson.h>
#include <libgen.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device_trees.h"
#include "support.h"
#include "telemetry/telemetry.h"

static char root[2048];

static void begin(const char *name)
{
	static int number;
	const device_tree *tree = device_tree_find(name);
	char folder[64];

	assert_non_null(tree);
	snprintf(folder, sizeof(folder), "%s-%d", name, number++);
	snprintf(root, sizeof(root), "%s", temp_path(folder));
	assert_int_equal(mkdir(root, 0777), 0);
	assert_int_equal(device_tree_write(tree, root), 0);
}

/* What a first look sees. */
static json_t *look(void)
{
	static elm__device_sample sample; /* large */
	elm__device *device;
	elm_error error = { 0 };
	json_t *json;

	memset(&sample, 0, sizeof(sample));
	assert_int_equal(elm__device_open(root, &device, &error), ELM_OK);
	elm__device_read(device, ELM__READ_ALL, &sample);
	json = elm__device_json(&sample);
	assert_non_null(json);
	assert_int_equal(json_object_set_new(json, "model", json_string(elm__device_model(device))),
			 0);
	elm__device_close(device);
	return json;
}

/* "process.rss", "clocks.0.now", "rails.VDD_IN": members, or elements by number or name. */
static const json_t *find(const json_t *json, const char *path)
{
	while (json && *path) {
		size_t length = strcspn(path, "."), i;
		char key[64];
		const json_t *item, *next = NULL;

		assert_true(length < sizeof(key));
		memcpy(key, path, length);
		key[length] = '\0';
		path += length + (path[length] == '.');
		if (json_is_object(json)) {
			json = json_object_get(json, key);
			continue;
		}
		json_array_foreach(json, i, item)
		{
			const char *name = json_string_value(json_object_get(item, "name"));

			if (name ? !strcmp(name, key) : i == (size_t)atoi(key))
				next = item;
		}
		json = next;
	}
	return json;
}

typedef struct expected {
	const char *path;
	double value;
	const char *text; /* instead: of a text, or the reason why it is unmeasured */
} expected;

static void check(const json_t *json, const expected *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const json_t *item = find(json, list[i].path);
		const json_t *value = json_object_get(item, "value");

		if (!item)
			fail_msg("%s is not there", list[i].path);
		if (list[i].text && json_is_string(item)) {
			assert_string_equal(json_string_value(item), list[i].text);
		} else if (list[i].text) {
			if (value)
				fail_msg("%s is measured", list[i].path);
			assert_contains(json_string_value(json_object_get(item, "unmeasured")),
					list[i].text);
		} else if (!value || fabs(json_real_value(value) - list[i].value) >
					     1e-9 * fabs(list[i].value)) {
			fail_msg("%s is %g instead of %g", list[i].path, json_real_value(value),
				 list[i].value);
		}
	}
}

static void look_and_check(const expected *list, size_t count)
{
	json_t *json = look();

	check(json, list, count);
	json_decref(json);
}

#define CHECK(...)                                                 \
	do {                                                       \
		const expected all[] = { __VA_ARGS__ };            \
		look_and_check(all, sizeof(all) / sizeof(all[0])); \
	} while (0)

static void a_jetson_nano(void **state)
{
	begin("jetson-nano");
	CHECK({ "model", 0, "NVIDIA Jetson Nano Developer Kit" }, { "cpu", 0, "a first look" },
	      { "uptime", 12345.67 }, { "memory.total", 4051048 * 1024. },
	      { "memory.available", 2500000 * 1024. }, { "memory.swap_used", 25520 * 1024. },
	      { "memory.stall", 0, "no account" }, { "process.rss", 900000 * 1024. },
	      { "process.anonymous", 100000 * 1024. }, { "process.file", 799000 * 1024. },
	      { "process.shared", 1000 * 1024. }, { "process.threads", 5 }, { "process.time", 20 },
	      { "process.pss", 0, "no file" }, { "process.gpu_memory", 540000 * 1024. },
	      { "clocks.3.now", 1428e6 }, { "clocks.0.lowest", 102e6 },
	      { "clocks.0.highest", 1479e6 }, { "clocks.0.governor", 0, "schedutil" },
	      { "temperature", 41.5 }, { "hottest", 0, "AO-therm" },
	      { "temperatures.thermal-fan-est", 32.25 }, { "temperatures.GPU-therm", 31.5 },
	      { "power", 4.712 }, { "power_scope", 0, "board" }, { "rails.POM_5V_CPU", 0.98 },
	      { "rails.POM_5V_GPU", 1.2 }, { "energy", 0, "no counter" }, { "gpu", 27.3 },
	      { "gpus.gpu.load", 27.3 }, { "gpus.gpu.now", 614.4e6 }, { "gpus.gpu.lowest", 76.8e6 },
	      { "gpus.gpu.highest", 921.6e6 }, { "gpus.gpu.memory_used", 548096 * 1024. },
	      { "gpus.gpu.memory_total", 0, "of the processor" }, { "emc.now", 1600e6 },
	      { "emc.highest", 1600e6 }, { "emc.load", 20 }, { "iram.total", 262144 },
	      { "iram.used", 65536 }, { "engines.ape", 25.5e6 }, { "engines.nvenc", 0 },
	      { "engines.nvdec", 716.8e6 }, { "engines.se", 0 }, { "fans.pwm-fan.duty", 20 },
	      { "fans.pwm-fan.speed", 1325 }, { "power_mode", 1 }, { "power_mode.name", 0, "5W" },
	      { "jetson_clocks", 0 }, { "throttled", 0 }, { "throttle_causes", 0, "" },
	      { "throttle_events", 0, "does not count" }, { "battery.level", 0, "no battery" },
	      { "mains", 0, "no mains" });
}

static void an_orin_nano(void **state)
{
	begin("orin-nano");
	CHECK({ "model", 0, "NVIDIA Jetson Orin Nano Developer Kit" }, { "memory.stall", 1.5 },
	      { "memory.stall_all", 0.5 }, { "memory.swap_total", 0 }, { "memory.swap_used", 0 },
	      { "process.pss", 880000 * 1024. }, { "process.gpu_memory", 100000 * 1024. },
	      { "clocks.5.now", 1510.4e6 }, { "temperature", 48.719 },
	      { "hottest", 0, "tj-thermal" }, { "temperatures.cv0-thermal", 0, "switched off" },
	      { "power", 5.056 * 1.384 }, { "power_scope", 0, "board" },
	      { "rails.VDD_CPU_GPU_CV", 5.048 * .24 }, { "rails.VDD_SOC", 5.048 * .344 },
	      { "gpu", 99.8 }, { "gpus.ga10b.now", 624.75e6 },
	      { "gpus.ga10b.memory_used", 120000 * 1024. }, { "emc.now", 2133e6 },
	      { "emc.load", 10 }, { "iram.total", 0, "no file" }, { "engines.vic", 435.2e6 },
	      { "engines.nvdec0", 0 }, { "fans.pwmfan.duty", 40 }, { "fans.pwmfan.speed", 2210 },
	      { "power_mode", 0 }, { "power_mode.name", 0, "15W" }, { "jetson_clocks", 0 },
	      { "throttled", 1 }, { "throttle_causes", 0, "cpufreq-cpu0" },
	      { "throttle_events", 4 });
}

static void an_agx_orin(void **state)
{
	json_t *json;

	begin("agx-orin");
	CHECK({ "power", 6 + 2 + 6 + 1 }, { "power_scope", 0, "rails" }, { "rails.VIN_SYS_5V0", 6 },
	      { "rails.VDDQ_VDD2_1V8AO", 1 }, { "gpu", 0 }, { "gpus.gpu.lowest", 1300.5e6 },
	      { "gpus.gpu.memory_used", 0, "no file" }, { "emc.load", 50 },
	      { "emc.highest", 0, "no file" }, { "clocks.11.now", 2201.6e6 },
	      { "clocks.5.now", 0, "no file" }, { "jetson_clocks", 1 }, { "fans.pwmfan.duty", 100 },
	      { "fans.pwmfan.speed", 3100 }, { "power_mode.name", 0, "MAXN" }, { "throttled", 0 });
	json = look();
	assert_int_equal(json_array_size(json_object_get(json, "rails")), 4);
	assert_int_equal(json_array_size(json_object_get(json, "engines")), 0);
	json_decref(json);
}

static void a_raspberry_pi_4(void **state)
{
	begin("raspberry-pi-4");
	CHECK({ "model", 0, "Raspberry Pi 4 Model B Rev 1.4" }, { "temperature", 58.426 },
	      { "clocks.0.now", 1800e6 }, { "clocks.0.lowest", 600e6 }, { "throttled", 1 },
	      { "throttle_causes", 0,
		"under-voltage, throttled by the firmware, under-voltage alarm" },
	      { "power", 0, "neither" }, { "gpu", 0, "no GPU" },
	      { "process.gpu_memory", 0, "no GPU" }, { "emc.load", 0, "no Jetson" },
	      { "iram.used", 0, "no Jetson" }, { "power_mode", 0, "no Jetson" },
	      { "jetson_clocks", 0, "no Jetson" });
}

static void a_raspberry_pi_5(void **state)
{
	begin("raspberry-pi-5");
	CHECK({ "temperature", 61.15 }, { "temperatures.rp1_adc temp1", 57.343 },
	      { "clocks.0.now", 2400e6 }, { "clocks.1.now", 1500e6 }, { "throttled", 0 },
	      { "fans.pwmfan.duty", 100 * 125. / 255 }, { "fans.pwmfan.speed", 4821 },
	      { "memory.swap_used", 100000 * 1024. });
}

static void a_laptop(void **state)
{
	begin("laptop");
	CHECK({ "model", 0, "ThinkPad X1 Carbon" }, { "temperature", 55 },
	      { "temperatures.nvme Composite", 38.85 }, { "clocks.1.now", 2900.456e6 },
	      { "clocks.0.governor", 0, "powersave" }, { "throttled", 0 }, { "throttle_events", 7 },
	      { "energy", 0 }, { "rails.package-0", 0, "first look" }, { "battery.level", 81 },
	      { "battery.state", 0, "Discharging" }, { "battery.voltage", 12.229 },
	      { "battery.power", 4.83 }, { "battery.energy", 36.58 },
	      { "battery.energy_full", 45.07 }, { "mains", 0 },
	      { "fans.thinkpad.duty", 100 * 128. / 255 }, { "fans.thinkpad.speed", 2654 },
	      { "fans.thinkpad 2.speed", 0 }, { "fans.thinkpad 2.duty", 0, "no file" },
	      { "gpus.i915.now", 450e6 }, { "gpus.i915.highest", 1150e6 },
	      { "gpus.i915.load", 0, "no file" }, { "process.pss", 450000 * 1024. });
}

/* RAPL is for root only on most systems; the battery tells what all takes, while it feeds it. */
static void a_battery_stands_in_for_other_sensors(void **state)
{
	const char *folder = "/sys/class/power_supply/BAT0";
	char path[4096];

	begin("laptop");
	snprintf(path, sizeof(path), "%s/sys/class/powercap/intel-rapl:0/energy_uj", root);
	assert_int_equal(unlink(path), 0);
	CHECK({ "power", 4.83 }, { "power_scope", 0, "battery" }, { "energy", 0, "no counter" });
	snprintf(path, sizeof(path), "%s%s/power_now", root, folder);
	assert_int_equal(unlink(path), 0);
	write_below(root, "/sys/class/power_supply/BAT0/current_now", "-400000\n");
	CHECK({ "power", 12.229 * 0.4 }, { "battery.current", 0.4 });
	snprintf(path, sizeof(path), "%s%s/energy_now", root, folder);
	assert_int_equal(unlink(path), 0);
	write_below(root, "/sys/class/power_supply/BAT0/charge_now", "2000000\n");
	CHECK({ "battery.energy", 12.229 * 2 });
	write_below(root, "/sys/class/power_supply/BAT0/status", "Charging\n");
	CHECK({ "power", 0, "no file" }, { "power_scope", 0, "processor" });
}

/* Sums and the largest of several change when one of them is missing; all others must not. */
static bool is_of_several(const char *path)
{
	static const char *const paths[] = { "temperature", "throttled", "throttle_events",
					     "jetson_clocks" };

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (!strcmp(path, paths[i]))
			return true;
	return false;
}

/* Each reading below is as in `before`, or says why it is not. */
static void compare(const json_t *before, const json_t *after, const char *where, const char *cause)
{
	const json_t *value = json_object_get(after, "value");
	const char *key;
	json_t *item;
	void *iterator;

	if (json_object_get(after, "unit")) {
		const char *reason = json_string_value(json_object_get(after, "unmeasured"));
		const json_t *old = json_object_get(before, "value");

		if (!value && !(reason && reason[0]))
			fail_msg("%s has neither value nor reason (%s)", where, cause);
		if (value && old && json_real_value(value) != json_real_value(old) &&
		    !is_of_several(where))
			fail_msg("%s is %g instead of %g (%s)", where, json_real_value(value),
				 json_real_value(old), cause);
		return;
	}
	for (iterator = json_object_iter((json_t *)after); iterator;
	     iterator = json_object_iter_next((json_t *)after, iterator)) {
		char path[128];

		key = json_object_iter_key(iterator);
		item = json_object_iter_value(iterator);
		snprintf(path, sizeof(path), "%s%s%s", where, where[0] ? "." : "", key);
		if (json_is_object(item))
			compare(json_object_get(before, key), item, path, cause);
	}
}

/* Elements of arrays by their names, as those that are left may have other numbers. */
static void compare_arrays(const json_t *before, const json_t *after, const char *cause)
{
	static const char *const arrays[] = { "temperatures", "rails", "gpus", "fans", "engines" };

	for (size_t i = 0; i < sizeof(arrays) / sizeof(arrays[0]); i++) {
		const json_t *list = json_object_get(after, arrays[i]), *item;
		size_t j;

		json_array_foreach(list, j, item)
		{
			char path[128];
			const json_t *old;

			snprintf(path, sizeof(path), "%s.%s", arrays[i],
				 json_string_value(json_object_get(item, "name")));
			old = find(before, path);
			if (old)
				compare(old, item, path, cause);
		}
	}
}

static void look_and_compare(const json_t *before, const char *cause)
{
	json_t *after = look();
	bool fewer = json_array_size(json_object_get(after, "rails")) <
		     json_array_size(json_object_get(before, "rails"));

	/* A rail without a name is none; then the sum is of those that are left, and the scope or
	 * the number of rails says so. */
	if (fewer)
		json_object_del(after, "power");
	compare(before, after, "", cause);
	compare_arrays(before, after, cause);
	json_decref(after);
}

static void put(const char *full, const char *text)
{
	FILE *file = fopen(full, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* Makes a look as a user who may not read all; true when there are such users here. */
static bool look_as_nobody(const json_t *before, const char *full, const char *cause)
{
	const uid_t nobody = 65534;

	assert_int_equal(chmod(full, 0), 0);
	if (!geteuid()) {
		if (seteuid(nobody))
			return false;
		look_and_compare(before, cause);
		assert_int_equal(seteuid(0), 0);
	} else {
		look_and_compare(before, cause);
	}
	assert_int_equal(chmod(full, 0644), 0);
	return true;
}

/* Files that are not read, and those of cores that are like the first one. */
static bool is_of_interest(const tree_file *file)
{
	static const char *const others[] = { "scaling_driver",
					      "scaling_available_governors",
					      "scaling_setspeed",
					      "related_cpus",
					      "policy",
					      "max_state",
					      "_max",
					      "_crit",
					      "cpu1",
					      "cpu2",
					      "cpu3",
					      "cpu4",
					      "cpu5",
					      "topology" };

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		const char *at = strstr(file->path, others[i]);

		if (at && strchr("/0123456789", at[strlen(others[i])]))
			return false;
	}
	return strncmp(file->text, "-> ", 3) != 0;
}

/* One file of a tree after the other: gone, a folder, a link to nowhere, nonsense, denied. */
static void spoil(const tree_file *files, const json_t *before)
{
	static const char *const texts[] = { "", "nonsense\n", "12z\n",
					     "99999999999999999999999999\n" };

	for (const tree_file *f = files; f->path; f++) {
		char full[4096];

		if (!is_of_interest(f))
			continue;
		snprintf(full, sizeof(full), "%s%s", root, f->path);
		assert_int_equal(unlink(full), 0);
		look_and_compare(before, f->path);
		assert_int_equal(mkdir(full, 0777), 0);
		look_and_compare(before, f->path);
		assert_int_equal(rmdir(full), 0);
		assert_int_equal(symlink("nowhere", full), 0);
		look_and_compare(before, f->path);
		assert_int_equal(unlink(full), 0);
		for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
			/* Of names and texts anything goes, and of files with fractions any number.
			 */
			if (isdigit((unsigned char)f->text[0]) && !strchr(f->text, '.')) {
				put(full, texts[i]);
				look_and_compare(before, f->path);
			}
		}
		put(full, f->text);
		assert_true(look_as_nobody(before, full, f->path));
	}
}

static void spoiled_files_never_give_wrong_values(void **state)
{
	/* The folder of all tests is for its owner only. */
	char parent[2048];

	for (size_t i = 0; i < device_tree_count; i++) {
		json_t *before;

		begin(device_trees[i].name);
		memcpy(parent, root, sizeof(parent));
		assert_int_equal(chmod(dirname(parent), 0755), 0);
		before = look();
		spoil(device_trees[i].files, before);
		spoil(device_trees[i].more, before);
		look_and_compare(before, "all is as it was");
		json_decref(before);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_jetson_nano),
		cmocka_unit_test(an_orin_nano),
		cmocka_unit_test(an_agx_orin),
		cmocka_unit_test(a_raspberry_pi_4),
		cmocka_unit_test(a_raspberry_pi_5),
		cmocka_unit_test(a_laptop),
		cmocka_unit_test(a_battery_stands_in_for_other_sensors),
		cmocka_unit_test(spoiled_files_never_give_wrong_values),
	};

	return cmocka_run_group_tests_name("device_trees", tests, NULL, NULL);
}
