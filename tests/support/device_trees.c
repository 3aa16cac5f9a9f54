#include "device_trees.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CORE(number, now, low, high, governor, driver, others)                                   \
	{ "/sys/devices/system/cpu/cpu" number "/cpufreq/scaling_cur_freq", now "\n" },          \
		{ "/sys/devices/system/cpu/cpu" number "/cpufreq/scaling_min_freq", low "\n" },  \
		{ "/sys/devices/system/cpu/cpu" number "/cpufreq/scaling_max_freq", high "\n" }, \
		{ "/sys/devices/system/cpu/cpu" number "/cpufreq/scaling_governor",              \
		  governor "\n" },                                                               \
		{ "/sys/devices/system/cpu/cpu" number "/cpufreq/scaling_driver", driver "\n" }, \
		{ "/sys/devices/system/cpu/cpu" number "/cpufreq/scaling_available_governors",   \
		  governor " userspace\n" },                                                     \
		{ "/sys/devices/system/cpu/cpu" number "/cpufreq/scaling_setspeed",              \
		  "<unsupported>\n" },                                                           \
	{                                                                                        \
		"/sys/devices/system/cpu/cpu" number "/cpufreq/related_cpus", others "\n"        \
	}

#define ZONE(number, name, millidegrees)                                               \
	{ "/sys/class/thermal/thermal_zone" number "/type", name "\n" },               \
		{ "/sys/class/thermal/thermal_zone" number "/policy", "step_wise\n" }, \
	{                                                                              \
		"/sys/class/thermal/thermal_zone" number "/temp", millidegrees "\n"    \
	}

#define COOLER(number, name, now, most)                                                \
	{ "/sys/class/thermal/cooling_device" number "/type", name "\n" },             \
		{ "/sys/class/thermal/cooling_device" number "/cur_state", now "\n" }, \
	{                                                                              \
		"/sys/class/thermal/cooling_device" number "/max_state", most "\n"     \
	}

#define HWMON(number, file, text)                                   \
	{                                                           \
		"/sys/class/hwmon/hwmon" number "/" file, text "\n" \
	}

/* A channel of an INA3221 of JetPack 5 and later. */
#define CHANNEL(chip, number, name, millivolts, milliamperes)        \
	{ chip "/in" number "_label", name "\n" },                   \
		{ chip "/in" number "_input", millivolts "\n" },     \
		{ chip "/curr" number "_input", milliamperes "\n" }, \
		{ chip "/curr" number "_max", "32760\n" },           \
		{ chip "/curr" number "_crit", "32760\n" },          \
		{ chip "/curr" number "_max_alarm", "0\n" },         \
	{                                                            \
		chip "/curr" number "_crit_alarm", "0\n"             \
	}

#define ENGINE(name, rate, users)                                             \
	{ "/sys/kernel/debug/clk/" name "/clk_rate", rate "\n" },             \
	{                                                                     \
		"/sys/kernel/debug/clk/" name "/clk_enable_count", users "\n" \
	}

/* The processor and memory of every machine; memory in KiB. */
#define MEMORY(total, available, swap, free)                                                       \
	{                                                                                          \
		"/proc/meminfo", "MemTotal:       " total " kB\nMemFree:          500000 kB\n"     \
				 "MemAvailable:   " available " kB\nBuffers:           20000 kB\n" \
				 "SwapTotal:      " swap " kB\nSwapFree:       " free " kB\n"      \
	}

static const tree_file common[] = {
	{ "/proc/stat", "cpu  200 0 100 1600 100 0 0 0 0 0\ncpu0 100 0 50 800 50 0 0 0 0 0\n"
			"cpu1 100 0 50 800 50 0 0 0 0 0\nintr 1234 0 1\nctxt 5\n" },
	{ "/proc/uptime", "12345.67 40000.00\n" },
	{ "/proc/self/stat",
	  "77 (edgelm) R 1 77 77 0 -1 4194304 500 0 0 0 1500 500 0 0 20 0 5 0 100000\n" },
	{ "/proc/self/status",
	  "Name:\tedgelm\nPid:\t77\nVmRSS:\t  900000 kB\nRssAnon:\t  100000 kB\n"
	  "RssFile:\t  799000 kB\nRssShmem:\t    1000 kB\nThreads:\t5\n" },
	{ NULL, NULL },
};

