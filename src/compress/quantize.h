/*
 * quantize.h: a model file with its weights in other types.
 *
 * First a plan is made: which tensor becomes what. Then the file is written, layer by layer, with
 * the memory of a few rows, or, for methods that look at whole layers, of one layer.
 */
#ifndef ELM_COMPRESS_QUANTIZE_H
#define ELM_COMPRESS_QUANTIZE_H

#include "base/pool.h"
#include "compress/calib.h"
#include "compress/calibrate.h"
#include "compress/mix.h"

/* Tensors whose name contains `part` get `type`, whatever the mix says. */
typedef struct elm__type_rule {
	const char *part;
	elm_type type;
} elm__type_rule;

typedef struct elm__quant_item {
	const elm_gguf_tensor *tensor;
	elm_type type;	/* in the new file */
	elm_type asked; /* what the mix says, where rows of this length cannot have that */
	uint32_t layer; /* 0 is what belongs to no layer, then layers from 1 */
	uint64_t bytes; /* in the new file */
} elm__quant_item;

typedef struct elm__quant_plan {
	const elm_gguf *gguf;
	const elm__hparams *hp;
	const elm__mix *mix;
	elm__quant_item *items; /* in the order of the new file */
	size_t count;
	uint64_t bytes, old_bytes; /* of all tensors */
	bool quantised_twice;	   /* weights are quantised already and become another type */
} elm__quant_plan;

/* ELM_ERR_ARGUMENT for a rule that matches nothing or gives rows a type that they cannot have. On
 * failure nothing needs release. `gguf` and `hp` must outlive the plan. */
ELM_NODISCARD elm_status elm__quant_plan_make(elm__quant_plan *plan, const elm_gguf *gguf,
					      const elm__hparams *hp, const elm__mix *mix,
					      const elm__type_rule *rules, size_t n_rules,
					      bool calibrated, elm_error *error);
void elm__quant_plan_release(elm__quant_plan *plan);

/* What a method makes of a tensor. */
typedef struct elm__substitute {
	const void *blocks;	 /* encoded already; or */
	const float *weights;	 /* to be encoded in place of what the file has; may be NULL */
	const float *importance; /* of its columns, NULL: all alike */
} elm__substitute;

/*
 * A method that works on whole layers: called before the items of a group, those that belong to
 * no layer (0) or to layer n - 1 (n), are written; `out` has an entry for each item of the plan
 * and is zeroed before. What the entries point to stays valid until the next call.
 */
typedef struct elm__method {
	elm_status (*prepare)(void *user, const elm__quant_plan *plan, uint32_t group,
			      elm__substitute *out, elm_error *error);
	void *user;
} elm__method;

typedef struct elm__quantize_options {
	const char *name;	   /* of the method, for the metadata */
	const elm__method *method; /* NULL: only rounding */
	elm__pool *pool;
	elm__compress_progress *progress; /* with bytes; or NULL */
	void *user;
} elm__quantize_options;

/* Weights that are NaN or infinite are ELM_ERR_FORMAT and named. */
ELM_NODISCARD elm_status elm__quantize(const elm__quant_plan *plan, const char *path,
				       const elm__quantize_options *options, elm_error *error);

/*
 * Encodes rows [first, first + rows) of a tensor into `out` on all members of the pool. `weights`
 * (all of the tensor, or NULL) replaces its data.
 */
ELM_NODISCARD elm_status elm__encode_rows(elm__pool *pool, const elm_gguf_tensor *tensor,
					  elm_type type, const elm__substitute *from,
					  uint64_t first, uint64_t rows, void *out,
					  elm_error *error);

/* One row of a tensor as floats. ELM_ERR_FORMAT, with its name, when one is infinite or NaN. */
ELM_NODISCARD elm_status elm__decode_tensor_row(const elm_gguf_tensor *tensor, uint64_t row,
						float *out, elm_error *error);

/* All of a tensor. */
ELM_NODISCARD elm_status elm__decode_tensor(const elm_gguf_tensor *tensor, float *out,
					    elm_error *error);

/* The method "imatrix": rounding, with what calibration says of the columns as their importance. */
ELM_NODISCARD elm_status elm__imatrix_prepare(void *calib, const elm__quant_plan *plan,
					      uint32_t group, elm__substitute *out,
					      elm_error *error);

#endif
