/* info.c: what the server says about itself and its model. */
#include <edgelm/version.h>

#include <string.h>

#include "base/alloc.h"
#include "server/internal.h"

void elm__serve_health(void *user, elm__http_exchange *exchange)
{
	elm__http_reply_json(exchange, 200, json_pack("{s:s}", "status", "ok"));
}

/* The type that takes most of the file. */
static const char *weight_type(const elm_model *model)
{
	const elm_gguf *gguf = elm_model_gguf(model);
	uint64_t bytes[ELM_TYPE_LIMIT] = { 0 };
	uint32_t most = 0;

	for (size_t i = 0; i < elm_gguf_tensor_count(gguf); i++) {
		const elm_gguf_tensor *tensor = elm_gguf_tensor_at(gguf, i);

		bytes[tensor->type] += tensor->bytes;
		if (bytes[tensor->type] > bytes[most])
			most = (uint32_t)tensor->type;
	}
	return elm_type_get(most)->name;
}

static json_t *model_meta(const elm__loaded *loaded)
{
	const elm_model_info *info = elm_model_get_info(loaded->model);
	uint32_t context = elm_scheduler_get_options(loaded->scheduler)->context;

	return json_pack("{s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:s}", "vocab_type", 1, "n_vocab",
			 (json_int_t)elm_tokenizer_size(loaded->tokenizer), "n_ctx",
			 (json_int_t)context, "n_ctx_train", (json_int_t)info->trained_context,
			 "n_embd", (json_int_t)info->width, "n_params",
			 (json_int_t)info->parameters, "size", (json_int_t)info->weight_bytes,
			 "ftype", weight_type(loaded->model));
}

/* As Ollama lists it. `loaded` NULL: what only the file says is empty. */
static json_t *listed_model(const char *name, const elm__loaded *loaded)
{
	const char *family = loaded ? elm_model_get_info(loaded->model)->architecture : "";

	return json_pack(
		"{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:[s], s:[s], s:s, s:{s:s, s:s, s:s, s:[s], "
		"s:s, s:s}}",
		"name", name, "model", name, "modified_at", "", "size", "", "digest", "", "type",
		"model", "description", "", "tags", "", "capabilities", "completion", "parameters",
		"", "details", "parent_model", "", "format", "gguf", "family", family, "families",
		family, "parameter_size", "", "quantization_level",
		loaded ? weight_type(loaded->model) : "");
}

const char *elm__model_state_name(elm__model_state state)
{
	static const char *const names[] = { "unloaded", "loading", "loaded" };

	return names[state];
}

/* As OpenAI does. */
static json_t *model_data(const elm__server *server, const char *name, elm__model_state state,
			  const elm__loaded *loaded)
{
	return json_pack("{s:s, s:[s], s:[], s:s, s:I, s:s, s:{s:s}, s:o*}", "id", name, "aliases",
			 name, "tags", "object", "model", "created", (json_int_t)server->started,
			 "owned_by", "edgelm", "status", "value", elm__model_state_name(state),
			 "meta", loaded ? model_meta(loaded) : NULL);
}

void elm__serve_models(void *user, elm__http_exchange *exchange)
{
	elm__server *server = user;
	json_t *models = json_array(), *data = json_array();
	bool failed = false;

	for (size_t i = 0; i < elm__models_count(server->models); i++) {
		const char *name = elm__models_source(server->models, i)->name;
		elm__loaded *loaded = elm__models_peek(server->models, i);
		elm__model_state state = elm__models_state(server->models, i);

		failed = failed || json_array_append_new(models, listed_model(name, loaded)) ||
			 json_array_append_new(data, model_data(server, name, state, loaded));
		elm__models_release(server->models, loaded, false);
	}
	if (failed) {
		json_decref(models);
		json_decref(data);
		elm__http_reply_json(exchange, 500, NULL);
		return;
	}
	elm__http_reply_json(exchange, 200,
			     json_pack("{s:o, s:s, s:o}", "models", models, "object", "list",
				       "data", data));
}

static json_t *special_token(const elm_tokenizer *tokenizer, elm_token token)
{
	elm_gguf_string piece = { "", 0 };

	if (token != ELM_TOKEN_NONE)
		piece = elm_token_piece(tokenizer, token, true);
	return elm__json_bytes(piece.data, piece.length);
}

