#include "model/engine_cache.h"

#include <edgelm/log.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/folder.h"
#include "base/pages.h"
#include "model/engine_file.h"

static const uint64_t default_limit = (uint64_t)16 << 30;
static const char suffix[] = ".elm";

/* A use is recorded at most once a day: flash memory wears. */
enum { USE_RESOLUTION_S = 24 * 3600 };

elm_status elm_engine_cache_default(char *out, size_t size, elm_error *error)
{
	const char *own = getenv("EDGELM_CACHE"), *xdg = getenv("XDG_CACHE_HOME");
	const char *home = getenv("HOME");
	int length;

	if (own && *own)
		length = snprintf(out, size, "%s", own);
	else if (xdg && *xdg)
		length = snprintf(out, size, "%s/edgelm", xdg);
	else if (home && *home)
		length = snprintf(out, size, "%s/.cache/edgelm", home);
	else
		return elm_error_set(
			error, ELM_ERR_NOT_FOUND,
			"no cache folder: none of EDGELM_CACHE, XDG_CACHE_HOME and HOME is "
			"set");
	if (length < 0 || (size_t)length >= size)
		return elm_error_set(error, ELM_ERR_LIMIT,
				     "the path of the cache folder is too long");
	return ELM_OK;
}

/* --- the folder --- */

static bool is_engine_name(const char *name)
{
	size_t length = strlen(name);

	return length > sizeof(suffix) - 1 && !strcmp(name + length - (sizeof(suffix) - 1), suffix);
}

elm_status elm_engine_cache_prune(const char *folder, uint64_t limit, const char *keep,
				  uint64_t *left, elm_error *error)
{
	elm__folder_left rest = { 0, 0 };
	elm_status status = elm__folder_prune(folder, is_engine_name, limit, keep, &rest, error);

	if (left)
		*left = rest.bytes;
	return status;
}

elm_status elm__engine_path(const elm_gguf *gguf, const char *folder, const elm__pack_plan *plan,
			    uint64_t key, elm__arena *arena, const char **path, elm_error *error)
{
	const char *slash = strrchr(elm_gguf_path(gguf), '/');
	const char *name = slash ? slash + 1 : elm_gguf_path(gguf);
	size_t length = strlen(name);
	elm__buf text = ELM__BUF_INIT;
	elm_status status;

	if (length > 5 && !strcmp(name + length - 5, ".gguf"))
		length -= 5;
	length = length < 100 ? length : 100;
	elm__buf_printf(&text, "%s/%.*s-%016" PRIx64 "-r%u%s-v%d%s", folder, (int)length, name, key,
			plan->packing.interleave, plan->packing.offset_q8 ? "u" : "s",
			ELM__ENGINE_VERSION, suffix);
	status = elm__buf_status(&text, error);
	*path = status == ELM_OK ? elm__arena_strndup(arena, text.data, text.length) : NULL;
	elm__buf_release(&text);
	if (status == ELM_OK && !*path)
		status = elm_error_set(error, ELM_ERR_NO_MEMORY, "%s: out of memory", folder);
	return status;
}

/* --- packing --- */

static elm_status pack_in_memory(elm_model *model, const elm_model_options *options,
				 elm_error *error)
{
	const elm__pack_plan *plan = &model->plan;
	elm_status status;

	model->packed = elm__pages_alloc(plan->bytes);
	if (!model->packed)
		return elm_error_set(error, ELM_ERR_NO_MEMORY,
				     "%s: out of memory: packing the weights takes %zu MiB",
				     elm_gguf_path(model->gguf), plan->bytes >> 20);
	model->packed_bytes = plan->bytes;
	status = elm__pack_fill(plan, model->packed, options ? options->progress : NULL,
				options ? options->progress_user : NULL, error);
	if (status == ELM_OK)
		elm__pack_bind(plan, model->packed);
	return status;
}

