/* Seeds of fuzz_tokenizer: the first byte says what the rest is, see there. */
#include "seeds.h"
#include "vocab_cases.h"

static const struct {
	const char *name;
	char first;
	const char *rest;
} texts[] = {
	{ "bpe", 0, "abc aab  <|im_end|>x<tab> \u00e9 12 aaaaaa \xff <|start|>" },
	{ "spm", 1, "ab a <s> a<code>\u2581 \u00e9   \xe2\x82 </s>" },
	{ "made-spm", 3, "1zab\n1yb\n3x<s>\n4w  \n1v\u2581ab\n5ub a\n\nab a<s>  b" },
	{ "made-gpt-2", 4, "1zab\n1ybc\n3x<s>\n4w  \n1vabc\n\na b\nab c\n\nab a<s>  b" },
	{ "made-llama-bpe", 5, "1zhey\n1yhe\n\nh e\n\nhey I'll 1234 \n\n\tx!\n" },
	{ "made-deepseek", 6, "1z12\n\n1 2\n\n12 \u4e00\u4e8cx\r\n ..." },
	{ "made-default", 7, "1zab\n6y<0x41>\n2x?\n\na b\n\n1234 a.b  c\n" },
};

static void add_vocabulary(const char *name, const vocab_spec *spec)
{
	elm__buf file = ELM__BUF_INIT;

	elm__buf_putc(&file, 2);
	vocab_file(spec, &file);
	if (file.failed)
		seed_fail("out of memory");
	seed_write("tokenizer", name, file.data, file.length);
	elm__buf_release(&file);
}

void seeds_tokenizer(void)
{
	char longer[400];
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		elm__buf seed = ELM__BUF_INIT;

		elm__buf_putc(&seed, texts[i].first);
		elm__buf_puts(&seed, texts[i].rest);
		if (seed.failed)
			seed_fail("out of memory");
		seed_write("tokenizer", texts[i].name, seed.data, seed.length);
		elm__buf_release(&seed);
	}
	for (i = 0; i < sizeof(longer); i++)
		longer[i] = "aab"[i % 3];
	longer[0] = 0;
	seed_write("tokenizer", "long-bpe", longer, sizeof(longer));
	longer[0] = 1;
	seed_write("tokenizer", "long-spm", longer, sizeof(longer));
	add_vocabulary("file-bpe", &vocab_small_bpe);
	add_vocabulary("file-spm", &vocab_small_spm);
}
