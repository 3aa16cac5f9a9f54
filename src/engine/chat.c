#include "engine/chat.h"

#include <edgelm/log.h>
#include <edgelm/memory.h>

#include <string.h>

#include "base/file.h"
#include "jinja/jinja.h"

static const char chatml[] =
	"{%- for message in messages -%}\n"
	"{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}\n"
	"{%- endfor -%}\n"
	"{%- if add_generation_prompt -%}\n"
	"{{ '<|im_start|>assistant\\n' }}\n"
	"{%- endif -%}\n";
static const char *const chatml_stop[] = { "<|im_end|>" };

static const char plain[] = "{%- for message in messages -%}\n"
			    "{%- if message.role == 'system' -%}\n"
			    "{{ message.content + '\\n\\n' }}\n"
			    "{%- elif message.role == 'assistant' -%}\n"
			    "{{ 'Assistant: ' + message.content + '\\n' }}\n"
			    "{%- else -%}\n"
			    "{{ 'User: ' + message.content + '\\n' }}\n"
			    "{%- endif -%}\n"
			    "{%- endfor -%}\n"
			    "{%- if add_generation_prompt -%}\n"
			    "{{ 'Assistant:' }}\n"
			    "{%- endif -%}\n";
static const char *const plain_stop[] = { "\nUser:" };

const char *const elm__chat_format_builtin[] = { "chatml", "plain", NULL };

elm_status elm__chat_format_init(elm__chat_format *format, const elm_tokenizer *tokenizer,
				 const char *name, const char *source, elm_error *error)
{
	memset(format, 0, sizeof(*format));
	format->tokenizer = tokenizer;
	if (!source) {
		source = elm_tokenizer_chat_template(tokenizer);
		if (!source)
			return elm_error_set(error, ELM_ERR_NOT_FOUND,
					     "the model has no chat template");
	} else if (!strcmp(source, "chatml")) {
		source = chatml;
		format->stop = chatml_stop;
		format->stop_count = 1;
	} else if (!strcmp(source, "plain")) {
		source = plain;
		format->stop = plain_stop;
		format->stop_count = 1;
	}
	return elm_chat_template_create(name, source, strlen(source), &format->chat_template,
					error);
}

static bool is_builtin(const char *choice)
{
	for (const char *const *name = elm__chat_format_builtin; *name; name++)
		if (!strcmp(*name, choice))
			return true;
	return false;
}

elm_status elm__chat_format_open(elm__chat_format *format, const elm_tokenizer *tokenizer,
				 const char *choice, elm_error *error)
{
	enum { MAX_TEMPLATE = 16 << 20 };
	elm__buf text = ELM__BUF_INIT;
	elm_status status;

	if (!choice && !elm_tokenizer_chat_template(tokenizer)) {
		elm_log(ELM_LOG_WARN,
			"the model has no chat template; using the plain format (User: ... "
			"Assistant: ...). Choose another with --template");
		choice = "plain";
	}
	if (!choice || is_builtin(choice))
		return elm__chat_format_init(format, tokenizer, choice ? choice : "chat template",
					     choice, error);
	status = elm__file_read(choice, MAX_TEMPLATE, &text, error);
	if (!status)
		status = elm__chat_format_init(format, tokenizer, choice, elm__buf_text(&text),
					       error);
	elm__buf_release(&text);
	return status;
}

void elm__chat_format_release(elm__chat_format *format)
{
	elm_chat_template_free(format->chat_template);
	memset(format, 0, sizeof(*format));
}

/* The text of a special token, "" when there is none. */
static json_t *token_text(const elm_tokenizer *tokenizer, elm_token token)
{
	elm_gguf_string piece = { "", 0 };

	if (token != ELM_TOKEN_NONE)
		piece = elm_token_piece(tokenizer, token, true);
	return json_stringn(piece.data, piece.length);
}

/* The variables of a template, all our own: rendering changes the messages. */
static json_t *make_context(const elm__chat_format *format, const json_t *messages,
			    const json_t *extra)
{
	const elm_tokenizer *t = format->tokenizer;
	json_t *context = json_object();

	if (json_object_set_new(context, "messages", json_deep_copy(messages)) ||
	    json_object_set_new(context, "add_generation_prompt", json_true()) ||
	    json_object_set_new(context, "bos_token", token_text(t, elm_tokenizer_bos(t))) ||
	    json_object_set_new(context, "eos_token", token_text(t, elm_tokenizer_eos(t))) ||
	    (extra && json_object_update_new(context, json_deep_copy(extra)))) {
		json_decref(context);
		return NULL;
	}
	return context;
}

elm_status elm__chat_format_text(const elm__chat_format *format, const json_t *messages,
				 const json_t *extra, char **text, size_t *length, elm_error *error)
{
	const elm__jinja_options options = { .limits = elm_chat_template_default_limits() };
	json_t *context = make_context(format, messages, extra);
	elm_status status;

	*text = NULL;
	if (!context)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for the messages");
	status = elm__chat_render(format->chat_template, context, &options, text, length, error);
	json_decref(context);
	return status;
}

elm_status elm__chat_format_prompt(const elm__chat_format *format, const json_t *messages,
				   const json_t *extra, elm_token **tokens, size_t *count,
				   elm_error *error)
{
	const elm_tokenizer *t = format->tokenizer;
	elm_gguf_string bos = { "", 0 };
	unsigned flags = ELM_TOKENIZE_SPECIAL;
	elm_status status;
	size_t length;
	char *text;

	*tokens = NULL;
	*count = 0;
	status = elm__chat_format_text(format, messages, extra, &text, &length, error);
	if (status)
		return status;
	/* Most templates write BOS themselves; it must not be there twice. */
	if (elm_tokenizer_bos(t) != ELM_TOKEN_NONE)
		bos = elm_token_piece(t, elm_tokenizer_bos(t), true);
	if (!bos.length || length < bos.length || memcmp(text, bos.data, bos.length) != 0)
		flags |= ELM_TOKENIZE_BOS;
	status = elm_tokenize(t, text, length, flags, tokens, count, error);
	elm_free(text);
	return status;
}
