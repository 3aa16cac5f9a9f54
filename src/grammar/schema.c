#include "grammar/schema.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "grammar/grammar.h"

/* Keywords that say nothing about what is valid, or only where $ref looks. */
static const char *const annotations[] = {
	"title",    "description",	"default",	   "example",  "examples", "deprecated",
	"readOnly", "writeOnly",	"$schema",	   "$comment", "$defs",	   "definitions",
	"$anchor",  "contentMediaType", "contentEncoding", "$id",
};

static const char *const keywords[] = {
	"type",
	"properties",
	"required",
	"additionalProperties",
	"items",
	"prefixItems",
	"minItems",
	"maxItems",
	"enum",
	"const",
	"anyOf",
	"oneOf",
	"allOf",
	"$ref",
	"minLength",
	"maxLength",
	"pattern",
	"format",
	"minimum",
	"maximum",
	"exclusiveMinimum",
	"exclusiveMaximum",
	"uniqueItems",
};

/* ---- places ---- */

elm_status elm__schema_fail(elm__schema *s, elm_status status, const char *format, ...)
{
	elm_error inner = { 0 };
	va_list args;

	va_start(args, format);
	(void)elm_error_setv(&inner, status, format, args);
	va_end(args);
	return elm__rules_fail(s->rules, status, "schema at #%.200s: %s", elm__buf_text(&s->path),
			       inner.text);
}

void elm__schema_no_memory(elm__schema *s)
{
	(void)elm__rules_fail(s->rules, ELM_ERR_NO_MEMORY, "out of memory for a grammar");
}

size_t elm__schema_enter(elm__schema *s, const char *key)
{
	size_t length = s->path.length;

	elm__buf_putc(&s->path, '/');
	for (; *key; key++) {
		if (*key == '~')
			elm__buf_puts(&s->path, "~0");
		else if (*key == '/')
			elm__buf_puts(&s->path, "~1");
		else
			elm__buf_putc(&s->path, *key);
	}
	if (s->path.failed)
		elm__schema_no_memory(s);
	return length;
}

size_t elm__schema_enter_index(elm__schema *s, size_t index)
{
	size_t length = s->path.length;

	elm__buf_printf(&s->path, "/%zu", index);
	if (s->path.failed)
		elm__schema_no_memory(s);
	return length;
}

void elm__schema_leave(elm__schema *s, size_t length)
{
	if (s->path.failed || !s->path.data)
		return;
	s->path.length = length;
	s->path.data[length] = '\0';
}

/* ---- keywords ---- */

static bool is_in(const char *const *list, size_t count, const char *word)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(list[i], word))
			return true;
	return false;
}

bool elm__schema_is_annotation(const char *keyword)
{
	return !strncmp(keyword, "x-", 2) ||
	       is_in(annotations, sizeof(annotations) / sizeof(annotations[0]), keyword);
}

static void check_keywords(elm__schema *s, const json_t *schema)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)schema, key, value)
	{
		if (!strcmp(key, "$id") && schema != s->root)
			(void)elm__schema_fail(s, ELM_ERR_UNSUPPORTED,
					       "\"$id\" is supported only at the top");
		if (elm__schema_is_annotation(key) ||
		    (is_in(keywords, sizeof(keywords) / sizeof(keywords[0]), key) &&
		     !(!strcmp(key, "uniqueItems") && json_is_true(value))))
			continue;
		(void)elm__schema_fail(s, ELM_ERR_UNSUPPORTED, "\"%.100s\" is not supported", key);
	}
}

unsigned elm__schema_type_of(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return ELM__TYPE_OBJECT;
	case JSON_ARRAY:
		return ELM__TYPE_ARRAY;
	case JSON_STRING:
		return ELM__TYPE_STRING;
	case JSON_INTEGER:
		return ELM__TYPE_INTEGER;
	case JSON_REAL: {
		double number = json_real_value(value);

		/* 1.0 is an integer to JSON schema. */
		return number > -1e15 && number < 1e15 && number == (double)(int64_t)number ?
			       ELM__TYPE_INTEGER :
			       ELM__TYPE_FRACTION;
	}
	case JSON_TRUE:
	case JSON_FALSE:
		return ELM__TYPE_BOOLEAN;
	case JSON_NULL:
		break;
	}
	return ELM__TYPE_NULL;
}

