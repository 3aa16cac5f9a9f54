/* battery.c: the battery and the mains supply, from the kernel's class of power supplies. */
#include <math.h>
#include <string.h>

#include "telemetry/internal.h"

static bool is_type(const char *root, const char *supply, const char *wanted)
{
	char path[SYS_PATH + 8], type[SYS_TEXT];

	elm__sys_path(path, sizeof(path), "%s/type", supply);
	return !elm__sys_line(root, path, type, sizeof(type)) && !strcmp(type, wanted);
}

/* Mice and headsets have batteries too, which feed nothing else. */
static bool feeds_system(const char *root, const char *supply)
{
	char path[SYS_PATH + 8], scope[SYS_TEXT];

	elm__sys_path(path, sizeof(path), "%s/scope", supply);
	return elm__sys_line(root, path, scope, sizeof(scope)) || strcmp(scope, "Device") != 0;
}

void elm__battery_find(const char *root, board_files *board)
{
	char supplies[ELM__DEVICE_SENSORS][SYS_PATH];
	size_t count =
		elm__sys_list(root, "/sys/class/power_supply", "", supplies, ELM__DEVICE_SENSORS);

	for (size_t i = 0; i < count; i++) {
		char *to = NULL;

		if (is_type(root, supplies[i], "Battery") && feeds_system(root, supplies[i]))
			to = board->battery;
		else if (is_type(root, supplies[i], "Mains") || is_type(root, supplies[i], "USB"))
			to = board->mains;
		if (to && !to[0])
			memcpy(to, supplies[i], SYS_PATH);
	}
}

static elm__reading read_file(const char *root, const char *folder, const char *file, double scale)
{
	char path[SYS_PATH + 32];

	elm__sys_path(path, sizeof(path), "%s/%s", folder, file);
	return elm__sys_reading(root, path, scale);
}

/* Some kernels tell the direction by the sign, others by the state alone. */
static elm__reading read_amount(const char *root, const char *folder, const char *file)
{
	elm__reading r = read_file(root, folder, file, 1e-6);

	r.value = fabs(r.value);
	return r;
}

static elm__reading product(elm__reading a, elm__reading b)
{
	if (!a.measured)
		return a;
	return b.measured ? elm__measured(a.value * b.value) : b;
}

/* In Wh; of those that count charge at the voltage of now. */
static elm__reading read_energy(const char *root, const char *folder, const char *energy,
				const char *charge, elm__reading voltage)
{
	elm__reading r = read_file(root, folder, energy, 1e-6);

	return r.measured ? r : product(read_file(root, folder, charge, 1e-6), voltage);
}

static elm__reading read_power(const char *root, const char *folder)
{
	elm__reading power = read_amount(root, folder, "power_now");

	if (power.measured)
		return power;
	return product(read_amount(root, folder, "voltage_now"),
		       read_amount(root, folder, "current_now"));
}

void elm__battery_power_read(const char *root, const board_files *board, elm__device_sample *out)
{
	char path[SYS_PATH + 16], state[SYS_TEXT];
	elm__reading power;

	elm__sys_path(path, sizeof(path), "%s/status", board->battery);
	if (!board->battery[0] || elm__sys_line(root, path, state, sizeof(state)) ||
	    strcmp(state, "Discharging") != 0)
		return;
	power = read_power(root, board->battery);
	if (!power.measured)
		return;
	out->power = power;
	out->power_scope = ELM__POWER_BATTERY;
	out->energy = elm__unmeasured("the device has no counter of energy");
}

void elm__battery_read(const char *root, const board_files *board, elm__device_sample *out)
{
	const char *folder = board->battery;
	char path[SYS_PATH + 16], state[SYS_TEXT] = "";

	out->mains = board->mains[0] ? read_file(root, board->mains, "online", 1) :
				       elm__unmeasured("the kernel shows no mains supply");
	out->battery_state[0] = '\0';
	if (!folder[0]) {
		out->battery = elm__unmeasured("the kernel shows no battery");
		out->battery_voltage = out->battery_current = out->battery_power = out->battery;
		out->battery_energy = out->battery_energy_full = out->battery;
		return;
	}
	elm__sys_path(path, sizeof(path), "%s/status", folder);
	(void)elm__sys_line(root, path, state, sizeof(state));
	elm__copy_name(out->battery_state, sizeof(out->battery_state), state);
	out->battery = read_file(root, folder, "capacity", 1);
	out->battery_voltage = read_amount(root, folder, "voltage_now");
	out->battery_current = read_amount(root, folder, "current_now");
	out->battery_power = read_power(root, folder);
	out->battery_energy =
		read_energy(root, folder, "energy_now", "charge_now", out->battery_voltage);
	out->battery_energy_full =
		read_energy(root, folder, "energy_full", "charge_full", out->battery_voltage);
}
