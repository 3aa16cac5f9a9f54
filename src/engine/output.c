#include "engine/output.h"

#include <string.h>

#include "base/text.h"

elm_status elm__output_init(elm__output *output, const elm_tokenizer *tokenizer, bool continues,
			    bool special, const char *const *stop, size_t stop_count,
			    elm_error *error)
{
	for (size_t i = 0; i < stop_count; i++)
		if (!stop[i][0] || !elm__utf8_valid(stop[i], strlen(stop[i])))
			return elm_error_set(error, ELM_ERR_ARGUMENT,
					     "stop string %zu is %s; it must be UTF-8 text", i + 1,
					     stop[i][0] ? "not valid UTF-8" : "empty");
	memset(output, 0, sizeof(*output));
	output->tokenizer = tokenizer;
	output->stop = stop;
	output->stop_count = stop_count;
	output->stream.continues = continues;
	output->stream.keep_special = special;
	return ELM_OK;
}

void elm__output_release(elm__output *output)
{
	elm__buf_release(&output->text);
	memset(output, 0, sizeof(*output));
}

/* Cuts the text at the first stop string in what is held back. */
static bool cut_at_stop(elm__output *output)
{
	const char *held = output->text.data + output->given;
	size_t length = output->text.length - output->given, cut = length;

	for (size_t i = 0; i < output->stop_count; i++) {
		const char *found = memmem(held, length, output->stop[i], strlen(output->stop[i]));

		if (found && (size_t)(found - held) < cut) {
			cut = (size_t)(found - held);
			output->stopped = output->stop[i];
		}
	}
	if (!output->stopped)
		return false;
	output->text.length = output->given + cut;
	output->text.data[output->text.length] = '\0';
	return true;
}

/* How many bytes at the end of the text are the beginning of a stop string. */
static size_t possible_stop(const elm__output *output)
{
	const char *end = output->text.data + output->text.length;
	size_t held = output->text.length - output->given, longest = 0;

	for (size_t i = 0; i < output->stop_count; i++) {
		size_t length = strlen(output->stop[i]) - 1;

		for (length = length < held ? length : held; length > longest; length--)
			if (!memcmp(end - length, output->stop[i], length))
				longest = length;
	}
	return longest;
}

static void give(elm__output *output, size_t keep, const char **text, size_t *length)
{
	*text = elm__buf_text(&output->text) + output->given;
	*length = output->text.length - output->given - keep;
	output->given += *length;
}

elm_status elm__output_push(elm__output *output, elm_token token, const char **text, size_t *length,
			    elm_error *error)
{
	*text = "";
	*length = 0;
	if (!elm__buf_reserve(&output->text, elm_token_stream_room(output->tokenizer)))
		return elm__buf_status(&output->text, error);
	output->text.length += elm_token_stream_push(&output->stream, output->tokenizer, token,
						     output->text.data + output->text.length);
	output->text.data[output->text.length] = '\0';
	give(output, cut_at_stop(output) ? 0 : possible_stop(output), text, length);
	return ELM_OK;
}

elm_status elm__output_finish(elm__output *output, const char **text, size_t *length,
			      elm_error *error)
{
	*text = "";
	*length = 0;
	if (output->stopped)
		return ELM_OK;
	if (!elm__buf_reserve(&output->text, elm_token_stream_room(output->tokenizer)))
		return elm__buf_status(&output->text, error);
	output->text.length +=
		elm_token_stream_finish(&output->stream, output->text.data + output->text.length);
	output->text.data[output->text.length] = '\0';
	give(output, 0, text, length);
	return ELM_OK;
}
