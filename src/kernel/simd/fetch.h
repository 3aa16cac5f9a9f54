/* fetch.h: a stream of weights kept in flight between memory and its use. */
#ifndef ELM_KERNEL_SIMD_FETCH_H
#define ELM_KERNEL_SIMD_FETCH_H

#include <stddef.h>
#include <stdint.h>

enum { FETCH_FAR = 6144, FETCH_NEAR = 1536 };

/*
 * Asks for what lies ahead of `bytes` bytes that are about to be used, in two steps: far ahead into
 * the second level, which keeps more requests in flight than the first can, and from there into the
 * first level shortly before use. Either alone loses 10 to 20 % (docs/PERFORMANCE.md). Addresses
 * past the end are harmless: a prefetch never faults.
 */
static inline __attribute__((always_inline)) void fetch_ahead(const uint8_t *from, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += 64) {
		__builtin_prefetch(from + FETCH_FAR + i, 0, 2);	 /* T1 */
		__builtin_prefetch(from + FETCH_NEAR + i, 0, 3); /* T0 */
	}
}

/* The same for `bytes` bytes at `at` of a piece of `size` bytes, where the next piece of the stream
 * begins `skip` bytes after the end of this one. */
static inline __attribute__((always_inline)) void fetch_pieces_ahead(const uint8_t *piece,
								     size_t at, size_t bytes,
								     size_t size, size_t skip)
{
	size_t far = at + FETCH_FAR, near = at + FETCH_NEAR;

	far += far < size ? 0 : skip;
	near += near < size ? 0 : skip;
	for (size_t i = 0; i < bytes; i += 64) {
		__builtin_prefetch(piece + far + i, 0, 2);
		__builtin_prefetch(piece + near + i, 0, 3);
	}
}

#endif
