/*
 * calib.h: what a text makes each product of a model read, and the file that holds it.
 *
 * docs/FORMAT-CALIB.md has the format: a GGUF file that llama.cpp reads as an importance matrix,
 * and the other way round.
 */
#ifndef ELM_COMPRESS_CALIB_H
#define ELM_COMPRESS_CALIB_H

#include "compress/channels.h"
#include "compress/roles.h"
#include "compress/walk.h"

typedef struct elm__calib {
	elm__channels *inputs; /* layers x ELM__INPUTS, then that of the output; count 0: unknown */
	uint32_t layers;
	uint32_t window, windows; /* of the text; 0 where the file does not say */
	const char *text_name;	  /* borrowed from the caller of create, or in the file */
	/* private */
	const elm_gguf *model;
	const elm__hparams *hp;
	elm_gguf *file; /* that it was loaded from */
	elm__arena arena;
	float *products; /* of all inputs that were created with products */
	size_t products_bytes;
	bool spilled;
} elm__calib;

typedef enum elm__calib_products {
	ELM__PRODUCTS_NONE,
	ELM__PRODUCTS_EACH,  /* of every input */
	ELM__PRODUCTS_SHARED /* layers share the memory, for who looks at one after the other */
} elm__calib_products;

/*
 * All sums zero. `model` and `hp` must outlive it. With products, 4 x cols^2 bytes per input are
 * taken, in a file beside `beside` when that is more than `memory` bytes in all; the output has
 * none.
 */
ELM_NODISCARD elm_status elm__calib_create(elm__calib *calib, const elm_gguf *model,
					   const elm__hparams *hp, elm__calib_products products,
					   uint64_t memory, const char *beside, elm_error *error);

/*
 * From a file, which must suit the model: ELM_ERR_ARGUMENT names the tensor that does not. Its
 * checksums and values are checked; what they find is ELM_ERR_FORMAT. Products stay in the file
 * and are checked by elm__calib_check_products. What is loaded must not be written to.
 */
ELM_NODISCARD elm_status elm__calib_load(elm__calib *calib, const char *path, const elm_gguf *model,
					 const elm__hparams *hp, elm_error *error);
/* The same from an opened file, which belongs to *calib from here on, also when this fails. */
ELM_NODISCARD elm_status elm__calib_load_gguf(elm__calib *calib, elm_gguf *file,
					      const elm_gguf *model, const elm__hparams *hp,
					      elm_error *error);
void elm__calib_release(elm__calib *calib); /* a zeroed struct is fine */

static inline elm__channels *elm__calib_at(const elm__calib *calib, elm__role role)
{
	return &calib->inputs[(size_t)role.layer * ELM__INPUTS + role.input];
}

/* What the products of an input are; the first use of them should be preceded by this. */
ELM_NODISCARD elm_status elm__calib_check_products(const elm__calib *calib, elm__role role,
						   elm_error *error);

/* Adds what a window makes its layer read: for elm__walk_step and elm__walk_look. */
typedef struct elm__calib_observer {
	elm__calib *calib;
	uint32_t layer;
	const elm__multiplier *multiplier; /* of the walk */
} elm__calib_observer;
void elm__calib_see(void *observer, elm__input input, const float *x, size_t stride, size_t rows,
		    size_t cols, unsigned index, unsigned count);

/*
 * Writes the file. Where `walk` has not passed the last layer, it is marked as unfinished and the
 * walk kept in it, so that elm__calib_resume, given a walk at its beginning over the same text and
 * model, can put both back where they stood. *found is false when there is no file or it is
 * finished; one of another text or model is ELM_ERR_ARGUMENT.
 */
ELM_NODISCARD elm_status elm__calib_save(const elm__calib *calib, const elm__walk *walk,
					 const char *path, elm_error *error);
ELM_NODISCARD elm_status elm__calib_resume(elm__calib *calib, elm__walk *walk, const char *path,
					   bool *found, elm_error *error);

/* For calib_file.c: an empty table, and the inputs by number. */
ELM_NODISCARD elm_status elm__calib_init(elm__calib *calib, const elm_gguf *model,
					 const elm__hparams *hp, elm_error *error);
size_t elm__calib_inputs(const elm__calib *calib);
elm__role elm__calib_role(size_t index);

#endif