static const tree_file nano[] = {
	{ "/proc/device-tree/model", "NVIDIA Jetson Nano Developer Kit" },
	{ "/etc/nv_tegra_release", "# R32 (release), REVISION: 7.5, GCID: 1, BOARD: t210ref\n" },
	{ "/etc/nvpmodel.conf", "< PARAM TYPE=CLOCK NAME=CPU_A57 >\n"
				"< POWER_MODEL ID=0 NAME=MAXN >\nCPU_ONLINE CORE_0 1\n"
				"< POWER_MODEL ID=1 NAME=5W >\nCPU_ONLINE CORE_0 1\n"
				"< PM_CONFIG DEFAULT=0 >\n" },
	{ "/var/lib/nvpmodel/status", "pmode:0001 fmode:fanNull\n" },
	MEMORY("4051048", "2500000", "2025520", "2000000"),
	CORE("0", "1428000", "102000", "1479000", "schedutil", "tegra-cpufreq", "0 1 2 3"),
	CORE("1", "1428000", "102000", "1479000", "schedutil", "tegra-cpufreq", "0 1 2 3"),
	CORE("2", "1428000", "102000", "1479000", "schedutil", "tegra-cpufreq", "0 1 2 3"),
	CORE("3", "1428000", "102000", "1479000", "schedutil", "tegra-cpufreq", "0 1 2 3"),
	ZONE("0", "AO-therm", "41500"),
	ZONE("1", "CPU-therm", "33000"),
	ZONE("2", "GPU-therm", "31500"),
	ZONE("3", "PLL-therm", "30500"),
	ZONE("4", "PMIC-Die", "100000"),
	ZONE("5", "thermal-fan-est", "32250"),
	COOLER("0", "thermal-cpufreq-0", "0", "12"),
	COOLER("1", "pwm-fan", "2", "10"),
	{ "/sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0/rail_name_0", "POM_5V_IN\n" },
	{ "/sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0/rail_name_1", "POM_5V_GPU\n" },
	{ "/sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0/rail_name_2", "POM_5V_CPU\n" },
	{ "/sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0/in_power0_input", "4712\n" },
	{ "/sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0/in_power1_input", "1200\n" },
	{ "/sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0/in_power2_input", "980\n" },
	{ "/sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0/in_voltage0_input", "5000\n" },
	{ "/sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0/in_current0_input", "942\n" },
	{ "/sys/class/devfreq/57000000.gpu/device/of_node/name", "gpu" },
	{ "/sys/class/devfreq/57000000.gpu/device/load", "273\n" },
	{ "/sys/class/devfreq/57000000.gpu/cur_freq", "614400000\n" },
	{ "/sys/class/devfreq/57000000.gpu/min_freq", "76800000\n" },
	{ "/sys/class/devfreq/57000000.gpu/max_freq", "921600000\n" },
	{ "/sys/class/devfreq/54340000.vic/device/of_node/name", "vic" },
	{ "/sys/class/devfreq/54340000.vic/cur_freq", "1\n" },
	{ "/sys/kernel/debug/nvmap/iovmm/clients",
	  "CLIENT                        PROCESS      PID        SIZE\n"
	  "user                             Xorg     5034       8096K\n"
	  "user                           edgelm       77     540000K\n"
	  "total                                              548096K\n" },
	{ "/sys/kernel/debug/nvmap/iram/size", "0x40000\n" },
	{ "/sys/kernel/debug/nvmap/iram/clients",
	  "CLIENT                        PROCESS      PID        SIZE\n"
	  "total                                                  64K\n" },
	{ "/sys/kernel/debug/clk/override.emc/clk_rate", "1600000000\n" },
	{ "/sys/kernel/debug/tegra_bwmgr/emc_max_rate", "1600000000\n" },
	{ "/sys/kernel/actmon_avg_activity/mc_all", "32000000\n" },
	ENGINE("ape", "25500000", "1"),
	ENGINE("nvenc", "716800000", "0"),
	ENGINE("nvdec", "716800000", "1"),
	ENGINE("nvdec.buf", "5", "1"),
	ENGINE("se", "408000000", "0"),
	ENGINE("sensor_other", "7", "1"),
	{ "/sys/devices/pwm-fan/cur_pwm", "51\n" },
	{ "/sys/devices/pwm-fan/rpm_measured", "1325\n" },
	{ NULL, NULL },
};

