#include "cpu/cpu.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)

#include <cpuid.h>

enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };

static uint64_t enabled_state(void)
{
	uint32_t low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (uint64_t)high << 32 | low;
}

static bool has(uint32_t word, unsigned bit)
{
	return word >> bit & 1;
}

uint32_t elm__cpu_detect(void)
{
	uint32_t a, b, c, d, b7, c7, d7, a71 = 0, mask = 0, ignored;
	uint64_t state;

	if (!__get_cpuid(1, &a, &b, &c, &d))
		return 0;
	if (has(c, 9) && has(c, 19))
		mask |= ELM__CPU_SSSE3;
	if (!has(c, 27) || !__get_cpuid_count(7, 0, &a, &b7, &c7, &d7))
		return mask;
	if (a >= 1)
		__get_cpuid_count(7, 1, &a71, &ignored, &ignored, &ignored);
	state = enabled_state();
	/* AVX needs the SSE and AVX state (bits 1, 2), AVX-512 also bits 5 to 7, AMX bits 17
	 * and 18. */
	if ((state & 0x6) == 0x6 && has(b7, 5) && has(b7, 8) && has(c, 12) && has(c, 29)) {
		mask |= ELM__CPU_AVX2;
		if (has(a71, 4))
			mask |= ELM__CPU_AVXVNNI;
	}
	if ((mask & ELM__CPU_AVX2) && (state & 0xe6) == 0xe6 && has(b7, 16) && has(b7, 17) &&
	    has(b7, 28) && has(b7, 30) && has(b7, 31) && has(c7, 1)) {
		mask |= ELM__CPU_AVX512;
		if (has(c7, 11))
			mask |= ELM__CPU_AVX512VNNI;
		if (has(a71, 5))
			mask |= ELM__CPU_AVX512BF16;
	}
	if ((mask & ELM__CPU_AVX512) && (state & 0x60000) == 0x60000 && has(d7, 24) &&
	    has(d7, 22) && has(d7, 25) &&
	    !syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA))
		mask |= ELM__CPU_AMX;
	return mask;
}

#elif defined(__aarch64__)

#include <sys/auxv.h>

/* Bits of AT_HWCAP and AT_HWCAP2 as Linux documents them; old C libraries do not name all of them.
 */
enum { CAP_ASIMD = 1, CAP_ASIMDHP = 10, CAP_ASIMDDP = 20, CAP2_I8MM = 13, CAP2_BF16 = 14 };

uint32_t elm__cpu_detect(void)
{
	unsigned long cap = getauxval(AT_HWCAP), cap2 = getauxval(26 /* AT_HWCAP2 */);
	uint32_t mask = 0;

	if (cap >> CAP_ASIMD & 1)
		mask |= ELM__CPU_NEON;
	if (cap >> CAP_ASIMDHP & 1)
		mask |= ELM__CPU_FP16;
	if (cap >> CAP_ASIMDDP & 1)
		mask |= ELM__CPU_DOTPROD;
	if (cap2 >> CAP2_I8MM & 1)
		mask |= ELM__CPU_I8MM;
	if (cap2 >> CAP2_BF16 & 1)
		mask |= ELM__CPU_BF16;
	return mask;
}

#else

uint32_t elm__cpu_detect(void)
{
	return 0;
}

#endif

enum {
	SSE = ELM__CPU_SSSE3,
	AVX2 = SSE | ELM__CPU_AVX2,
	AVXVNNI = AVX2 | ELM__CPU_AVXVNNI,
	AVX512 = AVXVNNI | ELM__CPU_AVX512 | ELM__CPU_AVX512VNNI | ELM__CPU_AVX512BF16,
	AMX = AVX512 | ELM__CPU_AMX,
	NEON = ELM__CPU_NEON,
	DOTPROD = NEON | ELM__CPU_DOTPROD | ELM__CPU_FP16,
	I8MM = DOTPROD | ELM__CPU_I8MM | ELM__CPU_BF16
};

/* `need` decides what a mask is called; `mask` is what naming the tier permits. */
static const struct tier {
	const char *name;
	uint32_t mask, need;
} tiers[] = {
#if defined(__x86_64__)
	{ "amx", AMX, ELM__CPU_AVX512 | ELM__CPU_AMX },
	{ "avx512", AVX512, ELM__CPU_AVX512 | ELM__CPU_AVX512VNNI },
	{ "avx-vnni", AVXVNNI, ELM__CPU_AVX2 | ELM__CPU_AVXVNNI },
	{ "avx2", AVX2, ELM__CPU_AVX2 },
	{ "sse", SSE, ELM__CPU_SSSE3 },
#elif defined(__aarch64__)
	{ "i8mm", I8MM, ELM__CPU_DOTPROD | ELM__CPU_I8MM },
	{ "dotprod", DOTPROD, ELM__CPU_DOTPROD },
	{ "neon", NEON, ELM__CPU_NEON },
#endif
	{ "scalar", 0, 0 },
};

elm_status elm__cpu_parse_tier(const char *name, uint32_t *mask, elm_error *error)
{
	char known[128] = "native";

	if (!strcmp(name, "native")) {
		*mask = UINT32_MAX;
		return ELM_OK;
	}
	for (size_t i = 0; i < sizeof(tiers) / sizeof(tiers[0]); i++) {
		size_t used = strlen(known);

		if (!strcmp(name, tiers[i].name)) {
			*mask = tiers[i].mask;
			return ELM_OK;
		}
		snprintf(known + used, sizeof(known) - used, ", %s", tiers[i].name);
	}
	return elm_error_set(error, ELM_ERR_ARGUMENT,
			     "unknown instruction set \"%s\"; use one of: %s", name, known);
}

const char *elm__cpu_tier_name(uint32_t mask)
{
	size_t i = 0;

	while ((mask & tiers[i].need) != tiers[i].need)
		i++;
	return tiers[i].name;
}

const char *elm__cpu_model_name(char *out, size_t size)
{
	char line[256];
	FILE *file = fopen("/proc/cpuinfo", "re");

	snprintf(out, size, "unknown");
	while (file && fgets(line, sizeof(line), file)) {
		char *value = strchr(line, ':');

		if (!value || (strncmp(line, "model name", 10) && strncmp(line, "Model", 5)))
			continue;
		value += strspn(value, ": \t");
		value[strcspn(value, "\n")] = '\0';
		snprintf(out, size, "%s", value);
		break;
	}
	if (file)
		fclose(file);
	return out;
}
