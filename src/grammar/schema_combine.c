/*
 * schema_combine.c: one schema out of several ("allOf", keywords beside "$ref" or "anyOf"), and
 * whether two can overlap.
 *
 * Schemas are combined keyword by keyword. Members (properties, items) that both have become an
 * "allOf" of the two, which is combined when it is compiled. Schemas can refer to themselves and to
 * each other twice, so depth and work are bounded.
 */
#include <string.h>

#include "grammar/schema.h"

enum { MAX_DEPTH = 64, MAX_WORK = 1 << 20 };

/* false, with a failure, when combining has taken too much work. */
static bool charge(elm__schema *s, size_t work)
{
	s->work += work;
	if (s->work > MAX_WORK)
		(void)elm__schema_fail(s, ELM_ERR_LIMIT,
				       "combining schemas takes too much work; use fewer or "
				       "smaller ones with \"allOf\", \"oneOf\" and \"$ref\"");
	return !s->rules->status;
}

/* Gives a new value to the schema, which releases it at the end. NULL is a failure. */
static json_t *own(elm__schema *s, json_t *value)
{
	if (!value || json_array_append_new(s->owned, value)) {
		elm__schema_no_memory(s);
		return NULL;
	}
	return value;
}

static void set(elm__schema *s, json_t *object, const char *key, json_t *value)
{
	if (!object || json_object_set_new(object, key, value))
		elm__schema_no_memory(s);
}

json_t *elm__schema_without(elm__schema *s, const json_t *schema, const char *keyword)
{
	json_t *copy = own(s, json_copy((json_t *)schema));

	if (copy)
		(void)json_object_del(copy, keyword);
	(void)charge(s, json_object_size(schema));
	return copy;
}

/* ---- keywords that both schemas have ---- */

typedef json_t *combine(elm__schema *s, const json_t *a, const json_t *b);

static json_t *both(elm__schema *s, const json_t *a, const json_t *b)
{
	return json_pack("{s:[O, O]}", "allOf", a, b);
}

static json_t *larger(elm__schema *s, const json_t *a, const json_t *b)
{
	return json_incref((json_t *)(json_number_value(a) > json_number_value(b) ? a : b));
}

static json_t *smaller(elm__schema *s, const json_t *a, const json_t *b)
{
	return json_incref((json_t *)(json_number_value(a) < json_number_value(b) ? a : b));
}

static bool has_value(const json_t *list, const json_t *value)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (json_equal(json_array_get(list, i), value))
			return true;
	return false;
}

static json_t *union_of(elm__schema *s, const json_t *a, const json_t *b)
{
	json_t *out = json_copy((json_t *)a);

	if (!charge(s, json_array_size(a) * json_array_size(b)))
		return out;
	for (size_t i = 0; out && i < json_array_size(b); i++)
		if (!has_value(a, json_array_get(b, i)) &&
		    json_array_append(out, json_array_get(b, i)))
			elm__schema_no_memory(s);
	return out;
}

static json_t *intersection(elm__schema *s, const json_t *a, const json_t *b)
{
	json_t *out = json_array();

	if (!charge(s, json_array_size(a) * json_array_size(b)))
		return out;
	for (size_t i = 0; out && i < json_array_size(a); i++)
		if (has_value(b, json_array_get(a, i)) &&
		    json_array_append(out, json_array_get(a, i)))
			elm__schema_no_memory(s);
	return out;
}

static json_t *either_true(elm__schema *s, const json_t *a, const json_t *b)
{
	return json_boolean(json_is_true(a) || json_is_true(b));
}

static const struct {
	const char *keyword;
	combine *combine;
	int kind; /* that both values must have, json_type; -1: any */
} combinable[] = {
	{ "required", union_of, JSON_ARRAY },
	{ "items", both, -1 },
	{ "enum", intersection, JSON_ARRAY },
	{ "minItems", larger, JSON_INTEGER },
	{ "maxItems", smaller, JSON_INTEGER },
	{ "minLength", larger, JSON_INTEGER },
	{ "maxLength", smaller, JSON_INTEGER },
	{ "minimum", larger, -1 },
	{ "maximum", smaller, -1 },
	{ "exclusiveMinimum", larger, -1 },
	{ "exclusiveMaximum", smaller, -1 },
	{ "uniqueItems", either_true, -1 },
};

static void merge_keyword(elm__schema *s, json_t *out, const char *key, const json_t *a,
			  const json_t *b)
{
	if (json_equal(a, b) || elm__schema_is_annotation(key))
		return;
	for (size_t i = 0; i < sizeof(combinable) / sizeof(combinable[0]); i++) {
		int kind = combinable[i].kind;

		if (strcmp(combinable[i].keyword, key) ||
		    (kind >= 0 && ((int)json_typeof(a) != kind || (int)json_typeof(b) != kind)))
			continue;
		set(s, out, key, combinable[i].combine(s, a, b));
		return;
	}
	(void)elm__schema_fail(s, ELM_ERR_UNSUPPORTED,
			       "two different \"%.100s\" apply here and cannot be combined", key);
}

