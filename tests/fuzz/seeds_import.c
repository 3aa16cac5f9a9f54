#include "import_cases.h"
#include "seeds.h"

#include "base/buffer.h"

/* The first byte says which source it is. */
void seeds_import(void)
{
	for (const import_case *c = import_cases; c->name; c++) {
		elm__buf seed = ELM__BUF_INIT;

		elm__buf_putc(&seed, (char)c->source);
		elm__buf_puts(&seed, c->text);
		seed_write("import", c->name, seed.data, seed.length);
		elm__buf_release(&seed);
	}
}
