/*
 * tools.h: calls of functions in what a model has written.
 *
 * Models are trained to write calls in a few ways, all of them JSON with a name and arguments:
 *
 *     <tool_call>{"name": ..., "arguments": {...}}</tool_call>    Hermes, Qwen, SmolLM
 *     {"name": ..., "parameters": {...}}                          Llama 3
 *     [TOOL_CALLS][{"name": ..., "arguments": {...}}]             Mistral
 *     <|tool_call|>[{"name": ..., "arguments": {...}}]            Granite
 *
 * The words in brackets are often control tokens that the text does not show.
 */
#ifndef ELM_SERVER_TOOLS_H
#define ELM_SERVER_TOOLS_H

#include <edgelm/status.h>

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Looks for calls of `tools`, an array of OpenAI's function definitions. What is no call of one of
 * them stays text. *calls is a new array of {"type", "function": {"name", "arguments"}, "id"}, as
 * OpenAI has them, NULL when there is none; (*content) of the text before them is left. False when
 * memory runs out.
 */
bool elm__tools_parse(const char *text, size_t length, const json_t *tools, json_t **calls,
		      size_t *content);

/* How much of a text that still grows can be told already, because no call begins in it; at least
 * the `told` bytes of the call before. */
size_t elm__tools_certain(const char *text, size_t length, size_t told);

/* A JSON schema of a call of one of the tools, or of the one named (may be NULL); NULL when memory
 * runs out or none has the name. */
json_t *elm__tools_schema(const json_t *tools, const char *name);

#endif
