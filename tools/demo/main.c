/*
 * demo_data FOLDER [SAMPLES [SEED]]: writes what the demo model is trained and measured with.
 *
 *   copy.jsonl                 exercises in copying, to begin with
 *   train.jsonl, valid.jsonl   {"prompt", "answer"}, in the form of the chat template
 *   text.txt                   words of train.jsonl, for the tokenizer
 *   tasks.jsonl                held-out requests for `edgelm eval tasks`
 *
 * docs/DEMO-MODEL.md describes them.
 */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "demo.h"

static const struct {
	const char *name;
	void (*make)(demo *d, demo_sample *s);
	double share; /* of the training samples */
	size_t tasks;
} categories[DEMO_CATEGORIES] = {
	[DEMO_SIMPLE] = { "simple", demo_make_simple, 0.16, 300 },
	[DEMO_COMPLEX] = { "complex", demo_make_complex, 0.08, 200 },
	[DEMO_CONVERSATIONAL] = { "conversational", demo_make_conversational, 0.10, 200 },
	[DEMO_CONTEXTUAL] = { "contextual", demo_make_contextual, 0.26, 400 },
	[DEMO_TASK] = { "task-oriented", demo_make_task, 0.22, 400 },
	[DEMO_OUTSIDE] = { "outside", demo_make_outside, 0.14, 300 },
	[DEMO_ECHO] = { "echo", demo_make_echo, 0.04, 0 },
};

enum { COPIES = 40000, VALID = 500 };

static FILE *open_file(const char *folder, const char *name)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "w");
	if (!file) {
		perror(path);
		exit(1);
	}
	return file;
}

static void close_file(FILE *file)
{
	if (ferror(file) || fclose(file)) {
		fprintf(stderr, "demo_data: the files cannot be written\n");
		exit(1);
	}
}

static void write_json(FILE *out, json_t *value)
{
	char *text = value ? json_dumps(value, JSON_COMPACT) : NULL;

	if (!text) {
		fprintf(stderr, "demo_data: out of memory\n");
		exit(1);
	}
	fprintf(out, "%s\n", text);
	free(text);
	json_decref(value);
}

/* What chat.jinja makes of the messages, which a test compares. EOS after the answer is the
 * trainer's. */
static void write_sample(FILE *out, const demo_sample *s)
{
	char prompt[DEMO_TEXT * DEMO_MESSAGES] = "";

	for (size_t i = 0; i < s->count; i++)
		demo_append(prompt, sizeof(prompt), "<|im_start|>%s\n%s<|im_end|>\n",
			    s->messages[i].role, s->messages[i].text);
	demo_append(prompt, sizeof(prompt), "<|im_start|>assistant\n");
	write_json(out, json_pack("{s:s, s:s}", "prompt", prompt, "answer", s->answer));
}

/*
 * The text that the vocabulary is learned from: words that are not just invented, and of one that
 * has been seen n times about the square root of n. So what many words are made of becomes tokens,
 * and not pieces of a few frequent words that no other has, which a model never learns to copy.
 */
typedef struct vocabulary_text {
	FILE *out;
	json_t *seen;
	elm__random random;
} vocabulary_text;

enum { SELDOM = 8 };

static void write_words(vocabulary_text *v, const char *text)
{
	while (*text) {
		size_t n = strcspn(text, " \n");
		char word[DEMO_TEXT];
		json_int_t seen;

		snprintf(word, sizeof(word), "%.*s", (int)n, text);
		seen = json_integer_value(json_object_get(v->seen, word)) + 1;
		json_object_set_new(v->seen, word, json_integer(seen));
		if (seen > SELDOM && elm__random_unit(&v->random) * sqrt((double)seen) < 1)
			fprintf(v->out, " %s", word);
		text += n + (text[n] != '\0');
	}
	fputc('\n', v->out);
}

static void write_text(vocabulary_text *v, const demo_sample *s)
{
	for (size_t i = 0; i < s->count; i++)
		write_words(v, s->messages[i].text);
	write_words(v, s->answer);
}

static void write_task(FILE *out, const demo_sample *s, demo_category category)
{
	json_t *messages = json_array();

	for (size_t i = 0; i < s->count; i++)
		json_array_append_new(messages, json_pack("{s:s, s:s}", "role", s->messages[i].role,
							  "content", s->messages[i].text));
	if (category == DEMO_OUTSIDE)
		write_json(out,
			   json_pack("{s:s, s:s, s:s, s:o}", "category", categories[category].name,
				     "kind", s->kind, "domain", "out", "messages", messages));
	else
		write_json(out, json_pack("{s:s, s:s, s:s, s:o, s:s, s:s}", "category",
					  categories[category].name, "kind", s->kind, "domain",
					  "in", "messages", messages, "expected", s->answer,
					  "match", "exact"));
}

static void make(demo *d, demo_category category, demo_sample *s)
{
	memset(s, 0, sizeof(*s));
	categories[category].make(d, s);
}

static void make_copying(demo *d, const char *folder, size_t count)
{
	FILE *out = open_file(folder, "copy.jsonl");
	static demo_sample s;

	for (size_t i = 0; i < count; i++) {
		make(d, DEMO_ECHO, &s);
		write_sample(out, &s);
	}
	close_file(out);
}

static void make_training(demo *d, const char *folder, const char *name, size_t count, bool text)
{
	FILE *out = open_file(folder, name);
	vocabulary_text words = { 0 };
	static demo_sample s;

	if (text) {
		words.out = open_file(folder, "text.txt");
		words.seen = json_object();
		elm__random_seed(&words.random, count);
	}
	for (size_t i = 0; i < count; i++) {
		double at = elm__random_unit(&d->random);
		int category = 0;

		while (category + 1 < DEMO_CATEGORIES && at >= categories[category].share)
			at -= categories[category++].share;
		make(d, (demo_category)category, &s);
		write_sample(out, &s);
		if (text)
			write_text(&words, &s);
	}
	close_file(out);
	if (text) {
		close_file(words.out);
		json_decref(words.seen);
	}
}

static void make_tasks(demo *d, const char *folder)
{
	FILE *out = open_file(folder, "tasks.jsonl");
	static demo_sample s;

	d->held = true;
	for (int category = 0; category < DEMO_CATEGORIES; category++) {
		for (size_t i = 0; i < categories[category].tasks; i++) {
			make(d, (demo_category)category, &s);
			write_task(out, &s, (demo_category)category);
		}
	}
	close_file(out);
}

int main(int argc, char **argv)
{
	int64_t samples = 200000, seed = 1;
	demo d = { 0 };

	if (argc < 2 || argc > 4 ||
	    (argc > 2 && !elm__parse_i64(argv[2], 1, 100000000, &samples)) ||
	    (argc > 3 && !elm__parse_i64(argv[3], 0, INT64_MAX, &seed))) {
		fprintf(stderr, "usage: demo_data FOLDER [SAMPLES [SEED]]\n");
		return 2;
	}
	mkdir(argv[1], 0777);
	elm__random_seed(&d.random, (uint64_t)seed);
	make_copying(&d, argv[1], COPIES);
	make_training(&d, argv[1], "train.jsonl", (size_t)samples, true);
	make_training(&d, argv[1], "valid.jsonl", VALID, false);
	/* The tasks are the same whatever the number of samples. */
	elm__random_seed(&d.random, (uint64_t)seed + 1);
	make_tasks(&d, argv[1]);
	return 0;
}
