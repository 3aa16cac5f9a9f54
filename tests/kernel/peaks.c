/*
 * What the machine can do at best: how fast threads together read memory, and how many
 * multiply-adds registers alone can keep going. Loops are written so that nothing but the measured
 * unit limits them: twelve independent accumulators, operands in registers.
 */
#include <string.h>

#include "check.h"
#include "cpu/cpu.h"

enum { LOOPS = 400000, CHAINS = 12 };

typedef struct reading {
	const uint64_t *memory;
	size_t words;
	volatile uint64_t sink;
} reading;

#if defined(__x86_64__)

#include <immintrin.h>

__attribute__((target("avx2"))) static uint64_t read_avx2(const uint64_t *memory, size_t words)
{
	__m256i sum = _mm256_setzero_si256();

	for (size_t i = 0; i + 32 <= words; i += 32) {
		const __m256i *line = (const __m256i *)(const void *)(memory + i);

		_mm_prefetch((const char *)line + 4096, _MM_HINT_T0);
		_mm_prefetch((const char *)line + 4160, _MM_HINT_T0);
		_mm_prefetch((const char *)line + 4224, _MM_HINT_T0);
		_mm_prefetch((const char *)line + 4288, _MM_HINT_T0);
		for (int j = 0; j < 8; j++)
			sum = _mm256_or_si256(sum, _mm256_load_si256(line + j));
	}
	return (uint64_t)_mm256_extract_epi64(sum, 0) | (uint64_t)_mm256_extract_epi64(sum, 3);
}

#endif

static uint64_t read_words(const uint64_t *memory, size_t words)
{
	uint64_t sum[4] = { 0 };

#if defined(__x86_64__)
	if (elm__cpu_detect() & ELM__CPU_AVX2)
		return read_avx2(memory, words);
#endif
	for (size_t i = 0; i + 4 <= words; i += 4)
		for (int j = 0; j < 4; j++)
			sum[j] |= memory[i + (size_t)j];
	return sum[0] | sum[1] | sum[2] | sum[3];
}

static void read_member(void *user, unsigned index, unsigned count)
{
	reading *r = user;
	size_t begin = r->words / count / 32 * 32 * index, n = r->words / count / 32 * 32;

	r->sink = read_words(r->memory + begin, n);
}

/* --- multiply-adds: registers 0 to 11 accumulate, 12 and 13 are the operands --- */

typedef struct arithmetic {
	void (*run)(void);
	double operations; /* of one vector operation, 2 for a multiply-add */
} arithmetic;

static void arithmetic_member(void *user, unsigned index, unsigned count)
{
	const arithmetic *a = user;

	a->run();
}

/* Repeats `text` for \\r = 0 to 11, LOOPS times; the registers hold zeros, set by `zero` for r up
 * to
 * 13. Written as assembly because a compiler that keeps one accumulator in memory would measure
 * something else. */
#define ELM_REPEAT(zero, text, end, ...)                                                       \
	uint64_t turns = LOOPS;                                                                \
	__asm__ volatile(".irp r,0,1,2,3,4,5,6,7,8,9,10,11,12,13\n\t" zero "\n\t.endr\n"       \
			 "1:\n\t.irp r,0,1,2,3,4,5,6,7,8,9,10,11\n\t" text "\n\t.endr\n\t" end \
			 : "+r"(turns)                                                         \
			 :                                                                     \
			 : "cc", __VA_ARGS__)

#if defined(__x86_64__)

