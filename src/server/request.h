/*
 * request.h: what a client asks for, read from JSON. Knows neither sockets nor models.
 *
 * Four dialects ask for text: chat (/v1/chat/completions), responses (/v1/responses, read as a
 * chat) and completions (/v1/completions) of OpenAI, and completion (/completion) of llama-server.
 * Settings that are not known are ignored, as all servers of these dialects do; those that are
 * known to change the text, and that we do not have, are refused unless they are off.
 */
#ifndef ELM_SERVER_REQUEST_H
#define ELM_SERVER_REQUEST_H

#include <edgelm/sampler.h>

#include <jansson.h>

typedef enum elm__api {
	ELM__API_CHAT = 1,    /* POST /v1/chat/completions */
	ELM__API_COMPLETIONS, /* POST /v1/completions */
	ELM__API_COMPLETION,  /* POST /completion */
	ELM__API_RESPONSES    /* POST /v1/responses */
} elm__api;

/* Whether what it asks for is the answer to a conversation. */
static inline bool elm__api_is_chat(elm__api api)
{
	return api == ELM__API_CHAT || api == ELM__API_RESPONSES;
}

/* What becomes of what the model thinks before its answer. */
typedef enum elm__api_reasoning {
	ELM__REASONING_DEFAULT = 0, /* as the server was started */
	ELM__REASONING_APART,	    /* told beside the answer */
	ELM__REASONING_NONE	    /* part of the text as it is */
} elm__api_reasoning;

/* The form that the text must have. */
typedef enum elm__api_form {
	ELM__FORM_FREE = 0,
	ELM__FORM_JSON,	  /* any JSON object */
	ELM__FORM_SCHEMA, /* JSON of a schema, perhaps that of a call */
	ELM__FORM_GRAMMAR /* GBNF */
} elm__api_form;

enum { ELM__API_STOPS = 32, ELM__API_CHOICES = 32, ELM__API_PROMPTS = 32 };

typedef struct elm__api_request {
	elm__api api;
	json_t *root;  /* what all borrowed texts and values below are part of */
	json_t *asked; /* responses: the request itself, of which `root` was made; else NULL */

	const json_t *messages; /* chats: an array of objects with a "role" */
	json_t *extra;		/* chats: variables for the template, an object; never NULL */
	const json_t *tools;	/* chats: an array of functions, or NULL */
	bool must_call;		/* the text has to be a call of one of them, see `schema` */
	/* The others: a text or an array of tokens, or an array of up to ELM__API_PROMPTS of
	 * those. */
	const json_t *prompt;

	int64_t choices;    /* generated for each prompt */
	int64_t returned;   /* of them the likeliest are; all, but for completions with best_of */
	int64_t max_tokens; /* -1: until the end */
	const char *stop[ELM__API_STOPS];
	size_t stop_count;
	bool ignore_eos;
	elm_sampler_options sampling; /* bias points to what the request owns */
	bool seeded;		      /* the client has chosen the seed */
	elm__api_form form;
	const char *grammar; /* ELM__FORM_GRAMMAR */
	char *schema;	     /* ELM__FORM_SCHEMA: its text; owned */

	bool logprobs;
	int64_t top_logprobs;
	bool echo; /* the text begins with the prompt */
	elm__api_reasoning reasoning;
	bool stream, include_usage, timings_per_token, progress, return_tokens;
	bool no_cache; /* computed prompts of others are not used */
	int64_t priority;
} elm__api_request;

/*
 * Reads a request. `defaults` are the sampling settings that it need not give. Text that is not
 * JSON is ELM_ERR_FORMAT, everything else that is wrong ELM_ERR_ARGUMENT or ELM_ERR_UNSUPPORTED, by
 * the name of the field. On failure the struct needs no release.
 */
ELM_NODISCARD elm_status elm__api_request_parse(elm__api_request *request, elm__api api,
						const elm_sampler_options *defaults,
						const char *text, size_t length, elm_error *error);
void elm__api_request_release(elm__api_request *request);

/* The part of it that /apply-template reads too: messages, tools and variables of the template from
 * `root`, which the request takes over. */
ELM_NODISCARD elm_status elm__api_request_conversation(elm__api_request *request, json_t *root,
						       elm_error *error);

/* A text, an array of tokens, or an array of 1 to `most` of those; the error names the field. */
ELM_NODISCARD elm_status elm__api_check_prompts(const json_t *value, const char *field, size_t most,
						elm_error *error);

/* Parses a body that must be an object; *out is the caller's, NULL on failure. */
ELM_NODISCARD elm_status elm__api_parse_object(const char *text, size_t length, json_t **out,
					       elm_error *error);

/* Whether a value is an array of token numbers that fit in elm_token; an empty one is. */
bool elm__api_is_tokens(const json_t *value);

#endif