static json_t *props_json(const elm__server *server, const elm__model_source *source,
			  const elm__loaded *loaded)
{
	const elm__server_options *options = &server->options;
	const elm_scheduler_options *scheduler =
		loaded ? elm_scheduler_get_options(loaded->scheduler) :
			 &options->models.loading.scheduling;
	const elm_tokenizer *tokenizer = loaded ? loaded->tokenizer : NULL;
	json_t *defaults = json_pack("{s:o, s:I}", "params", elm__sampling_json(options->sampling),
				     "n_ctx", (json_int_t)scheduler->context);

	return json_pack(
		"{s:o, s:I, s:s, s:s, s:s, s:{s:b, s:b, s:b}, s:b, s:b, s:b, s:b, s:s, s:o, s:o, "
		"s:o, "
		"s:o, s:b}",
		"default_generation_settings", defaults, "total_slots",
		(json_int_t)scheduler->session.max_sequences, "model_alias", source->name,
		"model_ftype", loaded ? weight_type(loaded->model) : "", "model_path", source->path,
		"modalities", "vision", 0, "video", 0, "audio", 0, "endpoint_slots", options->slots,
		"endpoint_props", 0, "endpoint_metrics", options->metrics, "ui", 0, "chat_template",
		loaded ? loaded->chat_template : "", "chat_template_caps",
		loaded ? elm__chat_caps_json(&loaded->format) : json_object(), "bos_token",
		special_token(tokenizer, tokenizer ? elm_tokenizer_bos(tokenizer) : ELM_TOKEN_NONE),
		"eos_token",
		special_token(tokenizer, tokenizer ? elm_tokenizer_eos(tokenizer) : ELM_TOKEN_NONE),
		"build_info", json_sprintf("edgelm-%s", elm_version()), "is_sleeping",
		loaded == NULL);
}

/* The model that ?model= names; false when there is none, which has been said. */
static bool choose(elm__server *server, elm__http_exchange *exchange, size_t *index)
{
	elm_error error = { 0 };

	if (!elm__server_choose(server, elm__http_argument(exchange, "model"), index, &error))
		return true;
	elm__server_fail(server, exchange, &error);
	return false;
}

void elm__serve_props(void *user, elm__http_exchange *exchange)
{
	elm__server *server = user;
	elm__loaded *loaded;
	size_t index;

	if (!choose(server, exchange, &index))
		return;
	loaded = elm__models_peek(server->models, index);
	elm__http_reply_json(exchange, 200,
			     props_json(server, elm__models_source(server->models, index), loaded));
	elm__models_release(server->models, loaded, false);
}

static json_t *slot_json(uint32_t number, uint32_t context, const elm_slot *slot)
{
	json_t *value =
		json_pack("{s:I, s:I, s:b, s:b}", "id", (json_int_t)number, "n_ctx",
			  (json_int_t)context, "speculative", 0, "is_processing", slot != NULL);
	json_t *more;

	if (!slot)
		return value;
	more = json_pack("{s:I, s:I, s:I, s:[{s:b, s:I, s:I}]}", "id_task",
			 (json_int_t)slot->request, "n_prompt_tokens",
			 (json_int_t)slot->prompt_count, "n_prompt_tokens_processed",
			 (json_int_t)slot->prompt_done, "next_token", "has_next_token", 1,
			 "n_remain",
			 slot->max_tokens ? (json_int_t)(slot->max_tokens - slot->token_count) :
					    (json_int_t)-1,
			 "n_decoded", (json_int_t)slot->token_count);
	if (!value || !more || json_object_update(value, more)) {
		json_decref(value);
		value = NULL;
	}
	json_decref(more);
	return value;
}

/* A slot is one of the requests that run; those that are free come after them. NULL when memory
 * runs out. */
static json_t *slots_json(elm_scheduler *scheduler, bool *all_busy)
{
	const elm_scheduler_options *options = elm_scheduler_get_options(scheduler);
	uint32_t room = options->session.max_sequences;
	elm_slot *slots = elm__calloc(room, sizeof(*slots));
	json_t *list = slots ? json_array() : NULL;
	size_t running = slots ? elm_scheduler_slots(scheduler, slots, room) : 0;

	*all_busy = running >= room;
	for (uint32_t i = 0; i < room && list; i++)
		if (json_array_append_new(list, slot_json(i, options->context,
							  i < running ? &slots[i] : NULL))) {
			json_decref(list);
			list = NULL;
		}
	elm__free(slots);
	return list;
}

void elm__serve_slots(void *user, elm__http_exchange *exchange)
{
	elm__server *server = user;
	bool all_busy = false;
	elm__loaded *loaded;
	size_t index;
	json_t *list;

	if (!server->options.slots) {
		elm__http_fail(exchange, 501, "not_supported_error",
			       "This server does not tell of its slots. Start it with `--slots`");
		return;
	}
	if (!choose(server, exchange, &index))
		return;
	loaded = elm__models_peek(server->models, index);
	list = loaded ? slots_json(loaded->scheduler, &all_busy) : json_array();
	elm__models_release(server->models, loaded, false);
	if (elm__http_argument(exchange, "fail_on_no_slot") && all_busy)
		elm__http_fail(exchange, 503, "unavailable_error", "no slot available");
	elm__http_reply_json(exchange, 200, list); /* only the first reply counts */
}

void elm__serve_unknown(void *user, elm__http_exchange *exchange)
{
	/* In the order in which the servers of this dialect put them here. */
	elm__http_reply_json(exchange, 404,
			     json_pack("{s:{s:s, s:s, s:i}}", "error", "message", "File Not Found",
				       "type", "not_found_error", "code", 404));
}
