/*
 * Loops are written so that nothing but the measured unit limits them: as many independent
 * accumulators as hide its latency, operands in registers.
 */
#include "cpu/peaks.h"

#include <string.h>

#include "base/clock.h"
#include "base/pages.h"
#include "cpu/cpu.h"

enum { LOOPS = 400000, CHAINS = 12, TILE_LOOPS = 50000, TILE_CHAINS = 4, LINE_WORDS = 32 };

/* --- reading --- */

typedef struct reading {
	const uint64_t *memory;
	size_t words; /* of each member, a multiple of LINE_WORDS */
} reading;

#if defined(__x86_64__)

#include <immintrin.h>

__attribute__((target("avx2"))) static uint64_t read_avx2(const uint64_t *memory, size_t words)
{
	__m256i sum = _mm256_setzero_si256();

	for (size_t i = 0; i < words; i += LINE_WORDS) {
		const __m256i *line = (const __m256i *)(const void *)(memory + i);

		/* Far ahead into the second level, near into the first: neither alone reads as
		 * fast. */
		for (int j = 0; j < 4; j++) {
			_mm_prefetch((const char *)line + 8192 + 64 * j, _MM_HINT_T1);
			_mm_prefetch((const char *)line + 1024 + 64 * j, _MM_HINT_T0);
		}
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
	for (size_t i = 0; i < words; i += 4)
		for (size_t j = 0; j < 4; j++)
			sum[j] |= memory[i + j];
	return sum[0] | sum[1] | sum[2] | sum[3];
}

static void read_member(void *user, unsigned index, unsigned count)
{
	const reading *r = user;
	volatile uint64_t sink; /* so that the reading is not optimised away */

	sink = read_words(r->memory + r->words * index, r->words);
	(void)sink;
}

/* --- multiply-adds: registers 0 to 11 accumulate, 12 and 13 are the operands --- */

typedef struct arithmetic {
	void (*run)(void);
	double operations; /* of one call */
} arithmetic;

static void arithmetic_member(void *user, unsigned index, unsigned count)
{
	const arithmetic *a = user;

	a->run();
}

/* Repeats `text` for \\r = 0 to 11, LOOPS times; the registers hold zeros, set by `zero` for r up
 * to 13. Written as assembly because a compiler that keeps one accumulator in memory would measure
 * something else. */
#define ELM_REPEAT(zero, text, end, ...)                                                       \
	uint64_t turns = LOOPS;                                                                \
	__asm__ volatile(".irp r,0,1,2,3,4,5,6,7,8,9,10,11,12,13\n\t" zero "\n\t.endr\n"       \
			 "1:\n\t.irp r,0,1,2,3,4,5,6,7,8,9,10,11\n\t" text "\n\t.endr\n\t" end \
			 : "+r"(turns)                                                         \
			 :                                                                     \
			 : "cc", __VA_ARGS__)

#define ELM_OPERATIONS(of_one) ((double)(of_one)*LOOPS * CHAINS)

#if defined(__x86_64__)

#define ELM_X86(zero, text, end)                                                              \
	ELM_REPEAT(zero, text, "decq %0\n\tjnz 1b\n\t" end, "xmm0", "xmm1", "xmm2", "xmm3",   \
		   "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", \
		   "xmm13", "xmm14")
#define ELM_AVX(text) ELM_X86("vxorps %%xmm\\r, %%xmm\\r, %%xmm\\r", text, "vzeroupper")

static void f32_sse(void)
{
	ELM_X86("xorps %%xmm\\r, %%xmm\\r",
		"movaps %%xmm12, %%xmm14\n\tmulps %%xmm13, %%xmm14\n\taddps %%xmm14, %%xmm\\r", "");
}

static void f32_avx2(void)
{
	ELM_AVX("vfmadd231ps %%ymm12, %%ymm13, %%ymm\\r");
}

static void f32_avx512(void)
{
	ELM_AVX("vfmadd231ps %%zmm12, %%zmm13, %%zmm\\r");
}

static void int8_avx2(void)
{
	ELM_AVX("vpmaddubsw %%ymm12, %%ymm13, %%ymm14\n\tvpmaddwd %%ymm12, %%ymm14, %%ymm14\n\t"
		"vpaddd %%ymm14, %%ymm\\r, %%ymm\\r");
}

#ifdef ELM__ASM_AVXVNNI
static void int8_avxvnni(void)
{
	ELM_AVX("%{vex%} vpdpbusd %%ymm12, %%ymm13, %%ymm\\r");
}
#endif

#ifdef ELM__ASM_AVX512VNNI
static void int8_avx512(void)
{
	ELM_AVX("vpdpbusd %%zmm12, %%zmm13, %%zmm\\r");
}
#endif

#ifdef ELM__ASM_AVX512BF16
static void bf16_avx512(void)
{
	ELM_AVX("vdpbf16ps %%zmm12, %%zmm13, %%zmm\\r");
}
#endif

#ifdef ELM__ASM_AMX

/* Tiles 0 to 3 accumulate the products of 4 and 5 with 6 and 7, each of 16 rows of 64 bytes. */
#define ELM_AMX(product)                                                               \
	static const uint8_t config[64] = {                                            \
		1,	   [16] = 64, [18] = 64, [20] = 64, [22] = 64, [24] = 64,      \
		[26] = 64, [28] = 64, [30] = 64, [48] = 16, [49] = 16, [50] = 16,      \
		[51] = 16, [52] = 16, [53] = 16, [54] = 16, [55] = 16                  \
	};                                                                             \
	uint64_t turns = TILE_LOOPS;                                                   \
	__asm__ volatile("ldtilecfg %1\n\t"                                            \
			 ".irp r,0,1,2,3,4,5,6,7\n\ttilezero %%tmm\\r\n\t.endr\n"      \
			 "1:\n\t" product " %%tmm6, %%tmm4, %%tmm0\n\t" product        \
			 " %%tmm7, %%tmm4, %%tmm1\n\t" product                         \
			 " %%tmm6, %%tmm5, %%tmm2\n\t" product                         \
			 " %%tmm7, %%tmm5, %%tmm3\n\tdecq %0\n\tjnz 1b\n\ttilerelease" \
			 : "+r"(turns)                                                 \
			 : "m"(config)                                                 \
			 : "cc")

static void int8_amx(void)
{
	ELM_AMX("tdpbusd");
}

static void bf16_amx(void)
{
	ELM_AMX("tdpbf16ps");
}

#endif

static void choose(uint32_t features, arithmetic *f32, arithmetic *int8, arithmetic *bf16)
{
	*f32 = (arithmetic){ f32_sse, ELM_OPERATIONS(8) };
	if (features & ELM__CPU_AVX2) {
		*f32 = (arithmetic){ f32_avx2, ELM_OPERATIONS(16) };
		*int8 = (arithmetic){ int8_avx2, ELM_OPERATIONS(64) };
	}
	if (features & ELM__CPU_AVX512)
		*f32 = (arithmetic){ f32_avx512, ELM_OPERATIONS(32) };
#ifdef ELM__ASM_AVXVNNI
	if (features & ELM__CPU_AVXVNNI)
		*int8 = (arithmetic){ int8_avxvnni, ELM_OPERATIONS(64) };
#endif
#ifdef ELM__ASM_AVX512VNNI
	if (features & ELM__CPU_AVX512VNNI)
		*int8 = (arithmetic){ int8_avx512, ELM_OPERATIONS(128) };
#endif
#ifdef ELM__ASM_AVX512BF16
	if (features & ELM__CPU_AVX512BF16)
		*bf16 = (arithmetic){ bf16_avx512, ELM_OPERATIONS(64) };
#endif
#ifdef ELM__ASM_AMX
	if (features & ELM__CPU_AMX) {
		*int8 = (arithmetic){ int8_amx, 2.0 * 16 * 16 * 64 * TILE_LOOPS * TILE_CHAINS };
		*bf16 = (arithmetic){ bf16_amx, 2.0 * 16 * 16 * 32 * TILE_LOOPS * TILE_CHAINS };
	}
#endif
}

#elif defined(__aarch64__)

#define ELM_ARM(text)                                                                            \
	ELM_REPEAT("movi v\\r\\().4s, #0", text, "subs %0, %0, #1\n\tb.ne 1b", "v0", "v1", "v2", \
		   "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13")

#define ELM_TARGET(extension) __attribute__((target("arch=armv8.2-a+" extension)))

static void f32_neon(void)
{
	ELM_ARM("fmla v\\r\\().4s, v12.4s, v13.4s");
}

#ifdef ELM__ASM_DOTPROD
ELM_TARGET("dotprod")
static void int8_dotprod(void)
{
	ELM_ARM("sdot v\\r\\().4s, v12.16b, v13.16b");
}
#endif

#ifdef ELM__ASM_I8MM
ELM_TARGET("i8mm")
static void int8_i8mm(void)
{
	ELM_ARM("smmla v\\r\\().4s, v12.16b, v13.16b");
}
#endif

#ifdef ELM__ASM_BF16
ELM_TARGET("bf16")
static void bf16_neon(void)
{
	ELM_ARM("bfmmla v\\r\\().4s, v12.8h, v13.8h");
}
#endif

static void choose(uint32_t features, arithmetic *f32, arithmetic *int8, arithmetic *bf16)
{
	*f32 = (arithmetic){ f32_neon, ELM_OPERATIONS(8) };
#ifdef ELM__ASM_DOTPROD
	if (features & ELM__CPU_DOTPROD)
		*int8 = (arithmetic){ int8_dotprod, ELM_OPERATIONS(32) };
#endif
#ifdef ELM__ASM_I8MM
	if (features & ELM__CPU_I8MM)
		*int8 = (arithmetic){ int8_i8mm, ELM_OPERATIONS(64) };
#endif
#ifdef ELM__ASM_BF16
	if (features & ELM__CPU_BF16)
		*bf16 = (arithmetic){ bf16_neon, ELM_OPERATIONS(32) };
#endif
}

#else
#error "write the loop of multiply-adds for this processor"
#endif

/* Seconds of the fastest run: what the machine can do is what it does when nobody disturbs it. */
static double fastest(elm__pool *pool, elm__pool_fn *member, void *user)
{
	double best = 0, spent = 0;

	for (int runs = 0; runs < 5 || (spent < 0.4 && runs < 1000); runs++) {
		uint64_t start = elm__now_ns();
		double seconds;

		elm__pool_run(pool, member, user);
		seconds = elm__seconds_between(start, elm__now_ns());
		if (!runs || seconds < best)
			best = seconds;
		spent += seconds;
	}
	return best;
}

static double rate(elm__pool *pool, const arithmetic *a)
{
	if (!a->run)
		return 0;
	return a->operations * elm__pool_count(pool) / fastest(pool, arithmetic_member, (void *)a);
}

elm_status elm__peaks_measure(elm__pool *pool, uint32_t features, size_t bytes, elm__peaks *out,
			      elm_error *error)
{
	unsigned count = elm__pool_count(pool);
	size_t line = LINE_WORDS * sizeof(uint64_t);
	reading r = { .words = bytes / count / line * LINE_WORDS };
	size_t read = r.words * sizeof(uint64_t) * count;
	size_t taken = read + 8192 + 320; /* what is prefetched last stays inside */
	void *memory = elm__pages_alloc(taken);
	arithmetic f32 = { 0 }, int8 = { 0 }, bf16 = { 0 };

	if (!memory)
		return elm_error_set(error, ELM_ERR_NO_MEMORY,
				     "out of memory: measuring how fast memory is read takes %zu "
				     "MiB",
				     taken >> 20);
	memset(memory, 1, taken); /* untouched pages would all be the same page of zeros */
	r.memory = memory;
	out->read = (double)read / fastest(pool, read_member, &r);
	elm__pages_free(memory, taken);
	choose(features, &f32, &int8, &bf16);
	out->f32 = rate(pool, &f32);
	out->int8 = rate(pool, &int8);
	out->bf16 = rate(pool, &bf16);
	return ELM_OK;
}
