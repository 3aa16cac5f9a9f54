#include "tokenizer/split.h"

#include <string.h>

#include "base/alloc.h"
#include "base/text.h"

/*
 * The patterns, from their parts. White space is spelled out because PCRE2's \s has U+180E, which
 * is no white space in Unicode. Contractions are matched as ASCII only: case folding of Unicode
 * would take U+017F for an "s". All of them are linear in the text: no alternative can give back
 * more than it took, and what a failed one scanned the next one takes.
 */
#define WS                                                                                    \
	"\\t-\\r\\x{20}\\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}\\x{202F}" \
	"\\x{205F}\\x{3000}"
#define SPACES "[" WS "]"
#define BLANK_TAIL SPACES "+(?![^" WS "])|" SPACES "+" /* leaves one space for the next word */
#define SYMBOLS "[^" WS "\\p{L}\\p{N}]+"

#define GPT2 "'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?" SYMBOLS "|" BLANK_TAIL
#define CL100K(digits)                                                                     \
	"'(?:[sdmtSDMT]|[lL][lL]|[vV][eE]|[rR][eE])|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits \
	"| ?" SYMBOLS "[\\r\\n]*|" SPACES "*[\\r\\n]+|" BLANK_TAIL

/*
 * A family applies its patterns in turn: what a pattern matches becomes a piece, and so does what
 * lies between two matches; the next pattern cuts the pieces of the one before.
 */
typedef struct split_family {
	const char *stages[ELM__SPLIT_STAGES];
} split_family;

static const split_family gpt2 = { { GPT2 } };
static const split_family llama3 = { { CL100K("\\p{N}{1,3}") } };
static const split_family qwen2 = { { CL100K("\\p{N}") } };
static const split_family starcoder = { { "\\p{N}", GPT2 } };
static const split_family falcon = { { "[\\p{P}$+<=>^~|`]+", GPT2, "[0-9]{3}" } };
static const split_family fallback = { { "[\\p{P}$+<=>^~|]+", GPT2, "\\p{N}+", "[0-9]{3}" } };
static const split_family deepseek_coder = { { "[\\r\\n]", SPACES "?\\p{L}+", SPACES "?\\p{P}+",
					       "[\\x{0800}-\\x{9FA5}\\x{AC00}-\\x{D7FF}]+",
					       "\\p{N}" } };

enum { WHOLE_WORDS = 1, ADD_BOS = 2 };

typedef struct split_name {
	const char *name; /* the value of tokenizer.ggml.pre */
	const split_family *family;
	unsigned flags;
} split_name;

static const split_name names[] = {
	{ "default", &fallback, 0 },
	{ "gpt-2", &gpt2, 0 },
	{ "phi-2", &gpt2, 0 },
	{ "mpt", &gpt2, 0 },
	{ "olmo", &gpt2, 0 },
	{ "jais", &gpt2, 0 },
	{ "exaone4", &gpt2, 0 },
	{ "mellum", &gpt2, 0 },
	{ "trillion", &gpt2, 0 },
	{ "granite-docling", &gpt2, 0 },
	{ "llama-bpe", &llama3, WHOLE_WORDS | ADD_BOS },
	{ "llama3", &llama3, WHOLE_WORDS | ADD_BOS },
	{ "llama-v3", &llama3, WHOLE_WORDS | ADD_BOS },
	{ "falcon3", &llama3, WHOLE_WORDS | ADD_BOS },
	{ "falcon-h1", &llama3, WHOLE_WORDS | ADD_BOS },
	{ "pixtral", &llama3, WHOLE_WORDS | ADD_BOS },
	{ "lfm2", &llama3, WHOLE_WORDS | ADD_BOS },
	{ "dbrx", &llama3, 0 },
	{ "smaug-bpe", &llama3, 0 },
	{ "glm4", &llama3, 0 },
	{ "chatglm-bpe", &llama3, 0 },
	{ "qwen2", &qwen2, 0 },
	{ "deepseek-r1-qwen", &qwen2, 0 },
	{ "stablelm2", &qwen2, 0 },
	{ "megrez", &qwen2, 0 },
	{ "hunyuan", &qwen2, 0 },
	{ "deepseek-coder", &deepseek_coder, 0 },
	{ "falcon", &falcon, 0 },
	{ "starcoder", &starcoder, 0 },
	{ "refact", &starcoder, 0 },
	{ "command-r", &starcoder, 0 },
	{ "smollm", &starcoder, 0 },
	{ "codeshell", &starcoder, 0 },
	{ "exaone", &starcoder, 0 },
	{ "minerva-7b", &starcoder, 0 },
};

