/*
 * cpu.h: what the processor can do, as a mask that can be narrowed.
 *
 * Nothing here is cached: detection is asked once, by whoever fills a kernel table, and the mask is
 * passed on from there. This code is compiled without any instruction-set flag.
 */
#ifndef ELM_CPU_CPU_H
#define ELM_CPU_CPU_H

#include <edgelm/status.h>
#include <stddef.h>
#include <stdint.h>

/* A feature bit is set only when both the processor and the operating system provide it. */
enum {
	ELM__CPU_SSSE3 = 1 << 0,   /* x86: SSSE3 and SSE4.1 */
	ELM__CPU_AVX2 = 1 << 1,	   /* AVX2, FMA, F16C, BMI2 */
	ELM__CPU_AVXVNNI = 1 << 2, /* 256-bit VPDPBUSD, VEX encoded */
	ELM__CPU_AVX512 = 1 << 3,  /* F, BW, VL, DQ, CD and VBMI */
	ELM__CPU_AVX512VNNI = 1 << 4,
	ELM__CPU_AVX512BF16 = 1 << 5,
	ELM__CPU_AMX = 1 << 6,	   /* AMX-TILE, AMX-BF16, AMX-INT8, and tile data permitted */
	ELM__CPU_NEON = 1 << 8,	   /* ARMv8.0 Advanced SIMD */
	ELM__CPU_DOTPROD = 1 << 9, /* SDOT, UDOT */
	ELM__CPU_FP16 = 1 << 10,   /* half-precision arithmetic */
	ELM__CPU_I8MM = 1 << 11,   /* SMMLA, USDOT */
	ELM__CPU_BF16 = 1 << 12	   /* BFMMLA */
};

/* The features of this machine. Asks the kernel for permission to use AMX tiles on the way (Linux
 * grants it per process). */
uint32_t elm__cpu_detect(void);

/*
 * The tiers that --isa accepts, each a cumulative set of features; ELM_ERR_ARGUMENT lists the valid
 * names. The result is not yet intersected with what the machine has.
 * x86: scalar, sse, avx2, avx-vnni, avx512 (with VNNI and BF16), amx. ARM: scalar, neon, dotprod,
 * i8mm. "native" is everything.
 */
ELM_NODISCARD elm_status elm__cpu_parse_tier(const char *name, uint32_t *mask, elm_error *error);

/* The name of the highest tier that `mask` contains in full. Static. */
const char *elm__cpu_tier_name(uint32_t mask);

/* The processor's own name ("Intel(R) Xeon(R) Processor"), into out; "unknown" where none is found.
 */
const char *elm__cpu_model_name(char *out, size_t size);

/*
 * The CPUs that this process should compute on: those it may run on, without hyper-thread siblings,
 * performance cores only where cores differ, no more than the cgroup quota pays for. Fills
 * cpus[0..max) and returns how many (at least 1). Reads below `sysroot` ("" for the real one).
 */
unsigned elm__cpu_select(const char *sysroot, unsigned *cpus, unsigned max);

#endif
