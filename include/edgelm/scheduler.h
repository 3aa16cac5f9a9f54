/*
 * edgelm/scheduler.h: many requests on one model at once.
 *
 * A scheduler owns one session (the paged KV cache) of a model and one engine thread that computes.
 * Any thread submits requests and cancels them; what comes of a request is told to its callback, on
 * the engine thread. Each step of the engine mixes the next token of every running request with a
 * slice of the prompts that are still to be computed (continuous batching). Prompts that begin
 * alike are computed once. docs/SCHEDULER.md has the whole story.
 *
 * Life of a request: elm_scheduler_submit copies all that the request points to and returns an id.
 * Then the callback is called any number of times and, for every request that was accepted, exactly
 * once with the last event, ELM_EVENT_DONE or ELM_EVENT_ERROR; `user` is not touched afterwards.
 */
#ifndef EDGELM_SCHEDULER_H
#define EDGELM_SCHEDULER_H

#include <edgelm/generate.h>

typedef struct elm_scheduler elm_scheduler;

typedef enum elm_scheduling {
	ELM_SCHEDULING_CONTINUOUS = 0, /* requests join and leave at every step */
	ELM_SCHEDULING_STATIC = 1, /* a batch is formed of what waits, and runs until all of it has
				      ended; for comparison */
} elm_scheduling;

/* What the engine computed in a step, for traces and tests. */
typedef struct elm_step_report {
	uint32_t decode_rows;	   /* requests that got their next token */
	uint32_t prompt_rows;	   /* tokens of prompts, and of answers that are computed again */
	uint64_t start_ns, end_ns; /* CLOCK_MONOTONIC */
} elm_step_report;

typedef struct elm_scheduler_options {
	/* Of the session: `max_sequences` requests run at once (0: 8), `context` is the size of the
	 * cache in tokens over all of them (0: see kv_memory), max_logits is not used. */
	elm_session_options session;
	uint32_t context; /* tokens that one request may have, prompt and answer; 0: what the model
			     was trained for, or what fits */
	/* Size of the KV cache, where session.context is 0: in bytes, or else as a fraction (above
	 * 0, at most 1) of the memory that is available when the scheduler is created. Without
	 * either it has room for max_sequences requests of `context` tokens, in at most half of
	 * that memory. */
	uint64_t kv_memory;
	double kv_memory_fraction;

	elm_scheduling scheduling;
	double step_ms; /* a step that answers somebody is to take no longer; 0: a prompt may make
			   it up to twice as long as it is without */
	uint32_t slice; /* prompt tokens in such a step at most; 0: as many as the time allows */
	uint32_t queue; /* requests that may wait; 0: 64 */
	uint32_t tenant_queue; /* of them for one tenant; 0: no limit */
	bool no_prefix_cache;  /* keep no computed prompts beyond their requests */
	/* A folder in which computed prompts survive a restart; NULL: none. Made where it is
	 * missing. Its files take at most prompt_cache_size bytes (0: 4 GiB), and at most
	 * prompt_cache_daily bytes (0: 8 GiB) are written per day, all processes that share it
	 * together. Writing takes up to 32 MiB of memory, or one block of the cache.
	 * docs/FORMAT-PROMPT-CACHE.md */
	const char *prompt_cache;
	uint64_t prompt_cache_size, prompt_cache_daily;
	bool states; /* requests may ask for states, see elm_pooling */

	/* Memory that is to stay available on the machine; with less, computed prompts are
	 * forgotten, then fewer requests run, then new ones are refused. 0: 5 % of all memory;
	 * UINT64_MAX: do not look. `sysroot` stands before /proc in the paths (NULL: ""); it must
	 * outlive the scheduler. */
	uint64_t memory_reserve;
	const char *sysroot;

	/* Called on the engine thread after each step; may be NULL. */
	void (*on_step)(void *user, const elm_step_report *report);
	void *step_user;
} elm_scheduler_options;

/*
 * Restricts which tokens may come next (a grammar, a JSON schema). All are called on the engine
 * thread, by one request; `release` (may be NULL) once, after the last event, or by
 * elm_scheduler_free. A failure ends the request with its error.
 */