enum { NAMES = sizeof(names) / sizeof(names[0]) };

static void *pcre_allocate(size_t size, void *user)
{
	return elm__malloc(size);
}

static void pcre_release(void *block, void *user)
{
	elm__free(block);
}

static elm_status out_of_memory(elm_error *error)
{
	return elm_error_set(error, ELM_ERR_NO_MEMORY, "no memory for the pre-tokenizer");
}

static elm_status unknown_name(elm_gguf_string name, elm_error *error)
{
	elm__buf list = ELM__BUF_INIT;
	size_t i;

	for (i = 0; i < NAMES; i++)
		elm__buf_printf(&list, "%s%s", i ? " " : "", names[i].name);
	elm_error_set(
		error, ELM_ERR_UNSUPPORTED,
		"tokenizer.ggml.pre: the pre-tokenizer \"%.*s\" is not supported; use a model "
		"with one of %s",
		name.length < 64 ? (int)name.length : 64, name.data, elm__buf_text(&list));
	elm__buf_release(&list);
	return ELM_ERR_UNSUPPORTED;
}

static elm_status compile_stage(elm__splitter *splitter, const char *pattern,
				pcre2_compile_context *context, elm_error *error)
{
	PCRE2_SIZE offset;
	int code;
	pcre2_code *compiled =
		pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
			      PCRE2_UTF | PCRE2_UCP | PCRE2_NO_UTF_CHECK, &code, &offset, context);

	if (!compiled && code == PCRE2_ERROR_HEAP_FAILED)
		return out_of_memory(error);
	if (!compiled)
		return elm_error_set(error, ELM_ERR_INTERNAL,
				     "the pattern of a pre-tokenizer does not compile (PCRE2 error "
				     "%d at %zu)",
				     code, (size_t)offset);
	/* Without JIT, because this build of PCRE2 has none or the system forbids memory that is
	 * written and run, matching is slower and gives the same. */
	(void)pcre2_jit_compile(compiled, PCRE2_JIT_COMPLETE);
	splitter->stages[splitter->count++] = compiled;
	return ELM_OK;
}

elm_status elm__splitter_create(elm__splitter *splitter, elm_gguf_string name, elm_error *error)
{
	const split_name *entry = NULL;
	pcre2_general_context *general;
	pcre2_compile_context *context;
	elm_status status = ELM_OK;
	size_t i;

	memset(splitter, 0, sizeof(*splitter));
	for (i = 0; i < NAMES && !entry; i++)
		if (strlen(names[i].name) == name.length &&
		    !memcmp(names[i].name, name.data, name.length))
			entry = &names[i];
	if (!entry)
		return unknown_name(name, error);
	splitter->whole_words = entry->flags & WHOLE_WORDS;
	splitter->add_bos = entry->flags & ADD_BOS;

	general = pcre2_general_context_create(pcre_allocate, pcre_release, NULL);
	context = general ? pcre2_compile_context_create(general) : NULL;
	if (!context)
		status = out_of_memory(error);
	for (i = 0; i < ELM__SPLIT_STAGES && entry->family->stages[i] && !status; i++)
		status = compile_stage(splitter, entry->family->stages[i], context, error);
	pcre2_compile_context_free(context);
	pcre2_general_context_free(general);
	if (status)
		elm__splitter_release(splitter);
	return status;
}

void elm__splitter_release(elm__splitter *splitter)
{
	unsigned i;

	for (i = 0; i < splitter->count; i++)
		pcre2_code_free(splitter->stages[i]);
	memset(splitter, 0, sizeof(*splitter));
}

