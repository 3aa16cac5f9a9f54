/*
 * amx_tile.h: tile instructions as the files of this tier use them.
 *
 * All eight tile registers have 16 rows of 64 bytes. The intrinsics of GCC tell the compiler
 * nothing about the memory that tiles are loaded from, so whoever writes such memory calls
 * amx_fence between the writes and the loads.
 */
#ifndef ELM_KERNEL_X86_AMX_TILE_H
#define ELM_KERNEL_X86_AMX_TILE_H

#include <immintrin.h>
#include <stdint.h>

#define AMX_INLINE static inline __attribute__((always_inline))

enum { AMX_TILE_BYTES = 1024 };

typedef struct amx_config {
	uint8_t palette, start_row, reserved[14];
	uint16_t row_bytes[16];
	uint8_t rows[16];
} amx_config;

/* Keeps the compiler from moving memory accesses across. */
static inline void amx_fence(void)
{
	__asm__ volatile("" ::: "memory");
}

/* Between these two, and only there, tile registers are in use: idle tiles would make the next
 * context switches save 8 KB. */
static inline void amx_begin(void)
{
	static const amx_config config = {
		.palette = 1,
		.row_bytes = { 64, 64, 64, 64, 64, 64, 64, 64 },
		.rows = { 16, 16, 16, 16, 16, 16, 16, 16 },
	};

	amx_fence();
	_tile_loadconfig(&config);
}

static inline void amx_end(void)
{
	_tile_release();
	amx_fence();
}

#endif
