/* Event streams: the events are the same wherever the bytes are cut. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "http/sse.h"

enum { LIMIT = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool record(void *user, const char *name, const char *data, size_t length)
{
	elm__buf *out = user;

	if (strlen(name) == 0 || data[length] != '\0' || length >= LIMIT) {
		fprintf(stderr, "an event without name or end, or too long\n");
		abort();
	}
	elm__buf_printf(out, "%s %zu ", name, length);
	elm__buf_append(out, data, length);
	return true;
}

/* The stream in pieces of 1 to `most` bytes; returns the status of the last push. */
static elm_status parse(const uint8_t *data, size_t size, size_t most, elm__buf *out)
{
	elm_status status = ELM_OK;
	elm__random random;
	elm__sse sse;

	elm__random_seed(&random, most);
	elm__sse_init(&sse, LIMIT, record, out);
	while (size && status == ELM_OK) {
		size_t piece = 1 + (size_t)(elm__random_unit(&random) * (double)most);

		if (piece > size)
			piece = size;
		status = elm__sse_push(&sse, data, piece, NULL);
		data += piece;
		size -= piece;
	}
	elm__sse_release(&sse);
	return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	elm__buf whole = ELM__BUF_INIT, cut = ELM__BUF_INIT;
	elm_status a, b;

	if (size < 1)
		return 0;
	a = parse(data + 1, size - 1, size, &whole);
	b = parse(data + 1, size - 1, 1 + data[0] % 8, &cut);
	if (a != b || whole.length != cut.length ||
	    (whole.length && memcmp(whole.data, cut.data, whole.length))) {
		fprintf(stderr, "cut into pieces the stream is another one\n");
		abort();
	}
	elm__buf_release(&whole);
	elm__buf_release(&cut);
	return 0;
}
