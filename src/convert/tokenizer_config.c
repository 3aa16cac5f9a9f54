/* tokenizer_config.c: what stands beside the tokens: which are special, and the chat template. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "convert/vocabulary.h"

static const float added_score = -1000;

static elm_status read_added(elm__vocabulary *v, const char *path, const json_t *root,
			     elm_error *error)
{
	json_t *list = json_object_get(root, "added_tokens_decoder"), *entry;
	const char *key;

	json_object_foreach(list, key, entry)
	{
		const json_t *content = json_object_get(entry, "content");
		elm_status status;
		int64_t id;

		if (!elm__parse_i64(key, 0, INT32_MAX, &id) || !json_is_string(content))
			return elm_error_set(error, ELM_ERR_FORMAT,
					     "%s: \"%.40s\" in added_tokens_decoder is not a token",
					     path, key);
		if (id >= v->count)
			continue;
		status =
			elm__vocabulary_add(v, (uint32_t)id, json_string_value(content),
					    json_string_length(content),
					    json_is_true(json_object_get(entry, "special")), error);
		if (status != ELM_OK)
			return status;
	}
	return ELM_OK;
}

/* A token is given by its text, alone or as "content" of an object. */
static void read_special(const elm__vocabulary *v, const json_t *root, const char *key,
			 elm_token *id)
{
	const json_t *value = json_object_get(root, key);
	const char *text = json_string_value(
		json_is_object(value) ? json_object_get(value, "content") : value);
	elm_token found = text ? elm__vocabulary_find(v, text) : ELM_TOKEN_NONE;

	if (found != ELM_TOKEN_NONE)
		*id = found;
}

static void read_answer(const json_t *root, const char *key, elm__answer *answer)
{
	const json_t *value = json_object_get(root, key);

	if (json_is_boolean(value))
		*answer = json_is_true(value) ? ELM__YES : ELM__NO;
}

/* One text, or several with names, of which "default" is the one for chats without tools. */
static const char *find_template(const json_t *root)
{
	const json_t *value = json_object_get(root, "chat_template");

	for (size_t i = 0; i < json_array_size(value); i++) {
		const json_t *item = json_array_get(value, i);
		const char *name = json_string_value(json_object_get(item, "name"));

		if (name && !strcmp(name, "default"))
			return json_string_value(json_object_get(item, "template"));
	}
	return json_string_value(value);
}

elm_status elm__tokenizer_config_read(elm__vocabulary *v, const char *path, const json_t *root,
				      elm_error *error)
{
	const char *template = find_template(root);
	elm_status status = read_added(v, path, root, error);

	if (status != ELM_OK)
		return status;
	read_special(v, root, "bos_token", &v->bos);
	read_special(v, root, "eos_token", &v->eos);
	read_special(v, root, "unk_token", &v->unknown);
	read_special(v, root, "pad_token", &v->padding);
	read_answer(root, "add_bos_token", &v->add_bos);
	read_answer(root, "add_eos_token", &v->add_eos);
	if (!v->bpe) /* in GGUF the rule is one of SentencePiece */
		read_answer(root, "add_prefix_space", &v->add_space_prefix);
	if (template) {
		v->chat_template = elm__arena_strndup(&v->arena, template, strlen(template));
		if (!v->chat_template)
			return elm_error_set(error, ELM_ERR_NO_MEMORY, "%s: out of memory", path);
	}
	return ELM_OK;
}

/* ---- writing ---- */

static bool put_added(const elm__vocabulary *v, json_t *root)
{
	json_t *list = json_object();
	bool good = list != NULL;
	char key[16];

	for (uint32_t i = 0; i < v->count && good; i++) {
		bool special = v->kinds[i] == ELM_TOKEN_CONTROL;

		if ((!special && v->kinds[i] != ELM_TOKEN_USER_DEFINED) ||
		    (!v->bpe && v->scores[i] != added_score))
			continue;
		snprintf(key, sizeof(key), "%u", i);
		good = json_object_set_new(list, key,
					   json_pack("{s:s%, s:b, s:b, s:b, s:b, s:b}", "content",
						     v->texts[i].data, v->texts[i].length, "lstrip",
						     0, "rstrip", 0, "normalized", 0, "single_word",
						     0, "special", (int)special)) == 0;
	}
	good = good && json_object_set(root, "added_tokens_decoder", list) == 0;
	json_decref(list);
	return good;
}

static bool put_special(const elm__vocabulary *v, json_t *root, const char *key, elm_token id)
{
	return id == ELM_TOKEN_NONE ||
	       json_object_set_new(root, key,
				   json_stringn(v->texts[id].data, v->texts[id].length)) == 0;
}

static bool put_answer(json_t *root, const char *key, elm__answer answer)
{
	return answer == ELM__NOT_SAID ||
	       json_object_set_new(root, key, json_boolean(answer == ELM__YES)) == 0;
}

elm_status elm__tokenizer_config_write(const elm__vocabulary *v, const char *path, elm_error *error)
{
	json_t *root = json_pack("{s:s}", "tokenizer_class",
				 v->bpe ? "PreTrainedTokenizerFast" : "LlamaTokenizer");
	bool good = root && put_added(v, root) && put_special(v, root, "bos_token", v->bos) &&
		    put_special(v, root, "eos_token", v->eos) &&
		    put_special(v, root, "unk_token", v->unknown) &&
		    put_special(v, root, "pad_token", v->padding) &&
		    put_answer(root, "add_bos_token", v->add_bos) &&
		    put_answer(root, "add_eos_token", v->add_eos) &&
		    put_answer(root, "add_prefix_space", v->add_space_prefix);
	elm_status status;

	if (good && v->chat_template)
		good = json_object_set_new(root, "chat_template", json_string(v->chat_template)) ==
		       0;
	if (good)
		status = elm__json_replace(path, root, error);
	else
		status = elm_error_set(error, ELM_ERR_UNSUPPORTED,
				       "%s: a token or the chat template is not valid UTF-8", path);
	json_decref(root);
	return status;
}
