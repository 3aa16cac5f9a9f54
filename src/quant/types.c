#include <edgelm/types.h>

#include <strings.h>

static const elm_type_info type_table[ELM_TYPE_LIMIT] = {
#define TYPE_ROW(name, value, text, elements, bytes) [value] = { text, elements, bytes },
	ELM_TYPE_LIST(TYPE_ROW)
#undef TYPE_ROW
};

const elm_type_info *elm_type_get(uint32_t type)
{
	return type < ELM_TYPE_LIMIT && type_table[type].name ? &type_table[type] : NULL;
}

bool elm_type_parse(const char *name, elm_type *out)
{
	for (uint32_t type = 0; type < ELM_TYPE_LIMIT; type++) {
		if (type_table[type].name && !strcasecmp(type_table[type].name, name)) {
			*out = (elm_type)type;
			return true;
		}
	}
	return false;
}

elm_status elm_type_row_bytes(elm_type type, uint64_t elements, uint64_t *bytes)
{
	const elm_type_info *info = elm_type_get(type);

	if (!info || elements % info->block_elements)
		return ELM_ERR_ARGUMENT;
	if (__builtin_mul_overflow(elements / info->block_elements, (uint64_t)info->block_bytes,
				   bytes))
		return ELM_ERR_LIMIT;
	return ELM_OK;
}
