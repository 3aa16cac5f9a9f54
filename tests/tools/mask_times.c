/*
 * mask_times VOCABULARY.gguf TEXT.json [SCHEMA.json]: how long masks take while the tokens of a
 * text are followed under a schema, or as any JSON object: the first time, when each state is new,
 * and a second time, when it is remembered.
 */
#include <edgelm/grammar.h>
#include <edgelm/memory.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/file.h"
#include "base/stats.h"

enum { MAX_FILE = 1 << 20 };

static void check(elm_status status, const elm_error *error)
{
	if (!status)
		return;
	fprintf(stderr, "mask_times: %s\n", error->text);
	exit(1);
}

/* CPU time of this thread: other programs may run meanwhile. */
static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* Follows the tokens; times[i] is that of the mask before token i, in milliseconds. */
static void follow(elm_constraint *constraint, const elm_token *tokens, size_t count, float *logits,
		   size_t size, double *times)
{
	elm_error error = { 0 };

	elm_constraint_reset(constraint, true);
	for (size_t i = 0; i < count; i++) {
		double start = now_ms();

		check(elm_constraint_apply(constraint, logits, size, NULL, &error), &error);
		times[i] = now_ms() - start;
		check(elm_constraint_accept(constraint, tokens[i], &error), &error);
	}
}

static void print(const char *what, double *times, size_t count)
{
	double sum = 0, most = 0;
	elm__summary s;

	for (size_t i = 0; i < count; i++) {
		sum += times[i];
		most = times[i] > most ? times[i] : most;
	}
	s = elm__summarize(times, count);
	printf("%-6s p50 %.3f ms, p95 %.3f, p99 %.3f, max %.3f, sum %.1f (n=%zu)\n", what, s.p50,
	       s.p95, s.p99, most, sum, count);
}

int main(int argc, char **argv)
{
	elm__buf text = ELM__BUF_INIT, schema = ELM__BUF_INIT;
	elm_error error = { 0 };
	elm_tokenizer *tokenizer;
	elm_constraint *constraint;
	elm_grammar *grammar;
	elm_lexicon *lexicon;
	elm_token *tokens;
	elm_gguf *gguf;
	double start;
	double *times;
	float *logits;
	size_t count, size;

	if (argc < 3) {
		fputs("usage: mask_times VOCABULARY.gguf TEXT.json [SCHEMA.json]\n", stderr);
		return 2;
	}
	check(elm_gguf_open(argv[1], &gguf, &error), &error);
	check(elm_tokenizer_create(gguf, &tokenizer, &error), &error);
	check(elm__file_read(argv[2], MAX_FILE, &text, &error), &error);
	if (argc > 3)
		check(elm__file_read(argv[3], MAX_FILE, &schema, &error), &error);
	start = now_ms();
	check(elm_lexicon_create(tokenizer, &lexicon, &error), &error);
	printf("lexicon of %zu tokens: %.1f ms\n", elm_tokenizer_size(tokenizer), now_ms() - start);
	start = now_ms();
	check(argc > 3 ? elm_grammar_create_schema(elm__buf_text(&schema), schema.length, &grammar,
						   &error) :
			 elm_grammar_create_json(&grammar, &error),
	      &error);
	check(elm_constraint_create(grammar, lexicon, &constraint, &error), &error);
	printf("grammar: %.2f ms\n", now_ms() - start);
	check(elm_tokenize(tokenizer, elm__buf_text(&text), text.length, 0, &tokens, &count,
			   &error),
	      &error);
	size = elm_tokenizer_size(tokenizer);
	times = calloc(count + 1, sizeof(*times));
	logits = calloc(size, sizeof(*logits));
	if (!times || !logits)
		return 1;
	follow(constraint, tokens, count, logits, size, times);
	print("first", times, count);
	follow(constraint, tokens, count, logits, size, times);
	print("again", times, count);
	elm_constraint_free(constraint);
	elm_grammar_free(grammar);
	elm_lexicon_free(lexicon);
	elm_tokenizer_free(tokenizer);
	elm_gguf_close(gguf);
	elm__buf_release(&text);
	elm__buf_release(&schema);
	elm_free(tokens);
	free(times);
	free(logits);
	return 0;
}
