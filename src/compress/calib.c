#include "compress/calib.h"

#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/pages.h"

static size_t cols_of(const elm__hparams *hp, elm__role role)
{
	if (role.layer == hp->layers)
		return hp->width;
	switch (role.input) {
	case ELM__INPUT_OUT:
		return (size_t)hp->shapes[role.layer].heads * hp->head_dim;
	case ELM__INPUT_DOWN:
		return hp->shapes[role.layer].ffn;
	default:
		return hp->width;
	}
}

size_t elm__calib_inputs(const elm__calib *calib)
{
	return (size_t)calib->layers * ELM__INPUTS + 1;
}

elm__role elm__calib_role(size_t index)
{
	return (elm__role){ (uint32_t)(index / ELM__INPUTS), (elm__input)(index % ELM__INPUTS) };
}

elm_status elm__calib_init(elm__calib *calib, const elm_gguf *model, const elm__hparams *hp,
			   elm_error *error)
{
	memset(calib, 0, sizeof(*calib));
	elm__arena_init(&calib->arena, 0);
	calib->model = model;
	calib->hp = hp;
	calib->layers = hp->layers;
	calib->inputs =
		elm__arena_calloc(&calib->arena, elm__calib_inputs(calib), sizeof(*calib->inputs));
	if (!calib->inputs)
		return elm_error_set(error, ELM_ERR_NO_MEMORY,
				     "out of memory for calibration of %u layers", hp->layers);
	for (size_t i = 0; i < elm__calib_inputs(calib); i++)
		calib->inputs[i].cols = cols_of(hp, elm__calib_role(i));
	return ELM_OK;
}

static elm_status take_sums(elm__calib *calib, elm_error *error)
{
	for (size_t i = 0; i < elm__calib_inputs(calib); i++) {
		elm__channels *c = &calib->inputs[i];
		float *sums = elm__arena_calloc(&calib->arena, 3 * c->cols, sizeof(float));

		if (!sums)
			return elm_error_set(error, ELM_ERR_NO_MEMORY,
					     "out of memory for calibration");
		c->square = sums;
		c->sum = sums + c->cols;
		c->magnitude = sums + 2 * c->cols;
	}
	return ELM_OK;
}

/* Where the products of input `index` begin, and where the next ones do. Shared ones are laid out
 * for the widest layer. */
static size_t place(const elm__calib *calib, size_t index, bool shared)
{
	size_t at = 0, layers = shared ? calib->layers : 1;

	for (size_t i = 0; i < (shared ? index % ELM__INPUTS : index); i++) {
		size_t most = 0, square;

		for (size_t layer = 0; layer < layers; layer++) {
			size_t cols = calib->inputs[layer * ELM__INPUTS + i].cols;

			most = cols > most ? cols : most;
		}
		if (!elm__mul(most, most, &square) || !elm__add(at, square, &at))
			return SIZE_MAX;
	}
	return at;
}

static elm_status take_products(elm__calib *calib, bool shared, uint64_t memory, const char *beside,
				elm_error *error)
{
	size_t inputs = elm__calib_inputs(calib) - 1, last = shared ? ELM__INPUTS - 1 : inputs - 1;
	size_t cols = calib->inputs[last].cols, floats = place(calib, last, shared), square;
	void *data = NULL;

	for (size_t i = last; i < inputs; i += ELM__INPUTS) /* the widest of the last kind */
		cols = calib->inputs[i].cols > cols ? calib->inputs[i].cols : cols;
	if (!elm__mul(cols, cols, &square) || !elm__add(floats, square, &floats) ||
	    !elm__mul(floats, sizeof(float), &calib->products_bytes))
		return elm_error_set(error, ELM_ERR_LIMIT,
				     "the Hessians of this model do not fit in the address space");
	calib->spilled = calib->products_bytes > memory;
	if (calib->spilled) {
		elm_status status = elm__spill_open(beside, calib->products_bytes, &data, error);

		if (status)
			return status;
	} else {
		data = elm__pages_alloc(calib->products_bytes);
	}
	if (!data)
		return elm_error_set(error, ELM_ERR_NO_MEMORY,
				     "out of memory: the Hessians take %zu MiB; with less --memory "
				     "they go to a file",
				     calib->products_bytes >> 20);
	calib->products = data;
	for (size_t i = 0; i < inputs; i++)
		calib->inputs[i].products = calib->products + place(calib, i, shared);
	return ELM_OK;
}

elm_status elm__calib_create(elm__calib *calib, const elm_gguf *model, const elm__hparams *hp,
			     elm__calib_products products, uint64_t memory, const char *beside,
			     elm_error *error)
{
	elm_status status = elm__calib_init(calib, model, hp, error);

	if (!status)
		status = take_sums(calib, error);
	if (!status && products)
		status = take_products(calib, products == ELM__PRODUCTS_SHARED, memory, beside,
				       error);
	if (status)
		elm__calib_release(calib);
	return status;
}

void elm__calib_release(elm__calib *calib)
{
	if (calib->spilled)
		elm__spill_close(calib->products, calib->products_bytes);
	else
		elm__pages_free(calib->products, calib->products_bytes);
	elm_gguf_close(calib->file);
	elm__arena_release(&calib->arena);
	memset(calib, 0, sizeof(*calib));
}

void elm__calib_see(void *observer, elm__input input, const float *x, size_t stride, size_t rows,
		    size_t cols, unsigned index, unsigned count)
{
	const elm__calib_observer *o = observer;

	(void)cols;
	elm__channels_add(elm__calib_at(o->calib, (elm__role){ o->layer, input }), o->multiplier, x,
			  stride, rows, index, count);
}
