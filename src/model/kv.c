#include "model/kv.h"

#include <string.h>

#include "base/alloc.h"
#include "kernel/kernel.h"

const char *elm__kv_type_name(elm_type type)
{
	switch (type) {
	case ELM_TYPE_F32:
		return "f32";
	case ELM_TYPE_F16:
		return "f16";
	case ELM_TYPE_Q8_0:
		return "int8";
	case ELM_TYPE_IQ4_NL:
		return "int4";
	default:
		return NULL;
	}
}

elm_status elm__kv_init(elm__kv *kv, const elm__hparams *hp, elm_type type, elm__arena *arena,
			elm_error *error)
{
	size_t bytes, at = 0;
	size_t *offset;

	memset(kv, 0, sizeof(*kv));
	if (!elm__kv_type_supported(type))
		return elm_error_set(
			error, ELM_ERR_UNSUPPORTED,
			"a KV cache of type %s is not supported; use f32, f16, int8 or int4",
			elm_type_get(type) ? elm_type_get(type)->name : "unknown");
	offset = elm__arena_calloc(arena, hp->layers, sizeof(*offset));
	if (!offset)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for the KV cache");
	bytes = elm__kv_block_bytes(type, hp->head_dim);
	bytes = (bytes + ELM__KERNEL_ALIGN - 1) & ~(size_t)(ELM__KERNEL_ALIGN - 1);
	for (uint32_t i = 0; i < hp->layers; i++) {
		offset[i] = at;
		at += 2 * bytes * hp->shapes[i].kv_heads; /* bounded: see the limits in hparams.c */
	}
	kv->type = type;
	kv->head_bytes = bytes;
	kv->block_stride = at;
	kv->layer_offset = offset;
	return ELM_OK;
}