static unsigned type_named(elm__schema *s, const json_t *name)
{
	static const struct {
		const char *name;
		unsigned type;
	} types[] = {
		{ "object", ELM__TYPE_OBJECT },	  { "array", ELM__TYPE_ARRAY },
		{ "string", ELM__TYPE_STRING },	  { "number", ELM__TYPE_NUMBER },
		{ "integer", ELM__TYPE_INTEGER }, { "boolean", ELM__TYPE_BOOLEAN },
		{ "null", ELM__TYPE_NULL },
	};

	for (size_t i = 0; json_is_string(name) && i < sizeof(types) / sizeof(types[0]); i++)
		if (!strcmp(json_string_value(name), types[i].name))
			return types[i].type;
	(void)elm__schema_fail(s, ELM_ERR_FORMAT, "unknown \"type\" %.100s",
			       json_is_string(name) ? json_string_value(name) :
						      elm__json_type_name(name));
	return 0;
}

unsigned elm__schema_types(elm__schema *s, const json_t *schema)
{
	const json_t *type = json_object_get(schema, "type");
	unsigned types = 0;

	if (!type)
		return ELM__TYPE_ANY;
	if (!json_is_array(type))
		return type_named(s, type);
	for (size_t i = 0; i < json_array_size(type); i++)
		types |= type_named(s, json_array_get(type, i));
	if (!types)
		(void)elm__schema_fail(s, ELM_ERR_FORMAT, "\"type\" names no type");
	return types;
}

uint32_t elm__schema_count(elm__schema *s, const json_t *schema, const char *keyword,
			   uint32_t absent)
{
	const json_t *value = json_object_get(schema, keyword);
	double number = json_number_value(value); /* 0 for what is no number */

	if (!value)
		return absent;
	if (number > ELM__MAX_REPEAT)
		(void)elm__schema_fail(s, ELM_ERR_LIMIT, "\"%s\" may be at most %d", keyword,
				       ELM__MAX_REPEAT);
	else if (!json_is_number(value) || !(number >= 0) || number != (double)(uint32_t)number)
		(void)elm__schema_fail(s, ELM_ERR_FORMAT,
				       "\"%s\" must be a whole number of at least 0", keyword);
	return s->rules->status ? absent : (uint32_t)number;
}

/* Without a "type", the one that the other keywords speak of. */
static unsigned types_of(elm__schema *s, const json_t *schema)
{
	static const struct {
		const char *keyword;
		unsigned type;
	} hints[] = {
		{ "properties", ELM__TYPE_OBJECT },
		{ "required", ELM__TYPE_OBJECT },
		{ "additionalProperties", ELM__TYPE_OBJECT },
		{ "items", ELM__TYPE_ARRAY },
		{ "prefixItems", ELM__TYPE_ARRAY },
		{ "minItems", ELM__TYPE_ARRAY },
		{ "maxItems", ELM__TYPE_ARRAY },
		{ "minLength", ELM__TYPE_STRING },
		{ "maxLength", ELM__TYPE_STRING },
		{ "pattern", ELM__TYPE_STRING },
		{ "format", ELM__TYPE_STRING },
		{ "minimum", ELM__TYPE_NUMBER },
		{ "maximum", ELM__TYPE_NUMBER },
		{ "exclusiveMinimum", ELM__TYPE_NUMBER },
		{ "exclusiveMaximum", ELM__TYPE_NUMBER },
	};
	unsigned types = 0;

	if (json_object_get(schema, "type"))
		return elm__schema_types(s, schema);
	for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++)
		if (json_object_get(schema, hints[i].keyword))
			types |= hints[i].type;
	return types ? types : ELM__TYPE_ANY;
}

/* ---- references ---- */

static int hex_value(char c)
{
	const char digits[] = "0123456789abcdef0123456789ABCDEF", *found;

	found = c ? strchr(digits, c) : NULL;
	return found ? (int)(found - digits) % 16 : -1;
}

/* One step of a JSON pointer: ~1 and %2F are slashes inside a key. */
static void decode_step(const char *step, size_t length, elm__buf *out)
{
	elm__buf_clear(out);
	for (size_t i = 0; i < length; i++) {
		char c = step[i];

		if (c == '%' && i + 2 < length && hex_value(step[i + 1]) >= 0 &&
		    hex_value(step[i + 2]) >= 0) {
			c = (char)(hex_value(step[i + 1]) * 16 + hex_value(step[i + 2]));
			i += 2;
		} else if (c == '~' && i + 1 < length && (step[i + 1] | 1) == '1') {
			c = step[++i] == '0' ? '~' : '/';
		}
		elm__buf_putc(out, c);
	}
}

