/*
 * edgelm/session.h: sequences of tokens and their KV cache, advanced in batches.
 *
 * A session owns a cache of a fixed number of tokens, shared by up to max_sequences sequences, and
 * the threads that compute. All its memory is sized and taken when it is created. A session belongs
 * to one thread at a time; several sessions may share a model.
 *
 * A step takes rows of (token, position, sequence) of any mixture: a whole prompt, one token of
 * each of many sequences, or both at once. The positions of a sequence must continue where it
 * stands.
 */
#ifndef EDGELM_SESSION_H
#define EDGELM_SESSION_H

#include <edgelm/model.h>

typedef struct elm_session elm_session;

typedef struct elm_session_options {
	uint32_t context; /* tokens in the cache, over all sequences; 0: what the model was trained
			     for, at most 4096 */
	uint32_t max_sequences; /* 0: 1 */
	uint32_t batch;		/* rows that are computed together; longer steps are cut; 0: 512 */
	elm_type kv_type;	/* ELM_TYPE_F32, F16, Q8_0 (8 bits) or IQ4_NL (4 bits, rotated);
				 * elm_session_defaults sets F16 */
	uint32_t max_logits;	/* rows of a step that may ask for logits; 0: max_sequences */
	uint32_t max_states;	/* rows of a step that may ask for their state; 0: none */
	uint32_t threads;	/* 0: one per core that is worth using */
	uint32_t max_length;	/* tokens of one sequence; 0: the context. Where a model rotates
				   positions otherwise in long texts, this decides */
} elm_session_options;

/* Bytes that a session will take, beside the mapped weights. */
typedef struct elm_memory_estimate {
	uint64_t weights; /* of the model, mapped from its file and shared */
	uint64_t packed;  /* private copies of weights, 0 where none are made */
	uint64_t kv;	  /* cache of keys and values */
	uint64_t scratch; /* activations and logits */
	uint64_t total;
} elm_memory_estimate;

typedef struct elm_batch {
	uint32_t rows;
	const elm_token *tokens;
	const uint32_t *positions; /* in the sequence, from 0; NULL: each continues its sequence */
	const uint32_t *sequences; /* below max_sequences; NULL: all rows are of sequence 0 */
	const uint8_t *logits;	   /* 1 where logits are wanted; NULL: only of the last row, and of
				      none where `states` is given */
	const uint8_t *states;	   /* 1 where the state is wanted, and no logits; NULL: of none */
} elm_batch;

ELM_BEGIN_DECLS

/* F16 cache, and all else 0. */
ELM_API elm_session_options elm_session_defaults(void);

/*
 * What a session of these options would take, without creating it. ELM_ERR_ARGUMENT for options
 * that elm_session_create would refuse.
 */
ELM_API ELM_NODISCARD elm_status elm_session_estimate(const elm_model *model,
						      const elm_session_options *options,
						      elm_memory_estimate *out, elm_error *error);

/* The same from a file's metadata alone, for a model that is not opened. */
ELM_API ELM_NODISCARD elm_status elm_session_estimate_gguf(const elm_gguf *gguf,
							   const elm_session_options *options,
							   elm_memory_estimate *out,
							   elm_error *error);

ELM_API ELM_NODISCARD elm_status elm_session_create(elm_model *model,
						    const elm_session_options *options,
						    elm_session **out, elm_error *error);
ELM_API void elm_session_free(elm_session *session); /* NULL allowed */

/* The options in force, with all defaults filled in. */
ELM_API const elm_session_options *elm_session_get_options(const elm_session *session);
ELM_API elm_model *elm_session_model(const elm_session *session);

/*
 * Computes a batch. ELM_ERR_FULL when the cache cannot hold it, ELM_ERR_ARGUMENT for tokens,
 * positions or sequences out of range: nothing has changed then. After ELM_ERR_CANCELLED (see
 * below) the rows that were not computed are forgotten.
 */
ELM_API ELM_NODISCARD elm_status elm_session_step(elm_session *session, const elm_batch *batch,
						  elm_error *error);

/* Logits of the last step: `vocabulary` floats for the index-th row that asked for them, valid
 * until the next step. NULL when index is out of range. They may be changed in place. */
ELM_API float *elm_session_logits(elm_session *session, uint32_t index);

/* States of the last step, in the same way: `width` floats of the model, the last layer's output
 * after its norm, of which the logits would be made. Texts are compared by them (embeddings). */
ELM_API const float *elm_session_state(const elm_session *session, uint32_t index);

/* A flag that another thread or a signal handler sets to make a running step return early with
 * ELM_ERR_CANCELLED, between batches. NULL (the default) for none. */
ELM_API void elm_session_set_cancel(elm_session *session, const volatile int *flag);

/* Tokens that a sequence holds. */
ELM_API uint32_t elm_session_length(const elm_session *session, uint32_t sequence);
/* Forgets the tokens of a sequence from `length` on; a length beyond its own changes nothing. */
ELM_API void elm_session_truncate(elm_session *session, uint32_t sequence, uint32_t length);
/* Makes `to` (emptied first) hold the first `length` tokens of `from`; whole blocks are shared, not
 * copied. ELM_ERR_FULL when the partial last block cannot be copied. */
ELM_API ELM_NODISCARD elm_status elm_session_fork(elm_session *session, uint32_t from, uint32_t to,
						  uint32_t length, elm_error *error);
/* Tokens for which there is still room: free blocks times 32. */
ELM_API uint32_t elm_session_free_tokens(const elm_session *session);

ELM_END_DECLS

#endif
