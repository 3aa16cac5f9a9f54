/* Readings of a device, from trees of files that the test writes: a laptop, Jetson boards, a
 * machine that shows nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support.h"
#include "telemetry/telemetry.h"

#define SECOND UINT64_C(1000000000)

static char root[4096];
static elm__device *device;
static elm__device_sample sample; /* large */

static void put(const char *path, const char *text)
{
	write_below(root, path, text);
}

/* A root of its own for each test. */
static void begin(const char *name)
{
	snprintf(root, sizeof(root), "%s", temp_path(name));
	assert_int_equal(mkdir(root, 0777), 0);
}

static void open_device(void)
{
	elm_error error = { 0 };

	memset(&sample, 0, sizeof(sample));
	assert_int_equal(elm__device_open(root, &device, &error), ELM_OK);
}

static void look(uint64_t second)
{
	elm__device_read_at(device, ELM__READ_ALL, second * SECOND, &sample);
}

static void assert_value(elm__reading reading, double value)
{
	if (!reading.measured)
		fail_msg("unmeasured: %s", reading.reason);
	if (fabs(reading.value - value) > 1e-9 * fabs(value) + 1e-9)
		fail_msg("%.17g instead of %.17g", reading.value, value);
}

static void assert_unmeasured(elm__reading reading, const char *part)
{
	assert_false(reading.measured);
	assert_contains(reading.reason, part);
}

static void assert_named(const elm__named_reading *reading, const char *name, double value)
{
	assert_string_equal(reading->name, name);
	assert_value(reading->reading, value);
}

static void finish(void)
{
	elm__device_close(device);
	device = NULL;
}

static void cores_are_measured_between_two_looks(void **state)
{
	char stat[256];
	long ticks = sysconf(_SC_CLK_TCK);

	begin("cores");
	put("/proc/stat", "cpu  100 10 40 800 50 0 0 0 0 0\ncpu0 50 5 20 400 25 0 0 0 0 0\n"
			  "cpu1 50 5 20 400 25 0 0 0 0 0\nintr 7\n");
	put("/proc/self/stat", "7 (a) b) R 1 2 3 4 5 6 7 8 9 10 500 20 0 0 20 0 3 0\n");
	open_device();
	look(10);
	assert_int_equal(sample.core_count, 2);
	assert_unmeasured(sample.cpu, "a first look");
	assert_unmeasured(sample.cores[1], "a first look");
	assert_unmeasured(sample.process_cpu, "a first look");
	assert_true(sample.seconds == 0);

	/* Of 200 ticks more 50 were idle and 10 waited; core 1 did nothing. */
	put("/proc/stat", "cpu  200 10 80 850 60 0 0 0 0 0\ncpu0 150 5 60 400 25 0 0 0 0 0\n"
			  "cpu1 50 5 20 450 35 0 0 0 0 0\nintr 7\n");
	snprintf(stat, sizeof(stat), "7 (a) b) R 1 2 3 4 5 6 7 8 9 10 %ld 20 0 0 20 0 3 0\n",
		 500 + ticks);
	put("/proc/self/stat", stat);
	look(12);
	assert_value(sample.cpu, 70);
	assert_value(sample.cores[0], 100);
	assert_value(sample.cores[1], 0);
	assert_value(sample.process_cpu, 25); /* one of four seconds of two cores */
	assert_true(sample.seconds == 2);

	look(13);
	assert_unmeasured(sample.cpu, "too soon");
	put("/proc/stat", "cpu  300 10 80 850 60 0 0 0 0 0\ncpu1 150 5 20 450 35 0 0 0 0 0\n");
	look(14);
	assert_int_equal(sample.core_count, 2);
	assert_unmeasured(sample.cores[0], "switched off");
	assert_value(sample.cores[1], 100);
	put("/proc/stat", "nonsense\n");
	look(15);
	assert_unmeasured(sample.cpu, "no value");
	finish();
}

static void cores_with_high_numbers_are_left_out(void **state)
{
	begin("many");
	put("/proc/stat", "cpu  1 1 1 1\ncpu255 1 1 1 1\ncpu256 1 1 1 1\ncpu99999999999 1 1 1 1\n"
			  "cpux 1 1 1 1\ncpu3 1\n");
	open_device();
	look(1);
	assert_int_equal(sample.core_count, 256);
	assert_unmeasured(sample.cores[3], "switched off");
	finish();
}

