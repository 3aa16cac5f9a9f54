#include <edgelm/chat_template.h>

#include "base/alloc.h"
#include "base/json.h"
#include "jinja/prepare.h"

struct elm_chat_template {
	elm__jinja *program;
	elm__chat_abilities abilities;
};

elm_chat_template_limits elm_chat_template_default_limits(void)
{
	return (elm_chat_template_limits){
		.steps = 10000000,
		.output_bytes = (size_t)16 << 20,
		.memory_bytes = (size_t)256 << 20,
	};
}

elm_status elm_chat_template_create(const char *name, const char *source, size_t length,
				    elm_chat_template **out, elm_error *error)
{
	elm_chat_template *chat_template = elm__calloc(1, sizeof(*chat_template));
	elm_status status;

	*out = NULL;
	if (!chat_template)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "%s: out of memory", name);
	status = elm__jinja_parse(name, source, length, &chat_template->program, error);
	if (status == ELM_OK)
		status = elm__chat_probe(chat_template->program, &chat_template->abilities, error);
	if (status != ELM_OK) {
		elm_chat_template_free(chat_template);
		return status;
	}
	*out = chat_template;
	return ELM_OK;
}

void elm_chat_template_free(elm_chat_template *chat_template)
{
	if (!chat_template)
		return;
	elm__jinja_free(chat_template->program);
	elm__free(chat_template);
}

elm_status elm__chat_render(const elm_chat_template *chat_template, json_t *context,
			    const elm__jinja_options *options, char **prompt, size_t *prompt_length,
			    elm_error *error)
{
	elm_status status;

	*prompt = NULL;
	status = elm__chat_prepare(&chat_template->abilities, context, error);
	return status == ELM_OK ? elm__jinja_render(chat_template->program, context, options,
						    prompt, prompt_length, error) :
				  status;
}

elm_status elm_chat_template_render(const elm_chat_template *chat_template, const char *context,
				    size_t context_length, const elm_chat_template_limits *limits,
				    char **prompt, size_t *prompt_length, elm_error *error)
{
	elm__jinja_options options = { .limits = elm_chat_template_default_limits() };
	elm_status status;
	json_t *root;

	*prompt = NULL;
	if (limits)
		options.limits = *limits;
	status = elm__json_parse("chat template context", context, context_length, &root, error);
	if (status != ELM_OK)
		return status;
	if (json_is_object(root))
		status = elm__chat_render(chat_template, root, &options, prompt, prompt_length,
					  error);
	else
		status = elm_error_set(error, ELM_ERR_ARGUMENT,
				       "the context of a chat template must be a JSON object, "
				       "not %s",
				       elm__json_type_name(root));
	json_decref(root);
	return status;
}