#define INA "/sys/bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon3"
#define INA41 "/sys/bus/i2c/drivers/ina3221/1-0041/hwmon/hwmon4"

#define ORIN_CORE(number, others) \
	CORE(number, "1510400", "115200", "1510400", "schedutil", "tegra194", others)

static const tree_file orin_nano[] = {
	{ "/proc/device-tree/model", "NVIDIA Jetson Orin Nano Developer Kit" },
	{ "/etc/nv_tegra_release", "# R35 (release), REVISION: 4.1\n" },
	{ "/etc/nvpmodel.conf", "< POWER_MODEL ID=0 NAME=15W >\n< POWER_MODEL ID=1 NAME=7W >\n" },
	{ "/var/lib/nvpmodel/status", "pmode:0000\n" },
	{ "/proc/meminfo", "MemTotal:        7802648 kB\nMemFree:          500000 kB\n"
			   "MemAvailable:    4000000 kB\nSwapTotal:             0 kB\n"
			   "SwapFree:              0 kB\nNvMapMemUsed:     120000 kB\n" },
	{ "/proc/pressure/memory", "some avg10=1.50 avg60=0.70 avg300=0.10 total=7\n"
				   "full avg10=0.50 avg60=0.20 avg300=0.00 total=3\n" },
	{ "/proc/self/smaps_rollup", "00400000-7ffc0000 ---p 00000000 00:00 0 [rollup]\n"
				     "Rss:              900000 kB\nPss:              880000 kB\n" },
	ORIN_CORE("0", "0 1 2 3"),
	ORIN_CORE("1", "0 1 2 3"),
	ORIN_CORE("2", "0 1 2 3"),
	ORIN_CORE("3", "0 1 2 3"),
	ORIN_CORE("4", "4 5"),
	ORIN_CORE("5", "4 5"),
	ZONE("0", "cpu-thermal", "48718"),
	ZONE("1", "gpu-thermal", "46812"),
	ZONE("2", "cv0-thermal", "-256000"),
	ZONE("3", "soc0-thermal", "45500"),
	ZONE("4", "tj-thermal", "48719"),
	COOLER("0", "cpufreq-cpu0", "3", "20"),
	COOLER("1", "pwm-fan", "1", "4"),
	COOLER("2", "hot-surface-alert", "0", "1"),
	{ INA "/name", "ina3221\n" },
	CHANNEL(INA, "1", "VDD_IN", "5056", "1384"),
	CHANNEL(INA, "2", "VDD_CPU_GPU_CV", "5048", "240"),
	CHANNEL(INA, "3", "VDD_SOC", "5048", "344"),
	{ INA "/in4_input", "7\n" },
	{ INA "/in7_label", "sum of shunt voltages\n" },
	{ "/sys/class/hwmon/hwmon3", "-> ../../bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon3" },
	HWMON("0", "name", "pwmfan"),
	HWMON("0", "pwm1", "102"),
	HWMON("1", "name", "pwm_tach"),
	HWMON("1", "rpm", "2210"),
	HWMON("2", "name", "soctherm_oc"),
	HWMON("2", "oc1_event_cnt", "0"),
	HWMON("2", "oc2_event_cnt", "4"),
	{ "/sys/class/devfreq/17000000.ga10b/device/of_node/name", "ga10b" },
	{ "/sys/class/devfreq/17000000.ga10b/device/load", "998\n" },
	{ "/sys/class/devfreq/17000000.ga10b/cur_freq", "624750000\n" },
	{ "/sys/class/devfreq/17000000.ga10b/min_freq", "306000000\n" },
	{ "/sys/class/devfreq/17000000.ga10b/max_freq", "624750000\n" },
	{ "/sys/kernel/debug/nvmap/iovmm/clients",
	  "CLIENT PROCESS PID SIZE\nuser edgelm 77 100000K\ntotal 120000K\n" },
	{ "/sys/kernel/debug/bpmp/debug/clk/emc/rate", "2133000000\n" },
	{ "/sys/kernel/debug/bpmp/debug/clk/emc/max_rate", "2133000000\n" },
	{ "/sys/kernel/debug/cactmon/mc_all", "21330000\n" },
	ENGINE("nvdec0", "998400000", "0"),
	ENGINE("vic", "435200000", "1"),
	{ NULL, NULL },
};