static void memory_is_in_bytes(void **state)
{
	begin("memory");
	put("/proc/meminfo", "MemTotal: 4000 kB\nMemAvailable: 1000 kB\nSwapTotal: 300 kB\n"
			     "SwapFree: 100 kB\n");
	put("/proc/pressure/memory", "some avg10=12.50 avg60=1 avg300=0 total=7\nfull avg10=3.25 "
				     "avg60=1 avg300=0 total=7\n");
	put("/proc/self/status", "Name:\tx\nVmRSS:\t 60 kB\nRssAnon:\t 30 kB\nRssFile:\t 20 kB\n"
				 "RssShmem:\t 10 kB\nThreads:\t5\n");
	open_device();
	look(1);
	assert_value(sample.memory_total, 4000 * 1024);
	assert_value(sample.memory_available, 1000 * 1024);
	assert_value(sample.swap_total, 300 * 1024);
	assert_value(sample.swap_used, 200 * 1024);
	assert_value(sample.memory_stall, 12.5);
	assert_value(sample.memory_stall_all, 3.25);
	assert_value(sample.process_rss, 60 * 1024);
	assert_value(sample.process_anon, 30 * 1024);
	assert_value(sample.process_file, 20 * 1024);
	assert_value(sample.process_shared, 10 * 1024);
	assert_value(sample.process_threads, 5);
	finish();
}

static void what_is_missing_says_so(void **state)
{
	json_t *json;
	const json_t *power;

	begin("nothing");
	open_device();
	look(1);
	look(2);
	assert_unmeasured(sample.cpu, "no file");
	assert_unmeasured(sample.memory_total, "no file");
	assert_unmeasured(sample.memory_available, "no file");
	assert_unmeasured(sample.swap_used, "no file");
	assert_unmeasured(sample.memory_stall, "pressure");
	assert_unmeasured(sample.process_rss, "no file");
	assert_unmeasured(sample.temperature, "no temperature sensor");
	assert_unmeasured(sample.power, "RAPL");
	assert_int_equal(sample.core_count + sample.temperature_count + sample.rail_count, 0);
	assert_string_equal(elm__power_scope_name(sample.power_scope), "");
	json = elm__device_json(&sample);
	assert_non_null(json);
	power = json_object_get(json, "power");
	assert_null(json_object_get(power, "value"));
	assert_string_equal(json_string_value(json_object_get(power, "unmeasured")),
			    sample.power.reason);
	json_decref(json);
	finish();
}

static void temperatures_of_zones_and_chips(void **state)
{
	begin("warm");
	put("/sys/class/thermal/thermal_zone0/type", "CPU-therm\n");
	put("/sys/class/thermal/thermal_zone0/temp", "41500\n");
	put("/sys/class/thermal/thermal_zone10/temp", "-256000\n");
	put("/sys/class/thermal/thermal_zone2/type", "PMIC-Die\n");
	put("/sys/class/thermal/thermal_zone2/temp", "100000\n");
	put("/sys/class/thermal/thermal_zone3/type", "GPU\x1b[2J\n");
	put("/sys/class/thermal/thermal_zone3/temp", "");
	put("/sys/class/thermal/cooling_device0/type", "fan\n");
	put("/sys/class/hwmon/hwmon0/name", "coretemp\n");
	put("/sys/class/hwmon/hwmon0/temp1_input", "55000\n");
	put("/sys/class/hwmon/hwmon0/temp1_label", "Package id 0\n");
	put("/sys/class/hwmon/hwmon0/temp1_max", "100000\n");
	put("/sys/class/hwmon/hwmon0/temp2_input", "54000\n");
	open_device();
	look(1);
	assert_int_equal(sample.temperature_count, 5);
	assert_named(&sample.temperatures[0], "CPU-therm", 41.5);
	assert_string_equal(sample.temperatures[1].name, "GPU?[2J");
	assert_unmeasured(sample.temperatures[1].reading, "no value");
	assert_string_equal(sample.temperatures[2].name, "thermal_zone10");
	assert_unmeasured(sample.temperatures[2].reading, "switched off");
	assert_named(&sample.temperatures[3], "coretemp Package id 0", 55);
	assert_named(&sample.temperatures[4], "coretemp temp2", 54);
	assert_value(sample.temperature, 55);
	assert_string_equal(sample.hottest, "coretemp Package id 0");
	/* A sensor that goes away later. */
	put("/sys/class/hwmon/hwmon0/temp1_input", "gone\n");
	look(2);
	assert_value(sample.temperature, 54);
	finish();
}

