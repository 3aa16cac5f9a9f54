/* text.c: tokens from text, text from tokens, prompts from conversations. */
#include <edgelm/memory.h>

#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "server/internal.h"
#include "server/request.h"

/* {"id", "piece"}; a piece that is no text by itself is an array of its bytes. */
static json_t *piece_json(const elm_tokenizer *tokenizer, elm_token token)
{
	elm_gguf_string piece = elm_token_piece(tokenizer, token, true);
	json_t *value;

	if (elm__utf8_valid(piece.data, piece.length)) {
		value = json_stringn(piece.data, piece.length);
	} else {
		value = json_array();
		for (size_t i = 0; i < piece.length; i++)
			json_array_append_new(value, json_integer((uint8_t)piece.data[i]));
		if (json_array_size(value) != piece.length) {
			json_decref(value);
			value = NULL;
		}
	}
	return json_pack("{s:i, s:o}", "id", (int)token, "piece", value);
}

static json_t *tokens_json(const elm_tokenizer *tokenizer, const elm_token *tokens, size_t count,
			   bool pieces)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		if (json_array_append_new(list, pieces ? piece_json(tokenizer, tokens[i]) :
							 json_integer(tokens[i]))) {
			json_decref(list);
			return NULL;
		}
	return json_pack("{s:o}", "tokens", list);
}

static elm_status tokenize(const elm__loaded *loaded, const json_t *root, json_t **out,
			   elm_error *error)
{
	const json_t *content = json_object_get(root, "content");
	bool bos = false, special = true, pieces = false;
	elm_token *tokens = NULL;
	elm_status status;
	size_t count = 0;

	status = elm__json_get_bool(root, "add_special", &bos, error);
	if (!status)
		status = elm__json_get_bool(root, "parse_special", &special, error);
	if (!status)
		status = elm__json_get_bool(root, "with_pieces", &pieces, error);
	if (!status && content && !json_is_string(content))
		status = elm_error_set(error, ELM_ERR_ARGUMENT,
				       "Field 'content' must be a string, but is %s",
				       elm__json_type_name(content));
	if (!status && content)
		status = elm_tokenize(
			loaded->tokenizer, json_string_value(content), json_string_length(content),
			(bos ? ELM_TOKENIZE_BOS : 0) | (special ? ELM_TOKENIZE_SPECIAL : 0),
			&tokens, &count, error);
	if (!status)
		*out = tokens_json(loaded->tokenizer, tokens, count, pieces);
	elm_free(tokens);
	return status;
}

static elm_status detokenize(const elm__loaded *loaded, const json_t *root, json_t **out,
			     elm_error *error)
{
	const json_t *tokens = json_object_get(root, "tokens");
	size_t vocabulary = elm_tokenizer_size(loaded->tokenizer);
	elm__buf text = ELM__BUF_INIT;
	elm_status status;
	const json_t *token;
	size_t i;

	if (!tokens || !elm__api_is_tokens(tokens))
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "Field 'tokens' must be an array of token numbers");
	json_array_foreach(tokens, i, token)
	{
		elm_gguf_string piece;

		if ((size_t)json_integer_value(token) >= vocabulary) {
			elm__buf_release(&text);
			return elm_error_set(error, ELM_ERR_ARGUMENT,
					     "Field 'tokens' has token %lld; the vocabulary ends "
					     "at %zu",
					     (long long)json_integer_value(token), vocabulary - 1);
		}
		piece = elm_token_piece(loaded->tokenizer, (elm_token)json_integer_value(token),
					true);
		elm__buf_append(&text, piece.data, piece.length);
	}
	status = elm__buf_status(&text, error);
	if (!status)
		*out = json_pack("{s:o}", "content",
				 elm__json_bytes(elm__buf_text(&text), text.length));
	elm__buf_release(&text);
	return status;
}

static elm_status apply_template(const elm__loaded *loaded, const json_t *root, json_t **out,
				 elm_error *error)
{
	elm__api_request request;
	size_t length = 0;
	char *text = NULL;
	/* The request takes the object over. */
	elm_status status =
		elm__api_request_conversation(&request, json_incref((json_t *)root), error);

	if (status)
		return status;
	status = elm__chat_format_text(&loaded->format, request.messages, request.extra, &text,
				       &length, error);
	if (!status)
		*out = json_pack("{s:o}", "prompt", elm__json_bytes(text, length));
	elm_free(text);
	elm__api_request_release(&request);
	return status;
}

static void serve(elm__server *server, elm__http_exchange *exchange,
		  elm_status (*make)(const elm__loaded *, const json_t *, json_t **, elm_error *))
{
	json_t *root = NULL, *reply = NULL;
	elm__loaded *loaded = NULL;
	elm_error error = { 0 };
	elm_status status;
	const char *body;
	size_t length;

	body = elm__http_body(exchange, &length);
	status = elm__api_parse_object(body, length, &root, &error);
	if (!status)
		status = elm__server_acquire(server, root, &loaded, &error);
	if (!status)
		status = make(loaded, root, &reply, &error);
	elm__models_release(server->models, loaded, true);
	json_decref(root);
	if (status)
		elm__server_fail(server, exchange, &error);
	else
		elm__http_reply_json(exchange, 200, reply);
}

void elm__serve_tokenize(void *user, elm__http_exchange *exchange)
{
	serve(user, exchange, tokenize);
}

void elm__serve_detokenize(void *user, elm__http_exchange *exchange)
{
	serve(user, exchange, detokenize);
}

void elm__serve_apply_template(void *user, elm__http_exchange *exchange)
{
	serve(user, exchange, apply_template);
}
