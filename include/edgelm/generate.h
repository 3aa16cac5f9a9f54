/*
 * edgelm/generate.h: text from a prompt, on one sequence of a session.
 *
 * A generator knows the tokens that its sequence holds. When the next prompt begins with the same
 * tokens, as the next turn of a conversation does, only the rest is computed.
 */
#ifndef EDGELM_GENERATE_H
#define EDGELM_GENERATE_H

#include <edgelm/grammar.h>
#include <edgelm/sampler.h>
#include <edgelm/session.h>

typedef struct elm_generator elm_generator;

/* Why a generation ended. */
typedef enum elm_finish {
	ELM_FINISH_EOS = 1,   /* the model ended it, or its constraint: it is complete */
	ELM_FINISH_LENGTH,    /* max_tokens were generated */
	ELM_FINISH_STOP,      /* a stop string appeared */
	ELM_FINISH_CONTEXT,   /* the context is full */
	ELM_FINISH_CANCELLED, /* by the flag, or by the text callback */
	ELM_FINISH_DEADLINE,  /* its time was over (scheduler) */
	ELM_FINISH_FILTER,    /* no token was allowed to follow */
	ELM_FINISH_POOLED,    /* its states are complete (scheduler) */
	ELM_FINISH_COUNT      /* all values are below; for tables */
} elm_finish;

/* Receives text as it comes: whole UTF-8 characters, never part of a stop string. Not
 * NUL-terminated; length > 0. Returning false ends the generation. */
typedef bool elm_generate_text(void *user, const char *text, size_t length);

/* Told how much of the prompt has been computed, after each batch. */
typedef void elm_generate_progress(void *user, uint32_t done, uint32_t total);

typedef struct elm_generate_options {
	const elm_token *prompt; /* the whole prompt from position 0, BOS included */
	size_t prompt_count;	 /* at least 1 */
	size_t max_tokens;	 /* 0: until the model ends it or the context is full */
	const char *const *stop; /* valid UTF-8, none empty; the text ends before them */
	size_t stop_count;
	uint32_t draft; /* guess up to this many tokens ahead from what was read before (prompt
			   lookup). Each token is still drawn from the model's logits, which differ
			   from those of single steps by rounding only. The session's max_logits
			   must be larger. 0: off */
	elm_constraint *constraint; /* the text must satisfy it, unless the end is another than
				       ELM_FINISH_EOS; started over by the run; may be NULL */
	bool ignore_eos;	    /* tokens that end a generation cannot be chosen */
	bool special;		    /* show control tokens in the text */
	bool new_text; /* the answer is a text of its own, so an SPM vocabulary's leading space is
			  dropped; otherwise it continues the prompt */
	uint64_t arrival_ns;	    /* CLOCK_MONOTONIC when the request came in; 0: the call */
	const volatile int *cancel; /* ends the generation when another thread or a signal handler
				       makes it non-zero; may be NULL */
	elm_generate_text *on_text; /* may be NULL */
	elm_generate_progress *on_prompt; /* may be NULL */
	void *user;
} elm_generate_options;

/* Times between tokens in seconds, by linear interpolation between the nearest ranks. */
typedef struct elm_intervals {
	size_t n; /* 0: there are none, and the rest means nothing */
	double mean, p50, p95, p99;
} elm_intervals;

/*
 * What came out. Text and arrays belong to the generator and live until its next run. A token that
 * ends the generation (EOS) is neither counted nor kept in the sequence.
 */
typedef struct elm_generate_result {
	elm_finish finish;
	const char *stop; /* the stop string that ended it (from the options), NULL otherwise */
	const char *text; /* all that the callback received, NUL-terminated */
	size_t text_length;
	const elm_token *tokens;
	const uint64_t *token_ns; /* CLOCK_MONOTONIC when each token was chosen */
	size_t token_count;
	size_t drafted, draft_accepted; /* tokens that were guessed ahead, and those that held */
	size_t prompt_count;		/* tokens of the prompt */
	size_t prompt_reused;		/* of them already in the cache */
	uint64_t arrival_ns, prompt_start_ns, prompt_end_ns;

	double ttft; /* seconds from arrival to the first token with text; negative: none came */
	elm_intervals tbt;  /* times between tokens, so the first token is not in it */
	double prompt_rate; /* computed (not reused) prompt tokens per second; 0: unknown */
	double token_rate;  /* tokens after the first, per second since the first; 0: unknown */
} elm_generate_result;

ELM_BEGIN_DECLS

/* "eos", "length", "stop", "context", "cancelled", "deadline", "filter"; static. */
ELM_API const char *elm_finish_name(elm_finish finish);

/* For one sequence of a session, which must outlive it; what the sequence holds is forgotten. */
ELM_API ELM_NODISCARD elm_status elm_generator_create(elm_session *session, uint32_t sequence,
						      elm_generator **out, elm_error *error);
/* Leaves the sequence as it is. NULL allowed. */
ELM_API void elm_generator_free(elm_generator *generator);

/*
 * Runs to the end. The sampler's history is replaced by the prompt. `result` is filled in whenever
 * ELM_OK is returned, also when it was cancelled. A prompt that does not fit in the context is
 * ELM_ERR_FULL and says by how much; wrong options are ELM_ERR_ARGUMENT.
 */
ELM_API ELM_NODISCARD elm_status elm_generator_run(elm_generator *generator, elm_sampler *sampler,
						   const elm_generate_options *options,
						   elm_generate_result *result, elm_error *error);

/* The tokens that the sequence holds: the last prompt and answer. */
ELM_API const elm_token *elm_generator_tokens(const elm_generator *generator, size_t *count);

ELM_END_DECLS

#endif