static void more_sensors_than_there_is_room_for(void **state)
{
	char path[128];

	begin("sensors");
	for (int i = 0; i < 100; i++) {
		snprintf(path, sizeof(path), "/sys/class/hwmon/hwmon0/temp%d_input", i);
		put(path, "30000\n");
	}
	open_device();
	look(1);
	assert_int_equal(sample.temperature_count, ELM__DEVICE_SENSORS);
	finish();
}

static void jetson_nano_tells_milliwatts(void **state)
{
	const char *folder = "/sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0";
	const char *const names[] = { "POM_5V_IN", "POM_5V_GPU", "POM_5V_CPU" };
	const char *const watts[] = { "4250\n", "1200\n", "900\n" };
	char path[256];

	begin("nano");
	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/rail_name_%d", folder, i);
		put(path, names[i]);
		snprintf(path, sizeof(path), "%s/in_power%d_input", folder, i);
		put(path, watts[i]);
	}
	open_device();
	look(1);
	assert_int_equal(sample.rail_count, 3);
	assert_named(&sample.rails[0], "POM_5V_IN", 4.25);
	assert_named(&sample.rails[1], "POM_5V_GPU", 1.2);
	assert_named(&sample.rails[2], "POM_5V_CPU", 0.9);
	assert_value(sample.power, 4.25);
	assert_string_equal(elm__power_scope_name(sample.power_scope), "board");
	finish();
}

static void put_channel(const char *chip, int channel, const char *name, const char *millivolts,
			const char *milliamperes)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/in%d_label", chip, channel);
	put(path, name);
	snprintf(path, sizeof(path), "%s/in%d_input", chip, channel);
	put(path, millivolts);
	snprintf(path, sizeof(path), "%s/curr%d_input", chip, channel);
	if (milliamperes)
		put(path, milliamperes);
}

static void orin_tells_volts_and_amperes(void **state)
{
	const char *chip = "/sys/bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon3";

	begin("orin");
	put_channel(chip, 1, "VDD_IN\n", "5000\n", "1600\n");
	put_channel(chip, 2, "VDD_CPU_GPU_CV\n", "5000\n", "400\n");
	put_channel(chip, 3, "VDD_SOC\n", "5000\n", NULL);
	open_device();
	look(1);
	assert_int_equal(sample.rail_count, 3);
	assert_named(&sample.rails[0], "VDD_IN", 8);
	assert_named(&sample.rails[1], "VDD_CPU_GPU_CV", 2);
	assert_unmeasured(sample.rails[2].reading, "no file");
	assert_value(sample.power, 8);
	finish();
}

/* AGX Orin has no rail of the whole board: the rails are added up, and say so. */
static void rails_without_an_input_are_added_up(void **state)
{
	begin("agx");
	put_channel("/sys/bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon3", 1, "VDD_GPU_SOC\n",
		    "20000\n", "100\n");
	put_channel("/sys/bus/i2c/drivers/ina3221/1-0041/hwmon/hwmon4", 1, "NC\n", "1\n", "1\n");
	put_channel("/sys/bus/i2c/drivers/ina3221/1-0041/hwmon/hwmon4", 2, "VDDQ\n", "10000\n",
		    "50\n");
	open_device();
	look(1);
	assert_int_equal(sample.rail_count, 2);
	assert_value(sample.power, 2.5);
	assert_string_equal(elm__power_scope_name(sample.power_scope), "rails");
	/* A sum of some of them would be too little. */
	put("/sys/bus/i2c/drivers/ina3221/1-0041/hwmon/hwmon4/in2_input", "");
	look(2);
	assert_unmeasured(sample.power, "no value");
	finish();
}

static void put_energy(const char *domain, const char *microjoules)
{
	char path[256];

	snprintf(path, sizeof(path), "/sys/class/powercap/%s/energy_uj", domain);
	put(path, microjoules);
}

static void put_domain(const char *domain, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "/sys/class/powercap/%s/name", domain);
	put(path, name);
	snprintf(path, sizeof(path), "/sys/class/powercap/%s/max_energy_range_uj", domain);
	put(path, "10000000\n");
	put_energy(domain, "9000000\n");
}