static const json_t *follow_step(const json_t *from, const elm__buf *step)
{
	const char *text = elm__buf_text(step);
	size_t index = 0;

	if (json_is_object(from)) /* no key has a NUL */
		return strlen(text) == step->length ? json_object_get(from, text) : NULL;
	if (!json_is_array(from) || !step->length || step->length > 9)
		return NULL;
	for (size_t i = 0; i < step->length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return NULL;
		index = index * 10 + (size_t)(text[i] - '0');
	}
	return json_array_get(from, index);
}

const json_t *elm__schema_resolve(elm__schema *s, const json_t *ref)
{
	const json_t *target = s->root;
	elm__buf step = ELM__BUF_INIT;
	const char *at;

	if (!json_is_string(ref) || json_string_value(ref)[0] != '#' ||
	    (json_string_value(ref)[1] && json_string_value(ref)[1] != '/')) {
		(void)elm__schema_fail(s, ELM_ERR_UNSUPPORTED,
				       "\"$ref\" must be a JSON pointer into this schema, such as "
				       "\"#/$defs/name\"");
		return NULL;
	}
	for (at = json_string_value(ref) + 1; *at && target;) {
		size_t length = strcspn(++at, "/");

		decode_step(at, length, &step);
		target = follow_step(target, &step);
		at += length;
	}
	if (step.failed)
		elm__schema_no_memory(s);
	else if (!target)
		(void)elm__schema_fail(s, ELM_ERR_FORMAT, "\"$ref\" %.200s leads nowhere",
				       json_string_value(ref));
	elm__buf_release(&step);
	return s->rules->status ? NULL : target;
}

/* A rule whose name says the place in errors. */
static uint32_t add_rule(elm__schema *s, const char *path)
{
	elm__buf name = ELM__BUF_INIT;
	uint32_t rule;

	elm__buf_printf(&name, "schema at #%s", path);
	if (name.failed)
		elm__schema_no_memory(s);
	rule = elm__rule_add(s->rules, elm__buf_text(&name), name.length);
	elm__buf_release(&name);
	return rule;
}

/* The rule of what "$ref" names. Its body is compiled later, so that it may refer to itself, and
 * so that a long chain of references is no deep recursion. */
static elm__expr *compile_ref(elm__schema *s, const json_t *ref)
{
	const json_t *target = elm__schema_resolve(s, ref);
	uint32_t known = s->keys.count, number, address[2];
	elm__schema_ref *refs;
	const char *path;

	if (!target)
		return elm__expr_list(s->rules, ELM__EXPR_SEQUENCE);
	address[0] = (uint32_t)(uintptr_t)target;
	address[1] = (uint32_t)((uint64_t)(uintptr_t)target >> 32);
	refs = elm__grown(s->refs, &s->ref_room, (uint64_t)known + 1, sizeof(*refs));
	if (refs)
		s->refs = refs;
	if (!refs || !elm__lists_intern(&s->keys, address, 2, &number)) {
		elm__schema_no_memory(s);
		return elm__expr_list(s->rules, ELM__EXPR_SEQUENCE);
	}
	if (number == known) {
		path = json_string_value(ref) + 1;
		refs[number].schema = target;
		refs[number].path = elm__arena_strndup(&s->rules->arena, path, strlen(path));
		refs[number].rule = add_rule(s, path);
		if (!refs[number].path)
			elm__schema_no_memory(s);
	}
	return elm__expr_rule(s->rules, refs[number].rule);
}

/* ---- walking ---- */

elm__expr *elm__schema_rule(elm__schema *s, elm__expr *body)
{
	uint32_t rule = add_rule(s, elm__buf_text(&s->path));

	if (!s->rules->status)
		s->rules->items[rule].body = body;
	return elm__expr_rule(s->rules, rule);
}

elm__expr *elm__schema_compile_member(elm__schema *s, const char *key, const json_t *schema)
{
	size_t length = elm__schema_enter(s, key);
	elm__expr *expr = elm__schema_compile(s, schema);

	elm__schema_leave(s, length);
	return expr;
}