#define AGX_CORE(number) \
	CORE(number, "2201600", "2201600", "2201600", "performance", "tegra194", "0")

static const tree_file agx_orin[] = {
	{ "/proc/device-tree/model", "NVIDIA Jetson AGX Orin Developer Kit" },
	{ "/etc/nv_tegra_release", "# R36 (release), REVISION: 4.0\n" },
	{ "/etc/nvpmodel.conf", "< POWER_MODEL ID=0 NAME=MAXN >\n" },
	{ "/var/lib/nvpmodel/status", "pmode:0000\n" },
	MEMORY("31000000", "20000000", "15000000", "15000000"),
	AGX_CORE("0"),
	AGX_CORE("1"),
	AGX_CORE("11"),
	ZONE("0", "cpu-thermal", "51000"),
	ZONE("1", "gpu-thermal", "49500"),
	{ INA "/name", "ina3221\n" },
	CHANNEL(INA, "1", "VDD_GPU_SOC", "20000", "300"),
	CHANNEL(INA, "2", "VDD_CPU_CV", "20000", "100"),
	CHANNEL(INA, "3", "VIN_SYS_5V0", "5000", "1200"),
	{ INA41 "/name", "ina3221\n" },
	CHANNEL(INA41, "1", "NC", "0", "0"),
	CHANNEL(INA41, "2", "VDDQ_VDD2_1V8AO", "20000", "50"),
	CHANNEL(INA41, "3", "NC", "0", "0"),
	{ "/sys/class/hwmon/hwmon3", "-> ../../bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon3" },
	{ "/sys/class/hwmon/hwmon4", "-> ../../bus/i2c/drivers/ina3221/1-0041/hwmon/hwmon4" },
	HWMON("0", "name", "pwmfan"),
	HWMON("0", "pwm1", "255"),
	HWMON("0", "fan1_input", "3100"),
	{ "/sys/class/devfreq/17000000.gpu/device/of_node/name", "gpu" },
	{ "/sys/class/devfreq/17000000.gpu/device/load", "0\n" },
	{ "/sys/class/devfreq/17000000.gpu/cur_freq", "1300500000\n" },
	{ "/sys/class/devfreq/17000000.gpu/min_freq", "1300500000\n" },
	{ "/sys/class/devfreq/17000000.gpu/max_freq", "1300500000\n" },
	{ "/sys/kernel/debug/bpmp/debug/clk/emc/rate", "3199000000\n" },
	{ "/sys/kernel/debug/bpmp/debug/actmon/mc_all_avg_activity", "159950000\n" },
	{ NULL, NULL },
};

#define PI_CORE(number, now, high) \
	CORE(number, now, "600000", high, "ondemand", "cpufreq-dt", "0 1 2 3")

