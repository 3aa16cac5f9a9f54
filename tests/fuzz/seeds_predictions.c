#include "bytes.h"
#include "seeds.h"

/* Vocabularies of even and odd size, one window and two. */
void seeds_predictions(void)
{
	static const struct {
		const char *name, *bytes;
	} seeds[] = {
		{ "even", "r:_logits_ 4:4 4:2 4:1 4:0 4:1 4:1 4:0 "
			  "x:0000803700000000 2:65535 2:100" },
		{ "odd", "r:_logits_ 4:4 4:3 4:2 4:0 4:1 4:1 4:2 4:2 4:1 4:0 4:0 "
			 "x:00008037000080c1 2:65535 2:0 2:7 2:0 "
			 "x:00008037000080c1 2:1 2:2 2:3 2:0" },
	};

	for (size_t i = 0; i < sizeof(seeds) / sizeof(seeds[0]); i++) {
		elm__buf bytes = ELM__BUF_INIT;

		bytes_from_text(&bytes, seeds[i].bytes);
		seed_write("predictions", seeds[i].name, bytes.data, bytes.length);
		elm__buf_release(&bytes);
	}
}
