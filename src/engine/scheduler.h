/*
 * scheduler.h: the inside of a scheduler, shared by its files.
 *
 *     scheduler.c   the public functions and the engine thread
 *     capacity.c    how large the cache is, decided before anything is taken
 *     batch.c       who runs, and the rows of the next step
 *     restore.c     prompts from and to the cache on disk
 *
 * One lock. Other threads only add to the queue, mark requests as cancelled and read what was
 * published; everything else is the engine thread's. It holds the lock while it decides and lets go
 * of it while it computes and while it calls back. The queue and the list of running requests
 * change under the lock only.
 */
#ifndef ELM_ENGINE_SCHEDULER_H
#define ELM_ENGINE_SCHEDULER_H

#include <pthread.h>

#include "engine/pace.h"
#include "engine/pressure.h"
#include "engine/prompt_store.h"
#include "engine/queue.h"
#include "engine/session.h"

/* The rows of one step. */
typedef struct elm__step {
	uint32_t n, decode_rows;
	elm_token *tokens;
	uint32_t *sequences;
	uint8_t *logits, *states;
	uint32_t n_members;
	struct elm__step_member {
		elm__request *request;
		uint32_t rows; /* 1: its next token, if nothing else of it was missing */
	} * members;	       /* in the order of the rows */
} elm__step;

struct elm_scheduler {
	elm_scheduler_options options;
	elm_model *model;
	elm_session *session;
	elm__cache *cache;	  /* of the session */
	elm__prompt_store *store; /* NULL: none */
	elm__request_limits limits;
	elm__arena arena;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;	/* there may be something to do */
	pthread_cond_t settled; /* no request is left */

	/* under the lock */
	elm__queue queue;
	elm__request **running; /* higher priorities first, then who was admitted first */
	uint32_t n_running;
	uint32_t unsettled; /* accepted, and the last event is not delivered yet */
	uint64_t last_id, refused;
	bool draining; /* accept no more */
	bool dropping; /* cancel all */
	bool quitting;
	elm__pressure pressure;
	double seconds_each; /* that a request ran, lately */
	elm_scheduler_stats published;
	elm_slot *slots;
	uint32_t n_slots;

	/* of the engine thread */
	elm_scheduler_stats stats;
	elm__pace pace;
	bool memory_is_fine;	  /* computed texts may be kept */
	uint64_t turns;		  /* requests admitted so far */
	uint32_t *free_sequences; /* a stack */
	uint32_t n_free_sequences;
	elm__step step;
};

/* Fills in the defaults, checks, and says how much memory that takes. */
ELM_NODISCARD elm_status elm__capacity_plan(const elm_model *model, elm_scheduler_options *options,
					    elm_memory_estimate *out, elm_error *error);

/* --- batch.c: with the lock held, on the engine thread --- */

/* Lets waiting requests in, as far as there is room. */
void elm__batch_admit(elm_scheduler *s, uint64_t now_ns);

/* Takes a request out of those that run, and gives its part of the cache back. */
void elm__batch_leave(elm_scheduler *s, elm__request *request);

/* Decides the rows of the next step; those who have no room wait or make room for others. There is
 * at least one row when a request runs. */
void elm__batch_plan(elm_scheduler *s);

/* More of a request's text, from token `from` on, is in the cache by the work of others: counts as
 * reused when it is the first time. */
void elm__batch_found(elm_scheduler *s, elm__request *r, uint32_t from);

/* --- restore.c: on the engine thread, without the lock --- */

/* Opens the store that the options ask for. */
ELM_NODISCARD elm_status elm__restore_open(elm_scheduler *s, elm_error *error);

/* Reads what is on disk of the texts of requests that run. Where somebody is being answered, only
 * for some milliseconds; those whose next block is still to be read are marked. */
void elm__restore_read(elm_scheduler *s);

/* Gives the blocks of the request's prompt that have been computed to the store. */
void elm__restore_save(elm_scheduler *s, elm__request *r);

#endif