/* ---- types and properties ---- */

static json_t *type_list(unsigned types)
{
	static const struct {
		unsigned type;
		const char *name;
	} names[] = {
		{ ELM__TYPE_OBJECT, "object" },	  { ELM__TYPE_ARRAY, "array" },
		{ ELM__TYPE_STRING, "string" },	  { ELM__TYPE_NUMBER, "number" },
		{ ELM__TYPE_INTEGER, "integer" }, { ELM__TYPE_BOOLEAN, "boolean" },
		{ ELM__TYPE_NULL, "null" },
	};
	json_t *list = json_array();

	for (size_t i = 0; list && i < sizeof(names) / sizeof(names[0]); i++) {
		if ((types & names[i].type) != names[i].type)
			continue;
		if (json_array_append_new(list, json_string(names[i].name))) {
			json_decref(list);
			return NULL;
		}
		types &= ~names[i].type; /* a number is not an integer as well */
	}
	return list;
}

static void merge_types(elm__schema *s, json_t *out, const json_t *a, const json_t *b)
{
	unsigned types = elm__schema_types(s, a) & elm__schema_types(s, b);

	if (!types)
		(void)elm__schema_fail(s, ELM_ERR_FORMAT,
				       "the types that apply here exclude each other");
	else if (types != ELM__TYPE_ANY)
		set(s, out, "type", type_list(types));
}

/* Adds the properties of `from`; those that `other` does not name are additional to it. */
static void add_properties(elm__schema *s, json_t *out, const json_t *from, const json_t *other)
{
	const json_t *others = json_object_get(other, "properties");
	const json_t *additional = json_object_get(other, "additionalProperties");
	const char *key;
	json_t *value;

	if (!charge(s, json_object_size(json_object_get(from, "properties"))))
		return;
	json_object_foreach(json_object_get(from, "properties"), key, value)
	{
		const json_t *second = json_object_get(others, key);

		if (json_object_get(out, key))
			continue;
		if (!second)
			second = additional;
		if (!second || json_is_true(second) || json_equal(second, value))
			set(s, out, key, json_incref(value));
		else if (json_is_false(second) || json_is_false(value))
			set(s, out, key, json_false());
		else
			set(s, out, key, both(s, value, second));
	}
}

static void merge_properties(elm__schema *s, json_t *out, const json_t *a, const json_t *b)
{
	const json_t *x = json_object_get(a, "additionalProperties");
	const json_t *y = json_object_get(b, "additionalProperties");
	json_t *properties;

	if (x && y && !json_equal(x, y)) {
		if (json_is_false(x) || json_is_true(y))
			set(s, out, "additionalProperties", json_incref((json_t *)x));
		else if (json_is_false(y) || json_is_true(x))
			set(s, out, "additionalProperties", json_incref((json_t *)y));
		else
			set(s, out, "additionalProperties", both(s, x, y));
	}
	if (!json_object_get(a, "properties") && !json_object_get(b, "properties"))
		return;
	properties = own(s, json_object());
	if (!properties)
		return;
	add_properties(s, properties, a, b);
	add_properties(s, properties, b, a);
	set(s, out, "properties", json_incref(properties));
}

/* "const" is an "enum" of one. */
static const json_t *with_enum(elm__schema *s, const json_t *schema)
{
	const json_t *value = json_object_get(schema, "const");
	json_t *copy;

	if (!value)
		return schema;
	copy = elm__schema_without(s, schema, "const");
	if (copy && json_object_get(schema, "enum"))
		set(s, copy, "enum",
		    json_pack(has_value(json_object_get(schema, "enum"), value) ? "[O]" : "[]",
			      value));
	else if (copy)
		set(s, copy, "enum", json_pack("[O]", value));
	return copy;
}

const json_t *elm__schema_merge(elm__schema *s, const json_t *a, const json_t *b)
{
	json_t *out, *value;
	const char *key;

	if (!json_is_object(a) || !json_is_object(b))
		return json_is_true(a) || json_is_false(b) ? b : a;
	if (json_object_get(a, "const") || json_object_get(b, "const")) {
		a = with_enum(s, a);
		b = with_enum(s, b);
		if (!a || !b || s->rules->status)
			return NULL;
	}
	out = own(s, json_copy((json_t *)a));
	if (!out || !charge(s, json_object_size(a) + json_object_size(b)))
		return NULL;
	json_object_foreach((json_t *)b, key, value)
	{
		const json_t *other = json_object_get(a, key);

		if (!strcmp(key, "type") || !strcmp(key, "properties") ||
		    (!strcmp(key, "additionalProperties") && other))
			continue;
		if (other)
			merge_keyword(s, out, key, other, value);
		else
			set(s, out, key, json_incref(value));
	}
	merge_types(s, out, a, b);
	merge_properties(s, out, a, b);
	return s->rules->status ? NULL : out;
}

/* ---- flattening ---- */

