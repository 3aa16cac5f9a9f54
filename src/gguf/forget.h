/* forget.h: giving back the memory of tensors that have been read. */
#ifndef ELM_GGUF_FORGET_H
#define ELM_GGUF_FORGET_H

#include <edgelm/gguf.h>

/* Takes the data of a tensor of this file out of the process, as elm__map_forget does. Does nothing
 * with a file that was opened from memory, whose data would be lost. */
void elm__gguf_forget(const elm_gguf *gguf, const elm_gguf_tensor *tensor);

#endif
