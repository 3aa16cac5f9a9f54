#include "server/embedding_request.h"

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "server/request.h"

#define TRY(call)                            \
	do {                                 \
		elm_status status_ = (call); \
		if (status_ != ELM_OK)       \
			return status_;      \
	} while (0)

static const double largest_value = 32760; /* as llama-server has it, for 16-bit integers */

static elm_status refuse_empty(const elm__embedding_request *r, elm_error *error)
{
	const json_t *item;
	bool empty = json_is_string(r->input) && !json_string_length(r->input);
	size_t i;

	json_array_foreach(r->input, i, item) empty |=
		json_is_string(item) && !json_string_length(item);
	return empty ? elm_error_set(error, ELM_ERR_ARGUMENT,
				     "Field '%s' must not have an empty text", r->field) :
		       ELM_OK;
}

static elm_status read_format(elm__embedding_request *r, elm_error *error)
{
	const char *format = NULL;

	TRY(elm__json_get_string(r->root, "encoding_format", &format, error));
	r->base64 = format && !strcmp(format, "base64");
	if (format && !r->base64 && strcmp(format, "float") != 0)
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "Field 'encoding_format' must be \"float\" or \"base64\", not "
				     "\"%s\"",
				     format);
	return ELM_OK;
}

static elm_status read_request(elm__embedding_request *r, bool openai, elm_error *error)
{
	int64_t priority = 0;

	r->field = openai || json_object_get(r->root, "input") ? "input" : "content";
	r->input = json_object_get(r->root, r->field);
	r->norm = 2;
	TRY(elm__api_check_prompts(r->input, r->field, ELM__EMBEDDING_INPUTS, error));
	TRY(refuse_empty(r, error));
	TRY(elm__json_get_i64(r->root, "dimensions", 1, 1 << 24, &r->dimensions, error));
	TRY(elm__json_get_i64(r->root, "embd_normalize", -1, 64, &r->norm, error));
	TRY(elm__json_get_i64(r->root, "priority", INT32_MIN, INT32_MAX, &priority, error));
	r->has_priority = json_is_integer(json_object_get(r->root, "priority"));
	r->priority = (int32_t)priority;
	return read_format(r, error);
}

elm_status elm__embedding_request_parse(elm__embedding_request *request, bool openai,
					const char *text, size_t length, elm_error *error)
{
	elm_status status;

	memset(request, 0, sizeof(*request));
	status = elm__api_parse_object(text, length, &request->root, error);
	if (!status)
		status = read_request(request, openai, error);
	if (status)
		elm__embedding_request_release(request);
	return status;
}

void elm__embedding_request_release(elm__embedding_request *request)
{
	json_decref(request->root);
	memset(request, 0, sizeof(*request));
}

/* The length of a vector, as the order of the norm measures it. */
static double measure(const float *values, size_t count, int64_t norm)
{
	double most = 0, sum = 0;

	for (size_t i = 0; i < count; i++)
		most = fmax(most, fabs((double)values[i]));
	if (norm == 0)
		return most / largest_value;
	if (most <= 0)
		return 0;
	/* In units of the largest one, so that no power overflows. */
	for (size_t i = 0; i < count; i++)
		sum += pow(fabs((double)values[i]) / most, (double)norm);
	return most * pow(sum, 1 / (double)norm);
}

void elm__embedding_finish(const elm__embedding_request *r, float *values, size_t count)
{
	double length;

	if (r->dimensions && (size_t)r->dimensions < count)
		count = (size_t)r->dimensions;
	if (r->norm < 0)
		return;
	length = measure(values, count, r->norm);
	for (size_t i = 0; i < count && length > 0; i++)
		values[i] = (float)((double)values[i] / length);
}
