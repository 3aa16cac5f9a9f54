#include "cli/generation.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/process.h"
#include "base/text.h"

static double prompt_seconds(const elm_generate_result *r)
{
	return elm__seconds_between(r->prompt_start_ns, r->prompt_end_ns);
}

static void print_rate(double rate)
{
	if (rate > 0)
		fprintf(stderr, ", %.1f tokens/s", rate);
}

void cli_print_generation(const elm_generate_result *r, uint64_t seed)
{
	char memory[32];
	uint64_t bytes;

	fprintf(stderr, "prompt  %zu tokens", r->prompt_count);
	if (r->prompt_reused)
		fprintf(stderr, ", %zu of them in the cache", r->prompt_reused);
	fprintf(stderr, ", %.3f s", prompt_seconds(r));
	print_rate(r->prompt_rate);
	fprintf(stderr, "\nanswer  %zu tokens", r->token_count);
	print_rate(r->token_rate);
	fprintf(stderr, ", ended by: %s, seed %" PRIu64 "\n", elm_finish_name(r->finish), seed);
	if (r->ttft >= 0)
		fprintf(stderr, "TTFT    %.1f ms from the prompt to the first token with text\n",
			r->ttft * 1e3);
	else
		fputs("TTFT    unmeasured: no token had text\n", stderr);
	if (r->tbt.n)
		fprintf(stderr, "TBT     mean %.2f ms, p50 %.2f, p95 %.2f, p99 %.2f (n=%zu)\n",
			r->tbt.mean * 1e3, r->tbt.p50 * 1e3, r->tbt.p95 * 1e3, r->tbt.p99 * 1e3,
			r->tbt.n);
	else
		fputs("TBT     unmeasured: fewer than two tokens\n", stderr);
	if (r->drafted)
		fprintf(stderr, "drafts  %zu of %zu tokens held (%.0f %%)\n", r->draft_accepted,
			r->drafted, 100.0 * (double)r->draft_accepted / (double)r->drafted);
	if (elm__process_peak_memory(&bytes))
		fprintf(stderr, "memory  %s at the peak, of this process\n",
			elm__format_bytes(bytes, memory, sizeof(memory)));
	else
		fputs("memory  unmeasured\n", stderr);
}

/* What was not measured is null, never 0. */
static json_t *measured(bool known, double value)
{
	return known ? json_real(value) : json_null();
}

json_t *cli_generation_json(const elm_generate_result *r, uint64_t seed)
{
	bool gaps = r->tbt.n > 0;
	uint64_t bytes;
	bool memory = elm__process_peak_memory(&bytes);
	json_t *tbt =
		json_pack("{s:I, s:o, s:o, s:o, s:o}", "n", (json_int_t)r->tbt.n, "mean",
			  measured(gaps, r->tbt.mean), "p50", measured(gaps, r->tbt.p50), "p95",
			  measured(gaps, r->tbt.p95), "p99", measured(gaps, r->tbt.p99));

	return json_pack(
		"{s:s%, s:s, s:s?, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o}",
		"text", r->text, r->text_length, "finish", elm_finish_name(r->finish), "stop",
		r->stop, "seed", (json_int_t)seed, "prompt_tokens", (json_int_t)r->prompt_count,
		"prompt_tokens_reused", (json_int_t)r->prompt_reused, "generated_tokens",
		(json_int_t)r->token_count, "drafted_tokens", (json_int_t)r->drafted,
		"draft_tokens_accepted", (json_int_t)r->draft_accepted, "prompt_s",
		json_real(prompt_seconds(r)), "prompt_tokens_per_s",
		measured(r->prompt_rate > 0, r->prompt_rate), "generated_tokens_per_s",
		measured(r->token_rate > 0, r->token_rate), "ttft_s",
		measured(r->ttft >= 0, r->ttft), "tbt_s", tbt, "peak_memory_bytes",
		memory ? json_integer((json_int_t)bytes) : json_null());
}