static void counters_of_energy_wrap(void **state)
{
	begin("rapl");
	put("/sys/class/powercap/intel-rapl/enabled", "1\n");
	put_domain("intel-rapl:0", "package-0\n");
	put_domain("intel-rapl:0:0", "core\n");
	put_domain("intel-rapl:0:1", "dram\n");
	open_device();
	look(1);
	assert_int_equal(sample.rail_count, 3);
	assert_unmeasured(sample.power, "a first look");
	put_energy("intel-rapl:0", "1000000\n"); /* over the end: 2 J in 2 s */
	put_energy("intel-rapl:0:0", "9500000\n");
	put_energy("intel-rapl:0:1", "9200000\n");
	look(3);
	assert_named(&sample.rails[0], "package-0", 1);
	assert_named(&sample.rails[1], "core", 0.25);
	assert_named(&sample.rails[2], "dram", 0.1);
	assert_value(sample.power, 1.1);
	assert_string_equal(elm__power_scope_name(sample.power_scope), "processor");
	finish();
}

static void a_counter_that_starts_over_is_no_power(void **state)
{
	begin("reset");
	put_domain("intel-rapl:0", "package-0\n");
	put("/sys/class/powercap/intel-rapl:0/max_energy_range_uj", "nonsense\n");
	open_device();
	look(1);
	put_energy("intel-rapl:0", "5\n");
	look(2);
	assert_unmeasured(sample.power, "started over");
	put_energy("intel-rapl:0", "4000005\n");
	look(3);
	assert_value(sample.power, 4);
	finish();
}

static void throttling_is_noticed(void **state)
{
	const char *count = "/sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count";
	const char *alarm = "/sys/class/hwmon/hwmon0/curr1_crit_alarm";
	const char *cooler = "/sys/class/thermal/cooling_device0/cur_state";

	begin("throttling");
	put(count, "3\n");
	put(alarm, "0\n");
	put("/sys/class/thermal/cooling_device0/type", "thermal-devfreq-0\n");
	put(cooler, "0\n");
	put("/sys/class/thermal/cooling_device1/type", "pwm-fan\n");
	put("/sys/class/thermal/cooling_device1/cur_state", "9\n");
	open_device();
	look(1);
	assert_value(sample.throttled, 0);
	assert_value(sample.throttle_events, 3);
	put(count, "5\n");
	look(2);
	assert_value(sample.throttled, 1);
	assert_value(sample.throttle_events, 5);
	assert_string_equal(sample.throttle_causes, "throttled since the last look");
	put(alarm, "1\n");
	put(cooler, "2\n");
	look(3);
	assert_value(sample.throttled, 1);
	assert_string_equal(sample.throttle_causes, "thermal-devfreq-0, over-current alarm");
	put(alarm, "0\n");
	put(cooler, "0\n");
	look(4);
	assert_value(sample.throttled, 0);
	assert_string_equal(sample.throttle_causes, "");
	finish();
}

static void another_process_by_its_number(void **state)
{
	begin("process");
	put("/proc/stat", "cpu  100 10 40 800 50\ncpu0 50 5 20 400 25\n");
	put("/proc/self/status", "VmRSS: 1 kB\n");
	put("/proc/1234/status", "VmRSS: 60 kB\nThreads: 7\n");
	put("/proc/1234/stat", "1234 (a b) S 1 2 3 4 5 6 7 8 9 10 300 100 0 0 20 0 3 0\n");
	put("/proc/1234/smaps_rollup", "0-1 ---p 0 0:0 0 [rollup]\nRss: 60 kB\nPss: 44 kB\n");
	put("/sys/class/devfreq/1.gpu/device/of_node/name", "gpu");
	put("/sys/kernel/debug/nvmap/iovmm/clients", "user a 1234 8K\nuser b 77 9K\ntotal 17K\n");
	open_device();
	elm__device_watch(device, 1234);
	look(1);
	assert_value(sample.process_rss, 60 * 1024);
	assert_value(sample.process_pss, 44 * 1024);
	assert_value(sample.process_threads, 7);
	assert_value(sample.process_time, 400.0 / (double)sysconf(_SC_CLK_TCK));
	assert_value(sample.process_gpu_memory, 8 * 1024);
	elm__device_watch(device, 4321);
	look(2);
	assert_unmeasured(sample.process_rss, "no such process");
	assert_unmeasured(sample.process_time, "no such process");
	assert_unmeasured(sample.process_cpu, "no such process");
	elm__device_watch(device, 0);
	look(3);
	assert_value(sample.process_rss, 1024);
	finish();
}

