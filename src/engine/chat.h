/*
 * chat.h: conversations as the prompts that a model was trained on.
 *
 * A conversation is a JSON array of messages, {"role": "system" | "user" | "assistant" | "tool",
 * "content": "..."}; the format is a Jinja template, of the model or one of ours.
 */
#ifndef ELM_ENGINE_CHAT_H
#define ELM_ENGINE_CHAT_H

#include <edgelm/chat_template.h>
#include <edgelm/tokenizer.h>

#include <jansson.h>

typedef struct elm__chat_format {
	const elm_tokenizer *tokenizer;
	elm_chat_template *chat_template;
	/* Texts that end an answer beside the model's own tokens; static, at most one. */
	const char *const *stop;
	size_t stop_count;
} elm__chat_format;

/* The formats that we bring: "chatml" and "plain" ("User: ..."), then NULL. */
extern const char *const elm__chat_format_builtin[];

/*
 * `source` NULL takes the template of the model, which is ELM_ERR_NOT_FOUND when it has none; the
 * name of a built-in takes that; everything else is a template, and `name` is used in its errors.
 * On failure the struct needs no release.
 */
ELM_NODISCARD elm_status elm__chat_format_init(elm__chat_format *format,
					       const elm_tokenizer *tokenizer, const char *name,
					       const char *source, elm_error *error);
/*
 * What an operator chooses: the name of a built-in format, a file with a template, or NULL for the
 * model's own; a model that has none gets the plain format and a warning in the log. On failure the
 * struct needs no release.
 */
ELM_NODISCARD elm_status elm__chat_format_open(elm__chat_format *format,
					       const elm_tokenizer *tokenizer, const char *choice,
					       elm_error *error);
void elm__chat_format_release(elm__chat_format *format);

/*
 * The prompt for a conversation, up to where the answer begins, as tokens (elm_free). `extra` is an
 * object with more variables for the template ("tools", "enable_thinking"), or NULL.
 */
ELM_NODISCARD elm_status elm__chat_format_prompt(const elm__chat_format *format,
						 const json_t *messages, const json_t *extra,
						 elm_token **tokens, size_t *count,
						 elm_error *error);

/* The same as text (elm_free). */
ELM_NODISCARD elm_status elm__chat_format_text(const elm__chat_format *format,
					       const json_t *messages, const json_t *extra,
					       char **text, size_t *length, elm_error *error);

#endif
