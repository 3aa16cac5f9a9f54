/* Data sets: whatever is read must give lines that a query file may have, as many as were asked
 * for. */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "study/import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void draw(const elm__pool *pool, size_t count)
{
	elm__buf out = ELM__BUF_INIT;
	elm_error error = { 0 };
	size_t lines = 1;

	if (elm__pool_draw(pool, count, 1, &out, &error) != ELM_OK)
		abort();
	if (!elm__utf8_valid(elm__buf_text(&out), out.length))
		abort();
	if (out.data[out.length - 1] == '\n')
		out.length--;
	for (size_t i = 0; i < out.length; i++) {
		if ((unsigned char)out.data[i] < ' ' && out.data[i] != '\n')
			abort();
		lines += out.data[i] == '\n';
	}
	if (lines != (count ? count : pool->candidate_count))
		abort();
	elm__buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	elm_error error = { 0 };
	elm__pool pool;

	if (!size || data[0] >= ELM__IMPORT_COUNT)
		return 0;
	elm__pool_init(&pool, (elm__import_source)data[0]);
	if (elm__pool_read(&pool, "x", (const char *)data + 1, size - 1, &error) != ELM_OK) {
		if (!error.text[0])
			abort();
	} else {
		size_t all = elm__pool_unique(&pool);

		if (all) {
			draw(&pool, 0);
			draw(&pool, (all + 1) / 2);
			draw(&pool, all);
		}
	}
	elm__pool_release(&pool);
	return 0;
}
