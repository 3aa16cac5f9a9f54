#include "bench/list.h"

#include <stdbool.h>

#include "base/alloc.h"

elm_status elm__numbers_add(elm__numbers *list, uint32_t number, elm_error *error)
{
	uint32_t *items;

	if (list->count == ELM__NUMBERS_MAX)
		return elm_error_set(error, ELM_ERR_ARGUMENT, "a list of more than %d numbers",
				     ELM__NUMBERS_MAX);
	items = elm__realloc_array(list->items, list->count + 1, sizeof(*items));
	if (!items)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for a list");
	items[list->count++] = number;
	list->items = items;
	return ELM_OK;
}

void elm__numbers_release(elm__numbers *list)
{
	elm__free(list->items);
	*list = (elm__numbers){ 0 };
}

/* Reads digits; false where there are none or they are no uint32_t. */
static bool number(const char **at, uint32_t *out)
{
	uint64_t value = 0;
	const char *c = *at;

	for (; *c >= '0' && *c <= '9' && value <= UINT32_MAX; c++)
		value = value * 10 + (uint64_t)(*c - '0');
	if (c == *at || value > UINT32_MAX)
		return false;
	*at = c;
	*out = (uint32_t)value;
	return true;
}

typedef struct range {
	uint32_t first, last, step;
	bool times;
} range;

static bool read_range(const char **at, range *r)
{
	*r = (range){ .step = 1 };
	if (!number(at, &r->first))
		return false;
	r->last = r->first;
	if (**at != '-')
		return true;
	++*at;
	if (!number(at, &r->last))
		return false;
	if (**at != '+' && **at != '*')
		return true;
	r->times = **at == '*';
	++*at;
	return number(at, &r->step);
}

static elm_status check_range(const elm__numbers_kind *kind, const char *text, const range *r,
			      elm_error *error)
{
	if (r->last < r->first)
		return elm_error_set(error, ELM_ERR_ARGUMENT, "%s \"%s\": %u-%u goes down",
				     kind->name, text, r->first, r->last);
	if (r->last > r->first && (r->times ? r->step < 2 || !r->first : !r->step))
		return elm_error_set(error, ELM_ERR_ARGUMENT,
				     "%s \"%s\": the range from %u does not get to %u", kind->name,
				     text, r->first, r->last);
	if (r->first < kind->low || r->last > kind->high)
		return elm_error_set(error, ELM_ERR_ARGUMENT, "%s \"%s\" is not within %u to %u",
				     kind->name, text, kind->low, kind->high);
	return ELM_OK;
}

static elm_status add_range(elm__numbers *list, const range *r, elm_error *error)
{
	uint64_t value = r->first;
	elm_status status = ELM_OK;

	while (value <= r->last && status == ELM_OK) {
		status = elm__numbers_add(list, (uint32_t)value, error);
		value = r->times ? value * r->step : value + r->step;
		if (r->last == r->first)
			break;
	}
	return status;
}

/* After an item: at the end, or at a separator with something behind it. */
static bool next_item(const char **at, char separator)
{
	if (**at != separator)
		return !**at;
	++*at;
	return **at != '\0';
}

elm_status elm__numbers_parse(elm__numbers *list, const elm__numbers_kind *kind, const char *text,
			      elm_error *error)
{
	size_t before = list->count;
	const char *at = text;
	elm_status status;
	range r;

	do {
		if (!read_range(&at, &r) || !next_item(&at, kind->separator))
			status = elm_error_set(error, ELM_ERR_ARGUMENT,
					       "%s \"%s\" is not a list of whole numbers such as "
					       "128%c256 or ranges such as 1-8, 128-512+128, "
					       "1-16*2",
					       kind->name, text, kind->separator);
		else
			status = check_range(kind, text, &r, error);
		if (status == ELM_OK)
			status = add_range(list, &r, error);
	} while (status == ELM_OK && *at);
	if (status != ELM_OK)
		list->count = before;
	return status;
}

elm_status elm__numbers_parse_pairs(elm__numbers *list, const elm__numbers_kind *kind,
				    const char *text, elm_error *error)
{
	size_t before = list->count;
	const char *at = text;
	elm_status status = ELM_OK;

	do {
		uint32_t pair[2];
		bool read = number(&at, &pair[0]) && *at == ',' && (at++, number(&at, &pair[1]));

		if (!read || (kind->separator == ';' ? !next_item(&at, ';') : *at != '\0'))
			status = elm_error_set(error, ELM_ERR_ARGUMENT,
					       "%s \"%s\" is not two whole numbers such as "
					       "512,128%s",
					       kind->name, text,
					       kind->separator == ';' ? ", or more of them after "
									"a semicolon" :
									"");
		for (int i = 0; i < 2 && status == ELM_OK; i++)
			if (pair[i] < kind->low || pair[i] > kind->high)
				status = elm_error_set(error, ELM_ERR_ARGUMENT,
						       "%s \"%s\": %u is not within %u to %u",
						       kind->name, text, pair[i], kind->low,
						       kind->high);
			else
				status = elm__numbers_add(list, pair[i], error);
	} while (status == ELM_OK && *at);
	if (status != ELM_OK)
		list->count = before;
	return status;
}
