/*
 * import_json.c: sources in JSON.
 *
 * SQuAD and QuAC are {"data": [{"paragraphs": [{"context": "", "qas": [{"id": "", "question":
 * ""}]}]}]}, MultiWOZ as DialogStudio has it {"DIALOGUE": {"prompt": [""], "log": [{"dialog
 * history": ""}]}}; whatever else is in them is skipped.
 */
#include <string.h>

#include "study/import.h"
#include "study/json_pull.h"

enum { LENGTH_LIMIT = 1600 }; /* characters; from here on a text is refused */

typedef struct import {
	elm__pull pull;
	elm__pool *pool;
	elm__buf key, id, text, context;
	bool with_context;
} import;

static bool is_key(const import *im, const char *name)
{
	return strcmp(elm__buf_text(&im->key), name) == 0;
}

/* Hands a failure to the reader, which then ends. */
static bool note(import *im, elm_status status)
{
	if (status != ELM_OK && im->pull.status == ELM_OK)
		im->pull.status = status;
	return im->pull.status == ELM_OK;
}

static bool read_qa(import *im)
{
	bool has_id = false, has_question = false;
	const char *id, *question;

	if (!elm__pull_object(&im->pull))
		return false;
	while (elm__pull_key(&im->pull, &im->key)) {
		if (is_key(im, "id"))
			has_id = elm__pull_string(&im->pull, &im->id);
		else if (is_key(im, "question"))
			has_question = elm__pull_string(&im->pull, &im->text);
		else
			elm__pull_skip(&im->pull);
	}
	if (im->pull.status != ELM_OK)
		return false;
	if (!has_id || !has_question)
		return elm__pull_fail(&im->pull, ELM_ERR_FORMAT, "a question ends that has no %s",
				      has_id ? "\"question\"" : "\"id\"");
	elm__text_one_line(&im->id); /* keys are C strings */
	elm__text_one_line(&im->text);
	id = elm__pool_copy(im->pool, &im->id);
	question = elm__pool_copy(im->pool, &im->text);
	return note(im, elm__pool_add(im->pool, id, question, im->pull.error));
}

static bool keep_context(import *im)
{
	elm__passage *passage = &im->pool->passages[im->pool->passage_count - 1];
	size_t characters;

	if (!elm__pull_string(&im->pull, &im->context))
		return false;
	characters = elm__text_characters(elm__buf_text(&im->context), im->context.length);
	passage->refused = characters >= LENGTH_LIMIT;
	elm__text_remove(&im->context, " CANNOTANSWER");
	elm__text_one_line(&im->context);
	passage->context = elm__pool_copy(im->pool, &im->context);
	return passage->context ||
	       elm__pull_fail(&im->pull, ELM_ERR_NO_MEMORY, "out of memory for a context");
}

static bool read_paragraph(import *im)
{
	bool has_context = !im->with_context;

	if (!note(im, elm__pool_add_passage(im->pool, im->pull.error)) ||
	    !elm__pull_object(&im->pull))
		return false;
	while (elm__pull_key(&im->pull, &im->key)) {
		if (is_key(im, "qas")) {
			if (elm__pull_array(&im->pull))
				while (elm__pull_item(&im->pull))
					read_qa(im);
		} else if (im->with_context && is_key(im, "context")) {
			has_context = keep_context(im);
		} else {
			elm__pull_skip(&im->pull);
		}
	}
	if (im->pull.status == ELM_OK && !has_context)
		return elm__pull_fail(&im->pull, ELM_ERR_FORMAT,
				      "a paragraph ends that has no \"context\"");
	return im->pull.status == ELM_OK;
}

static bool read_topic(import *im)
{
	if (!note(im, elm__pool_add_topic(im->pool, im->pull.error)) ||
	    !elm__pull_object(&im->pull))
		return false;
	while (elm__pull_key(&im->pull, &im->key)) {
		if (!is_key(im, "paragraphs"))
			elm__pull_skip(&im->pull);
		else if (elm__pull_array(&im->pull))
			while (elm__pull_item(&im->pull))
				read_paragraph(im);
	}
	return im->pull.status == ELM_OK;
}