#define ELM_X86(zero, text)                                                                    \
	ELM_REPEAT(zero, text, "decq %0\n\tjnz 1b", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4",    \
		   "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", \
		   "xmm14")

static void fma_sse(void)
{
	ELM_X86("xorps %%xmm\\r, %%xmm\\r",
		"movaps %%xmm12, %%xmm14\n\tmulps %%xmm13, %%xmm14\n\taddps %%xmm14, %%xmm\\r");
}

static void fma_avx2(void)
{
	ELM_X86("vxorps %%xmm\\r, %%xmm\\r, %%xmm\\r", "vfmadd231ps %%ymm12, %%ymm13, %%ymm\\r");
}

static void fma_avx512(void)
{
	ELM_X86("vxorps %%xmm\\r, %%xmm\\r, %%xmm\\r", "vfmadd231ps %%zmm12, %%zmm13, %%zmm\\r");
}

static void int8_avx2(void)
{
	ELM_X86("vxorps %%xmm\\r, %%xmm\\r, %%xmm\\r",
		"vpmaddubsw %%ymm12, %%ymm13, %%ymm14\n\tvpmaddwd %%ymm12, %%ymm14, %%ymm14\n\t"
		"vpaddd %%ymm14, %%ymm\\r, %%ymm\\r");
}

static void int8_avxvnni(void)
{
	ELM_X86("vxorps %%xmm\\r, %%xmm\\r, %%xmm\\r",
		"%{vex%} vpdpbusd %%ymm12, %%ymm13, %%ymm\\r");
}

static void int8_avx512(void)
{
	ELM_X86("vxorps %%xmm\\r, %%xmm\\r, %%xmm\\r", "vpdpbusd %%zmm12, %%zmm13, %%zmm\\r");
}

static void choose(uint32_t features, arithmetic *fma, arithmetic *int8)
{
	*fma = (arithmetic){ fma_sse, 8 };
	*int8 = (arithmetic){ NULL, 0 };
	if (features & ELM__CPU_AVX2) {
		*fma = (arithmetic){ fma_avx2, 16 };
		*int8 = (arithmetic){ int8_avx2, 64 };
	}
	if (features & ELM__CPU_AVXVNNI)
		*int8 = (arithmetic){ int8_avxvnni, 64 };
	if (features & ELM__CPU_AVX512)
		*fma = (arithmetic){ fma_avx512, 32 };
	if (features & ELM__CPU_AVX512VNNI)
		*int8 = (arithmetic){ int8_avx512, 128 };
}

#elif defined(__aarch64__)

#define ELM_ARM(text)                                                                            \
	ELM_REPEAT("movi v\\r\\().4s, #0", text, "subs %0, %0, #1\n\tb.ne 1b", "v0", "v1", "v2", \
		   "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13")

static void fma_neon(void)
{
	ELM_ARM("fmla v\\r\\().4s, v12.4s, v13.4s");
}

static void int8_dotprod(void)
{
	ELM_ARM(".arch_extension dotprod\n\tsdot v\\r\\().4s, v12.16b, v13.16b");
}

static void choose(uint32_t features, arithmetic *fma, arithmetic *int8)
{
	*fma = (arithmetic){ fma_neon, 8 };
	*int8 = features & ELM__CPU_DOTPROD ? (arithmetic){ int8_dotprod, 32 } :
					      (arithmetic){ NULL, 0 };
}

#else
#error "write the loop of multiply-adds for this processor"
#endif

static double rate(elm__pool *pool, const arithmetic *a)
{
	bench b = { .pool = pool };

	if (!a->run)
		return 0;
	return a->operations * LOOPS * CHAINS * elm__pool_count(pool) /
	       fastest(&b, arithmetic_member, (void *)a) * 1e-9;
}

peaks measure_peaks(elm__pool *pool, uint32_t features, size_t megabytes)
{
	bench b = { .pool = pool };
	size_t bytes = megabytes << 20;
	reading r = { .words = bytes / sizeof(uint64_t) };
	void *memory = guarded(bytes + 4096); /* the last prefetch stays inside */
	arithmetic fma, int8;
	peaks p;

	memset(memory, 1, bytes);
	r.memory = memory;
	p.read_gbs = (double)bytes / fastest(&b, read_member, &r) * 1e-9;
	release(memory);
	choose(features, &fma, &int8);
	p.fma_gflops = rate(pool, &fma);
	p.int8_gops = rate(pool, &int8);
	return p;
}
