/* Seeds of fuzz_telemetry: the trees of the unit tests. */
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "device_input.h"
#include "device_trees.h"
#include "seeds.h"

static void append(elm__buf *out, size_t number, const char *text)
{
	elm__buf_putc(out, (char)(number >> 8));
	elm__buf_putc(out, (char)(number & 255));
	elm__buf_puts(out, text);
	elm__buf_putc(out, (char)DEVICE_END);
}

/* Appends files whose numbers begin at *number. */
static void append_all(elm__buf *out, const tree_file *files, size_t *number, const char *instead)
{
	for (; files->path; files++)
		if (strncmp(files->text, "-> ", 3) != 0)
			append(out, (*number)++, instead ? instead : files->text);
}

void seeds_telemetry(void)
{
	elm__buf seed = ELM__BUF_INIT;
	size_t number = 0;

	for (size_t i = 0; i < device_tree_count; i++) {
		static const char *const odd[] = { "\1", "\2", "", "-1\n", "999999999999999999\n" };
		size_t first = number;
		char name[32];

		append_all(&seed, device_trees[i].files, &number, NULL);
		append_all(&seed, device_trees[i].more, &number, NULL);
		seed_write("telemetry", device_trees[i].name, seed.data, seed.length);
		elm__buf_clear(&seed);
		number = first;
		append_all(&seed, device_trees[i].files, &number, odd[i % 5]);
		append_all(&seed, device_trees[i].more, &number, i % 2 ? odd[i % 5] : NULL);
		if (seed.failed)
			seed_fail("out of memory");
		snprintf(name, sizeof(name), "odd-%zu", i);
		seed_write("telemetry", name, seed.data, seed.length);
		elm__buf_clear(&seed);
	}
	elm__buf_release(&seed);
}
