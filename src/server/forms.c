#include "server/forms.h"

#include <edgelm/grammar.h>

#include <pthread.h>
#include <string.h>

#include "base/alloc.h"

enum { KEPT = 16 };

typedef struct form {
	elm__api_form kind;
	char *text; /* NULL: any JSON */
	elm_grammar *grammar;
	uint64_t used; /* when, by the counter of uses */
} form;

struct elm__forms {
	const elm_tokenizer *tokenizer;
	pthread_mutex_t lock;
	elm_lexicon *lexicon; /* made when it is needed first: it costs time and memory */
	form kept[KEPT];
	uint64_t uses;
};

elm_status elm__forms_create(const elm_tokenizer *tokenizer, elm__forms **out, elm_error *error)
{
	elm__forms *forms = elm__calloc(1, sizeof(*forms));

	*out = forms;
	if (!forms)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	forms->tokenizer = tokenizer;
	pthread_mutex_init(&forms->lock, NULL);
	return ELM_OK;
}

static void release_form(form *f)
{
	elm_grammar_free(f->grammar);
	elm__free(f->text);
	memset(f, 0, sizeof(*f));
}

void elm__forms_free(elm__forms *forms)
{
	if (!forms)
		return;
	for (int i = 0; i < KEPT; i++)
		release_form(&forms->kept[i]);
	elm_lexicon_free(forms->lexicon);
	pthread_mutex_destroy(&forms->lock);
	elm__free(forms);
}

static const char *form_text(const elm__api_request *request)
{
	switch (request->form) {
	case ELM__FORM_SCHEMA:
		return request->schema;
	case ELM__FORM_GRAMMAR:
		return request->grammar;
	default:
		return NULL;
	}
}

static elm_status compile(const elm__api_request *request, elm_grammar **out, elm_error *error)
{
	const char *text = form_text(request);
	const char *what = request->form == ELM__FORM_SCHEMA ? "JSON schema" : "grammar";
	elm_error own = { 0 };
	elm_status status;

	if (request->form == ELM__FORM_JSON)
		return elm_grammar_create_json(out, error);
	status = request->form == ELM__FORM_SCHEMA ?
			 elm_grammar_create_schema(text, strlen(text), out, &own) :
			 elm_grammar_create_gbnf(text, strlen(text), out, &own);
	if (!status)
		return ELM_OK;
	/* Whatever is wrong with it, it is the client's. */
	return elm_error_set(error,
			     status == ELM_ERR_NO_MEMORY ? ELM_ERR_NO_MEMORY : ELM_ERR_ARGUMENT,
			     "%s: %s", what, own.text);
}

/* With the lock. NULL when it is not kept. */
static form *find(elm__forms *forms, const elm__api_request *request)
{
	const char *text = form_text(request);

	for (int i = 0; i < KEPT; i++) {
		form *f = &forms->kept[i];

		if (f->kind == request->form && (!text || (f->text && !strcmp(f->text, text)))) {
			f->used = ++forms->uses;
			return f;
		}
	}
	return NULL;
}

/* With the lock. Takes the grammar, instead of the one that was used longest ago. Without memory
 * for the text it is not kept. */
static void keep(elm__forms *forms, const elm__api_request *request, elm_grammar *grammar)
{
	const char *text = form_text(request);
	char *copy = text ? elm__strdup(text) : NULL;
	form *oldest = &forms->kept[0];

	if (text && !copy) {
		elm_grammar_free(grammar);
		return;
	}
	for (int i = 1; i < KEPT; i++)
		if (forms->kept[i].used < oldest->used)
			oldest = &forms->kept[i];
	release_form(oldest);
	*oldest = (form){ request->form, copy, grammar, ++forms->uses };
}

static elm_status constrain(elm__forms *forms, const elm__api_request *request,
			    elm_constraint **out, elm_error *error)
{
	elm_status status = ELM_OK;
	elm_grammar *grammar;
	form *kept;

	pthread_mutex_lock(&forms->lock);
	if (!forms->lexicon)
		status = elm_lexicon_create(forms->tokenizer, &forms->lexicon, error);
	kept = find(forms, request);
	if (!status && kept)
		status = elm_constraint_create(kept->grammar, forms->lexicon, out, error);
	pthread_mutex_unlock(&forms->lock);
	if (status || kept)
		return status;

	/* Without the lock: others need not wait for a large schema. */
	status = compile(request, &grammar, error);
	if (status)
		return status;
	pthread_mutex_lock(&forms->lock);
	status = elm_constraint_create(grammar, forms->lexicon, out, error);
	keep(forms, request, grammar);
	pthread_mutex_unlock(&forms->lock);
	return status;
}

static elm_status filter_apply(void *user, float *logits, size_t count, bool *any, elm_error *error)
{
	return elm_constraint_apply(user, logits, count, any, error);
}

static elm_status filter_accept(void *user, elm_token token, elm_error *error)
{
	return elm_constraint_accept(user, token, error);
}

static bool filter_finished(void *user)
{
	return elm_constraint_finished(user);
}

static void filter_release(void *user)
{
	elm_constraint_free(user);
}

elm_status elm__forms_filter(elm__forms *forms, const elm__api_request *request,
			     elm_token_filter *filter, elm_error *error)
{
	elm_constraint *constraint = NULL;
	elm_status status;

	memset(filter, 0, sizeof(*filter));
	if (request->form == ELM__FORM_FREE)
		return ELM_OK;
	status = constrain(forms, request, &constraint, error);
	if (status)
		return status;
	elm_constraint_reset(constraint, elm__api_is_chat(request->api));
	*filter = (elm_token_filter){ filter_apply, filter_accept, filter_finished, filter_release,
				      constraint };
	return ELM_OK;
}
