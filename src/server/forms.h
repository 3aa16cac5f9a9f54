/*
 * forms.h: grammars and schemas of requests, compiled once and kept for the next request.
 */
#ifndef ELM_SERVER_FORMS_H
#define ELM_SERVER_FORMS_H

#include <edgelm/scheduler.h>

#include "server/request.h"

typedef struct elm__forms elm__forms;

ELM_NODISCARD elm_status elm__forms_create(const elm_tokenizer *tokenizer, elm__forms **out,
					   elm_error *error);
void elm__forms_free(elm__forms *forms); /* NULL allowed */

/*
 * The filter that holds a text to the form that a request wants, for one choice; the caller owns it
 * until it is submitted (filter->release). With ELM__FORM_FREE there is none and *filter is zeroed.
 * A grammar or schema that cannot be compiled is the client's error and names the place. From any
 * thread.
 */
ELM_NODISCARD elm_status elm__forms_filter(elm__forms *forms, const elm__api_request *request,
					   elm_token_filter *filter, elm_error *error);

#endif