typedef struct elm_token_filter {
	/* Sets the logits of forbidden tokens to -INFINITY; *any says whether a token is left. */
	elm_status (*apply)(void *user, float *logits, size_t count, bool *any, elm_error *error);
	/* Goes on by a token that `apply` allowed. Not told of the token that ends the answer. */
	elm_status (*accept)(void *user, elm_token token, elm_error *error);
	/* Whether the text is complete and nothing can follow; may be NULL. */
	bool (*finished)(void *user);
	void (*release)(void *user);
	void *user;
} elm_token_filter;

/* The filter of a constraint, which it takes over and starts over; `new_text` as in the request. */
ELM_API elm_token_filter elm_constraint_filter(elm_constraint *constraint, bool new_text);

/* What a request wants to have instead of text: a vector that says what its prompt is about. */
typedef enum elm_pooling {
	ELM_POOLING_OFF = 0, /* nothing: it generates text */
	ELM_POOLING_MEAN,    /* the mean of the states of all its tokens */
	ELM_POOLING_FIRST,   /* the state of its first token */
	ELM_POOLING_LAST,    /* the state of its last token */
	ELM_POOLING_ALL,     /* the states of all of them */
} elm_pooling;

typedef enum elm_event_kind {
	ELM_EVENT_PROMPT = 1, /* part of the prompt has been computed; only with `progress` */
	ELM_EVENT_TOKEN,      /* a token was chosen */
	ELM_EVENT_DONE,	      /* the last: the request has ended, as `finish` says */
	ELM_EVENT_ERROR,      /* the last: it failed, as `error` says */
} elm_event_kind;

typedef struct elm_token_logprob {
	elm_token token;
	float logprob; /* natural logarithm of the model's probability, before all sampling settings
			*/
} elm_token_logprob;

/* Times are CLOCK_MONOTONIC; 0 where it did not come to that. */
typedef struct elm_request_stats {
	size_t prompt_count;	/* tokens of the prompt */
	size_t prompt_reused;	/* of them taken from the cache, when it was first computed */
	size_t token_count;	/* tokens of the answer, without one that ends it */
	uint64_t arrival_ns;	/* as given, or when it was submitted */
	uint64_t start_ns;	/* it left the queue */
	uint64_t prompt_end_ns; /* its prompt was computed */
	uint64_t first_text_ns; /* its first token whose text is not empty */
	uint64_t last_token_ns;
	uint64_t end_ns;
	uint32_t preemptions; /* times that it made room and was computed again */
} elm_request_stats;

/* Everything that it points to is valid during the call only. */
typedef struct elm_event {
	elm_event_kind kind;
	uint64_t request; /* the id */
	/* TOKEN: text that has become certain, whole UTF-8 characters and no part of a stop string,
	 * often of this token, possibly of earlier ones, possibly none. DONE: what was held back.
	 * Not NUL-terminated; never NULL. */
	const char *text;
	size_t text_length;

	elm_token token;	      /* TOKEN */
	uint64_t token_ns;	      /* TOKEN: when it was chosen */
	float logprob;		      /* TOKEN: of the token, when log probabilities were wanted */
	const elm_token_logprob *top; /* TOKEN: the most likely tokens, best first */
	size_t top_count;

	size_t prompt_done; /* PROMPT: tokens of the prompt that are in the cache now */
	elm_finish finish;  /* DONE */
	const char *stop;   /* DONE: the stop string that ended it, NULL otherwise */
	/* DONE with ELM_FINISH_POOLED: vectors, one after the other, of `state_width` floats, which
	 * is the width of the model. */
	const float *states;
	size_t state_count, state_width;
	const elm_error *error;	 /* ERROR: status and sentence */
	elm_request_stats stats; /* all; complete in the last event */
} elm_event;

/*
 * Told what comes of a request, on the engine thread: it must not block, because all requests wait
 * for it. It may call submit, cancel and the statistics. Returning false cancels the request; the
 * last event still comes.
 */
typedef bool elm_event_fn(void *user, const elm_event *event);

