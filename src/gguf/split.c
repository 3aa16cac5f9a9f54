/*
 * split.c: models that are cut into several files.
 *
 * The first file has the metadata; every file has its own tensors, and says which file it is
 * (split.no, from 0) and of how many (split.count). Names end in -00001-of-00003.gguf, from 1.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "gguf/internal.h"

enum { MAX_SPLITS = 65535, SUFFIX_SIZE = sizeof("-00001-of-00001.gguf") };

bool elm__gguf_is_split(const elm_gguf *gguf)
{
	const elm_gguf_kv *kv = elm_gguf_find(gguf, ELM__GGUF_SPLIT_COUNT_KEY);

	return kv && elm_gguf_i64_at(kv, 0) > 1;
}

static void write_suffix(char out[SUFFIX_SIZE], uint32_t number, uint32_t count)
{
	/* Both are at most 65535, which the remainders tell the compiler. */
	snprintf(out, SUFFIX_SIZE, "-%05u-of-%05u.gguf", number % 100000, count % 100000);
}

static elm_status read_split(const elm_gguf *gguf, uint32_t *number, uint32_t *count,
			     elm_error *error)
{
	elm_status status = elm_gguf_get_u32(gguf, ELM__GGUF_SPLIT_COUNT_KEY, count, error);

	if (status == ELM_OK)
		status = elm_gguf_get_u32(gguf, ELM__GGUF_SPLIT_NO_KEY, number, error);
	if (status != ELM_OK)
		return status;
	if (*count > MAX_SPLITS || *number >= *count)
		return elm_error_set(error, ELM_ERR_FORMAT,
				     "%s: " ELM__GGUF_SPLIT_NO_KEY
				     " %u and " ELM__GGUF_SPLIT_COUNT_KEY
				     " %u cannot be (at most %d files, counted from 0)",
				     gguf->path, *number, *count, MAX_SPLITS);
	return ELM_OK;
}

/* The path without its suffix, for the caller to free; checks that this is the first file. */
static elm_status find_stem(const elm_gguf *gguf, uint32_t number, uint32_t count, char **out,
			    elm_error *error)
{
	size_t length = strlen(gguf->path);
	char suffix[SUFFIX_SIZE];

	write_suffix(suffix, 1, count);
	if (number)
		return elm_error_set(
			error, ELM_ERR_ARGUMENT,
			"%s: this is file %u of the %u of a split model; give the first, "
			"whose name ends in %s",
			gguf->path, number + 1, count, suffix);
	if (length < strlen(suffix) || strcmp(gguf->path + length - strlen(suffix), suffix))
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "%s: this is the first of %u files of a split model; its name "
				     "must end in %s so that the others can be found",
				     gguf->path, count, suffix);
	*out = elm__strndup(gguf->path, length - strlen(suffix));
	if (!*out)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "%s: out of memory", gguf->path);
	return ELM_OK;
}

/* Takes over the tensors of a part, which keeps their names and their bytes. */
static elm_status adopt_tensors(elm_gguf *gguf, elm_gguf *part, uint32_t number, elm_error *error)
{
	for (size_t i = 0; i < part->tensor_count; i++) {
		elm_gguf_tensor *tensor = &part->tensors[i], *grown;
		size_t length = strlen(tensor->name);

		if (elm__gguf_index_find(&gguf->names, tensor->name, length) != ELM__GGUF_NONE)
			return elm_error_set(
				error, ELM_ERR_FORMAT,
				"%s: tensor %zu '%.100s' is in an earlier file of the split "
				"model too",
				part->path, i, tensor->name);
		grown = elm__gguf_grow(gguf->tensors, gguf->tensor_count, &gguf->tensor_capacity,
				       sizeof(*tensor));
		if (grown)
			gguf->tensors = grown;
		if (!grown ||
		    !elm__gguf_index_add(&gguf->names, tensor->name, length, gguf->tensor_count))
			return elm_error_set(error, ELM_ERR_NO_MEMORY, "%s: out of memory",
					     part->path);
		tensor->split = (uint16_t)number;
		gguf->tensors[gguf->tensor_count++] = *tensor;
	}
	elm__gguf_index_release(&part->names);
	elm__free(part->tensors);
	part->tensors = NULL;
	part->tensor_count = part->tensor_capacity = 0;
	return ELM_OK;
}

static elm_status join_part(elm_gguf *gguf, const char *path, uint32_t number, uint32_t count,
			    elm_error *error)
{
	uint32_t said_number, said_count;
	elm_gguf *part;
	elm_status status = elm__gguf_open_one(path, &part, error);

	if (status != ELM_OK) {
		elm_error_prefix(error, "file %u of a split model", number + 1);
		return status;
	}
	gguf->parts[gguf->part_count++] = part;
	status = read_split(part, &said_number, &said_count, error);
	if (status != ELM_OK)
		return status;
	if (said_number != number || said_count != count)
		return elm_error_set(
			error, ELM_ERR_FORMAT,
			"%s: it says that it is file %u of %u, but its name and the first "
			"file say %u of %u",
			path, said_number + 1, said_count, number + 1, count);
	return adopt_tensors(gguf, part, number, error);
}

static elm_status join_parts(elm_gguf *gguf, const char *stem, uint32_t count, elm_error *error)
{
	size_t stem_length = strlen(stem);
	char *path = elm__malloc(stem_length + SUFFIX_SIZE);
	elm_status status = ELM_OK;

	gguf->parts = elm__calloc(count - 1, sizeof(elm_gguf *));
	if (!path || !gguf->parts)
		status = elm_error_set(error, ELM_ERR_NO_MEMORY, "%s: out of memory", gguf->path);
	for (uint32_t number = 1; number < count && status == ELM_OK; number++) {
		memcpy(path, stem, stem_length);
		write_suffix(path + stem_length, number + 1, count);
		status = join_part(gguf, path, number, count, error);
	}
	elm__free(path);
	return status;
}

static elm_status check_total(const elm_gguf *gguf, elm_error *error)
{
	uint32_t total;
	elm_status status;

	if (!elm_gguf_find(gguf, ELM__GGUF_SPLIT_TENSORS_KEY))
		return ELM_OK;
	status = elm_gguf_get_u32(gguf, ELM__GGUF_SPLIT_TENSORS_KEY, &total, error);
	if (status == ELM_OK && total != gguf->tensor_count)
		status = elm_error_set(error, ELM_ERR_FORMAT,
				       "%s: " ELM__GGUF_SPLIT_TENSORS_KEY
				       " is %u but the files hold %zu tensors",
				       gguf->path, total, gguf->tensor_count);
	return status;
}

elm_status elm__gguf_join_splits(elm_gguf *gguf, elm_error *error)
{
	uint32_t number, count;
	char *stem = NULL;
	elm_status status;

	if (!elm__gguf_is_split(gguf))
		return ELM_OK;
	status = read_split(gguf, &number, &count, error);
	if (status == ELM_OK)
		status = find_stem(gguf, number, count, &stem, error);
	if (status == ELM_OK)
		status = join_parts(gguf, stem, count, error);
	if (status == ELM_OK)
		status = check_total(gguf, error);
	elm__free(stem);
	return status;
}