static const tree_file raspberry_pi_4[] = {
	{ "/proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4" },
	MEMORY("3884392", "3000000", "102396", "102396"),
	PI_CORE("0", "1800000", "1800000"),
	PI_CORE("1", "1800000", "1800000"),
	PI_CORE("2", "1800000", "1800000"),
	PI_CORE("3", "1800000", "1800000"),
	ZONE("0", "cpu-thermal", "58426"),
	{ "/sys/devices/platform/soc/soc:firmware/get_throttled", "50005\n" },
	HWMON("0", "name", "cpu_thermal"),
	HWMON("0", "temp1_input", "58426"),
	HWMON("1", "name", "rpi_volt"),
	HWMON("1", "in0_lcrit_alarm", "1"),
	{ NULL, NULL },
};

static const tree_file raspberry_pi_5[] = {
	{ "/proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0" },
	MEMORY("8245248", "7000000", "524272", "424272"),
	PI_CORE("0", "2400000", "2400000"),
	PI_CORE("1", "1500000", "2400000"),
	PI_CORE("2", "1500000", "2400000"),
	PI_CORE("3", "1500000", "2400000"),
	ZONE("0", "cpu-thermal", "61150"),
	COOLER("0", "pwm-fan", "2", "4"),
	{ "/sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled", "0\n" },
	HWMON("0", "name", "cpu_thermal"),
	HWMON("0", "temp1_input", "61150"),
	HWMON("1", "name", "rp1_adc"),
	HWMON("1", "in1_input", "1477"),
	HWMON("1", "temp1_input", "57343"),
	HWMON("2", "name", "pwmfan"),
	HWMON("2", "pwm1", "125"),
	HWMON("2", "fan1_input", "4821"),
	HWMON("3", "name", "rpi_volt"),
	HWMON("3", "in0_lcrit_alarm", "0"),
	{ NULL, NULL },
};

#define LAPTOP_CORE(number, now) \
	CORE(number, now, "400000", "4500000", "powersave", "intel_pstate", number)
#define THROTTLE(number, core, count)                                                            \
	{ "/sys/devices/system/cpu/cpu" number "/topology/core_id", core "\n" },                 \
		{ "/sys/devices/system/cpu/cpu" number "/topology/physical_package_id", "0\n" }, \
		{ "/sys/devices/system/cpu/cpu" number "/thermal_throttle/core_throttle_count",  \
		  count "\n" },                                                                  \
	{                                                                                        \
		"/sys/devices/system/cpu/cpu" number "/thermal_throttle/package_throttle_count", \
			"9\n"                                                                    \
	}

