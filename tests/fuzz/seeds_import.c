#include "import_cases.h"
#include "seeds.h"

#include "base/buffer.h"

static const char reference[] =
	"id,category,prompt_tokens,output_tokens,ttft_ms,tbt_ms,total_ms,power_mean_mw\r\n"
	"simple_0,simple,29,25,7013.29,368.67,15895.33,4804\r\n"
	"\"a,b\",complex,29,,,,,\n";

/* The first byte of what is imported says which source it is. */
void seeds_import(void)
{
	for (const import_case *c = import_cases; c->name; c++) {
		elm__buf seed = ELM__BUF_INIT;

		elm__buf_putc(&seed, (char)c->source);
		elm__buf_puts(&seed, c->text);
		seed_write("import", c->name, seed.data, seed.length);
		elm__buf_release(&seed);
	}
	seed_write("reference", "rows", reference, sizeof(reference) - 1);
}
