/*
 * kernels: compares every operation of every tier that this processor has with the reference, or
 * times them.
 *
 *   kernels [--isa TIER] [--op NAME] [--seed N] [--rounds N]
 *   kernels --bench [PART OF A NAME] [--isa TIER] [--op NAME] [--threads N] [--size MIB]
 *
 * Under an emulator: qemu-aarch64 -L /usr/aarch64-linux-gnu -cpu cortex-a76 kernels
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "cpu/cpu.h"

static const operation *const families[] = { prepare_operations,  matmul_operations,
					     vector_operations,	  attention_operations,
					     sampling_operations, training_operations };

#if defined(__aarch64__)
static const char *const tiers[] = { "scalar", "neon", "dotprod", "i8mm" };
#else
static const char *const tiers[] = { "scalar", "sse", "avx2", "avx-vnni", "avx512", "amx" };
#endif

typedef struct options {
	const char *tier, *op, *filter;
	uint64_t seed;
	unsigned rounds, threads;
	size_t megabytes;
	bool bench;
} options;

static void usage(FILE *out)
{
	fprintf(out,
		"usage: kernels [--isa TIER] [--op NAME] [--seed N] [--rounds N]\n"
		"       kernels --bench [PART] [--isa TIER] [--op NAME] [--threads N] [--size "
		"MIB]\n"
		"Without --bench, every operation of every tier is compared with the reference.\n"
		"--op takes the name of an operation, --bench a part of a printed name.\n");
}

static bool parse_number(const char *text, uint64_t *out)
{
	char *end;

	if (!text || *text < '0' || *text > '9')
		return false;
	*out = strtoull(text, &end, 10);
	return !*end;
}

static bool parse(options *o, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;
		uint64_t number = 0;

		if (!strcmp(argv[i], "--bench")) {
			o->bench = true;
			if (value && value[0] != '-')
				o->filter = argv[++i];
			continue;
		}
		i++;
		if (!strcmp(argv[i - 1], "--isa") && value)
			o->tier = value;
		else if (!strcmp(argv[i - 1], "--op") && value)
			o->op = value;
		else if (!parse_number(value, &number))
			return false;
		else if (!strcmp(argv[i - 1], "--seed"))
			o->seed = number;
		else if (!strcmp(argv[i - 1], "--rounds") && number && number < 1000000)
			o->rounds = (unsigned)number;
		else if (!strcmp(argv[i - 1], "--threads") && number && number <= ELM__POOL_MAX)
			o->threads = (unsigned)number;
		else if (!strcmp(argv[i - 1], "--size") && number && number <= 65536)
			o->megabytes = (size_t)number;
		else
			return false;
	}
	return true;
}

/* Checks one tier; returns how many operations failed. */
static unsigned check_tier(const options *o, const char *tier, uint32_t features)
{
	unsigned failed = 0, checked = 0;

	for (size_t f = 0; f < sizeof(families) / sizeof(families[0]); f++)
		for (const operation *op = families[f]; op->name; op++) {
			check c = { .tier = tier, .op = op->name };

			if (o->op && strcmp(o->op, op->name))
				continue;
			elm__kernels_init(&c.kernels, features);
			elm__kernels_init(&c.reference, 0);
			checked++;
			for (unsigned round = 0; round < o->rounds && !c.failures; round++) {
				c.random = o->seed + round;
				op->run(&c);
				if (c.failures)
					printf("FAIL %s %s: %u differences, seed %llu\n", tier,
					       op->name, c.failures,
					       (unsigned long long)(o->seed + round));
			}
			failed += c.failures > 0;
		}
	printf("%-9s %u operations, %u failed\n", tier, checked, failed);
	fflush(stdout);
	return failed;
}

static bool bench_tier(const options *o, const char *tier, uint32_t features)
{
	bench b = { .tier = tier, .filter = o->filter, .megabytes = o->megabytes };
	unsigned cpus[ELM__POOL_MAX], count = elm__cpu_select("", cpus, ELM__POOL_MAX);
	elm_error error;

	if (o->threads)
		count = o->threads;
	if (elm__pool_create(count, o->threads ? NULL : cpus, &b.pool, &error) != ELM_OK) {
		fprintf(stderr, "kernels: %s\n", error.text);
		return false;
	}
	elm__kernels_init(&b.kernels, features);
	if (elm__peaks_measure(b.pool, features, o->megabytes << 20, &b.peak, &error) != ELM_OK) {
		fprintf(stderr, "kernels: %s\n", error.text);
		elm__pool_free(b.pool);
		return false;
	}
	printf("%s, %u threads: read %.2f GB/s, f32 %.1f, int8 %.1f, bf16 %.1f GOP/s\n", tier,
	       count, b.peak.read * 1e-9, b.peak.f32 * 1e-9, b.peak.int8 * 1e-9,
	       b.peak.bf16 * 1e-9);
	for (size_t f = 0; f < sizeof(families) / sizeof(families[0]); f++)
		for (const operation *op = families[f]; op->name; op++)
			if (op->time && (!o->op || !strcmp(o->op, op->name)))
				op->time(&b);
	elm__pool_free(b.pool);
	return true;
}

int main(int argc, char **argv)
{
	options o = { .seed = 1, .rounds = 4, .megabytes = 256 };
	uint32_t machine = elm__cpu_detect();
	unsigned failed = 0, ran = 0;

	if (!parse(&o, argc, argv)) {
		usage(stderr);
		return 2;
	}
	for (size_t t = 0; t < sizeof(tiers) / sizeof(tiers[0]); t++) {
		elm_error error;
		uint32_t mask;

		if (o.tier && strcmp(o.tier, tiers[t]))
			continue;
		if (elm__cpu_parse_tier(tiers[t], &mask, &error) != ELM_OK) {
			fprintf(stderr, "kernels: %s\n", error.text);
			return 2;
		}
		mask &= machine;
		if (strcmp(elm__cpu_tier_name(mask), tiers[t])) {
			printf("%-9s not on this processor\n", tiers[t]);
			continue;
		}
		ran++;
		if (o.bench)
			failed += !bench_tier(&o, tiers[t], mask);
		else
			failed += check_tier(&o, tiers[t], mask);
	}
	if (!ran && o.tier) {
		fprintf(stderr, "kernels: nothing to run for --isa %s\n", o.tier);
		return 2;
	}
	return failed ? 1 : 0;
}
