/* Expressions and calls. */
#include <string.h>

#include "jinja/runtime.h"

static bool eval_items(jj_runtime *rt, const jj_node *node, jj_kind kind, jj_value *out)
{
	jj_value item;
	uint32_t i;

	if (!elm__jj_list(rt, kind, node->count, out))
		return false;
	for (i = 0; i < node->count; i++)
		if (!elm__jj_evaluate(rt, node->children[i], &item) ||
		    !elm__jj_push(rt, out->as.list, item))
			return false;
	return true;
}

static bool eval_dict(jj_runtime *rt, const jj_node *node, jj_value *out)
{
	jj_value key, value;
	uint32_t i;

	if (!elm__jj_dict(rt, JJ_DICT, out))
		return false;
	for (i = 0; i < node->count; i += 2)
		if (!elm__jj_evaluate(rt, node->children[i], &key) ||
		    !elm__jj_evaluate(rt, node->children[i + 1], &value) ||
		    !elm__jj_store(rt, out->as.dict, key, value))
			return false;
	return true;
}

/* Grows the keyword arguments by one. */
static bool push_named(jj_runtime *rt, const jj_string *name, jj_value value, jj_list *names,
		       jj_list *values)
{
	return elm__jj_push(rt, names, (jj_value){ .kind = JJ_STRING, .as.string = name }) &&
	       elm__jj_push(rt, values, value);
}

static bool unpack_argument(jj_runtime *rt, const jj_node *node, jj_list *positional,
			    jj_list *names, jj_list *values)
{
	jj_value value;
	jj_list *items;
	jj_entry *entry;
	size_t i;

	if (!elm__jj_evaluate(rt, node->children[0], &value))
		return false;
	rt->where = node;
	if (node->type == JJ_N_UNPACK) {
		if (!elm__jj_iterate(rt, value, &items))
			return false;
		for (i = 0; i < items->count; i++)
			if (!elm__jj_push(rt, positional, items->items[i]))
				return false;
		return true;
	}
	if (value.kind != JJ_DICT)
		return elm__jj_fail(rt, "** wants a dict, not %s", elm__jj_kind_name(value));
	for (i = 0; i < value.as.dict->used; i++) {
		entry = &value.as.dict->entries[i];
		if (entry->key.kind == JJ_ABSENT)
			continue;
		if (entry->key.kind != JJ_STRING)
			return elm__jj_fail(rt, "keywords must be strings");
		if (!push_named(rt, entry->key.as.string, entry->value, names, values))
			return false;
	}
	return true;
}

/* The arguments of a call with * or ** among them, whose number only the values tell. */
static bool unpacked_arguments(jj_runtime *rt, const jj_node *node, jj_args *args)
{
	jj_value positional, names, values, value;
	const jj_string **texts;
	const jj_node *child;
	uint32_t i;
	size_t j;

	if (!elm__jj_list(rt, JJ_LIST, 0, &positional) || !elm__jj_list(rt, JJ_LIST, 0, &names) ||
	    !elm__jj_list(rt, JJ_LIST, 0, &values))
		return false;
	for (i = 1; i < node->count; i++) {
		child = node->children[i];
		if (child->type == JJ_N_UNPACK || child->type == JJ_N_UNPACK_NAMED) {
			if (!unpack_argument(rt, child, positional.as.list, names.as.list,
					     values.as.list))
				return false;
			continue;
		}
		if (!elm__jj_evaluate(rt, child, &value))
			return false;
		if (node->names[i] ?
			    !push_named(rt, node->names[i], value, names.as.list, values.as.list) :
			    !elm__jj_push(rt, positional.as.list, value))
			return false;
	}
	texts = elm__jj_alloc(rt, names.as.list->count, sizeof(*texts));
	if (!texts)
		return false;
	for (j = 0; j < names.as.list->count; j++)
		texts[j] = names.as.list->items[j].as.string;
	args->positional = positional.as.list->items;
	args->count = positional.as.list->count;
	args->names = texts;
	args->named = values.as.list->items;
	args->named_count = values.as.list->count;
	return true;
}