/* Maps one engine file, if it is there and right. */
static elm_status map_engine(elm_model *model, const char *path, elm_error *error)
{
	const void *region;
	elm_status status = elm__engine_open(path, &model->plan, model->engine_key, &model->engine,
					     &region, error);

	if (status != ELM_OK)
		return status;
	model->engine_path = elm__arena_strndup(&model->arena, path, strlen(path));
	if (!model->engine_path) {
		elm__map_release(&model->engine);
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "%s: out of memory", path);
	}
	elm__folder_note_use(path, USE_RESOLUTION_S);
	elm__pack_bind(&model->plan, region);
	return ELM_OK;
}

/* Maps an engine file after building it where it is missing or unusable. */
static elm_status build_engine(elm_model *model, const char *path, const elm_model_options *options,
			       elm_error *error)
{
	elm_error why = { 0 };
	elm_status status = map_engine(model, path, &why);

	if (status == ELM_OK)
		return ELM_OK;
	if (status != ELM_ERR_NOT_FOUND)
		elm_log(ELM_LOG_WARN, "%s; building it again", why.text);
	status = elm__engine_write(path, &model->plan, model->engine_key, options->progress,
				   options->progress_user, error);
	if (status == ELM_OK)
		status = map_engine(model, path, error);
	model->engine_built = status == ELM_OK;
	return status;
}

static elm_status use_cache(elm_model *model, const elm_model_options *options, elm_error *error)
{
	const char *folder = options->engine_cache, *path, *slash;
	uint64_t limit = options->engine_cache_limit;
	elm_error why = { 0 };
	elm_status status;
	char *beside;

	slash = strrchr(elm_gguf_path(model->gguf), '/');
	beside = slash ? elm__strndup(elm_gguf_path(model->gguf),
				      (size_t)(slash - elm_gguf_path(model->gguf))) :
			 elm__strdup(".");
	if (!beside)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "%s: out of memory", folder);
	status = elm__engine_path(model->gguf, beside, &model->plan, model->engine_key,
				  &model->arena, &path, error);
	elm__free(beside);
	if (status != ELM_OK || map_engine(model, path, &why) == ELM_OK)
		return status;
	status = elm__engine_path(model->gguf, folder, &model->plan, model->engine_key,
				  &model->arena, &path, error);
	if (status == ELM_OK)
		status = elm__folder_make(folder, 0777, error);
	if (status == ELM_OK)
		status = build_engine(model, path, options, error);
	if (status == ELM_OK && model->engine_built &&
	    elm_engine_cache_prune(folder, limit ? limit : default_limit, path, NULL, &why) !=
		    ELM_OK)
		elm_log(ELM_LOG_WARN, "%s", why.text);
	return status;
}

elm_status elm__model_pack(elm_model *model, const elm_model_options *options, elm_error *error)
{
	elm_error why = { 0 };
	elm_status status = elm__pack_plan_make(&model->plan, &model->weights, &model->hparams,
						&model->kernels, &model->arena, error);

	if (status != ELM_OK || !model->plan.bytes)
		return status;
	model->engine_key = elm__engine_key(model->gguf);
	if (options && options->engine_file) /* asked for by name: failing is failing */
		return build_engine(model, options->engine_file, options, error);
	if (options && options->engine_cache) {
		status = use_cache(model, options, &why);
		if (status == ELM_OK)
			return ELM_OK;
		if (status == ELM_ERR_CANCELLED)
			return elm_error_set(error, status, "%s", why.text);
		elm_log(ELM_LOG_WARN, "%s; packing the weights in memory instead", why.text);
	}
	return pack_in_memory(model, options, error);
}

elm_status elm_model_engine_verify(const elm_model *model, elm_error *error)
{
	if (!model->engine_path)
		return elm_error_set(error, ELM_ERR_NOT_FOUND, "%s: no engine file is in use",
				     elm_gguf_path(model->gguf));
	return elm__engine_verify(model->engine_path, &model->plan, model->engine_key, error);
}
