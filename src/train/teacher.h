/* teacher.h: a model that is asked what it would say, and answers that are kept in a file. */
#ifndef ELM_TRAIN_TEACHER_H
#define ELM_TRAIN_TEACHER_H

#include <edgelm/session.h>

#include "train/trainer.h"

typedef struct elm__teacher_options {
	uint32_t count;	     /* tokens of which it tells the probability; 0: 64 */
	float temperature;   /* above 0 */
	float share;	     /* of the loss */
	uint32_t context;    /* of windows */
	uint32_t vocabulary; /* of the student: the teacher's further tokens do not count */
	unsigned threads;    /* 0: one per core */
} elm__teacher_options;

typedef struct elm__teacher elm__teacher;

/* A teacher of any architecture and weight type. ELM_ERR_ARGUMENT when it cannot read windows of
 * that size. The model must outlive it. */
ELM_NODISCARD elm_status elm__teacher_create(elm_model *model, const elm__teacher_options *options,
					     elm__teacher **out, elm_error *error);
void elm__teacher_free(elm__teacher *teacher); /* NULL allowed */

/* What elm__trainer_teach wants; lives as long as the teacher. */
elm__teaching elm__teacher_teaching(elm__teacher *teacher);

/* ELM_ERR_ARGUMENT unless both have the same tokens with the same numbers. */
ELM_NODISCARD elm_status elm__same_vocabulary(const elm_tokenizer *teacher,
					      const elm_tokenizer *student, elm_error *error);

/*
 * All that a teacher says about a corpus, in a GGUF file: asked once, used in each epoch. It is
 * mapped and takes 8 bytes for each of `count` tokens of each target.
 */
typedef struct elm__lessons elm__lessons;

/* Asks the teacher about all of the corpus and writes the file. `progress` (may be NULL) is called
 * with tokens; ELM_ERR_CANCELLED when it returns true. */
ELM_NODISCARD elm_status elm__lessons_write(
	const char *path, const elm__teaching *teacher, const elm__corpus *corpus, uint32_t context,
	bool (*progress)(void *user, uint64_t done, uint64_t total), void *user, elm_error *error);

/* Opens a file that was made from the same teacher, with the same settings, for the same corpus
 * cut the same way, else ELM_ERR_ARGUMENT. The corpus must outlive it. */
ELM_NODISCARD elm_status elm__lessons_open(const char *path, const elm__teaching *teacher,
					   const elm__corpus *corpus, uint32_t context,
					   uint32_t vocabulary, elm__lessons **out,
					   elm_error *error);
void elm__lessons_close(elm__lessons *lessons); /* NULL allowed */

/* As the teacher's, from the file. */
elm__teaching elm__lessons_teaching(elm__lessons *lessons);

#endif
