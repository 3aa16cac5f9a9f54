/* Where the forms of a product's inputs lie within one piece of memory. */
#include "kernel/kernel.h"

static size_t aligned(size_t bytes)
{
	return (bytes + ELM__KERNEL_ALIGN - 1) / ELM__KERNEL_ALIGN * ELM__KERNEL_ALIGN;
}

/* The next `bytes` of *memory, NULL when not wanted. */
static void *take(char **memory, bool wanted, size_t bytes)
{
	void *taken = *memory;

	if (!wanted)
		return NULL;
	*memory += aligned(bytes);
	return taken;
}

size_t elm__activations_bytes(const elm__kernels *kernels, unsigned forms, size_t rows, size_t cols)
{
	size_t blocks = elm__q8_rows(rows) * elm__q8_blocks(cols), bytes = 0;
	size_t planes = forms & ELM__FORM_Q16 ? 2 : 1;

	if (forms & (ELM__FORM_Q8 | ELM__FORM_Q16))
		bytes += planes * aligned(blocks * ELM__Q8_BLOCK) +
			 planes * aligned(blocks * 2 * sizeof(float)) +
			 aligned(blocks * sizeof(float));
	if (forms & ELM__FORM_BF16)
		bytes += aligned(kernels->bf16_bytes(rows, cols));
	if (forms & ELM__FORM_BF16_SPLIT)
		bytes += aligned(2 * kernels->bf16_bytes(rows, cols));
	return bytes;
}

void elm__activations_place(elm__activations *x, const elm__kernels *kernels, unsigned forms,
			    void *memory)
{
	size_t blocks = elm__q8_rows(x->rows) * elm__q8_blocks(x->cols);
	bool q16 = forms & ELM__FORM_Q16, q8 = q16 || forms & ELM__FORM_Q8;
	bool bf16 = forms & ELM__FORM_BF16, split = forms & ELM__FORM_BF16_SPLIT;
	size_t bf16_bytes = kernels->bf16_bytes(x->rows, x->cols);
	char *next = memory;

	x->q8 = take(&next, q8, blocks * ELM__Q8_BLOCK);
	x->q8_low = take(&next, q16, blocks * ELM__Q8_BLOCK);
	x->q8_scale = take(&next, q8, blocks * sizeof(float));
	x->q8_sum = take(&next, q8, blocks * 2 * sizeof(float));
	x->q8_low_sum = take(&next, q16, blocks * 2 * sizeof(float));
	x->bf16 = take(&next, bf16, bf16_bytes);
	x->bf16_split = take(&next, split, 2 * bf16_bytes);
}