bool elm__jj_arguments(jj_runtime *rt, const jj_node *node, jj_args *args)
{
	uint32_t count = node->count - 1, i;
	jj_value *values;

	memset(args, 0, sizeof(*args));
	if (!count)
		return true;
	if (node->unpacks)
		return unpacked_arguments(rt, node, args);
	values = elm__jj_alloc(rt, count, sizeof(*values));
	if (!values)
		return false;
	for (i = 0; i < count; i++) {
		if (!elm__jj_evaluate(rt, node->children[i + 1], &values[i]))
			return false;
		if (!node->names[i + 1])
			args->count = i + 1;
	}
	args->positional = values;
	args->named = values + args->count;
	args->names = node->names + 1 + args->count;
	args->named_count = count - args->count;
	return true;
}

static bool eval_call(jj_runtime *rt, const jj_node *node, jj_value *out)
{
	jj_value function;
	jj_args args;

	if (!elm__jj_evaluate(rt, node->children[0], &function) ||
	    !elm__jj_arguments(rt, node, &args))
		return false;
	rt->where = node;
	return elm__jj_call(rt, function, &args, out);
}

static bool eval_filter(jj_runtime *rt, const jj_node *node, jj_value *out)
{
	jj_value subject;
	jj_args args;

	if (!node->function)
		return elm__jj_fail(rt, "there is no filter named '%.*s'", (int)node->name->length,
				    node->name->data);
	if (!elm__jj_evaluate(rt, node->children[0], &subject) ||
	    !elm__jj_arguments(rt, node, &args))
		return false;
	rt->where = node;
	return elm__jj_call_builtin(rt, node->function, subject, &args, out);
}

static bool eval_test(jj_runtime *rt, const jj_node *node, jj_value *out)
{
	if (!node->function)
		return elm__jj_fail(rt, "there is no test named '%.*s'", (int)node->name->length,
				    node->name->data);
	return eval_filter(rt, node, out);
}

static bool eval_sign(jj_runtime *rt, const jj_node *node, jj_value *out)
{
	jj_value value;

	if (!elm__jj_evaluate(rt, node->children[0], &value))
		return false;
	rt->where = node;
	if (node->type == JJ_N_NEGATE)
		return value.kind == JJ_FLOAT ?
			       (*out = jj_float(-value.as.real), true) :
			       elm__jj_binary(rt, JJ_OP_SUB, jj_int(0), value, out);
	return elm__jj_binary(rt, JJ_OP_ADD, jj_int(0), value, out);
}

static bool eval_binary(jj_runtime *rt, const jj_node *node, jj_value *out)
{
	jj_value a, b;

	if (!elm__jj_evaluate(rt, node->children[0], &a) ||
	    !elm__jj_evaluate(rt, node->children[1], &b))
		return false;
	rt->where = node;
	return elm__jj_binary(rt, (jj_operator)node->operator, a, b, out);
}

/* `and` and `or` give the operand that decided, not a boolean. */
static bool eval_logical(jj_runtime *rt, const jj_node *node, jj_value *out)
{
	uint32_t i;

	for (i = 0; i < node->count; i++) {
		if (!elm__jj_evaluate(rt, node->children[i], out))
			return false;
		if (elm__jj_truth(*out) == (node->type == JJ_N_OR))
			break;
	}
	return true;
}

static bool eval_compare(jj_runtime *rt, const jj_node *node, jj_value *out)
{
	jj_value left, right;
	bool holds = true;
	uint32_t i;

	if (!elm__jj_evaluate(rt, node->children[0], &left))
		return false;
	for (i = 1; i < node->count && holds; i++) {
		if (!elm__jj_evaluate(rt, node->children[i], &right))
			return false;
		rt->where = node;
		if (!elm__jj_compare(rt, (jj_operator)node->operators[i - 1], left, right, &holds))
			return false;
		left = right;
	}
	*out = jj_bool(holds);
	return true;
}

