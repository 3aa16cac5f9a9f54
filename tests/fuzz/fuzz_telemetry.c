/* Files of a device with anything in them: every reading has a finite value or a reason, twice. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device_input.h"
#include "device_trees.h"
#include "telemetry/telemetry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PATHS = 1024 };

/* The folder is made once, and its folders stay; files do not outlive an input. */
static char root[64];
static const char *paths[PATHS];
static size_t path_count;

static void check(bool good)
{
	if (!good)
		abort();
}

static void add_paths(const tree_file *files)
{
	for (; files->path && path_count < PATHS; files++)
		if (strncmp(files->text, "-> ", 3) != 0)
			paths[path_count++] = files->path;
}

static void remove_folder(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", root);
	check(system(command) == 0);
}

static void prepare(void)
{
	if (root[0])
		return;
	snprintf(root, sizeof(root), "%s/edgelm-fuzz-XXXXXX",
		 access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
	check(mkdtemp(root) != NULL);
	atexit(remove_folder);
	for (size_t i = 0; i < device_tree_count; i++) {
		add_paths(device_trees[i].files);
		add_paths(device_trees[i].more);
	}
}

static void full_path(size_t number, char *out, size_t size)
{
	snprintf(out, size, "%s%s", root, paths[number % path_count]);
}

static void put(size_t number, const uint8_t *text, size_t length)
{
	char path[512];
	FILE *file;

	full_path(number, path, sizeof(path));
	for (char *at = path + strlen(root) + 1; (at = strchr(at, '/')); at++) {
		*at = '\0';
		check(!mkdir(path, 0777) || errno == EEXIST);
		*at = '/';
	}
	if (length && (text[0] == DEVICE_FOLDER || text[0] == DEVICE_LINK)) {
		(void)!(text[0] == DEVICE_FOLDER ? mkdir(path, 0777) : symlink("nowhere", path));
		return;
	}
	file = fopen(path, "w");
	if (!file)
		return; /* a folder, or a link to nowhere, by the same input */
	check(fwrite(text, 1, length, file) == length);
	check(fclose(file) == 0);
}

/* Each file of the input, to be written or removed. */
static void each_file(const uint8_t *data, size_t size, bool write)
{
	while (size > 2) {
		size_t number = (size_t)data[0] << 8 | data[1], length;
		const uint8_t *end = memchr(data + 2, DEVICE_END, size - 2);
		char path[512];

		length = end ? (size_t)(end - data - 2) : size - 2;
		full_path(number, path, sizeof(path));
		if (write)
			put(number, data + 2, length);
		else
			(void)remove(path);
		data += 2 + length + (end != NULL);
		size -= 2 + length + (end != NULL);
	}
}

static void check_readings(json_t *json)
{
	const json_t *unit = json_object_get(json, "unit");
	const char *key;
	json_t *item;
	size_t i;

	if (unit) {
		const json_t *value = json_object_get(json, "value");
		const char *reason = json_string_value(json_object_get(json, "unmeasured"));

		check(value ? isfinite(json_real_value(value)) : reason && reason[0]);
		return;
	}
	json_object_foreach(json, key, item) check_readings(item);
	json_array_foreach(json, i, item) check_readings(item);
}

static void look(elm__device *device, uint64_t now_ns, elm__device_sample *sample)
{
	json_t *json;

	elm__device_read_at(device, ELM__READ_ALL, now_ns, sample);
	json = elm__device_json(sample);
	check(json != NULL);
	check_readings(json);
	json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static elm__device_sample sample; /* large */
	elm__device *device;
	elm_error error = { 0 };
	size_t half = size / 2;

	prepare();
	memset(&sample, 0, sizeof(sample));
	each_file(data, size, true);
	check(elm__device_open(root, &device, &error) == ELM_OK);
	look(device, 1000000000, &sample);
	/* The second half again with other numbers: files that change, or go. */
	each_file(data + half, size - half, false);
	each_file(data + half / 2, size - half / 2, true);
	look(device, 2000000000, &sample);
	elm__device_close(device);
	each_file(data, size, false);
	each_file(data + half / 2, size - half / 2, false);
	return 0;
}
