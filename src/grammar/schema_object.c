/* schema_object.c: objects and arrays. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/text.h"
#include "grammar/schema.h"

enum { MAX_KEY = 256 /* bytes, where additional properties must be told apart from it */ };

/* ---- keys that are none of the named ones ---- */

/* The characters of a key that are written as they are. */
static elm__expr *plain_except(elm__rules *r, const elm__charset *taken)
{
	elm__charset set = { 0 };

	elm__charset_add(r, &set, 0, 0x1F);
	elm__charset_add(r, &set, '"', '"');
	elm__charset_add(r, &set, '\\', '\\');
	elm__charset_add(r, &set, 0x7F, 0x7F);
	for (uint32_t i = 0; i < taken->count; i++)
		elm__charset_add(r, &set, taken->ranges[i].first, taken->ranges[i].last);
	elm__charset_invert(r, &set);
	return elm__expr_class(r, &set);
}

static uint32_t char_at(const char *text, size_t *length)
{
	uint32_t code_point = 0;

	*length = elm__utf8_decode(text, strlen(text), &code_point);
	return code_point;
}

/* Keys that begin with what names[0..count) (in order) have before `at`, and are none of them. */
static elm__expr *other_keys(elm__rules *r, const char *const *names, size_t count, size_t at)
{
	elm__expr *choice = elm__expr_list(r, ELM__EXPR_CHOICE), *rest;
	elm__charset taken = { 0 }, none = { 0 };
	size_t i = 0;

	if (count && !names[0][at])
		i++; /* the first one ends here: so must not the key */
	else
		elm__expr_add(r, choice, elm__expr_list(r, ELM__EXPR_SEQUENCE));
	while (i < count && !r->status) {
		size_t length, other, first = i;
		uint32_t c = char_at(names[i] + at, &length);

		while (i < count && char_at(names[i] + at, &other) == c)
			i++;
		elm__charset_add(r, &taken, c, c);
		elm__expr_add(
			r, choice,
			elm__expr_sequence(r, 2, elm__expr_text(r, names[first] + at, length),
					   other_keys(r, names + first, i - first, at + length)));
	}
	rest = elm__expr_repeat(r, plain_except(r, &none), 0, ELM__UNLIMITED);
	elm__expr_add(r, choice, elm__expr_sequence(r, 2, plain_except(r, &taken), rest));
	return choice;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Whether a key cannot be written without escapes; additional keys are, so they cannot be it. */
static bool needs_escapes(const char *name)
{
	for (; *name; name++)
		if ((uint8_t)*name < 0x20 || *name == '"' || *name == '\\' || *name == 0x7F)
			return true;
	return false;
}

static elm__expr *additional_key(elm__schema *s, const json_t *properties)
{
	size_t count = 0;
	const char **names, *key;
	elm__expr *expr;
	json_t *value;

	if (!json_object_size(properties))
		return elm__json_use(&s->json, ELM__JSON_KEY);
	names = elm__calloc(json_object_size(properties), sizeof(*names));
	if (!names) {
		elm__schema_no_memory(s);
		return elm__expr_list(s->rules, ELM__EXPR_SEQUENCE);
	}
	json_object_foreach((json_t *)properties, key, value)
	{
		if (strlen(key) > MAX_KEY)
			(void)elm__schema_fail(s, ELM_ERR_LIMIT,
					       "a property has a name of more than %d bytes, and "
					       "others are allowed; forbid them with "
					       "\"additionalProperties\": false",
					       MAX_KEY);
		if (!needs_escapes(key))
			names[count++] = key;
	}
	if (count)
		qsort(names, count, sizeof(*names), by_text);
	expr = elm__expr_sequence(s->rules, 3, elm__expr_puts(s->rules, "\""),
				  other_keys(s->rules, names, count, 0),
				  elm__expr_puts(s->rules, "\""));
	elm__free(names);
	return expr;
}

/* ---- objects ---- */

/* An object in the making: its members in the order of the schema. */
typedef struct object {
	const json_t *schema, *properties;
	json_t *all;	/* properties, and required names that are none; without impossible ones */
	json_t *needed; /* the required names, as keys */
	bool open;	/* others are allowed, as `others` says */
	elm__expr *others; /* a rule */
} object;

/* Checks "required", and adds names that are no properties. */
static void add_required(elm__schema *s, object *o)
{
	const json_t *list = json_object_get(o->schema, "required");
	const json_t *additional = json_object_get(o->schema, "additionalProperties");

	if (list && !json_is_array(list))
		(void)elm__schema_fail(s, ELM_ERR_FORMAT, "\"required\" must be a list of names");
	for (size_t i = 0; i < json_array_size(list) && !s->rules->status; i++) {
		const json_t *name = json_array_get(list, i);
		const char *key = json_string_value(name);

		if (!key || strlen(key) != json_string_length(name))
			(void)elm__schema_fail(s, ELM_ERR_FORMAT,
					       "\"required\" must be a list of names");
		else if (json_is_false(json_object_get(o->properties, key)) ||
			 (!json_object_get(o->properties, key) && json_is_false(additional)))
			(void)elm__schema_fail(s, ELM_ERR_FORMAT,
					       "\"%.100s\" is required and cannot be there", key);
		else if ((!json_object_get(o->all, key) &&
			  json_object_set(o->all, key,
					  additional ? (json_t *)additional : json_true())) ||
			 json_object_set(o->needed, key, json_true()))
			elm__schema_no_memory(s);
	}
}

static void gather(elm__schema *s, object *o)
{
	const json_t *additional = json_object_get(o->schema, "additionalProperties");
	const char *key;
	json_t *value;

	if (o->properties && !json_is_object(o->properties))
		(void)elm__schema_fail(s, ELM_ERR_FORMAT, "\"properties\" must be an object");
	o->all = json_object();
	o->needed = json_object();
	if (!o->all || !o->needed)
		elm__schema_no_memory(s);
	json_object_foreach((json_t *)o->properties, key,
			    value) if (!json_is_false(value) && json_object_set(o->all, key, value))
		elm__schema_no_memory(s);
	add_required(s, o);
	/* Where a schema names properties and does not speak of others, there are none. */
	o->open = additional ? !json_is_false(additional) : !o->properties;
	if (o->open && !s->rules->status) {
		elm__expr *item = elm__schema_compile_member(s, "additionalProperties",
							     additional ? additional : json_true());
		json_t *named = json_copy(o->all); /* and impossible ones, which stay so */

		if (!named ||
		    (o->properties && json_object_update_missing(named, (json_t *)o->properties)))
			elm__schema_no_memory(s);
		o->others = elm__schema_rule(s, elm__json_member(&s->json, additional_key(s, named),
								 item));
		json_decref(named);
	}
}

static elm__expr *compile_property(elm__schema *s, const char *key, const json_t *schema)
{
	json_t *name = json_string(key);
	size_t length = elm__schema_enter(s, "properties"), inside = elm__schema_enter(s, key);
	elm__expr *literal, *rule;

	if (!name)
		elm__schema_no_memory(s);
	literal = name ? elm__json_literal(s->rules, name) : NULL;
	rule = elm__schema_rule(s, elm__json_member(&s->json, literal,
						    elm__schema_compile(s, schema)));
	json_decref(name);
	elm__schema_leave(s, inside);
	elm__schema_leave(s, length);
	return rule;
}

/*
 * The members: rest[i] is what may follow before member i, when there is one already. The first
 * member that is there can be any of those up to the first required one.
 */
static elm__expr *members(elm__schema *s, const object *o)
{
	elm__rules *r = s->rules;
	size_t count = json_object_size(o->all), first_required = count, i = 0;
	elm__expr **items = elm__calloc(count + 1, sizeof(elm__expr *));
	elm__expr *choice = elm__expr_list(r, ELM__EXPR_CHOICE), *rest, *begin = NULL;
	bool *required = elm__calloc(count + 1, sizeof(bool)), empty = true;
	const char *key;
	json_t *value;

	if (!items || !required) {
		elm__schema_no_memory(s);
		goto done;
	}
	json_object_foreach(o->all, key, value)
	{
		required[i] = json_object_get(o->needed, key) != NULL;
		if (required[i] && empty)
			first_required = i;
		empty &= !required[i];
		items[i++] = compile_property(s, key, value);
		if (r->status)
			goto done;
	}
	rest = elm__expr_list(r, ELM__EXPR_SEQUENCE);
	if (o->open) {
		rest = elm__expr_repeat(r, elm__json_next(&s->json, o->others), 0, ELM__UNLIMITED);
		if (empty)
			elm__expr_add(r, choice, elm__expr_sequence(r, 2, o->others, rest));
	}
	while (i-- > 0) {
		elm__expr *next = elm__json_next(&s->json, items[i]);

		rest = elm__schema_rule(s, rest);
		if (i <= first_required)
			elm__expr_add(r, choice, elm__expr_sequence(r, 2, items[i], rest));
		rest = elm__expr_sequence(r, 2, required[i] ? next : elm__expr_optional(r, next),
					  rest);
	}
	begin = r->status || !choice->count ? NULL : choice;
done:
	elm__free(items);
	elm__free(required);
	return elm__json_list(&s->json, "{", begin, NULL, empty, "}");
}

elm__expr *elm__schema_object(elm__schema *s, const json_t *schema)
{
	object o = { .schema = schema, .properties = json_object_get(schema, "properties") };
	elm__expr *expr = NULL;

	gather(s, &o);
	expr = s->rules->status ? elm__expr_list(s->rules, ELM__EXPR_SEQUENCE) : members(s, &o);
	json_decref(o.all);
	json_decref(o.needed);
	return expr;
}

/* ---- arrays ---- */

/* How often an item may follow after `known` ones, so that all are within a bound. */
static uint32_t left(uint32_t bound, size_t known)
{
	if (bound == ELM__UNLIMITED)
		return ELM__UNLIMITED;
	return bound > known ? bound - (uint32_t)known : 0;
}

/* The items from number `i`, the ones before them being there. */
static elm__expr *items_from(elm__schema *s, elm__expr *const *prefix, size_t count,
			     elm__expr *more, uint32_t min, uint32_t max)
{
	elm__rules *r = s->rules;
	elm__expr *rest = elm__expr_list(r, ELM__EXPR_SEQUENCE);
	size_t i = count;

	if (more && left(max, count))
		rest = elm__expr_repeat(r, elm__json_next(&s->json, more), left(min, count),
					left(max, count));
	while (i-- > 1) {
		rest = elm__expr_sequence(r, 2, elm__json_next(&s->json, prefix[i]), rest);
		if (i >= min)
			rest = elm__expr_optional(r, rest);
		rest = elm__schema_rule(s, rest);
	}
	return rest;
}

elm__expr *elm__schema_array(elm__schema *s, const json_t *schema)
{
	const json_t *prefix = json_object_get(schema, "prefixItems");
	const json_t *items = json_object_get(schema, "items");
	uint32_t min = elm__schema_count(s, schema, "minItems", 0);
	uint32_t max = elm__schema_count(s, schema, "maxItems", ELM__UNLIMITED);
	size_t count = json_array_size(prefix), length;
	elm__expr **list, *more = NULL, *first, *expr;

	if (prefix && !json_is_array(prefix))
		(void)elm__schema_fail(s, ELM_ERR_FORMAT, "\"prefixItems\" must be a list");
	if (json_is_array(items))
		(void)elm__schema_fail(s, ELM_ERR_UNSUPPORTED,
				       "a list of \"items\" is not supported; use \"prefixItems\"");
	/* Where a schema names the first items and does not speak of others, there are none, unless
	 * it asks for more. */
	if (items ? !json_is_false(items) : !count || min > count)
		more = elm__schema_compile_member(s, "items", items ? items : json_true());
	if (max < min || (!more && min > count))
		(void)elm__schema_fail(s, ELM_ERR_FORMAT, "no number of items is allowed");
	if (count > max)
		count = max;
	list = elm__calloc(count + 1, sizeof(elm__expr *));
	if (!list)
		elm__schema_no_memory(s);
	length = elm__schema_enter(s, "prefixItems");
	for (size_t i = 0; i < count && !s->rules->status; i++) {
		size_t inside = elm__schema_enter_index(s, i);

		list[i] = elm__schema_compile(s, json_array_get(prefix, i));
		elm__schema_leave(s, inside);
	}
	elm__schema_leave(s, length);
	if (s->rules->status) {
		elm__free(list);
		return elm__expr_list(s->rules, ELM__EXPR_SEQUENCE);
	}
	first = count ? list[0] : max ? more : NULL;
	expr = elm__json_list(&s->json, "[", first,
			      items_from(s, list, count ? count : 1, more, min, max), !min, "]");
	elm__free(list);
	return expr;
}
