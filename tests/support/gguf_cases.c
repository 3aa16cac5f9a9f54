#include "gguf_cases.h"

#include <string.h>

#define HEADER(tensors, kvs) "r:GGUF 4:3 8:" #tensors " 8:" #kvs " "
#define GOOD ELM_OK, NULL, NULL
#define BAD ELM_ERR_FORMAT
#define REFUSED ELM_ERR_UNSUPPORTED

const gguf_case gguf_cases[] = {
	/* What is allowed. */
	{ "empty-model", HEADER(0, 0), GOOD },
	{ "version-2", "r:GGUF 4:2 8:0 8:1 k:4:a.b 4:7", GOOD },
	{ "every-kind",
	  HEADER(0, 12) "k:0:u8 1:200 k:1:i8 1:-100 k:2:u16 2:60000 k:3:i16 2:-30000 "
			"k:4:u32 4:4000000000 k:5:i32 4:-2000000000 k:6:f32 x:0000c03f "
			"k:7:bool 1:1 k:8:string s:text k:10:u64 8:18000000000000000000 "
			"k:11:i64 8:-9000000000000000000 k:12:f64 x:000000000000f8bf",
	  GOOD },
	{ "arrays",
	  HEADER(0, 5) "k:9:u16 4:2 8:3 2:1 2:2 2:3 k:9:none 4:6 8:0 k:9:no-strings 4:8 8:0 "
		       "k:9:strings 4:8 8:3 s:one s: s:three k:9:bools 4:7 8:2 1:0 1:1",
	  GOOD },
	{ "tensors", HEADER(2, 0) "t:0:one t:32:two a:32 f:64:x", GOOD },
	{ "tensors-with-a-gap", HEADER(2, 0) "t:64:one t:0:two a:32 f:96:x", GOOD },
	{ "alignment-8", HEADER(1, 1) "k:4:general.alignment 4:8 t:8:one a:8 f:40:x", GOOD },
	{ "block-types",
	  HEADER(2, 0) "s:q4 4:2 8:64 8:3 4:2 8:0 s:q6 4:1 8:256 4:14 8:128 a:32 f:352:x", GOOD },

	/* Header. */
	{ "empty-file", "", BAD, "header", "magic at byte 0 needs 4 bytes" },
	{ "text-file", "r:hello", BAD, "header", "does not begin with 'GGUF'" },
	{ "short-magic", "r:GGU", BAD, "header", "does not begin with 'GGUF'" },
	{ "lfs-pointer", "r:version x:20 r:https://git-lfs.github.com/spec/v1", BAD, "header",
	  "Git LFS pointer" },
	{ "ggjt", "r:tjgg 4:3", BAD, "header", "before GGUF" },
	{ "web-page", "r:<!DOCTYPE x:20 r:html>", BAD, "header", "web page" },
	{ "no-version", "r:GGUF 2:3", BAD, "header", "version at byte 4" },
	{ "version-0", "r:GGUF 4:0 8:0 8:0", REFUSED, "header", "version 0" },
	{ "version-1", "r:GGUF 4:1 4:0 4:0", REFUSED, "header", "version 1" },
	{ "version-4", "r:GGUF 4:4 8:0 8:0", REFUSED, "header", "version 4" },
	{ "big-endian", "r:GGUF x:00000003 z:16", REFUSED, "header", "big-endian" },
	{ "no-tensor-count", "r:GGUF 4:3 4:0", BAD, "header", "tensor count at byte 8" },
	{ "no-kv-count", "r:GGUF 4:3 8:0 4:0", BAD, "header", "metadata count at byte 16" },
	{ "huge-tensor-count", HEADER(18446744073709551615, 0) "z:100", BAD, "header",
	  "tensor count of 18446744073709551615 cannot fit in the 100 bytes" },
	{ "huge-kv-count", HEADER(0, 1152921504606846976) "z:100", BAD, "header",
	  "metadata count of 1152921504606846976 cannot fit in the 100 bytes" },

	/* Metadata. */
	{ "empty-key", HEADER(0, 1) "k:4: 4:0 z:9", BAD, "metadata entry 0 at byte 24",
	  "key has 0 bytes" },
	{ "long-key", HEADER(0, 1) "8:65536 f:65536:k 4:4 4:0", BAD, "metadata entry 0",
	  "key has 65536 bytes, not 1 to 65535" },
	{ "huge-key", HEADER(0, 1) "8:18446744073709551615 4:4 4:0", BAD, "metadata entry 0",
	  "key at byte 32 needs 18446744073709551615 bytes" },
	{ "control-in-key", HEADER(0, 1) "8:3 x:610a62 4:4 4:0", BAD, "metadata entry 0",
	  "control character" },
	{ "broken-utf8-key", HEADER(0, 1) "8:2 x:c328 4:4 4:0", BAD, "metadata entry 0", "UTF-8" },
	{ "same-key", HEADER(0, 3) "k:4:a 4:0 k:4:b 4:0 k:4:a 4:1", BAD, "metadata entry 2 'a'",
	  "already that of entry 0" },
	{ "no-kind", HEADER(0, 1) "s:abcdef", BAD, "metadata entry 0", "value kind at byte 38" },
	{ "kind-13", HEADER(0, 1) "k:13:k 8:0", BAD, "metadata entry 0 'k' at byte 24",
	  "value kind is 13" },
	{ "kind-huge", HEADER(0, 1) "k:4294967295:k 8:0", BAD, "metadata entry 0 'k'",
	  "value kind is 4294967295" },
	{ "short-u64", HEADER(0, 1) "k:10:k 4:0", BAD, "'k'", "value at byte 37 needs 8" },
	{ "short-string", HEADER(0, 1) "k:8:k 8:6 r:short", BAD, "'k'",
	  "string at byte 45 needs 6" },
	{ "huge-string", HEADER(0, 1) "k:8:k 8:18446744073709551608 r:short", BAD, "'k'",
	  "needs 18446744073709551608 bytes" },
	{ "bool-2", HEADER(0, 1) "k:7:k 1:2", BAD, "'k'", "neither 0 nor 1" },
	{ "bool-array-2", HEADER(0, 1) "k:9:k 4:7 8:3 1:0 1:1 1:255", BAD, "'k'",
	  "boolean value 2 is 255" },
	{ "array-of-arrays", HEADER(0, 1) "k:9:k 4:9 8:1 4:4 8:0", REFUSED, "'k'",
	  "arrays of arrays" },
	{ "array-kind-14", HEADER(0, 1) "k:9:k 4:14 8:1 8:0", BAD, "'k'",
	  "array element kind is 14" },
	{ "array-no-length", HEADER(0, 1) "k:9:k 4:4 4:1", BAD, "'k'", "array length at byte 41" },
	{ "array-too-long", HEADER(0, 1) "k:9:k 4:4 8:3 4:1 4:2", BAD, "'k'",
	  "3 elements cannot fit in the 8 bytes" },
	{ "array-overflow", HEADER(0, 1) "k:9:k 4:10 8:2305843009213693952 8:0", BAD, "'k'",
	  "2305843009213693952 elements cannot fit" },
	{ "strings-overflow", HEADER(0, 1) "k:9:k 4:8 8:2305843009213693953 s:x", BAD, "'k'",
	  "2305843009213693953 elements cannot fit" },
	{ "strings-cut-off", HEADER(0, 1) "k:9:k 4:8 8:2 s:one 8:4 r:two", BAD, "'k'",
	  "string 1 of the array at byte 68 needs 4 bytes but only 3 are left" },
	{ "missing-entry", HEADER(0, 2) "k:8:k s:long-enough-for-another", BAD,
	  "metadata entry 1 at byte 68", "key at byte 68" },

	/* Alignment. */
	{ "alignment-0", HEADER(0, 1) "k:4:general.alignment 4:0", BAD, "general.alignment",
	  "is 0, not a power of two" },
	{ "alignment-4", HEADER(0, 1) "k:4:general.alignment 4:4", BAD, "general.alignment",
	  "is 4, not a power of two" },
	{ "alignment-48", HEADER(0, 1) "k:4:general.alignment 4:48", BAD, "general.alignment",
	  "is 48, not a power of two" },
	{ "alignment-huge", HEADER(0, 1) "k:4:general.alignment 4:2147483648", BAD,
	  "general.alignment", "is 2147483648, not a power of two" },
	{ "alignment-negative", HEADER(0, 1) "k:5:general.alignment 4:-32", BAD,
	  "general.alignment", "is -32, not from 0" },
	{ "alignment-text", HEADER(0, 1) "k:8:general.alignment s:32", BAD, "general.alignment",
	  "of kind string, not an integer" },

	/* Tensors. */
	{ "tensor-without-name", HEADER(1, 0) "t:0: z:99", BAD, "tensor 0 at byte 24",
	  "name has 0 bytes" },
	{ "tensor-long-name", HEADER(1, 0) "8:256 f:256:n 4:1 8:8 4:0 8:0 z:99", BAD, "tensor 0",
	  "name has 256 bytes, not 1 to 255" },
	{ "tensor-nul-in-name", HEADER(1, 0) "8:2 x:6100 4:1 8:8 4:0 8:0 z:99", BAD, "tensor 0",
	  "control character" },
	{ "tensor-same-name", HEADER(2, 0) "t:0:t t:32:t z:99", BAD, "tensor 1 't'",
	  "already that of tensor 0" },
	{ "tensor-0-dims", HEADER(1, 0) "s:t 4:0 4:0 8:0 z:99", BAD, "tensor 0 't'",
	  "0 dimensions" },
	{ "tensor-5-dims", HEADER(1, 0) "s:t 4:5 8:1 8:1 8:1 8:1 8:1 4:0 8:0 z:99", BAD,
	  "tensor 0 't'", "5 dimensions" },
	{ "tensor-dim-0", HEADER(1, 0) "s:t 4:2 8:32 8:0 4:0 8:0 z:99", BAD, "tensor 0 't'",
	  "dimension 1 is 0" },
	{ "tensor-overflow",
	  HEADER(1, 0) "s:t 4:3 8:4294967296 8:4294967296 8:4294967296 4:0 8:0 z:99", BAD,
	  "tensor 0 't'", "product" },
	{ "tensor-64-bits", HEADER(1, 0) "s:t 4:2 8:4294967296 8:2147483648 4:24 8:0 z:99", BAD,
	  "tensor 0 't'", "63 bits" },
	{ "tensor-bytes-overflow", HEADER(1, 0) "s:t 4:2 8:4294967296 8:1073741824 4:0 8:0 z:99",
	  BAD, "tensor 0 't'", "size in bytes" },
	{ "tensor-row-overflow", HEADER(1, 0) "s:t 4:1 8:4611686018427387904 4:0 8:0 z:99", BAD,
	  "tensor 0 't'", "size in bytes" },
	{ "tensor-cut-off", HEADER(1, 0) "s:tensor-name 4:1 8:8 4:0", BAD, "tensor 0 'tensor-name'",
	  "data offset at byte 59 needs 8" },
	{ "tensor-iq2", HEADER(1, 0) "s:t 4:1 8:256 4:16 8:0 z:99", REFUSED, "tensor 0 't'",
	  "type 16 (IQ2_XXS) is not supported" },
	{ "tensor-tq1", HEADER(1, 0) "s:t 4:1 8:256 4:34 8:0 z:99", REFUSED, "tensor 0 't'",
	  "type 34 (TQ1_0) is not supported" },
	{ "tensor-mxfp4", HEADER(1, 0) "s:t 4:1 8:32 4:39 8:0 z:99", REFUSED, "tensor 0 't'",
	  "type 39 (MXFP4) is not supported" },
	{ "tensor-q1", HEADER(1, 0) "s:t 4:1 8:128 4:41 8:0 z:99", REFUSED, "tensor 0 't'",
	  "type 41 (Q1_0) is not supported" },
	{ "tensor-type-63", HEADER(1, 0) "s:t 4:1 8:32 4:63 8:0 z:99", REFUSED, "tensor 0 't'",
	  "type 63 is not known" },
	{ "tensor-type-huge", HEADER(1, 0) "s:t 4:1 8:32 4:4294967295 8:0 z:99", REFUSED,
	  "tensor 0 't'", "type 4294967295 is not known" },
	{ "tensor-half-block", HEADER(1, 0) "s:t 4:1 8:48 4:8 8:0 z:99", BAD, "tensor 0 't'",
	  "48 elements are not a multiple of the 32 of a Q8_0 block" },
	{ "tensor-unaligned", HEADER(1, 0) "t:16:t z:99", BAD, "data of tensor 0 't'",
	  "offset 16 is not a multiple of the alignment 32" },
	{ "tensor-past-end", HEADER(1, 0) "t:32:t a:32 z:63", BAD,
	  "data of tensor 0 't' at byte 96", "32 bytes go past the end of the file (127 bytes)" },
	{ "tensor-no-data", HEADER(1, 0) "t:0:t ", BAD, "data of tensor 0 't'", "go past the end" },
	{ "tensor-offset-overflow", HEADER(1, 0) "t:18446744073709551584:t z:99", BAD,
	  "data of tensor 0 't'", "go past the end" },
	{ "tensor-overlap", HEADER(2, 0) "s:a 4:1 8:16 4:0 8:0 t:32:b a:32 z:99", BAD,
	  "data of tensor 1 'b' at byte 128", "overlaps the data of tensor 0 'a'" },
	{ "tensor-inside", HEADER(2, 0) "t:32:b s:a 4:1 8:32 4:0 8:0 a:32 z:199", BAD,
	  "data of tensor 0 'b'", "overlaps the data of tensor 1 'a'" },

	/* Split files cannot come from memory. */
	{ "split", HEADER(0, 1) "k:2:split.count 2:2", REFUSED, "split", "from memory" },
	{ "split-of-one", HEADER(0, 1) "k:2:split.count 2:1", GOOD },
};

