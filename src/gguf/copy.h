/* copy.h: an entry of metadata under another name, for models that change their architecture. */
#ifndef ELM_GGUF_COPY_H
#define ELM_GGUF_COPY_H

#include <edgelm/gguf.h>

/* elm_gguf_writer_copy, but as `key`. */
ELM_NODISCARD elm_status elm__gguf_writer_copy_as(elm_gguf_writer *writer, const char *key,
						  const elm_gguf_kv *kv, elm_error *error);

#endif
