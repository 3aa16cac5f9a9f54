#include "cli/display.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

enum { SHOWN_BYTES = 120 };

void cli_put_quoted(elm__buf *out, elm_gguf_string string, size_t limit)
{
	size_t length = string.length;
	uint32_t c;

	if (length > limit)
		length = elm__utf8_prefix(string.data, limit);
	elm__buf_putc(out, '"');
	for (size_t at = 0, n; at < length; at += n ? n : 1) {
		n = elm__utf8_decode(string.data + at, length - at, &c);
		if (!n)
			elm__buf_printf(out, "\\x%02x", (unsigned char)string.data[at]);
		else if (c == '\n')
			elm__buf_puts(out, "\\n");
		else if (c == '\t')
			elm__buf_puts(out, "\\t");
		else if (c == '"' || c == '\\')
			elm__buf_printf(out, "\\%c", (int)c);
		else if (c < 0x20 || c == 0x7f)
			elm__buf_printf(out, "\\x%02x", (unsigned)c);
		else
			elm__buf_append(out, string.data + at, n);
	}
	elm__buf_putc(out, '"');
	if (length < string.length)
		elm__buf_printf(out, "... (%zu bytes)", string.length);
}

json_t *cli_json_string(elm_gguf_string string)
{
	elm__buf hex = ELM__BUF_INIT;
	json_t *out;

	if (elm__utf8_valid(string.data, string.length))
		return json_stringn(string.data, string.length);
	for (size_t i = 0; i < string.length; i++)
		elm__buf_printf(&hex, "%02x", (unsigned char)string.data[i]);
	out = hex.failed ? NULL : json_pack("{s:s}", "bytes", elm__buf_text(&hex));
	elm__buf_release(&hex);
	return out;
}

/* An integer that the getters would have to saturate. */
static bool is_large_u64(const elm_gguf_kv *kv, uint64_t index, uint64_t *value)
{
	if (kv->element_kind != ELM_GGUF_U64)
		return false;
	memcpy(value, kv->payload + index * sizeof(*value), sizeof(*value));
	return *value > INT64_MAX;
}

/* The fewest digits that give the same number again. */
static void put_real(elm__buf *out, double number, bool single)
{
	char text[32];

	for (int digits = single ? 6 : 15; digits <= 17; digits++) {
		double back;

		snprintf(text, sizeof(text), "%.*g", digits, number);
		back = strtod(text, NULL);
		if (single ? (float)back == (float)number : back == number)
			break;
	}
	elm__buf_puts(out, text);
}

static void put_element(elm__buf *out, const elm_gguf_kv *kv, uint64_t index)
{
	uint64_t large;

	if (kv->element_kind == ELM_GGUF_STRING)
		cli_put_quoted(out, elm_gguf_string_at(kv, index), SHOWN_BYTES);
	else if (kv->element_kind == ELM_GGUF_BOOL)
		elm__buf_puts(out, elm_gguf_i64_at(kv, index) ? "true" : "false");
	else if (kv->element_kind == ELM_GGUF_F32 || kv->element_kind == ELM_GGUF_F64)
		put_real(out, elm_gguf_f64_at(kv, index), kv->element_kind == ELM_GGUF_F32);
	else if (is_large_u64(kv, index, &large))
		elm__buf_printf(out, "%" PRIu64, large);
	else
		elm__buf_printf(out, "%" PRId64, elm_gguf_i64_at(kv, index));
}

void cli_put_value(elm__buf *out, const elm_gguf_kv *kv, uint64_t limit)
{
	if (kv->kind != ELM_GGUF_ARRAY) {
		put_element(out, kv, 0);
		return;
	}
	elm__buf_putc(out, '[');
	for (uint64_t i = 0; i < kv->count && i < limit; i++) {
		if (i)
			elm__buf_puts(out, ", ");
		put_element(out, kv, i);
	}
	elm__buf_puts(out, kv->count > limit ? ", ...]" : "]");
	if (kv->count > limit)
		elm__buf_printf(out, " (%" PRIu64 ")", kv->count);
}

/* JSON has no infinities and jansson no integers above INT64_MAX: both become strings. */
static json_t *json_element(const elm_gguf_kv *kv, uint64_t index)
{
	double number = elm_gguf_f64_at(kv, index);
	uint64_t large;

	if (kv->element_kind == ELM_GGUF_STRING)
		return cli_json_string(elm_gguf_string_at(kv, index));
	if (kv->element_kind == ELM_GGUF_BOOL)
		return json_boolean(elm_gguf_i64_at(kv, index));
	if (kv->element_kind == ELM_GGUF_F32 || kv->element_kind == ELM_GGUF_F64)
		return isfinite(number) ? json_real(number) :
		       isnan(number)	? json_string("NaN") :
					  json_string(number < 0 ? "-Infinity" : "Infinity");
	if (is_large_u64(kv, index, &large))
		return json_sprintf("%" PRIu64, large);
	return json_integer(elm_gguf_i64_at(kv, index));
}

json_t *cli_json_value(const elm_gguf_kv *kv, uint64_t limit)
{
	json_t *values;

	if (kv->kind != ELM_GGUF_ARRAY)
		return json_pack("{s:s, s:o}", "kind", elm_gguf_kind_name(kv->kind), "value",
				 json_element(kv, 0));
	values = json_array();
	for (uint64_t i = 0; i < kv->count && i < limit; i++) {
		if (json_array_append_new(values, json_element(kv, i))) {
			json_decref(values);
			values = NULL;
			break;
		}
	}
	return json_pack("{s:s, s:s, s:I, s:o}", "kind", "array", "element_kind",
			 elm_gguf_kind_name(kv->element_kind), "count", (json_int_t)kv->count,
			 "values", values);
}
