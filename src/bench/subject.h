/* subject.h: how a benchmark names a model. */
#ifndef ELM_BENCH_SUBJECT_H
#define ELM_BENCH_SUBJECT_H

#include <edgelm/model.h>

enum { ELM__BENCH_PATH = 1024 };

typedef struct elm__bench_subject {
	char type[160];		    /* "llama 1.1B Q4_0" */
	char path[ELM__BENCH_PATH]; /* printable, cut where it is longer */
	const char *isa;	    /* the model's */
	uint64_t size, parameters;  /* bytes and elements of all tensors */
} elm__bench_subject;

/*
 * The type is architecture, size and kind of file. The size is general.size_label, or else the
 * number of parameters ("1.1B", "135M"). The kind is what general.file_type stands for, or else,
 * marked "(guessed)", the type that most weights have.
 */
void elm__bench_subject_of(elm__bench_subject *subject, const elm_model *model);

#endif
