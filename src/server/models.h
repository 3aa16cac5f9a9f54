/*
 * models.h: the models of a server, by name.
 *
 * A model is loaded by the first request for it, which waits for that, as do all others that come
 * in the meantime. It is unloaded when nobody has asked for it for some time, or to make room for
 * another. When its file changes, requests that run end with the old model and new ones get the new
 * one. A request holds its model from elm__models_acquire to elm__models_release.
 */
#ifndef ELM_SERVER_MODELS_H
#define ELM_SERVER_MODELS_H

#include "server/loaded.h"

typedef struct elm__models elm__models;

typedef struct elm__model_source {
	const char *name; /* as clients call it */
	const char *path;
} elm__model_source;

typedef struct elm__models_options {
	const elm__model_source *sources; /* the first is the default */
	size_t count;			  /* at least 1 */
	size_t most;			  /* that are loaded at once; 0: as many as memory allows */
	double idle_seconds; /* without a request until a model is unloaded; 0: never */
	elm__load_options loading;
} elm__models_options;

typedef enum elm__model_state {
	ELM__MODEL_UNLOADED = 0,
	ELM__MODEL_LOADING,
	ELM__MODEL_LOADED,
} elm__model_state;

/* What is known of a model, whether it is loaded or not. */
typedef struct elm__model_figures {
	uint64_t loads, failures;
	elm_scheduler_stats stats; /* of all times that it was loaded */
	size_t longest;
} elm__model_figures;

/* Copies *options but not what it points to; loads nothing. On success *out is the caller's. */
ELM_NODISCARD elm_status elm__models_create(const elm__models_options *options, elm__models **out,
					    elm_error *error);
/* Only when nothing is held any more. NULL allowed. */
void elm__models_free(elm__models *models);

size_t elm__models_count(const elm__models *models);
const elm__model_source *elm__models_source(const elm__models *models, size_t index);
/* The index of a name, or elm__models_count when there is none. */
size_t elm__models_find(const elm__models *models, const char *name);

/* Loads a model before anybody asks for it. The error is for the operator, with all that is known.
 */
ELM_NODISCARD elm_status elm__models_load(elm__models *models, size_t index, elm_error *error);

/*
 * Holds a model, loading it if need be. ELM_ERR_FULL when there is no room for it now,
 * ELM_ERR_CANCELLED after elm__models_drain or elm__models_stop, all else when it could not be
 * loaded. Errors name no files: those are in the log.
 */
ELM_NODISCARD elm_status elm__models_acquire(elm__models *models, size_t index, elm__loaded **out,
					     elm_error *error);
/* Holds it when it is loaded, NULL otherwise. That does not count as use. */
elm__loaded *elm__models_peek(elm__models *models, size_t index);
/* `used`: it was acquired, so the time without requests begins now. NULL allowed. */
void elm__models_release(elm__models *models, elm__loaded *loaded, bool used);

elm__model_state elm__models_state(elm__models *models, size_t index);
void elm__models_figures(elm__models *models, size_t index, elm__model_figures *out);
/* Seconds after which a refused request may be tried again. */
double elm__models_retry_after(elm__models *models);

/* Looks at once for files that have changed, and again at those that could not be used. */
void elm__models_reload(elm__models *models);

/* Loads nothing any more, and wakes those who wait for that. */
void elm__models_stop(elm__models *models);
/* The same; then waits up to `seconds` for requests that run, and cancels the rest. */
void elm__models_drain(elm__models *models, double seconds);

#endif