/* As far as it goes: what changes in an open file is seen, and what was not asked for stays. */
static void files_that_stay_open(void **state)
{
	begin("open");
	put("/sys/class/thermal/thermal_zone0/type", "CPU\n");
	put("/sys/class/thermal/thermal_zone0/temp", "40000\n");
	put("/proc/meminfo", "MemTotal: 9 kB\nMemAvailable: 8 kB\n");
	open_device();
	elm__device_keep_open(device);
	elm__device_read_at(device, ELM__READ_TEMPERATURE, SECOND, &sample);
	assert_value(sample.temperature, 40);
	assert_false(sample.memory_total.measured);
	put("/sys/class/thermal/thermal_zone0/temp", "45000\n");
	elm__device_read_at(device, ELM__READ_MEMORY, 2 * SECOND, &sample);
	assert_value(sample.temperature, 40);
	assert_value(sample.memory_total, 9 * 1024);
	elm__device_read_at(device, ELM__READ_TEMPERATURE, 3 * SECOND, &sample);
	assert_value(sample.temperature, 45);
	put("/sys/class/thermal/thermal_zone0/temp", "");
	elm__device_read_at(device, ELM__READ_TEMPERATURE, 4 * SECOND, &sample);
	assert_unmeasured(sample.temperatures[0].reading, "no value");
	finish();
}

static void what_only_root_may_read(void **state)
{
	char path[8192];

	if (!geteuid())
		skip(); /* root may read all of it */
	begin("denied");
	put_domain("intel-rapl:0", "package-0\n");
	snprintf(path, sizeof(path), "%s/sys/class/powercap/intel-rapl:0/energy_uj", root);
	assert_int_equal(chmod(path, 0), 0);
	open_device();
	look(1);
	assert_unmeasured(sample.power, "only root");
	finish();
}

static void other_chips_tell_microwatts(void **state)
{
	begin("hwmon");
	put("/sys/class/hwmon/hwmon1/name", "amdgpu\n");
	put("/sys/class/hwmon/hwmon1/power1_average", "15000000\n");
	put("/sys/class/hwmon/hwmon1/power1_input", "16000000\n");
	put("/sys/class/hwmon/hwmon1/power1_cap", "99000000\n");
	open_device();
	look(1);
	assert_int_equal(sample.rail_count, 1);
	assert_named(&sample.rails[0], "amdgpu power1", 15);
	assert_value(sample.power, 15);
	assert_string_equal(elm__power_scope_name(sample.power_scope), "sensors");
	finish();
}

static void this_machine(void **state)
{
	json_t *json;

	root[0] = '\0';
	open_device();
	elm__device_read(device, ELM__READ_ALL, &sample);
	assert_true(sample.core_count > 0);
	assert_true(sample.process_rss.measured && sample.process_rss.value > 0);
	assert_true(sample.memory_total.value >= sample.memory_available.value);
	json = elm__device_json(&sample);
	assert_int_equal(json_array_size(json_object_get(json, "cores")), sample.core_count);
	json_decref(json);
	finish();
}

static elm_status open_and_close(void *user, elm_error *error)
{
	elm__device *opened;
	elm_status status = elm__device_open("", &opened, error);

	elm__device_close(opened);
	return status;
}

static void running_out_of_memory(void **state)
{
	fail_each_allocation(open_and_close, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cores_are_measured_between_two_looks),
		cmocka_unit_test(cores_with_high_numbers_are_left_out),
		cmocka_unit_test(memory_is_in_bytes),
		cmocka_unit_test(what_is_missing_says_so),
		cmocka_unit_test(temperatures_of_zones_and_chips),
		cmocka_unit_test(more_sensors_than_there_is_room_for),
		cmocka_unit_test(jetson_nano_tells_milliwatts),
		cmocka_unit_test(orin_tells_volts_and_amperes),
		cmocka_unit_test(rails_without_an_input_are_added_up),
		cmocka_unit_test(counters_of_energy_wrap),
		cmocka_unit_test(a_counter_that_starts_over_is_no_power),
		cmocka_unit_test(throttling_is_noticed),
		cmocka_unit_test(another_process_by_its_number),
		cmocka_unit_test(files_that_stay_open),
		cmocka_unit_test(what_only_root_may_read),
		cmocka_unit_test(other_chips_tell_microwatts),
		cmocka_unit_test(this_machine),
		cmocka_unit_test(running_out_of_memory),
	};

	return cmocka_run_group_tests_name("telemetry", tests, NULL, NULL);
}
