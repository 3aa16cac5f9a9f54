#include "model/units.h"

elm__units *elm__units_create(const elm__hparams *hp, elm__arena *arena)
{
	elm__units *units = elm__arena_calloc(arena, hp->layers, sizeof(*units));

	for (uint32_t i = 0; units && i < hp->layers; i++) {
		const elm__layer_shape *s = &hp->shapes[i];
		size_t count = (size_t)s->heads + s->kv_heads + s->ffn;
		float *numbers = elm__arena_calloc(arena, count, sizeof(*numbers));

		if (!numbers)
			return NULL;
		units[i] = (elm__units){ .heads = numbers,
					 .kv_heads = numbers + s->heads,
					 .neurons = numbers + s->heads + s->kv_heads };
	}
	return units;
}