/* Whether a schema has anything but annotations besides one keyword. */
static bool has_more(const json_t *schema, const char *keyword)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)schema, key,
			    value) if (strcmp(key, keyword) &&
				       !elm__schema_is_annotation(key)) return true;
	return false;
}

/* Of "oneOf", exactly one must match: only what cannot overlap is the same as "anyOf". */
static void check_apart(elm__schema *s, const json_t *const *branches, size_t count)
{
	for (size_t i = 0; i < count && !s->rules->status; i++)
		for (size_t k = 0; k < i && !s->rules->status; k++)
			if (!elm__schema_disjoint(s, branches[i], branches[k]))
				(void)elm__schema_fail(
					s, ELM_ERR_UNSUPPORTED,
					"a value could match both /%zu and /%zu, which \"oneOf\" "
					"forbids and a grammar cannot; use \"anyOf\", or give "
					"each a required property with its own \"const\"",
					k, i);
}

static elm__expr *compile_branches(elm__schema *s, const json_t *schema, const char *keyword)
{
	const json_t *list = json_object_get(schema, keyword), *base = NULL;
	bool apart = !strcmp(keyword, "oneOf");
	size_t count = json_array_size(list), length = elm__schema_enter(s, keyword);
	elm__expr *choice = elm__expr_list(s->rules, ELM__EXPR_CHOICE);
	const json_t **flat = elm__calloc(count, sizeof(*flat));

	if (!flat)
		elm__schema_no_memory(s);
	if (!count)
		(void)elm__schema_fail(s, ELM_ERR_FORMAT, "this must be a list of schemas");
	if (apart && count > 256)
		(void)elm__schema_fail(s, ELM_ERR_LIMIT, "\"oneOf\" has more than 256 schemas");
	if (has_more(schema, keyword))
		base = elm__schema_without(s, schema, keyword);
	for (size_t i = 0; i < count && !s->rules->status; i++) {
		const json_t *branch = json_array_get(list, i);
		size_t inside = elm__schema_enter_index(s, i);

		if (apart)
			flat[i] = elm__schema_flatten(s, branch);
		if (base) {
			branch = elm__schema_flatten(s, branch);
			branch = branch ? elm__schema_merge(s, base, branch) : NULL;
		}
		if (branch && !json_is_false(branch))
			elm__expr_add(s->rules, choice, elm__schema_compile(s, branch));
		elm__schema_leave(s, inside);
	}
	if (apart && !s->rules->status)
		check_apart(s, flat, count);
	if (!s->rules->status && !choice->count)
		(void)elm__schema_fail(s, ELM_ERR_FORMAT, "no value can match");
	elm__free(flat);
	elm__schema_leave(s, length);
	return choice;
}

/* "enum" or "const", as far as "type" allows. */
static elm__expr *compile_values(elm__schema *s, const json_t *schema, const char *keyword)
{
	const json_t *given = json_object_get(schema, keyword);
	unsigned types = elm__schema_types(s, schema);
	elm__expr *choice = elm__expr_list(s->rules, ELM__EXPR_CHOICE);
	size_t count = strcmp(keyword, "enum") ? 1 : json_array_size(given);
	const char *key;
	json_t *other;

	if (!strcmp(keyword, "enum") && !json_is_array(given))
		(void)elm__schema_fail(s, ELM_ERR_FORMAT, "\"enum\" must be a list of values");
	json_object_foreach((json_t *)schema, key, other) if (strcmp(key, keyword) &&
							      strcmp(key, "type") &&
							      !elm__schema_is_annotation(key))(void)
		elm__schema_fail(s, ELM_ERR_UNSUPPORTED,
				 "\"%.100s\" beside \"%s\" is not supported", key, keyword);
	for (size_t i = 0; i < count; i++) {
		const json_t *value = strcmp(keyword, "enum") ? given : json_array_get(given, i);

		if (elm__schema_type_of(value) & types)
			elm__expr_add(s->rules, choice, elm__json_literal(s->rules, value));
	}
	if (!s->rules->status && !choice->count)
		(void)elm__schema_fail(s, ELM_ERR_FORMAT, "\"%s\" has no value of the \"type\"",
				       keyword);
	return choice;
}