typedef struct elm_request {
	const elm_token *prompt; /* BOS included */
	size_t prompt_count;	 /* at least 1, below the context */
	size_t max_tokens;	 /* 0: until the model ends it or the context is full */
	const char *const *stop; /* valid UTF-8, none empty; the text ends before them */
	size_t stop_count;
	bool ignore_eos;       /* tokens that end a generation cannot be chosen */
	bool special;	       /* show control tokens in the text */
	bool new_text;	       /* the answer is a text of its own, see elm_generate_options */
	bool logprobs;	       /* wanted with each token */
	uint32_t top_logprobs; /* and those of so many most likely tokens, at most 128 */
	bool progress;	       /* ELM_EVENT_PROMPT is wanted */
	elm_pooling pooling;   /* states are wanted instead of text: nothing from max_tokens to
				  progress matters, sampling and filter must be NULL */
	const elm_sampler_options *sampling; /* NULL: elm_sampler_defaults */
	const elm_token_filter *filter;	     /* NULL: none; owned by the scheduler once submitted,
						by the caller still when that fails */

	int32_t priority; /* higher ones go first and may take the place of running lower ones */
	uint64_t tenant;  /* who asks: within a priority, the tenant who was served least is next */
	uint64_t cache_scope; /* computed prompts are shared only within a scope; 0 for all. The
				 prompt cache on disk outlives the process: the scopes must, too */
	bool not_on_disk;     /* neither look for the prompt there nor write it */
	uint64_t arrival_ns;  /* CLOCK_MONOTONIC when it came in; 0: now */
	uint64_t deadline_ns; /* CLOCK_MONOTONIC; 0: none. While it waits, it fails with
				 ELM_ERR_CANCELLED; while it runs, it ends with
				 ELM_FINISH_DEADLINE */

	elm_event_fn *on_event;
	void *user;
} elm_request;

/* Counts of values up to each bound, as Prometheus has them but not added up. */
enum { ELM_HISTOGRAM_BOUNDS = 16 };
typedef struct elm_histogram {
	const double *bounds; /* ELM_HISTOGRAM_BOUNDS of them, ascending; static */
	uint64_t buckets[ELM_HISTOGRAM_BOUNDS + 1]; /* the last: above all bounds */
	uint64_t count;
	double sum;
} elm_histogram;

typedef enum elm_pressure {
	ELM_PRESSURE_NONE = 0,
	ELM_PRESSURE_SHRINK, /* computed prompts are not kept */
	ELM_PRESSURE_FEWER,  /* and only half as many requests run */
	ELM_PRESSURE_REFUSE, /* and no new ones are accepted */
} elm_pressure;

/* The prompt cache on disk, since it was opened; blocks are of 32 tokens. */
typedef struct elm_prompt_cache_stats {
	uint64_t blocks_read, blocks_written;
	uint64_t bytes_read, bytes_written;
	uint64_t damaged; /* files that were not as they must be, and were deleted */
	uint64_t deleted; /* files that made room for others */
	uint64_t skipped; /* blocks not written, because of the day's limit or after a failure */
	uint64_t failed;  /* writes */
	uint64_t bytes;	  /* of all files, when last counted */
} elm_prompt_cache_stats;

