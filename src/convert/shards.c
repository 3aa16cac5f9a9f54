/* shards.c: which safetensors files of a folder make the model. */
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/json.h"
#include "convert/safetensors.h"

#define SUFFIX ".safetensors"
#define SINGLE "model" SUFFIX
#define INDEX SINGLE ".index.json"
enum { MAX_INDEX = 64 << 20, MAX_SHARDS = 4096 };

static char *path_in(const char *folder, const char *name)
{
	elm__buf path = ELM__BUF_INIT;

	elm__buf_printf(&path, "%s/%s", folder, name);
	return elm__buf_detach(&path, NULL);
}

static elm_status no_memory(const char *folder, elm_error *error)
{
	return elm_error_set(error, ELM_ERR_NO_MEMORY, "%s: out of memory", folder);
}

static elm_status has_file(const char *folder, const char *name, bool *there, elm_error *error)
{
	char *path = path_in(folder, name);
	struct stat st;

	if (!path)
		return no_memory(folder, error);
	*there = stat(path, &st) == 0;
	elm__free(path);
	return ELM_OK;
}

static elm_status add(elm__safetensors *st, const char *folder, const char *name, elm_error *error)
{
	char *path = path_in(folder, name);
	elm_status status;

	if (!path)
		return no_memory(folder, error);
	status = elm__safetensors_add_file(st, path, error);
	elm__free(path);
	return status;
}

/* A name that stays within the folder. */
static bool plain_name(const char *name)
{
	size_t length = strlen(name), suffix = strlen(SUFFIX);

	return length > suffix && !strcmp(name + length - suffix, SUFFIX) && !strchr(name, '/') &&
	       name[0] != '.';
}

/* The number of the file of this name among those that were added, or -1. */
static int file_number(const elm__safetensors *st, const char *folder, const char *name)
{
	size_t prefix = strlen(folder) + 1;

	for (size_t i = 0; i < st->file_count; i++)
		if (!strcmp(st->files[i].path + prefix, name))
			return (int)i;
	return -1;
}

static elm_status add_shard(elm__safetensors *st, const char *folder, const char *tensor,
			    const json_t *value, elm_error *error)
{
	const char *name = json_string_value(value);

	if (!name || !plain_name(name))
		return elm_error_set(error, ELM_ERR_FORMAT,
				     "%s/" INDEX ": tensor %.200s is said to be in \"%.100s\", "
				     "which is not the name of a " SUFFIX " file in the same "
				     "folder",
				     folder, tensor, name ? name : "");
	if (file_number(st, folder, name) >= 0)
		return ELM_OK;
	if (st->file_count == MAX_SHARDS)
		return elm_error_set(error, ELM_ERR_LIMIT, "%s/" INDEX ": more than %d files",
				     folder, MAX_SHARDS);
	return add(st, folder, name, error);
}

static elm_status check_shard(const elm__safetensors *st, const char *folder, const char *tensor,
			      const char *name, elm_error *error)
{
	const elm__st_tensor *found = elm__safetensors_find(st, tensor);

	if (found && (int)found->file == file_number(st, folder, name))
		return ELM_OK;
	return elm_error_set(error, ELM_ERR_FORMAT,
			     "%s/" INDEX ": tensor %.200s is not in %.100s, where the index has "
			     "it; the files are from different downloads",
			     folder, tensor, name);
}

static elm_status add_index(elm__safetensors *st, const char *folder, elm_error *error)
{
	char *path = path_in(folder, INDEX);
	elm_status status;
	const char *tensor;
	json_t *root, *map, *value;

	if (!path)
		return no_memory(folder, error);
	status = elm__json_read(path, MAX_INDEX, &root, error);
	elm__free(path);
	if (status != ELM_OK)
		return status;
	map = json_object_get(root, "weight_map");
	if (!json_is_object(map) || !json_object_size(map))
		status = elm_error_set(error, ELM_ERR_FORMAT, "%s/" INDEX ": it has no weight_map",
				       folder);
	json_object_foreach(map, tensor, value) if (status == ELM_OK) status =
		add_shard(st, folder, tensor, value, error);
	json_object_foreach(map, tensor, value) if (status == ELM_OK) status =
		check_shard(st, folder, tensor, json_string_value(value), error);
	json_decref(root);
	return status;
}

static elm_status refuse_folder(const char *folder, size_t count, elm_error *error)
{
	static const char *const pickles[] = { "pytorch_model.bin",
					       "pytorch_model.bin.index.json" };
	bool there = false;
	elm_status status = ELM_OK;

	if (count)
		return elm_error_set(error, ELM_ERR_FORMAT,
				     "%s: it has %zu " SUFFIX " files but no " INDEX
				     " that says how they belong together",
				     folder, count);
	for (int i = 0; i < 2 && status == ELM_OK && !there; i++)
		status = has_file(folder, pickles[i], &there, error);
	if (status != ELM_OK)
		return status;
	return elm_error_set(error, ELM_ERR_NOT_FOUND, "%s: it has no " SUFFIX " files; %s", folder,
			     there ? "pytorch_model.bin is not read, because it is a program as "
				     "much as data: save the model again with "
				     "safe_serialization=True" :
				     "give the folder of a Hugging Face model");
}

/* Quantised models often have one file with a name of its own. */
static elm_status add_only_file(elm__safetensors *st, const char *folder, elm_error *error)
{
	DIR *dir = opendir(folder);
	elm__buf name = ELM__BUF_INIT;
	const struct dirent *entry;
	elm_status status;
	size_t count = 0;

	while (dir && (entry = readdir(dir)) != NULL)
		if (plain_name(entry->d_name)) {
			elm__buf_clear(&name);
			elm__buf_puts(&name, entry->d_name);
			count++;
		}
	if (dir)
		closedir(dir);
	status = elm__buf_status(&name, error);
	if (status == ELM_OK)
		status = count == 1 ? add(st, folder, elm__buf_text(&name), error) :
				      refuse_folder(folder, count, error);
	elm__buf_release(&name);
	return status;
}

elm_status elm__safetensors_add_folder(elm__safetensors *st, const char *folder, elm_error *error)
{
	bool single = false, index = false;
	elm_status status = has_file(folder, SINGLE, &single, error);

	if (status == ELM_OK)
		status = has_file(folder, INDEX, &index, error);
	if (status != ELM_OK)
		return status;
	if (single)
		return add(st, folder, SINGLE, error);
	return index ? add_index(st, folder, error) : add_only_file(st, folder, error);
}
