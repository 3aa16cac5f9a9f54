/* Seeds of what `edgelm convert` reads: safetensors, config.json, tokenizers, llama2.c. */
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "convert_cases.h"
#include "seeds.h"

#define SPLIT                                                                                 \
	"{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(?i:'s|'t|'re|'ve|'m|'ll|'d)|"          \
	"[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}| "                                  \
	"?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|"                                            \
	"\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+\"},\"behavior\":\"Isolated\",\"invert\":" \
	"false}"

static const char bpe[] =
	"{\"added_tokens\":[{\"id\":6,\"content\":\"<|end|>\",\"special\":true},"
	"{\"id\":7,\"content\":\"<x>\",\"special\":false}],\"pre_tokenizer\":{\"type\":"
	"\"Sequence\","
	"\"pretokenizers\":[" SPLIT ",{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"
	"\"use_regex\":false}]},\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":["
	"{\"SpecialToken\":{\"id\":\"<|end|>\"}},{\"Sequence\":{\"id\":\"A\"}}]},\"model\":{"
	"\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"\xc4\xa0\":3,\"\xc4\xa0"
	"a\":4},"
	"\"merges\":[\"a b\",[\" \",\"a\"]]}}";

static const char spm_json[] =
	"{\"added_tokens\":[{\"id\":1,\"content\":\"<s>\",\"special\":true}],\"normalizer\":{"
	"\"type\":"
	"\"Prepend\",\"prepend\":\"\xe2\x96\x81\"},\"pre_tokenizer\":{\"type\":\"Metaspace\","
	"\"prepend_scheme\":\"never\"},\"model\":{\"type\":\"BPE\",\"byte_fallback\":true,"
	"\"unk_token\":\"<unk>\",\"vocab\":{\"<unk>\":0,\"<s>\":1,\"<0x0A>\":2,\"a\":3},\"merges\":"
	"[]}}";

static const char config_json[] =
	"{\"added_tokens_decoder\":{\"5\":{\"content\":\"<|im_end|>\",\"special\":true},\"6\":"
	"{\"content\":\"\xe2\x96\x81x\"}},\"bos_token\":{\"content\":\"<|im_end|>\"},\"eos_token\":"
	"\"[PAD7]\",\"add_bos_token\":true,\"chat_template\":[{\"name\":\"default\",\"template\":"
	"\"{{x}}\"}]}";

static void write_buf(const char *corpus, const char *name, elm__buf *bytes)
{
	if (bytes->failed)
		seed_fail("out of memory");
	seed_write(corpus, name, bytes->data, bytes->length);
	elm__buf_release(bytes);
}

static void put_float(elm__buf *out, float value)
{
	elm__buf_append(out, &value, sizeof(value));
}

static void put_i32(elm__buf *out, int32_t value)
{
	elm__buf_append(out, &value, sizeof(value));
}

static void seeds_safetensors(void)
{
	static const char *const names[] = { "plain", "coded" };

	for (int coded = 0; coded < 2; coded++)
		for (int target = 0; target < 2; target++) {
			elm__buf file = ELM__BUF_INIT;
			char name[32];

			/* The first byte is the type asked for, and more: see there. */
			elm__buf_putc(&file, (char)(target ? 1 + 8 + 16 : 4));
			convert_model_file(coded, &file);
			snprintf(name, sizeof(name), "%s-%d", names[coded], target);
			write_buf("safetensors", name, &file);
		}
}

/* Pieces of every kind, then the two specifications. */
static void seeds_sentencepiece(void)
{
	static const char *const texts[] = { "<unk>", "<s>", "</s>", "<0x0A>", "\xe2\x96\x81the" };
	static const char kinds[] = { 2, 3, 3, 6, 1 };
	elm__buf file = ELM__BUF_INIT;

	for (size_t i = 0; i < sizeof(kinds); i++) {
		size_t length = strlen(texts[i]);

		elm__buf_printf(&file, "\n%c\n%c%s\x15", (int)(length + 9), (int)length, texts[i]);
		put_float(&file, -(float)i);
		elm__buf_printf(&file, "\x18%c", kinds[i]);
	}
	elm__buf_append(&file, "\x12\x0b\x18\x02\xc0\x02\x00\xc8\x02\x01\xd0\x02\x02", 13);
	elm__buf_append(&file, "\x1a\x06\x0a\x00\x18\x00\x20\x00", 8);
	write_buf("sentencepiece", "small", &file);
}

static void seeds_llama2c(void)
{
	static const int32_t header[] = { 4, 6, 1, 2, 1, 8, 3 };
	elm__buf model = ELM__BUF_INIT, tokens = ELM__BUF_INIT;

	elm__buf_putc(&model, 'm');
	elm__buf_append(&model, header, sizeof(header));
	/* embedding, norms, q, k, v, o, feed-forward, angles */
	for (int i = 0; i < 8 * 4 + 3 * 4 + 4 * 4 + 2 * 2 * 4 + 4 * 4 + 3 * 6 * 4 + 3 * 2; i++)
		put_float(&model, 0.25f * (float)(i % 7));
	write_buf("llama2c", "model", &model);
	elm__buf_putc(&tokens, 't');
	put_i32(&tokens, 6);
	for (int i = 0; i < 8; i++) {
		put_float(&tokens, -(float)i);
		put_i32(&tokens, 3);
		elm__buf_puts(&tokens, i == 5 ? " th" : "abc");
	}
	write_buf("llama2c", "tokenizer", &tokens);
}

void seeds_convert(void)
{
	char name[32];

	seeds_safetensors();
	seeds_sentencepiece();
	seeds_llama2c();
	for (size_t i = 0; i < convert_config_count; i++) {
		snprintf(name, sizeof(name), "config-%zu", i);
		seed_write("config", name, convert_configs[i], strlen(convert_configs[i]));
	}
	seed_write("tokenizer_json", "bpe", bpe, strlen(bpe));
	seed_write("tokenizer_json", "spm", spm_json, strlen(spm_json));
	seed_write("tokenizer_json", "config", config_json, strlen(config_json));
}