static const tree_file laptop[] = {
	{ "/sys/class/dmi/id/product_name", "ThinkPad X1 Carbon\n" },
	MEMORY("16000000", "9000000", "8000000", "7000000"),
	{ "/proc/pressure/memory", "some avg10=0.00 avg60=0.00 avg300=0.00 total=7\n"
				   "full avg10=0.00 avg60=0.00 avg300=0.00 total=3\n" },
	{ "/proc/self/smaps_rollup", "00400000-7ffc0000 ---p 00000000 00:00 0 [rollup]\n"
				     "Rss:              900000 kB\nPss:              450000 kB\n" },
	LAPTOP_CORE("0", "1800123"),
	LAPTOP_CORE("1", "2900456"),
	THROTTLE("0", "0", "3"),
	THROTTLE("1", "1", "4"),
	ZONE("0", "acpitz", "42000"),
	ZONE("1", "x86_pkg_temp", "55000"),
	COOLER("0", "Processor", "0", "3"),
	COOLER("1", "intel_powerclamp", "-1", "100"),
	HWMON("0", "name", "coretemp"),
	HWMON("0", "temp1_input", "55000"),
	HWMON("0", "temp1_label", "Package id 0"),
	HWMON("0", "temp1_max", "100000"),
	HWMON("0", "temp2_input", "53000"),
	HWMON("0", "temp2_label", "Core 0"),
	HWMON("1", "name", "thinkpad"),
	HWMON("1", "pwm1", "128"),
	HWMON("1", "fan1_input", "2654"),
	HWMON("1", "fan2_input", "0"),
	HWMON("2", "name", "nvme"),
	HWMON("2", "temp1_input", "38850"),
	HWMON("2", "temp1_label", "Composite"),
	{ "/sys/class/powercap/intel-rapl:0/name", "package-0\n" },
	{ "/sys/class/powercap/intel-rapl:0/energy_uj", "240422366267\n" },
	{ "/sys/class/powercap/intel-rapl:0/max_energy_range_uj", "262143328850\n" },
	{ "/sys/class/powercap/intel-rapl:0:0/name", "core\n" },
	{ "/sys/class/powercap/intel-rapl:0:0/energy_uj", "118821284256\n" },
	{ "/sys/class/powercap/intel-rapl:0:0/max_energy_range_uj", "262143328850\n" },
	{ "/sys/class/power_supply/AC/type", "Mains\n" },
	{ "/sys/class/power_supply/AC/online", "0\n" },
	{ "/sys/class/power_supply/BAT0/type", "Battery\n" },
	{ "/sys/class/power_supply/BAT0/status", "Discharging\n" },
	{ "/sys/class/power_supply/BAT0/capacity", "81\n" },
	{ "/sys/class/power_supply/BAT0/voltage_now", "12229000\n" },
	{ "/sys/class/power_supply/BAT0/power_now", "4830000\n" },
	{ "/sys/class/power_supply/BAT0/energy_now", "36580000\n" },
	{ "/sys/class/power_supply/BAT0/energy_full", "45070000\n" },
	{ "/sys/class/power_supply/hid-mouse/type", "Battery\n" },
	{ "/sys/class/power_supply/hid-mouse/scope", "Device\n" },
	{ "/sys/class/power_supply/hid-mouse/capacity", "12\n" },
	{ "/sys/class/drm/card0/device/uevent", "DRIVER=i915\nPCI_CLASS=30000\n" },
	{ "/sys/class/drm/card0/gt_cur_freq_mhz", "450\n" },
	{ "/sys/class/drm/card0/gt_min_freq_mhz", "300\n" },
	{ "/sys/class/drm/card0/gt_max_freq_mhz", "1150\n" },
	{ "/sys/class/drm/card0-eDP-1/status", "connected\n" },
	{ NULL, NULL },
};

const device_tree device_trees[] = {
	{ "jetson-nano", common, nano },
	{ "orin-nano", common, orin_nano },
	{ "agx-orin", common, agx_orin },
	{ "raspberry-pi-4", common, raspberry_pi_4 },
	{ "raspberry-pi-5", common, raspberry_pi_5 },
	{ "laptop", common, laptop },
};
const size_t device_tree_count = sizeof(device_trees) / sizeof(device_trees[0]);

const device_tree *device_tree_find(const char *name)
{
	for (size_t i = 0; i < device_tree_count; i++)
		if (!strcmp(device_trees[i].name, name))
			return &device_trees[i];
	return NULL;
}

static int write_file(const char *root, const tree_file *entry)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s%s", root, entry->path);
	for (char *at = path + strlen(root) + 1; (at = strchr(at, '/')); at++) {
		*at = '\0';
		if (mkdir(path, 0777) && errno != EEXIST)
			return -1;
		*at = '/';
	}
	if (!strncmp(entry->text, "-> ", 3))
		return symlink(entry->text + 3, path);
	file = fopen(path, "w");
	if (!file)
		return -1;
	if (fputs(entry->text, file) < 0) {
		fclose(file);
		return -1;
	}
	return fclose(file);
}

int device_tree_write(const device_tree *tree, const char *root)
{
	for (const tree_file *f = tree->files; f->path; f++)
		if (write_file(root, f))
			return -1;
	for (const tree_file *f = tree->more; f->path; f++)
		if (write_file(root, f))
			return -1;
	return 0;
}
