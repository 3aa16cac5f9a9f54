/* Answers that a server streams: text that can be kept, and numbers that are some. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "http/sse.h"
#include "study/completion.h"
#include "study/schema.h"

enum { LIMIT = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "does not hold: %s\n", what);
	abort();
}

static bool take(void *user, const char *name, const char *data, size_t length)
{
	elm__completion *c = user;
	size_t before = c->text.length;
	elm_error error = { 0 };
	bool more;
	elm_status status = elm__completion_event(c, data, length, &more, &error);

	require(more == (c->text.length > before), "more text is more text");
	require((status == ELM_OK) == (error.text[0] == '\0'), "an error has a sentence");
	require(elm__utf8_valid(error.text, strlen(error.text)), "it can be shown");
	return true; /* the next event is as good as any */
}

static bool is_number(int64_t value)
{
	return value >= 0 || value == ELM__STUDY_NONE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	elm__completion c;
	elm__sse sse;

	elm__completion_init(&c);
	elm__sse_init(&sse, LIMIT, take, &c);
	if (elm__sse_push(&sse, data, size, NULL) == ELM_OK) {
		require(elm__utf8_valid(elm__buf_text(&c.text), c.text.length), "text is UTF-8");
		require(elm__utf8_valid(c.stop, strlen(c.stop)), "so is the reason");
		require(is_number(c.prompt_tokens) && is_number(c.output_tokens) &&
				is_number(c.reused_tokens),
			"tokens are counted");
	}
	elm__sse_release(&sse);
	elm__completion_release(&c);
	return 0;
}
