/*
 * convert.h: a Hugging Face folder, or a checkpoint of llama2.c, to GGUF, and a GGUF file back to
 * such a folder. docs/CONVERT.md says what is read and written.
 *
 * Weights stream: memory holds the header, the vocabulary and a few rows, besides the pages of one
 * tensor of the source, which the kernel can take back at any time.
 */
#ifndef ELM_CONVERT_CONVERT_H
#define ELM_CONVERT_CONVERT_H

#include "convert/plan.h"

/* Called after every few rows; true ends the work with ELM_ERR_CANCELLED. */
typedef bool elm__convert_progress(void *user, uint64_t done, uint64_t total);

typedef struct elm__convert_options {
	elm__target target;
	bool dequantize;
	const char *name;      /* of the model; NULL: as its files say */
	const char *pre;       /* pre-tokenizer; NULL: as its files say */
	const char *tokenizer; /* tokenizer.bin, for a checkpoint of llama2.c; NULL: beside it */
	elm__convert_progress *progress; /* NULL allowed; counts bytes of output */
	void *user;
} elm__convert_options;

typedef struct elm__convert_result {
	const char *arch; /* static */
	size_t tensors;
	uint64_t parameters, bytes; /* bytes of weights that were written */
	elm_type type;		    /* that most weights have */
	size_t reordered;	    /* packed tensors that no block type can hold */
	size_t ignored;		    /* tensors that belong to other parts of a larger model */
	bool no_vocabulary;	    /* export: the file has none */
} elm__convert_result;

/* `source` is a folder or a .bin file. `output` appears only when all went well. */
ELM_NODISCARD elm_status elm__convert(const char *source, const char *output,
				      const elm__convert_options *options,
				      elm__convert_result *result, elm_error *error);

/* `folder` is made, or is empty. Each file appears as a whole, the weights first. Options: target
 * (not Q8_0), progress. */
ELM_NODISCARD elm_status elm__export(const char *model, const char *folder,
				     const elm__convert_options *options,
				     elm__convert_result *result, elm_error *error);

/*
 * llama2c.c: adds the tensors of a checkpoint under the names of Hugging Face, and fills the facts.
 * The file is one of F32 without a version ("legacy"); `path` is what the last file of `st` was
 * added as.
 */
ELM_NODISCARD elm_status elm__llama2c_read(elm__safetensors *st, elm__facts *facts,
					   const elm__st_file *file, elm_error *error);

#endif