/* Everything since the scheduler was created, unless it says "now". */
typedef struct elm_scheduler_stats {
	uint32_t waiting, running;	     /* requests, now */
	uint32_t max_sequences, queue;	     /* room for them */
	uint64_t submitted;		     /* accepted */
	uint64_t refused;		     /* queue full, memory, or drained */
	uint64_t finished[ELM_FINISH_COUNT]; /* by elm_finish */
	uint64_t failed;		     /* that ended with ELM_EVENT_ERROR */

	uint64_t prompt_tokens;	    /* of requests whose prompt has been computed */
	uint64_t reused_tokens;	    /* of them taken from the cache */
	uint64_t generated_tokens;  /* chosen */
	uint64_t recomputed_tokens; /* once more, after preemption */
	uint64_t preemptions;
	uint64_t steps;
	double prompt_seconds; /* of steps with prompt tokens only */
	double decode_seconds; /* of steps without prompt tokens */
	double mixed_seconds;

	uint32_t kv_blocks;		     /* of 32 tokens */
	uint32_t kv_blocks_used;	     /* now, by running requests */
	uint32_t kv_blocks_kept;	     /* now, with computed prompts that nobody uses */
	uint64_t kv_bytes;		     /* of all blocks */
	uint64_t evictions;		     /* kept blocks that made room */
	elm_pressure pressure;		     /* now */
	elm_prompt_cache_stats prompt_cache; /* all 0 without one */

	elm_histogram ttft, tbt, queue_time;	  /* seconds */
	elm_histogram prompt_sizes, answer_sizes; /* tokens, of requests that are done */
	elm_histogram step_time;		  /* seconds */
	elm_histogram batch_size;		  /* decode rows of a step */
} elm_scheduler_stats;

/* A request that runs, now. */
typedef struct elm_slot {
	uint64_t request;
	uint64_t tenant;
	size_t prompt_count, prompt_done; /* done: in the cache */
	size_t token_count;		  /* of the answer, so far */
	size_t max_tokens;
} elm_slot;

ELM_BEGIN_DECLS

/* Those of elm_session_defaults, and all else 0. */
ELM_API elm_scheduler_options elm_scheduler_defaults(void);

/* What a scheduler of these options would take, with *options as they would be in force; kv_memory
 * is the size of the cache then. */
ELM_API ELM_NODISCARD elm_status elm_scheduler_estimate(const elm_model *model,
							elm_scheduler_options *options,
							elm_memory_estimate *out, elm_error *error);

/* The model stays the caller's and must outlive the scheduler. */
ELM_API ELM_NODISCARD elm_status elm_scheduler_create(elm_model *model,
						      const elm_scheduler_options *options,
						      elm_scheduler **out, elm_error *error);
/* Cancels all requests, whose last events are delivered before this returns. Not from a callback.
 * NULL allowed. */
ELM_API void elm_scheduler_free(elm_scheduler *scheduler);

/* The options in force, with all defaults filled in. */
ELM_API const elm_scheduler_options *elm_scheduler_get_options(const elm_scheduler *scheduler);
ELM_API elm_model *elm_scheduler_model(const elm_scheduler *scheduler);

/*
 * Accepts a request. *id (may be NULL) is set before its first event; ids begin at 1 and are not
 * used again. ELM_ERR_ARGUMENT for wrong settings, by name; ELM_ERR_LIMIT for a prompt that leaves
 * no room for an answer in the context; ELM_ERR_FULL when too many wait, or memory is short, and
 * ELM_ERR_QUOTA when too many of the tenant wait: try again later; ELM_ERR_CANCELLED after
 * elm_scheduler_drain was called.
 */
ELM_API ELM_NODISCARD elm_status elm_scheduler_submit(elm_scheduler *scheduler,
						      const elm_request *request, uint64_t *id,
						      elm_error *error);

/* The request ends with ELM_FINISH_CANCELLED before the next step begins. An id that is not (or no
 * longer) known changes nothing. */
ELM_API void elm_scheduler_cancel(elm_scheduler *scheduler, uint64_t id);

/*
 * Accepts no more requests, and waits until those that were accepted have ended. After `seconds`
 * the rest is cancelled and ELM_ERR_CANCELLED returned. May be called again. Not from a callback.
 */
ELM_API ELM_NODISCARD elm_status elm_scheduler_drain(elm_scheduler *scheduler, double seconds,
						     elm_error *error);

/* Seconds, at least 1, after which a refused request may be tried again: about when the queue will
 * have got shorter, at the present pace. */
ELM_API double elm_scheduler_retry_after(elm_scheduler *scheduler);

ELM_API void elm_scheduler_get_stats(elm_scheduler *scheduler, elm_scheduler_stats *out);

/* Fills in at most `room` requests that run, oldest first; returns how many run. */
ELM_API size_t elm_scheduler_slots(elm_scheduler *scheduler, elm_slot *out, size_t room);

ELM_END_DECLS

#endif
