/*
 * edgelm/types.h: the types that the elements of a tensor can have.
 *
 * The values are those of GGUF files. Quantised types store a row as blocks: `block_elements`
 * weights share one block of `block_bytes` bytes; a row of n weights needs n to be a multiple of
 * block_elements. The byte layouts are described in src/quant/.
 */
#ifndef EDGELM_TYPES_H
#define EDGELM_TYPES_H

#include <edgelm/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* name, value in GGUF, printed name, weights per block, bytes per block */
#define ELM_TYPE_LIST(X)                           \
	X(ELM_TYPE_F32, 0, "F32", 1, 4)            \
	X(ELM_TYPE_F16, 1, "F16", 1, 2)            \
	X(ELM_TYPE_Q4_0, 2, "Q4_0", 32, 18)        \
	X(ELM_TYPE_Q4_1, 3, "Q4_1", 32, 20)        \
	X(ELM_TYPE_Q5_0, 6, "Q5_0", 32, 22)        \
	X(ELM_TYPE_Q5_1, 7, "Q5_1", 32, 24)        \
	X(ELM_TYPE_Q8_0, 8, "Q8_0", 32, 34)        \
	X(ELM_TYPE_Q2_K, 10, "Q2_K", 256, 84)      \
	X(ELM_TYPE_Q3_K, 11, "Q3_K", 256, 110)     \
	X(ELM_TYPE_Q4_K, 12, "Q4_K", 256, 144)     \
	X(ELM_TYPE_Q5_K, 13, "Q5_K", 256, 176)     \
	X(ELM_TYPE_Q6_K, 14, "Q6_K", 256, 210)     \
	X(ELM_TYPE_IQ4_NL, 20, "IQ4_NL", 32, 18)   \
	X(ELM_TYPE_IQ4_XS, 23, "IQ4_XS", 256, 136) \
	X(ELM_TYPE_I8, 24, "I8", 1, 1)             \
	X(ELM_TYPE_I16, 25, "I16", 1, 2)           \
	X(ELM_TYPE_I32, 26, "I32", 1, 4)           \
	X(ELM_TYPE_I64, 27, "I64", 1, 8)           \
	X(ELM_TYPE_F64, 28, "F64", 1, 8)           \
	X(ELM_TYPE_BF16, 30, "BF16", 1, 2)

typedef enum elm_type {
#define ELM_TYPE_ENUM_(name, value, text, elements, bytes) name = value,
	ELM_TYPE_LIST(ELM_TYPE_ENUM_)
#undef ELM_TYPE_ENUM_
		ELM_TYPE_LIMIT = 64 /* all values are below; for tables */
} elm_type;

typedef struct elm_type_info {
	const char *name;	 /* NULL: not a type that this library knows */
	uint32_t block_elements; /* weights per block, 1 for plain types */
	uint32_t block_bytes;
} elm_type_info;

ELM_BEGIN_DECLS

/* Facts of a type; NULL when the value is not one of the list above. Static. */
ELM_API const elm_type_info *elm_type_get(uint32_t type);

/* Finds a type by its printed name, case ignored; false when there is none. */
ELM_API bool elm_type_parse(const char *name, elm_type *out);

/*
 * *bytes = size of `elements` weights in `type`. ELM_ERR_ARGUMENT when the type is unknown or
 * elements is not a multiple of its block; ELM_ERR_LIMIT when the size does not fit.
 */
ELM_API ELM_NODISCARD elm_status elm_type_row_bytes(elm_type type, uint64_t elements,
						    uint64_t *bytes);

ELM_END_DECLS

#endif
