/* fan.c: fans, from hwmon and from the older interfaces of Jetson boards. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "telemetry/internal.h"

static fan_files *add_fan(board_files *board, const char *name)
{
	fan_files *added = &board->fans[board->fan_count];

	if (board->fan_count == ELM__DEVICE_FANS)
		return NULL;
	memset(added, 0, sizeof(*added));
	elm__copy_name(added->name, sizeof(added->name), name);
	board->fan_count++;
	return added;
}

static void set_if_there(const char *root, char *out, const char *folder, const char *file)
{
	char path[SYS_PATH];

	elm__sys_path(path, sizeof(path), "%s/%s", folder, file);
	if (!out[0] && elm__sys_exists(root, path))
		memcpy(out, path, sizeof(path));
}

/* One fan per number that a chip has: pwm1 drives what fan1_input measures. */
static void find_numbered(const char *root, const char *chip, const char *name, board_files *board)
{
	for (int i = 1; i <= ELM__DEVICE_FANS; i++) {
		char pwm[16], input[24], full[ELM__SENSOR_NAME + 8];
		fan_files found = { { 0 } }, *added;

		snprintf(pwm, sizeof(pwm), "pwm%d", i);
		snprintf(input, sizeof(input), "fan%d_input", i);
		set_if_there(root, found.duty, chip, pwm);
		set_if_there(root, found.speed, chip, input);
		if (i == 1)
			set_if_there(root, found.speed, chip, "rpm"); /* Orin, JetPack 5 */
		if (!found.duty[0] && !found.speed[0])
			continue;
		snprintf(full, sizeof(full), i > 1 ? "%.40s %d" : "%.40s", name, i);
		added = add_fan(board, full);
		if (!added)
			return;
		memcpy(added->duty, found.duty, sizeof(found.duty));
		memcpy(added->speed, found.speed, sizeof(found.speed));
	}
}

/* JetPack 4 has one fan, with names of its own. */
static void find_old(const char *root, const char *folder, const char *name, board_files *board)
{
	fan_files found = { { 0 } }, *added;

	set_if_there(root, found.duty, folder, "cur_pwm");
	set_if_there(root, found.duty, folder, "target_pwm");
	set_if_there(root, found.speed, folder, "rpm_measured");
	if (!found.duty[0])
		return;
	added = add_fan(board, name);
	if (!added)
		return;
	memcpy(added->duty, found.duty, sizeof(found.duty));
	memcpy(added->speed, found.speed, sizeof(found.speed));
}

static bool same_folder(const char *left, const char *right)
{
	size_t length = (size_t)(strrchr(left, '/') - left);

	return !strncmp(left, right, length + 1) && !strchr(right + length + 1, '/');
}

/* On Orin boards one chip drives the fan and another one measures it. */
static void join_halves(board_files *board)
{
	fan_files *driven = NULL, *measured = NULL;

	for (size_t i = 0; i < board->fan_count; i++) {
		fan_files *f = &board->fans[i];

		if (f->duty[0] && f->speed[0])
			continue;
		if (f->duty[0] ? driven : measured)
			return; /* nobody knows which belong together */
		if (f->duty[0])
			driven = f;
		else
			measured = f;
	}
	if (!driven || !measured || same_folder(driven->duty, measured->speed))
		return;
	memcpy(driven->speed, measured->speed, sizeof(driven->speed));
	board->fan_count--;
	memmove(measured, measured + 1,
		(size_t)(board->fans + board->fan_count - measured) * sizeof(*measured));
}

void elm__fan_find(const char *root, board_files *board)
{
	char chips[ELM__DEVICE_SENSORS][SYS_PATH];
	size_t count = elm__sys_list(root, "/sys/class/hwmon", "hwmon", chips, ELM__DEVICE_SENSORS);

	for (size_t i = 0; i < count; i++) {
		char path[SYS_PATH + 8], name[SYS_TEXT];

		elm__sys_path(path, sizeof(path), "%s/name", chips[i]);
		if (elm__sys_line(root, path, name, sizeof(name)) || !name[0])
			snprintf(name, sizeof(name), "%s", strrchr(chips[i], '/') + 1);
		find_numbered(root, chips[i], name, board);
		find_old(root, chips[i], name, board);
	}
	if (!board->fan_count)
		find_old(root, "/sys/devices/pwm-fan", "pwm-fan", board);
	join_halves(board);
}

void elm__fans_read(const char *root, const board_files *board, elm__device_sample *out)
{
	out->fan_count = board->fan_count;
	for (size_t i = 0; i < board->fan_count; i++) {
		const fan_files *from = &board->fans[i];
		elm__fan *to = &out->fans[i];

		memcpy(to->name, from->name, sizeof(to->name));
		to->duty = elm__sys_reading(root, from->duty, 100.0 / 255);
		to->speed = elm__sys_reading(root, from->speed, 1);
	}
}
