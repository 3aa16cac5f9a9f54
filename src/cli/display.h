/* display.h: bytes from files, made safe to show. */
#ifndef ELM_CLI_DISPLAY_H
#define ELM_CLI_DISPLAY_H

#include <edgelm/gguf.h>
#include <jansson.h>

#include "base/buffer.h"

/* The string in quotation marks, on one line, with \xHH for bytes that are no character. After
 * `limit` bytes it is cut and its length is told. */
void cli_put_quoted(elm__buf *out, elm_gguf_string string, size_t limit);

/* A JSON string, or {"bytes": "hexadecimal"} where it is not UTF-8. NULL when memory runs out. */
json_t *cli_json_string(elm_gguf_string string);

/* A value of metadata; of an array the first `limit` elements. */
void cli_put_value(elm__buf *out, const elm_gguf_kv *kv, uint64_t limit);
/* {"kind": ..., "value": ...} or {"kind": "array", "element_kind", "count", "values": [...]}. */
json_t *cli_json_value(const elm_gguf_kv *kv, uint64_t limit);

#endif