static elm__expr *compile_types(elm__schema *s, const json_t *schema)
{
	elm__expr *choice = elm__expr_list(s->rules, ELM__EXPR_CHOICE);
	unsigned types = types_of(s, schema);

	if (types == ELM__TYPE_ANY)
		return elm__json_use(&s->json, ELM__JSON_VALUE);
	if (types & ELM__TYPE_OBJECT)
		elm__expr_add(s->rules, choice, elm__schema_object(s, schema));
	if (types & ELM__TYPE_ARRAY)
		elm__expr_add(s->rules, choice, elm__schema_array(s, schema));
	if (types & ELM__TYPE_STRING)
		elm__expr_add(s->rules, choice, elm__schema_string(s, schema));
	if (types & ELM__TYPE_NUMBER)
		elm__expr_add(s->rules, choice,
			      elm__schema_number(s, schema, !(types & ELM__TYPE_FRACTION)));
	if (types & ELM__TYPE_BOOLEAN)
		elm__expr_add(s->rules, choice, elm__json_use(&s->json, ELM__JSON_BOOLEAN));
	if (types & ELM__TYPE_NULL)
		elm__expr_add(s->rules, choice, elm__json_use(&s->json, ELM__JSON_NULL));
	return choice;
}

static elm__expr *compile_object(elm__schema *s, const json_t *schema)
{
	const json_t *flat = schema, *ref = json_object_get(schema, "$ref");

	check_keywords(s, schema);
	if (ref && !has_more(schema, "$ref"))
		return compile_ref(s, ref);
	if (ref || json_object_get(schema, "allOf")) {
		flat = elm__schema_flatten(s, schema);
		if (!flat)
			return elm__expr_list(s->rules, ELM__EXPR_SEQUENCE);
		if (!json_is_object(flat))
			return elm__schema_compile(s, flat);
		check_keywords(s, flat);
	}
	if (json_object_get(flat, "anyOf"))
		return compile_branches(s, flat, "anyOf");
	if (json_object_get(flat, "oneOf"))
		return compile_branches(s, flat, "oneOf");
	if (json_object_get(flat, "const"))
		return compile_values(s, flat, "const");
	if (json_object_get(flat, "enum"))
		return compile_values(s, flat, "enum");
	return elm__schema_rule(s, compile_types(s, flat));
}

elm__expr *elm__schema_compile(elm__schema *s, const json_t *schema)
{
	elm__expr *expr = NULL;

	if (s->depth == ELM__MAX_NESTING)
		(void)elm__schema_fail(s, ELM_ERR_LIMIT, "the schema is nested more than %d deep",
				       ELM__MAX_NESTING);
	else if (json_is_false(schema))
		(void)elm__schema_fail(s, ELM_ERR_FORMAT, "no value can match \"false\"");
	else if (!json_is_object(schema) && !json_is_true(schema))
		(void)elm__schema_fail(s, ELM_ERR_FORMAT, "a schema must be an object, not %s",
				       elm__json_type_name(schema));
	if (s->rules->status)
		return elm__expr_list(s->rules, ELM__EXPR_SEQUENCE);
	s->depth++;
	expr = json_is_true(schema) ? elm__json_use(&s->json, ELM__JSON_VALUE) :
				      compile_object(s, schema);
	s->depth--;
	return expr;
}

/* What was referred to, and what that refers to. */
static void compile_refs(elm__schema *s)
{
	for (; s->ref_done < s->keys.count && !s->rules->status; s->ref_done++) {
		elm__schema_ref ref = s->refs[s->ref_done]; /* the array may grow meanwhile */
		elm__expr *body;

		elm__buf_clear(&s->path);
		elm__buf_puts(&s->path, ref.path);
		body = elm__schema_compile(s, ref.schema);
		if (!s->rules->status)
			s->rules->items[ref.rule].body = body;
	}
}

elm_status elm__schema_read(elm__rules *rules, const json_t *schema, elm_error *error)
{
	elm__schema s = { .json = { .rules = rules }, .rules = rules, .root = schema };
	elm__expr *body;

	s.owned = json_array();
	if (!s.owned)
		(void)elm__rules_fail(rules, ELM_ERR_NO_MEMORY, "out of memory for a grammar");
	rules->root = add_rule(&s, "");
	body = elm__schema_compile(&s, schema);
	if (!rules->status)
		rules->items[rules->root].body = body;
	compile_refs(&s);
	json_decref(s.owned);
	elm__lists_release(&s.keys);
	elm__free(s.refs);
	elm__buf_release(&s.path);
	return elm__rules_status(rules, error);
}