const size_t gguf_case_count = sizeof(gguf_cases) / sizeof(gguf_cases[0]);

static uint64_t add_string(uint64_t sum, elm_gguf_string string)
{
	for (size_t i = 0; i < string.length; i++)
		sum = sum * 31 + (unsigned char)string.data[i];
	return sum + string.length;
}

static uint64_t add_kv(uint64_t sum, const elm_gguf_kv *kv)
{
	double number;

	sum = add_string(sum, kv->key) + kv->kind + kv->element_kind;
	for (uint64_t i = 0; i < kv->count; i++) {
		number = elm_gguf_f64_at(kv, i);
		sum = sum * 31 + (uint64_t)elm_gguf_i64_at(kv, i) + (number > 0.5);
		sum = add_string(sum, elm_gguf_string_at(kv, i));
	}
	return sum;
}

uint64_t gguf_walk(const elm_gguf *gguf)
{
	uint64_t sum = elm_gguf_version(gguf) + elm_gguf_alignment(gguf);

	for (size_t i = 0; i < elm_gguf_kv_count(gguf); i++)
		sum = add_kv(sum, elm_gguf_kv_at(gguf, i));
	for (size_t i = 0; i < elm_gguf_tensor_count(gguf); i++) {
		const elm_gguf_tensor *tensor = elm_gguf_tensor_at(gguf, i);
		const uint8_t *data = tensor->data;
		elm_gguf_string name = { tensor->name, strlen(tensor->name) };

		sum = add_string(sum, name) + data[0] + data[tensor->bytes - 1];
	}
	return sum;
}
