/*
 * embedding_request.h: what a client of /v1/embeddings or /embedding asks for, read from JSON.
 * Knows neither sockets nor models.
 */
#ifndef ELM_SERVER_EMBEDDING_REQUEST_H
#define ELM_SERVER_EMBEDDING_REQUEST_H

#include <edgelm/status.h>

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum { ELM__EMBEDDING_INPUTS = 2048 };

typedef struct elm__embedding_request {
	json_t *root;
	const json_t *input; /* part of it: see elm__api_check_prompts; no text is empty */
	const char *field;   /* that it stands in */
	bool base64;
	int64_t dimensions; /* how many values a vector shall have; 0: all */
	int64_t norm; /* what makes it 1: the sum of the powers of this order; 0: the largest value
			 is 32760; -1: nothing, values are as they come */
	bool has_priority;
	int32_t priority;
} elm__embedding_request;

/* `openai`: as OpenAI has it, else as llama-server does. On failure the struct needs no release. */
ELM_NODISCARD elm_status elm__embedding_request_parse(elm__embedding_request *request, bool openai,
						      const char *text, size_t length,
						      elm_error *error);
void elm__embedding_request_release(elm__embedding_request *request);

/* Brings a vector to the request's norm, in place: the values that the request wants of it, which
 * are the first. */
void elm__embedding_finish(const elm__embedding_request *request, float *values, size_t count);

#endif
