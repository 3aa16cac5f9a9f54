#include "cli/text.h"

#include <edgelm/memory.h>

#include <stdio.h>
#include <string.h>

#include "cli/vocabulary.h"

static bool holds_records(const char *file)
{
	size_t length = file ? strlen(file) : 0;

	return length > 6 && !strcmp(file + length - 6, ".jsonl");
}

static elm_status read_plain(cli_text *text, const elm_tokenizer *tokenizer, const char *file,
			     size_t bytes, elm_error *error)
{
	elm__buf buffer = ELM__BUF_INIT;
	elm_status status = cli_read_text(NULL, file, &buffer, error);
	size_t length = bytes && bytes < buffer.length ? bytes : buffer.length;

	if (!status)
		status = elm_tokenize(tokenizer, elm__buf_text(&buffer), length, ELM_TOKENIZE_BOS,
				      &text->plain, &text->count, error);
	elm__buf_release(&buffer);
	text->tokens = text->plain;
	return status;
}

elm_status cli_text_read(cli_text *text, const elm_tokenizer *tokenizer, const char *file,
			 size_t bytes, elm_error *error)
{
	elm_status status;

	memset(text, 0, sizeof(*text));
	elm__corpus_init(&text->corpus);
	if (!holds_records(file))
		return read_plain(text, tokenizer, file, bytes, error);
	text->records = true;
	status = elm__corpus_add_file(&text->corpus, tokenizer, file, error);
	text->tokens = text->corpus.tokens;
	text->count = text->corpus.count;
	if (status)
		cli_text_release(text);
	return status;
}

void cli_text_release(cli_text *text)
{
	elm_free(text->plain);
	elm__corpus_release(&text->corpus);
	memset(text, 0, sizeof(*text));
}

elm_status cli_text_score(const cli_text *text, elm_session *session, uint32_t window,
			  elm__perplexity *out, elm_error *error)
{
	const elm__marked_text marked = { .tokens = text->tokens,
					  .marks = text->corpus.trained,
					  .starts = text->corpus.starts,
					  .documents = text->corpus.documents };

	if (text->records)
		return elm__perplexity_init_marked(out, session, &marked, window, error);
	return elm__perplexity_init(out, session, text->tokens, text->count, window, error);
}

const char *cli_text_scored(const cli_text *text, const elm__perplexity *p, char *out, size_t size)
{
	if (text->records)
		snprintf(out, size, "what is trained of %lu records", (unsigned long)p->done);
	else
		snprintf(out, size, "the second half of %lu windows of %lu tokens",
			 (unsigned long)p->done, (unsigned long)p->window);
	return out;
}
