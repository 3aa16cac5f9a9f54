/*
 * trainer.h: training as a whole: a model, text, and steps that make the one predict the other.
 *
 * A trainer that is saved and restored goes on as if it had never stopped: the same text in the
 * same order and the same losses to the last bit, on the same processor tier, with any number of
 * threads.
 */
#ifndef ELM_TRAIN_TRAINER_H
#define ELM_TRAIN_TRAINER_H

#include "train/corpus.h"
#include "train/optimizer.h"
#include "train/pass.h"
#include "train/shape.h"

typedef struct elm__train_options {
	uint32_t
		context; /* tokens of a window, at most the model's context; 0: that, at most 512 */
	uint32_t batch;	 /* rows of a step */
	uint32_t rows;	 /* computed at once, at least the context; 0: 1024 or the context */
	uint64_t steps;	 /* 0: as many as `epochs` take */
	double epochs;
	double rate, low_rate; /* at the peak and at the end */
	uint64_t warmup;       /* steps */
	double decay, clip, beta1, beta2, epsilon;
	uint64_t seed;	  /* of first weights and the order of the text */
	unsigned threads; /* 0: one per core that is worth using */
	const char *isa;  /* NULL: the best that the machine has */
	bool bf16;	  /* products with weights may round what they multiply to bfloat16 */
} elm__train_options;

elm__train_options elm__train_defaults(void);

/* Where the weights come from: `file`, or else `shape` at random. */
typedef struct elm__train_source {
	/* A model to go on from, or a checkpoint; with `shape`, any file with the vocabulary. Must
	 * outlive the trainer. */
	const elm_gguf *file;
	const elm__shape *shape; /* NULL: the model in the file */
} elm__train_source;

typedef struct elm__trainer elm__trainer;

/*
 * A teacher, whose predictions are learned beside (or instead of) the text. `teach` writes what it
 * says about the rows of a window that have a target, `count` tokens each, row i at i * count: see
 * elm__lesson.
 */
typedef struct elm__teaching {
	elm_status (*teach)(void *user, const elm__corpus *corpus, const elm__window *window,
			    uint32_t *tokens, float *likelihoods, elm_error *error);
	void *user;
	uint32_t count;
	float temperature, share;
	uint64_t identity; /* of the teacher: another one is another training */
	bool same_cuts;	   /* it knows only windows that are cut at the same places in each epoch */
} elm__teaching;

typedef struct elm__train_report {
	uint64_t step; /* that was done: 1 for the first */
	uint64_t rows, targets;
	double loss, cross_entropy; /* means over the targets, in nats */
	double rate, length;	    /* the learning rate; the gradient before clipping */
	uint64_t epoch;		    /* of the text, from 0, after the step */
} elm__train_report;

/* Takes all memory. `corpus` must outlive the trainer. */
ELM_NODISCARD elm_status elm__trainer_create(const elm__train_source *source,
					     const elm__train_options *options,
					     const elm__corpus *corpus, elm__trainer **out,
					     elm_error *error);
void elm__trainer_free(elm__trainer *trainer); /* NULL allowed */

/* Sets the teacher, before the first step; *teaching is copied, its user must outlive the trainer.
 */
ELM_NODISCARD elm_status elm__trainer_teach(elm__trainer *trainer, const elm__teaching *teaching,
					    elm_error *error);

/* The options in force, with all defaults filled in. */
const elm__train_options *elm__trainer_options(const elm__trainer *trainer);
const elm__hparams *elm__trainer_hparams(const elm__trainer *trainer);
uint64_t elm__trainer_parameters(const elm__trainer *trainer);
uint64_t elm__trainer_steps_done(const elm__trainer *trainer);
const char *elm__trainer_isa(const elm__trainer *trainer);
unsigned elm__trainer_threads(const elm__trainer *trainer);

/* One step. After a failure (ELM_ERR_LIMIT: see elm__optimizer_step) the weights are as before, but
 * the place in the text is not. */
ELM_NODISCARD elm_status elm__trainer_step(elm__trainer *trainer, elm__train_report *report,
					   elm_error *error);

/* Adds the loss of all of `corpus` to *loss; training is not touched. ELM_ERR_CANCELLED when
 * *cancel (may be NULL) becomes true. */
ELM_NODISCARD elm_status elm__trainer_measure(elm__trainer *trainer, const elm__corpus *corpus,
					      const volatile int *cancel, elm__train_loss *loss,
					      elm_error *error);

/* Writes the model as GGUF, matrices as F32, F16 or BF16. */
ELM_NODISCARD elm_status elm__trainer_export(const elm__trainer *trainer, const char *path,
					     elm_type type, elm_error *error);

/* Writes all that elm__trainer_restore needs, atomically: a GGUF file with the weights and the
 * state of training; see docs/TRAINING.md. */
ELM_NODISCARD elm_status elm__trainer_save(const elm__trainer *trainer, const char *path,
					   elm_error *error);

/* Opens a checkpoint. ELM_ERR_ARGUMENT when the file is something else. On success *out is the
 * caller's (elm_gguf_close). */
ELM_NODISCARD elm_status elm__checkpoint_open(const char *path, elm_gguf **out, elm_error *error);

/* Goes to where a checkpoint stands, which the trainer was created from. ELM_ERR_FORMAT when it is
 * damaged, ELM_ERR_ARGUMENT when it was made with other settings or another text. */
ELM_NODISCARD elm_status elm__trainer_restore(elm__trainer *trainer, const elm_gguf *checkpoint,
					      elm_error *error);

#endif
