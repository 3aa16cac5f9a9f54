/* logprobs.c: log probabilities of tokens, in the forms of the dialects. */
#include <math.h>
#include <string.h>

#include "base/text.h"
#include "server/answer.h"

/* {"id", "token", "bytes", "logprob"} */
static json_t *token_json(const elm_tokenizer *tokenizer, elm_token token, float logprob)
{
	elm_gguf_string piece = elm_token_piece(tokenizer, token, true);
	json_t *bytes = json_array();

	for (size_t i = 0; i < piece.length && bytes; i++)
		if (json_array_append_new(bytes, json_integer((uint8_t)piece.data[i]))) {
			json_decref(bytes);
			bytes = NULL;
		}
	/* JSON has no infinity; this is what the dialects write for "impossible". */
	return json_pack("{s:i, s:o, s:o, s:f}", "id", (int)token, "token",
			 elm__json_bytes(piece.data, piece.length), "bytes", bytes, "logprob",
			 isfinite(logprob) ? (double)logprob : -9999.0);
}

json_t *elm__answer_logprob(const elm__answer *a, const elm__job_event *event)
{
	const elm_tokenizer *tokenizer = a->loaded->tokenizer;
	json_t *value = token_json(tokenizer, event->token, event->logprob);
	json_t *top = json_array();

	for (size_t i = 0; i < event->top_count && top; i++)
		if (json_array_append_new(top, token_json(tokenizer, event->top[i].token,
							  event->top[i].logprob))) {
			json_decref(top);
			top = NULL;
		}
	if (json_object_set_new(value, "top_logprobs", top)) {
		json_decref(value);
		return NULL;
	}
	return value;
}

/* The bytes of a token as a text: as they are, or, where that is none, as OpenAI writes them. */
static json_t *legacy_piece(const json_t *bytes)
{
	elm__buf raw = ELM__BUF_INIT, told = ELM__BUF_INIT;
	json_t *value = NULL;
	const json_t *byte;
	size_t i;

	elm__buf_puts(&told, "bytes:");
	json_array_foreach(bytes, i, byte)
	{
		elm__buf_putc(&raw, (char)json_integer_value(byte));
		elm__buf_printf(&told, "\\x%02x", (unsigned)json_integer_value(byte));
	}
	if (!raw.failed && !told.failed)
		value = elm__utf8_valid(elm__buf_text(&raw), raw.length) ?
				json_stringn(elm__buf_text(&raw), raw.length) :
				json_stringn(elm__buf_text(&told), told.length);
	elm__buf_release(&raw);
	elm__buf_release(&told);
	return value;
}

/* Characters that begin in a token. */
static size_t count_characters(const json_t *bytes)
{
	const json_t *byte;
	size_t i, n = 0;

	json_array_foreach(bytes, i, byte) n += (json_integer_value(byte) & 0xc0) != 0x80;
	return n;
}

/* Adds a token to {" the": -0.1, ...}. */
static bool add_top(json_t *tops, const json_t *token)
{
	json_t *piece = legacy_piece(json_object_get(token, "bytes"));
	bool added =
		!json_object_set(tops, json_string_value(piece), json_object_get(token, "logprob"));

	json_decref(piece);
	return added;
}

/* The most likely tokens, and the one that was chosen if it is none of them. */
static json_t *legacy_top(const json_t *chosen)
{
	const json_t *top = json_object_get(chosen, "top_logprobs"), *token;
	json_t *value = json_object();
	bool added = true;
	size_t i;

	json_array_foreach(top, i, token) added &= add_top(value, token);
	if (json_array_size(top))
		added &= add_top(value, chosen);
	if (!added) {
		json_decref(value);
		value = NULL;
	}
	return value;
}

json_t *elm__logprobs_legacy(json_t *list, size_t *characters)
{
	json_t *tokens = json_array(), *logprobs = json_array(), *tops = json_array();
	json_t *offsets = json_array();
	const json_t *token;
	bool failed = false;
	size_t i;

	json_array_foreach(list, i, token)
	{
		const json_t *bytes = json_object_get(token, "bytes");

		failed |= json_array_append_new(tokens, legacy_piece(bytes)) ||
			  json_array_append(logprobs, json_object_get(token, "logprob")) ||
			  json_array_append_new(tops, legacy_top(token)) ||
			  json_array_append_new(offsets, json_integer((json_int_t)*characters));
		*characters += count_characters(bytes);
	}
	/* Takes over what is not NULL, also when it fails. */
	list = json_pack("{s:o, s:o, s:o, s:o, s:O}", "tokens", tokens, "token_logprobs", logprobs,
			 "top_logprobs", tops, "text_offset", offsets, "content", list);
	if (failed) {
		json_decref(list);
		return NULL;
	}
	return list;
}
