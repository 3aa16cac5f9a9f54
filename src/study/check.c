#include "study/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/file.h"

/* Bytes, and a share. */
static const double memory_slack = 8 << 20, memory_share = 0.05;

static bool known(int64_t value)
{
	return value != ELM__STUDY_NONE;
}

/* What should not be more than what, where both are known. */
static bool no_more(int64_t a, const char *a_name, int64_t b, const char *b_name, char *why,
		    size_t size)
{
	if (!known(a) || !known(b) || a <= b)
		return true;
	snprintf(why, size, "%s (%.6f s) is more than %s (%.6f s)", a_name, (double)a * 1e-9,
		 b_name, (double)b * 1e-9);
	return false;
}

static bool check_tokens(const elm__answer *answer, char *why, size_t size)
{
	const elm__study_trial *row = &answer->row;
	const int64_t *at = answer->token_ns;
	size_t count = answer->token_count;
	int64_t sum = count ? at[0] : 0;

	for (size_t i = 1; i < count; i++) {
		if (at[i] < at[i - 1]) {
			snprintf(why, size, "token %zu is older than the one before it", i);
			return false;
		}
		sum += at[i] - at[i - 1];
	}
	if (!count || !known(row->total_ns))
		return true;
	if (sum != row->total_ns) {
		snprintf(why, size, "the times of the tokens add up to %.6f s, the total is %.6f s",
			 (double)sum * 1e-9, (double)row->total_ns * 1e-9);
		return false;
	}
	return true;
}

bool elm__check_answer(const elm__answer *answer, char *why, size_t size)
{
	const elm__study_trial *row = &answer->row;

	if (known(row->reused_tokens) && row->reused_tokens > 0) {
		snprintf(why, size, "%lld tokens of the prompt came from a cache",
			 (long long)row->reused_tokens);
		return false;
	}
	return no_more(row->tokenize_ns, "tokenising", row->ttft_ns, "the time to first token", why,
		       size) &&
	       no_more(row->prompt_ns, "the prompt", row->ttft_ns, "the time to first token", why,
		       size) &&
	       no_more(row->ttft_ns, "the time to first token", row->total_ns, "the total", why,
		       size) &&
	       no_more(row->total_ns, "the total", row->wall_ns, "the wall time", why, size) &&
	       check_tokens(answer, why, size);
}

bool elm__check_memory(double status, double smaps, char *why, size_t size)
{
	double most = status > smaps ? status : smaps;

	if (isnan(status) || isnan(smaps) ||
	    fabs(status - smaps) <= memory_slack + memory_share * most)
		return true;
	snprintf(why, size, "resident memory is %.0f bytes by statm and %.0f by smaps", status,
		 smaps);
	return false;
}

double elm__smaps_rss(const char *sysroot, int64_t pid)
{
	elm__buf text = ELM__BUF_INIT, path = ELM__BUF_INIT;
	const char *line;
	double bytes = NAN;

	elm__buf_printf(&path, "%s/proc/%lld/smaps_rollup", sysroot, (long long)pid);
	if (!elm__buf_status(&path, NULL) &&
	    !elm__file_read(elm__buf_text(&path), 1 << 20, &text, NULL)) {
		line = strstr(elm__buf_text(&text), "\nRss:");
		if (line)
			bytes = strtod(line + 5, NULL) * 1024;
	}
	elm__buf_release(&text);
	elm__buf_release(&path);
	return bytes;
}