static const json_t *flatten_parts(elm__schema *s, const json_t *schema)
{
	const json_t *ref = json_object_get(schema, "$ref"), *all, *rest = schema, *part;

	if (ref) {
		rest = elm__schema_without(s, rest, "$ref");
		part = elm__schema_resolve(s, ref);
		part = part ? elm__schema_flatten(s, part) : NULL;
		if (!rest || !part)
			return NULL;
		rest = elm__schema_merge(s, part, rest);
	}
	all = rest ? json_object_get(rest, "allOf") : NULL;
	if (!all)
		return rest;
	rest = elm__schema_without(s, rest, "allOf");
	if (!json_is_array(all))
		(void)elm__schema_fail(s, ELM_ERR_FORMAT, "\"allOf\" must be a list of schemas");
	for (size_t i = 0; i < json_array_size(all) && rest && !s->rules->status; i++) {
		part = elm__schema_flatten(s, json_array_get(all, i));
		rest = part ? elm__schema_merge(s, rest, part) : NULL;
	}
	return rest;
}

const json_t *elm__schema_flatten(elm__schema *s, const json_t *schema)
{
	const json_t *flat;

	if (!json_is_object(schema) && !json_is_boolean(schema))
		(void)elm__schema_fail(s, ELM_ERR_FORMAT, "a schema must be an object");
	else if (s->combining == MAX_DEPTH)
		(void)elm__schema_fail(s, ELM_ERR_LIMIT,
				       "schemas refer to each other more than %d deep before "
				       "anything else, or to themselves",
				       MAX_DEPTH);
	if (!charge(s, 1))
		return NULL;
	if (!json_object_get(schema, "$ref") && !json_object_get(schema, "allOf"))
		return schema;
	s->combining++;
	flat = flatten_parts(s, schema);
	s->combining--;
	return s->rules->status ? NULL : flat;
}

/* ---- overlap ---- */

/* The values of "enum" or "const", and how many; 0 where there is no such list. */
static size_t values_of(const json_t *schema, const json_t **list)
{
	*list = json_object_get(schema, "const");
	if (*list)
		return 1;
	*list = json_object_get(schema, "enum");
	return json_array_size(*list);
}

static const json_t *value_at(const json_t *schema, size_t index)
{
	const json_t *value = json_object_get(schema, "const");

	return value ? value : json_array_get(json_object_get(schema, "enum"), index);
}

static bool values_apart(elm__schema *s, const json_t *a, size_t count, const json_t *b)
{
	const json_t *list;
	size_t others = values_of(b, &list);
	unsigned types = elm__schema_types(s, b);

	if (!charge(s, count * (others + 1)))
		return false;
	for (size_t i = 0; i < count; i++) {
		const json_t *value = value_at(a, i);
		bool found = !others;

		if (!(elm__schema_type_of(value) & types))
			continue;
		for (size_t k = 0; k < others && !found; k++)
			found = json_equal(value, value_at(b, k)) ||
				(json_is_number(value) && json_is_number(value_at(b, k)) &&
				 json_number_value(value) == json_number_value(value_at(b, k)));
		if (found)
			return false;
	}
	return true;
}

static bool is_required(const json_t *schema, const char *key)
{
	const json_t *list = json_object_get(schema, "required");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *name = json_array_get(list, i);

		if (json_is_string(name) && !strcmp(json_string_value(name), key))
			return true;
	}
	return false;
}

/* Whether there is a property that both must have, with values that cannot be the same. */
static bool objects_apart(elm__schema *s, const json_t *a, const json_t *b)
{
	const json_t *others = json_object_get(b, "properties");
	const char *key;
	json_t *value;

	json_object_foreach(json_object_get(a, "properties"), key, value)
	{
		const json_t *other = json_object_get(others, key), *flat;

		if (!charge(s, 1 + json_array_size(json_object_get(a, "required")) +
				       json_array_size(json_object_get(b, "required"))))
			return false;
		if (!other || !is_required(a, key) || !is_required(b, key))
			continue;
		flat = elm__schema_flatten(s, value);
		other = flat ? elm__schema_flatten(s, other) : NULL;
		if (other && elm__schema_disjoint(s, flat, other))
			return true;
	}
	return false;
}

bool elm__schema_disjoint(elm__schema *s, const json_t *a, const json_t *b)
{
	const json_t *list;
	size_t count;
	unsigned types;
	bool apart = false;

	if (json_is_false(a) || json_is_false(b))
		return true;
	if (!json_is_object(a) || !json_is_object(b) || s->combining == MAX_DEPTH)
		return false;
	types = elm__schema_types(s, a) & elm__schema_types(s, b);
	if (!types)
		return true;
	count = values_of(a, &list);
	if (count)
		return values_apart(s, a, count, b);
	count = values_of(b, &list);
	if (count)
		return values_apart(s, b, count, a);
	s->combining++;
	if (types == ELM__TYPE_OBJECT)
		apart = objects_apart(s, a, b);
	s->combining--;
	return apart;
}