static elm_status finish(import *im)
{
	elm__buf_release(&im->key);
	elm__buf_release(&im->id);
	elm__buf_release(&im->text);
	elm__buf_release(&im->context);
	return elm__pull_end(&im->pull);
}

static elm_status read_paragraphs(elm__pool *pool, bool with_context, const char *name,
				  const char *text, size_t length, elm_error *error)
{
import im = {.pool = pool, .with_context = with_context };
	bool has_data = false;

	elm__pull_init(&im.pull, name, text, length, error);
	if (elm__pull_object(&im.pull))
		while (elm__pull_key(&im.pull, &im.key)) {
			if (!is_key(&im, "data")) {
				elm__pull_skip(&im.pull);
				continue;
			}
			has_data = true;
			if (elm__pull_array(&im.pull))
				while (elm__pull_item(&im.pull))
					read_topic(&im);
		}
	if (!has_data)
		elm__pull_fail(&im.pull, ELM_ERR_FORMAT, "there is no \"data\" in it");
	return finish(&im);
}

elm_status elm__import_squad(elm__pool *pool, const char *name, const char *text, size_t length,
			     elm_error *error)
{
	return read_paragraphs(pool, false, name, text, length, error);
}

elm_status elm__import_quac(elm__pool *pool, const char *name, const char *text, size_t length,
			    elm_error *error)
{
	return read_paragraphs(pool, true, name, text, length, error);
}

/* The first of the prompts, into im->id. */
static bool read_prompt(import *im)
{
	bool has = false;

	if (!elm__pull_array(&im->pull))
		return false;
	while (elm__pull_item(&im->pull)) {
		if (has)
			elm__pull_skip(&im->pull);
		else
			has = elm__pull_string(&im->pull, &im->id);
	}
	return has;
}

/* The history of the last turn, into im->text. */
static bool read_log(import *im)
{
	bool has = false;

	if (!elm__pull_array(&im->pull))
		return false;
	while (elm__pull_item(&im->pull)) {
		has = false;
		if (!elm__pull_object(&im->pull))
			break;
		while (elm__pull_key(&im->pull, &im->key)) {
			if (is_key(im, "dialog history"))
				has = elm__pull_string(&im->pull, &im->text);
			else
				elm__pull_skip(&im->pull);
		}
	}
	return has;
}

/* Makes the query of im->id and im->text. Its length counts the end of the line. */
static bool add_dialogue(import *im)
{
	const char *text;

	elm__text_remove(&im->id, " and external database");
	elm__text_remove_system(&im->text);
	elm__text_remove_references(&im->text);
	elm__buf_puts(&im->id, " : ");
	elm__buf_append(&im->id, elm__buf_text(&im->text), im->text.length);
	if (elm__text_characters(elm__buf_text(&im->id), im->id.length) + 1 >= LENGTH_LIMIT)
		return true;
	elm__text_one_line(&im->id);
	text = elm__pool_copy(im->pool, &im->id);
	return note(im, elm__pool_add(im->pool, text, text, im->pull.error));
}

static bool read_dialogue(import *im)
{
	bool has_prompt = false, has_history = false;

	if (!elm__pull_object(&im->pull))
		return false;
	while (elm__pull_key(&im->pull, &im->key)) {
		if (is_key(im, "prompt"))
			has_prompt = read_prompt(im);
		else if (is_key(im, "log"))
			has_history = read_log(im);
		else
			elm__pull_skip(&im->pull);
	}
	if (im->pull.status != ELM_OK)
		return false;
	if (!has_prompt || !has_history)
		return elm__pull_fail(&im->pull, ELM_ERR_FORMAT, "a dialogue ends that has no %s",
				      has_prompt ? "\"dialog history\" in its last turn" :
						   "\"prompt\"");
	return add_dialogue(im);
}

elm_status elm__import_multiwoz(elm__pool *pool, const char *name, const char *text, size_t length,
				elm_error *error)
{
import im = {.pool = pool };

	elm__pull_init(&im.pull, name, text, length, error);
	if (elm__pull_object(&im.pull))
		while (elm__pull_key(&im.pull, &im.key))
			read_dialogue(&im);
	return finish(&im);
}