static bool eval_conditional(jj_runtime *rt, const jj_node *node, jj_value *out)
{
	jj_value condition;

	if (!elm__jj_evaluate(rt, node->children[1], &condition))
		return false;
	if (elm__jj_truth(condition))
		return elm__jj_evaluate(rt, node->children[0], out);
	if (node->children[2])
		return elm__jj_evaluate(rt, node->children[2], out);
	*out = jj_undefined(JJ_ABSENT, NULL);
	return true;
}

static bool eval_slice(jj_runtime *rt, const jj_node *node, jj_value *out)
{
	jj_value subject, bounds[3] = { jj_none(), jj_none(), jj_none() };
	int i;

	if (!elm__jj_evaluate(rt, node->children[0], &subject))
		return false;
	for (i = 0; i < 3; i++)
		if (node->children[i + 1] &&
		    !elm__jj_evaluate(rt, node->children[i + 1], &bounds[i]))
			return false;
	rt->where = node;
	return elm__jj_slice(rt, subject, bounds, out);
}

static bool eval_access(jj_runtime *rt, const jj_node *node, jj_value *out)
{
	jj_value subject, key;

	if (!elm__jj_evaluate(rt, node->children[0], &subject))
		return false;
	if (node->type == JJ_N_ITEM && !elm__jj_evaluate(rt, node->children[1], &key))
		return false;
	rt->where = node;
	return node->type == JJ_N_ITEM ? elm__jj_item(rt, subject, key, out) :
					 elm__jj_attribute(rt, subject, node->name, out);
}

static bool eval_not(jj_runtime *rt, const jj_node *node, jj_value *out)
{
	if (!elm__jj_evaluate(rt, node->children[0], out))
		return false;
	*out = jj_bool(!elm__jj_truth(*out));
	return true;
}

static bool evaluate(jj_runtime *rt, const jj_node *node, jj_value *out)
{
	switch ((jj_node_type)node->type) {
	case JJ_N_CONST:
		*out = node->value;
		return true;
	case JJ_N_NAME:
		*out = elm__jj_variable(rt, node->symbol, node->name);
		return true;
	case JJ_N_CAPTURED:
		*out = *rt->captured;
		return true;
	case JJ_N_LIST:
	case JJ_N_TUPLE:
		return eval_items(rt, node, node->type == JJ_N_LIST ? JJ_LIST : JJ_TUPLE, out);
	case JJ_N_DICT:
		return eval_dict(rt, node, out);
	case JJ_N_ATTR:
	case JJ_N_ITEM:
		return eval_access(rt, node, out);
	case JJ_N_SLICE:
		return eval_slice(rt, node, out);
	case JJ_N_CALL:
		return eval_call(rt, node, out);
	case JJ_N_FILTER:
		return eval_filter(rt, node, out);
	case JJ_N_TEST:
		return eval_test(rt, node, out);
	case JJ_N_NOT:
		return eval_not(rt, node, out);
	case JJ_N_NEGATE:
	case JJ_N_PLUS:
		return eval_sign(rt, node, out);
	case JJ_N_BINARY:
		return eval_binary(rt, node, out);
	case JJ_N_AND:
	case JJ_N_OR:
		return eval_logical(rt, node, out);
	case JJ_N_COMPARE:
		return eval_compare(rt, node, out);
	case JJ_N_CONDITIONAL:
		return eval_conditional(rt, node, out);
	default:
		return elm__jj_fail_with(rt, ELM_ERR_INTERNAL, "a statement is used as a value");
	}
}

bool elm__jj_evaluate(jj_runtime *rt, const jj_node *node, jj_value *out)
{
	bool good;

	rt->where = node;
	if (!elm__jj_charge(rt, 0) || !elm__jj_enter_call(rt))
		return false;
	good = evaluate(rt, node, out);
	jj_leave_call(rt);
	return good;
}

/* Calls. */

/* The next name of a list of parameters; false at its end. */
static bool next_parameter(const char **list, const char **name, size_t *length)
{
	while (**list == ' ')
		(*list)++;
	*name = *list;
	*length = strcspn(*list, " ");
	*list += *length;
	return *length != 0;
}

static int find_parameter(const char *list, const jj_string *wanted)
{
	const char *name;
	size_t length;
	int i;

	for (i = 0; next_parameter(&list, &name, &length); i++)
		if (wanted->length == length && !memcmp(wanted->data, name, length))
			return i;
	return -1;
}