elm_status elm__split_init(elm__split *split, const elm__splitter *splitter, elm_error *error)
{
	pcre2_general_context *general;

	memset(split, 0, sizeof(*split));
	split->splitter = splitter;
	general = pcre2_general_context_create(pcre_allocate, pcre_release, NULL);
	if (general) {
		split->match = pcre2_match_data_create(1, general);
		split->context = pcre2_match_context_create(general);
		pcre2_general_context_free(general);
	}
	if (!split->match || !split->context) {
		elm__split_release(split);
		return out_of_memory(error);
	}
	return ELM_OK;
}

void elm__split_release(elm__split *split)
{
	pcre2_match_data_free(split->match);
	pcre2_match_context_free(split->context);
	elm__buf_release(&split->valid);
	memset(split, 0, sizeof(*split));
}

static elm_status match_failed(int code, elm_error *error)
{
	char text[128];

	if (code == PCRE2_ERROR_NOMEMORY)
		return out_of_memory(error);
	pcre2_get_error_message(code, (PCRE2_UCHAR *)text, sizeof(text));
	return elm_error_set(error, ELM_ERR_LIMIT,
			     "the text cannot be split into words (%s); give it in smaller parts",
			     text);
}

static elm_status run_stage(elm__split *split, unsigned stage, const char *text, size_t begin,
			    size_t end, elm_error *error)
{
	const PCRE2_SIZE *place = pcre2_get_ovector_pointer(split->match);
	PCRE2_SPTR subject = (PCRE2_SPTR)text + begin;
	size_t length = end - begin, at = 0;
	elm_status status;

	if (stage == split->splitter->count)
		return split->word(split->user, begin, end, error);
	while (at < length) {
		const pcre2_code *pattern = split->splitter->stages[stage];
		size_t from, to;
		int code = pcre2_match(pattern, subject, length, at, PCRE2_NO_UTF_CHECK,
				       split->match, split->context);

		if (code == PCRE2_ERROR_JIT_STACKLIMIT)
			code = pcre2_match(pattern, subject, length, at,
					   PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, split->match,
					   split->context);
		if (code == PCRE2_ERROR_NOMATCH)
			break;
		if (code < 0)
			return match_failed(code, error);
		from = place[0];
		to = place[1];
		if (from > at) {
			status = run_stage(split, stage + 1, text, begin + at, begin + from, error);
			if (status)
				return status;
		}
		status = run_stage(split, stage + 1, text, begin + from, begin + to, error);
		if (status)
			return status;
		at = to;
	}
	return at < length ? run_stage(split, stage + 1, text, begin + at, end, error) : ELM_OK;
}

/* A copy of the same length that is valid UTF-8. The patterns know U+001A, like what it stands for,
 * only as neither letter, number, white space nor punctuation. */
static elm_status make_valid(elm__buf *out, const char *text, size_t length, elm_error *error)
{
	uint32_t code_point;
	size_t at = 0, n;

	elm__buf_clear(out);
	elm__buf_append(out, text, length);
	if (out->failed)
		return elm__buf_status(out, error);
	while (at < length) {
		n = elm__utf8_decode(text + at, length - at, &code_point);
		if (!n)
			out->data[at] = 0x1a;
		at += n ? n : 1;
	}
	return ELM_OK;
}

elm_status elm__split_text(elm__split *split, const char *text, size_t length, elm_error *error)
{
	/* A pattern may look at a run of white space once per alternative before one takes it. */
	enum { LEAST_STEPS = 1 << 20, STEPS_PER_BYTE = 8 };
	uint64_t steps = LEAST_STEPS + (uint64_t)length * STEPS_PER_BYTE;
	elm_status status;

	pcre2_set_match_limit(split->context, steps < UINT32_MAX ? (uint32_t)steps : UINT32_MAX);
	if (!elm__utf8_valid(text, length)) {
		status = make_valid(&split->valid, text, length, error);
		if (status)
			return status;
		text = split->valid.data;
	}
	return run_stage(split, 0, text, 0, length, error);
}
