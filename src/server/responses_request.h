/*
 * responses_request.h: requests of OpenAI's Responses API as those of its chat API.
 *
 * Text goes in and out, functions are called; nothing is stored. What of that API needs more than
 * that is refused by name: earlier responses, conversations, background work, tools that are not
 * functions, images and files.
 */
#ifndef ELM_SERVER_RESPONSES_REQUEST_H
#define ELM_SERVER_RESPONSES_REQUEST_H

#include <edgelm/status.h>

#include <jansson.h>

/* *out is a new request for chat that means the same, NULL on failure. Settings of sampling are
 * taken over as they are, to be checked by who reads it. */
ELM_NODISCARD elm_status elm__responses_to_chat(const json_t *root, json_t **out, elm_error *error);

#endif
