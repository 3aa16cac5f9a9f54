/*
 * loaded.h: a model that is loaded, with all that it takes to answer for it.
 *
 * What it needs is known before it is taken: the weights from the file's table, the KV cache and
 * scratch memory from the scheduler's estimate. Where that is not there, models that nobody uses
 * make room; where they cannot, loading fails with ELM_ERR_NO_MEMORY and nothing was taken.
 */
#ifndef ELM_SERVER_LOADED_H
#define ELM_SERVER_LOADED_H

#include <edgelm/scheduler.h>
#include <stdatomic.h>

#include "engine/chat.h"
#include "server/forms.h"

/* How models are loaded, all alike. */
typedef struct elm__load_options {
	elm_model_options opening; /* its progress is not used */
	elm_scheduler_options scheduling;
	const char *chat_template;		   /* as elm__chat_format_open has it */
	const volatile int *cancel;		   /* not 0: stop loading; NULL: never */
	void (*say)(void *user, const char *line); /* for the operator; from many threads; NULL:
						      nothing is said */
	void *say_user;
} elm__load_options;

typedef struct elm__loaded {
	const char *name; /* of the load */
	elm_model *model;
	const elm_tokenizer *tokenizer;
	elm_scheduler *scheduler;
	elm__chat_format format;
	const char *chat_template; /* the model's own, "" where it has none or another is used */
	elm__forms *forms;
	uint64_t weights;	/* bytes, mapped */
	_Atomic size_t longest; /* tokens of a prompt and its answer */

	/* models.c, under its lock: */
	struct elm__loaded *next; /* of those that were replaced */
	size_t entry;		  /* whose it is */
	uint32_t users;
	bool replaced; /* freed when the last user lets go */
	bool drained;
} elm__loaded;

/* One model to be loaded, and what its memory is weighed against. */
typedef struct elm__load {
	const elm__load_options *options;
	const char *name, *path;	/* must outlive what is loaded */
	uint64_t (*others)(void *user); /* bytes of the weights of other models that are loaded */
	bool (*make_room)(void *user);	/* unloads one of them; false: none can be spared */
	bool (*cancelled)(void *user);
	void *user;
} elm__load;

/* On success *out is the caller's. */
ELM_NODISCARD elm_status elm__loaded_create(const elm__load *load, elm__loaded **out,
					    elm_error *error);
/* Requests that still run are cancelled. NULL allowed. */
void elm__loaded_free(elm__loaded *loaded);

/* A line about a model: "model NAME: ...". */
void elm__load_say(const elm__load_options *options, const char *name, const char *format, ...)
	ELM_PRINTF(3, 4);

#endif