static size_t count_parameters(const char *list)
{
	const char *name;
	size_t length, count = 0;

	while (next_parameter(&list, &name, &length))
		count++;
	return count;
}

bool elm__jj_call_builtin(jj_runtime *rt, const jj_builtin *function, jj_value self,
			  const jj_args *args, jj_value *out)
{
	jj_value bound[JJ_MAX_PARAMETERS] = { { 0 } };
	jj_args bound_args = { .positional = bound };
	size_t i;
	int at;

	*out = jj_none();
	if (!function->parameters)
		return function->call(rt, self, args, out);
	bound_args.count = count_parameters(function->parameters);
	if (args->count > bound_args.count)
		return elm__jj_fail(rt, "%s() takes at most %zu arguments, not %zu", function->name,
				    bound_args.count, args->count);
	for (i = 0; i < args->count; i++)
		bound[i] = args->positional[i];
	for (i = 0; i < args->named_count; i++) {
		at = find_parameter(function->parameters, args->names[i]);
		if (at < 0 || bound[at].kind != JJ_ABSENT)
			return elm__jj_fail(rt, "%s() %s '%.*s'", function->name,
					    at < 0 ? "has no argument" : "got twice the argument",
					    (int)args->names[i]->length, args->names[i]->data);
		bound[at] = args->named[i];
	}
	for (i = 0; i < function->required; i++)
		if (bound[i].kind == JJ_ABSENT)
			return elm__jj_fail(rt, "%s() needs at least %u arguments", function->name,
					    function->required);
	return function->call(rt, self, &bound_args, out);
}

bool elm__jj_call(jj_runtime *rt, jj_value function, const jj_args *args, jj_value *out)
{
	bool good;

	switch (function.kind) {
	case JJ_FUNCTION:
		return elm__jj_call_builtin(rt, function.as.function, jj_none(), args, out);
	case JJ_METHOD:
		return elm__jj_call_builtin(rt, function.as.method->function,
					    function.as.method->self, args, out);
	case JJ_MACRO:
		if (!elm__jj_enter_call(rt))
			return false;
		good = elm__jj_call_macro(rt, function.as.macro, args, out);
		jj_leave_call(rt);
		return good;
	case JJ_JOINER: /* empty the first time, its separator after that */
		if (function.as.joiner->count > 1) {
			*out = function.as.joiner->items[0];
			return true;
		}
		return elm__jj_push(rt, function.as.joiner, jj_none()) &&
		       elm__jj_literal(rt, "", out);
	case JJ_UNDEFINED:
		return elm__jj_fail_undefined(rt, function);
	default:
		return elm__jj_fail(rt, "'%s' object is not callable", elm__jj_kind_name(function));
	}
}

bool elm__jj_filter_by_name(jj_runtime *rt, jj_value name, jj_value self, const jj_args *args,
			    jj_value *out)
{
	const jj_builtin *function;
	const jj_string *text;

	if (!elm__jj_want_string(rt, name, "the name of a filter", &text))
		return false;
	function = elm__jj_find_filter(text->data, text->length);
	if (!function)
		return elm__jj_fail(rt, "there is no filter named '%.*s'",
				    text->length < 100 ? (int)text->length : 100, text->data);
	return elm__jj_call_builtin(rt, function, self, args, out);
}

const jj_builtin *elm__jj_find(const jj_table *table, const char *name, size_t length)
{
	size_t i;

	for (i = 0; i < table->count; i++)
		if (strlen(table->items[i].name) == length &&
		    !memcmp(table->items[i].name, name, length))
			return &table->items[i];
	return NULL;
}

const jj_builtin *elm__jj_find_filter(const char *name, size_t length)
{
	const jj_builtin *found = elm__jj_find(&elm__jj_text_filters, name, length);

	return found ? found : elm__jj_find(&elm__jj_sequence_filters, name, length);
}

const jj_builtin *elm__jj_find_test(const char *name, size_t length)
{
	return elm__jj_find(&elm__jj_tests, name, length);
}
