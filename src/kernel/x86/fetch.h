/* fetch.h: a stream of weights kept in flight between memory and its use. Shared with ARM, like
 * plain.h, vector.h and attention.h: nothing in them is of x86 alone. */
#ifndef ELM_KERNEL_X86_FETCH_H
#define ELM_KERNEL_X86_FETCH_H

#include <stddef.h>
#include <stdint.h>

/*
 * Asks for what lies ahead of `bytes` bytes that are about to be used, in two steps: far ahead into
 * the second level, which keeps more requests in flight than the first can, and from there into the
 * first level shortly before use. Either alone loses 10 to 20 % (docs/PERFORMANCE.md). Addresses
 * past the end are harmless: a prefetch never faults.
 */
static inline __attribute__((always_inline)) void fetch_ahead(const uint8_t *from, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += 64) {
		__builtin_prefetch(from + 6144 + i, 0, 2); /* T1 */
		__builtin_prefetch(from + 1536 + i, 0, 3); /* T0 */
	}
}

#endif
