#include "cli/chat_format.h"

#include <edgelm/log.h>

#include <string.h>

#include "base/file.h"

enum { MAX_TEMPLATE = 16 << 20 };

static bool is_builtin(const char *choice)
{
	for (const char *const *name = elm__chat_format_builtin; *name; name++)
		if (!strcmp(*name, choice))
			return true;
	return false;
}

elm_status cli_open_chat_format(const elm_tokenizer *tokenizer, const char *choice,
				elm__chat_format *format, elm_error *error)
{
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
