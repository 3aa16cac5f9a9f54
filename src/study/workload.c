#include "study/workload.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/stats.h"

const elm__category_form elm__category_forms[ELM__CATEGORY_COUNT] = {
	[ELM__CATEGORY_COMPLEX] = { 70, "You are a helpful assistant. Give a short answer. Query: ",
				    " Answer: ",
				    "You are a helpful assistant. Give a short answer.", NULL },
	[ELM__CATEGORY_CONTEXTUAL] = { 50,
				       "You are a very helpful assistant. Answer the question: ",
				       " Answer: ",
				       "You are a very helpful assistant. Answer the question.",
				       NULL },
	[ELM__CATEGORY_CONVERSATIONAL] = { 40, "You are a helpful assistant.> User: ",
					   "? Assistant: ", "You are a helpful assistant.", NULL },
	[ELM__CATEGORY_SIMPLE] = { 30,
				   "You are a helpful assistant who knows everything. Give a short "
				   "answer. "
				   "Query: ",
				   " Answer: ",
				   "You are a helpful assistant who knows everything. Give a short "
				   "answer.",
				   NULL },
	[ELM__CATEGORY_TASK_ORIENTED] = { 100, "",
					  " <BOT>: Great! Based on the provided information, "
					  "following are "
					  "the steps: ",
					  NULL,
					  "\nBased on the provided information, say which steps "
					  "follow." },
};

const char *const elm__prompt_form_names[ELM__PROMPT_FORMS + 1] = { "chat", "plain", "quoted",
								    NULL };

/* --- reading --- */

size_t elm__text_length(const char *text)
{
	size_t characters = 0;

	for (; *text; text++)
		characters += ((unsigned char)*text & 0xc0) != 0x80;
	return characters;
}

static elm_status find_median(elm__workload *w, elm__category category, elm_error *error)
{
	const elm__queries *all = &w->all[category];
	double *lengths = elm__realloc_array(NULL, all->count, sizeof(*lengths));
	double median, closest = HUGE_VAL;

	if (!lengths)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < all->count; i++)
		lengths[i] = (double)elm__text_length(all->texts[i]);
	elm__sort_doubles(lengths, all->count);
	median = elm__quantile(lengths, all->count, 0.5);
	elm__free(lengths);
	for (size_t i = 0; i < all->count; i++) {
		double off = fabs((double)elm__text_length(all->texts[i]) - median);

		if (off < closest) {
			closest = off;
			w->medians[category] = i;
		}
	}
	return ELM_OK;
}

static elm_status load_category(elm__workload *w, elm__category category, const char *folder,
				size_t limit, elm_error *error)
{
	elm__queries *all = &w->all[category];
	elm_status status = elm__queries_read(folder, category, all, error);

	if (status)
		return status;
	if (!limit || limit > all->count)
		limit = all->count;
	w->chosen[category] = elm__calloc(limit, sizeof(size_t));
	if (!w->chosen[category])
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	w->counts[category] = limit;
	for (size_t i = 0; i < limit; i++)
		w->chosen[category][i] = i * all->count / limit;
	for (size_t i = 0; i < all->count; i++)
		w->hash = elm__hash64(all->texts[i], strlen(all->texts[i]) + 1, w->hash);
	return find_median(w, category, error);
}

elm_status elm__workload_load(elm__workload *w, const char *folder, size_t limit, elm_error *error)
{
	elm_status status = ELM_OK;

	memset(w, 0, sizeof(*w));
	for (int c = 0; c < ELM__CATEGORY_COUNT && status == ELM_OK; c++)
		status = load_category(w, (elm__category)c, folder, limit, error);
	return status;
}

void elm__workload_release(elm__workload *w)
{
	for (int c = 0; c < ELM__CATEGORY_COUNT; c++) {
		elm__queries_release(&w->all[c]);
		elm__free(w->chosen[c]);
	}
	memset(w, 0, sizeof(*w));
}

/* --- prompts --- */

static bool ends_sentence(const char *text)
{
	size_t length = strlen(text);

	while (length && text[length - 1] == ' ')
		length--;
	return length && strchr(".?!", text[length - 1]);
}

elm__prompt elm__workload_prompt(elm__category category, const char *query, elm__prompt_form form,
				 elm__buf *out)
{
	const elm__category_form *c = &elm__category_forms[category];
	const char *after = c->after;

	elm__buf_clear(out);
	if (form == ELM__PROMPT_CHAT) {
		elm__buf_printf(out, "%s%s", query, c->request ? c->request : "");
		return (elm__prompt){ true, c->system, elm__buf_text(out) };
	}
	if (form == ELM__PROMPT_PLAIN && *after == '?' && ends_sentence(query))
		after++;
	elm__buf_printf(out, form == ELM__PROMPT_QUOTED ? "\"%s%s%s\"" : "%s%s%s", c->before, query,
			after);
	return (elm__prompt){ false, NULL, elm__buf_text(out) };
}

void elm__text_fit(const char *text, size_t characters, elm__buf *out)
{
	const char *at = text;

	elm__buf_clear(out);
	do {
		size_t size = 1;

		if (!*at) {
			at = text;
			elm__buf_putc(out, ' ');
			if (--characters == 0)
				break;
		}
		while (((unsigned char)at[size] & 0xc0) == 0x80)
			size++;
		elm__buf_append(out, at, size);
		at += size;
	} while (--characters);
}
