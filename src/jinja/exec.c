/* Statements, macros, and the render as a whole. */
#include <string.h>

#include "base/alloc.h"
#include "jinja/runtime.h"

/* Why a block was left before its end. */
typedef enum flow { FLOW_NORMAL, FLOW_BREAK, FLOW_CONTINUE } flow;

static bool execute(jj_runtime *rt, const jj_node *node, flow *how);

/* Enters a scope inside the current one. It is in the arena because macros may refer to it. */
static jj_scope *new_scope(jj_runtime *rt)
{
	jj_scope *scope = elm__jj_alloc(rt, 1, sizeof(*scope));

	if (scope) {
		scope->parent = rt->scope;
		rt->scope = scope;
	}
	return scope;
}

static bool unpack(jj_runtime *rt, const jj_node *target, jj_value value)
{
	jj_list *items;
	uint32_t i;

	if (target->type == JJ_N_NAME)
		return elm__jj_assign(rt, target->symbol, value);
	rt->where = target;
	if (!elm__jj_iterate(rt, value, &items))
		return false;
	if (items->count != target->count)
		return elm__jj_fail(rt, "%zu values cannot be unpacked into %u names", items->count,
				    target->count);
	for (i = 0; i < target->count; i++)
		if (!unpack(rt, target->children[i], items->items[i]))
			return false;
	return true;
}

static bool assign_target(jj_runtime *rt, const jj_node *target, jj_value value)
{
	const jj_node *variable;
	jj_value object;

	if (target->type != JJ_N_ATTR)
		return unpack(rt, target, value);
	variable = target->children[0];
	object = elm__jj_variable(rt, variable->symbol, variable->name);
	rt->where = target;
	if (object.kind == JJ_UNDEFINED)
		return elm__jj_fail_undefined(rt, object);
	if (object.kind != JJ_NAMESPACE)
		return elm__jj_fail(rt, "only attributes of a namespace can be set, not of a %s",
				    elm__jj_kind_name(object));
	return elm__jj_store(rt, object.as.dict,
			     (jj_value){ .kind = JJ_STRING, .as.string = target->name }, value);
}

static bool exec_if(jj_runtime *rt, const jj_node *node, flow *how)
{
	jj_value condition;
	uint32_t i;

	for (i = 0; i < node->count; i += 2) {
		if (node->children[i]) {
			if (!elm__jj_evaluate(rt, node->children[i], &condition))
				return false;
			if (!elm__jj_truth(condition))
				continue;
		}
		return execute(rt, node->children[i + 1], how);
	}
	return true;
}

/* The items for which the loop's `if` holds; the loop does not count the others. */
static bool filter_items(jj_runtime *rt, const jj_node *node, jj_list *items, jj_list **out)
{
	jj_scope *outer = rt->scope;
	jj_value keep, list;
	size_t i;

	if (!elm__jj_list(rt, JJ_LIST, 0, &list) || !new_scope(rt))
		return false;
	for (i = 0; i < items->count; i++) {
		if (!unpack(rt, node->children[0], items->items[i]) ||
		    !elm__jj_evaluate(rt, node->children[2], &keep))
			return false;
		if (elm__jj_truth(keep) && !elm__jj_push(rt, list.as.list, items->items[i]))
			return false;
	}
	rt->scope = outer;
	*out = list.as.list;
	return true;
}

static bool run_loop(jj_runtime *rt, const jj_node *node, jj_loop *loop)
{
	jj_value self = { .kind = JJ_LOOP, .as.loop = loop };
	jj_scope *outer = rt->scope, *scope = NULL;
	flow how = FLOW_NORMAL;

	for (; loop->index < loop->count && how != FLOW_BREAK; loop->index++) {
		/* Each turn has variables of its own; memory is taken anew only where it must. */
		if (!scope || scope->captured) {
			rt->scope = outer;
			scope = new_scope(rt);
			if (!scope)
				return false;
		}
		scope->count = 0;
		how = FLOW_NORMAL;
		if (!elm__jj_assign(rt, rt->program->symbol_loop, self) ||
		    !unpack(rt, node->children[0], loop->items[loop->index]) ||
		    !execute(rt, node->children[3], &how))
			return false;
	}
	rt->scope = outer;
	return true;
}

static bool exec_for(jj_runtime *rt, const jj_node *node, flow *how)
{
	jj_value subject;
	jj_list *items;
	jj_loop *loop;
	bool good;

	if (!elm__jj_evaluate(rt, node->children[1], &subject))
		return false;
	rt->where = node;
	if (!elm__jj_iterate(rt, subject, &items) ||
	    (node->children[2] && !filter_items(rt, node, items, &items)))
		return false;
	if (!items->count)
		return node->children[4] ? execute(rt, node->children[4], how) : true;
	loop = elm__jj_alloc(rt, 1, sizeof(*loop));
	if (!loop)
		return false;
	loop->items = items->items;
	loop->count = items->count;
	loop->depth = ++rt->loop_depth;
	good = run_loop(rt, node, loop);
	rt->loop_depth--;
	return good;
}

/* Runs a body in a scope of its own and makes its output a string. */
static bool capture(jj_runtime *rt, const jj_node *body, jj_value *out)
{
	size_t begin = jj_capture_begin(rt);
	jj_scope *outer = rt->scope;
	flow how = FLOW_NORMAL;

	if (!new_scope(rt) || !execute(rt, body, &how))
		return false;
	rt->scope = outer;
	return elm__jj_capture_end(rt, begin, out);
}

/* Applies the filters of a block to its text. */
static bool apply_filters(jj_runtime *rt, const jj_node *filters, jj_value text, jj_value *out)
{
	const jj_value *outer = rt->captured;
	bool good;

	rt->captured = &text;
	good = elm__jj_evaluate(rt, filters, out);
	rt->captured = outer;
	return good;
}

static bool exec_set_block(jj_runtime *rt, const jj_node *node)
{
	jj_value text;

	if (!capture(rt, node->children[1], &text))
		return false;
	if (node->children[2] && !apply_filters(rt, node->children[2], text, &text))
		return false;
	return assign_target(rt, node->children[0], text);
}

static bool exec_filter_block(jj_runtime *rt, const jj_node *node)
{
	jj_value text;

	return capture(rt, node->children[1], &text) &&
	       apply_filters(rt, node->children[0], text, &text) && elm__jj_emit_value(rt, text);
}

static bool exec_set(jj_runtime *rt, const jj_node *node)
{
	jj_value value;

	return elm__jj_evaluate(rt, node->children[1], &value) &&
	       assign_target(rt, node->children[0], value);
}

static bool exec_with(jj_runtime *rt, const jj_node *node, flow *how)
{
	jj_scope *outer = rt->scope, *inner;
	jj_value value;
	uint32_t i;

	inner = new_scope(rt);
	if (!inner)
		return false;
	for (i = 0; i + 1 < node->count; i += 2) {
		rt->scope = outer; /* values do not see the names that they are given to */
		if (!elm__jj_evaluate(rt, node->children[i + 1], &value))
			return false;
		rt->scope = inner;
		if (!unpack(rt, node->children[i], value))
			return false;
	}
	if (!execute(rt, node->children[node->count - 1], how))
		return false;
	rt->scope = outer;
	return true;
}

static bool exec_scope(jj_runtime *rt, const jj_node *node, flow *how)
{
	jj_scope *outer = rt->scope;

	if (!new_scope(rt) || !execute(rt, node->children[0], how))
		return false;
	rt->scope = outer;
	return true;
}

static bool make_macro(jj_runtime *rt, const jj_node *node, jj_value *out)
{
	jj_macro *macro = elm__jj_alloc(rt, 1, sizeof(*macro));
	jj_scope *scope;

	if (!macro)
		return false;
	macro->node = node;
	macro->scope = rt->scope;
	for (scope = rt->scope; scope && !scope->captured; scope = scope->parent)
		scope->captured = true;
	*out = (jj_value){ .kind = JJ_MACRO, .as.macro = macro };
	return true;
}

static bool exec_macro(jj_runtime *rt, const jj_node *node)
{
	jj_value macro;

	return make_macro(rt, node, &macro) && elm__jj_assign(rt, node->symbol, macro);
}

static bool exec_call_block(jj_runtime *rt, const jj_node *node)
{
	const jj_node *call = node->children[1];
	jj_value function, caller, result;
	jj_args args;

	if (!make_macro(rt, node->children[0], &caller) ||
	    !elm__jj_evaluate(rt, call->children[0], &function) ||
	    !elm__jj_arguments(rt, call, &args))
		return false;
	args.caller = &caller;
	rt->where = call;
	return elm__jj_call(rt, function, &args, &result) && elm__jj_emit_value(rt, result);
}

static bool exec_print(jj_runtime *rt, const jj_node *node)
{
	jj_value value;

	return elm__jj_evaluate(rt, node->children[0], &value) && elm__jj_emit_value(rt, value);
}

static bool exec_block(jj_runtime *rt, const jj_node *node, flow *how)
{
	uint32_t i;

	for (i = 0; i < node->count && *how == FLOW_NORMAL; i++)
		if (!execute(rt, node->children[i], how))
			return false;
	return true;
}

static bool execute_node(jj_runtime *rt, const jj_node *node, flow *how)
{
	jj_value ignored;

	switch ((jj_node_type)node->type) {
	case JJ_N_BLOCK:
		return exec_block(rt, node, how);
	case JJ_N_TEXT:
		return elm__jj_emit(rt, node->value.as.string->data, node->value.as.string->length);
	case JJ_N_PRINT:
		return exec_print(rt, node);
	case JJ_N_IF:
		return exec_if(rt, node, how);
	case JJ_N_FOR:
		return exec_for(rt, node, how);
	case JJ_N_SET:
		return exec_set(rt, node);
	case JJ_N_SET_BLOCK:
		return exec_set_block(rt, node);
	case JJ_N_MACRO:
		return exec_macro(rt, node);
	case JJ_N_CALL_BLOCK:
		return exec_call_block(rt, node);
	case JJ_N_FILTER_BLOCK:
		return exec_filter_block(rt, node);
	case JJ_N_WITH:
		return exec_with(rt, node, how);
	case JJ_N_SCOPE:
		return exec_scope(rt, node, how);
	case JJ_N_BREAK:
		*how = FLOW_BREAK;
		return true;
	case JJ_N_CONTINUE:
		*how = FLOW_CONTINUE;
		return true;
	case JJ_N_DO:
		return elm__jj_evaluate(rt, node->children[0], &ignored);
	default:
		return elm__jj_fail_with(rt, ELM_ERR_INTERNAL, "a value is used as a statement");
	}
}

static bool execute(jj_runtime *rt, const jj_node *node, flow *how)
{
	bool good;

	rt->where = node;
	if (!elm__jj_charge(rt, 0) || !elm__jj_enter_call(rt))
		return false;
	good = execute_node(rt, node, how);
	jj_leave_call(rt);
	return good;
}

/* Gives the parameters of a macro their values, in the macro's scope. */
static bool bind_parameters(jj_runtime *rt, const jj_node *node, const jj_args *args)
{
	uint32_t parameters = node->count - 1, i;
	jj_value value;
	size_t j;

	if (args->count > parameters)
		return elm__jj_fail(rt, "macro '%.*s' takes at most %u arguments, not %zu",
				    (int)node->name->length, node->name->data, parameters,
				    args->count);
	for (j = 0; j < args->named_count; j++) {
		for (i = 0; i < parameters; i++)
			if (elm__jj_same(
				    (jj_value){ .kind = JJ_STRING, .as.string = node->names[i] },
				    (jj_value){ .kind = JJ_STRING, .as.string = args->names[j] }))
				break;
		if (i == parameters || i < args->count)
			return elm__jj_fail(rt, "macro '%.*s' %s '%.*s'", (int)node->name->length,
					    node->name->data,
					    i == parameters ? "has no argument" :
							      "got twice the argument",
					    (int)args->names[j]->length, args->names[j]->data);
		if (!elm__jj_assign(rt, node->symbols[i], args->named[j]))
			return false;
	}
	for (i = 0; i < parameters; i++) {
		for (j = 0; j < rt->scope->count && rt->scope->symbols[j] != node->symbols[i];)
			j++;
		if (i < args->count)
			value = args->positional[i];
		else if (j < rt->scope->count)
			continue;
		else if (!node->children[i])
			value = jj_undefined(JJ_ABSENT, node->names[i]);
		else if (!elm__jj_evaluate(rt, node->children[i], &value))
			return false;
		if (!elm__jj_assign(rt, node->symbols[i], value))
			return false;
	}
	return true;
}

bool elm__jj_call_macro(jj_runtime *rt, const jj_macro *macro, const jj_args *args, jj_value *out)
{
	jj_value caller = jj_undefined(JJ_ABSENT, NULL);
	size_t begin = jj_capture_begin(rt);
	const jj_node *node = macro->node;
	jj_scope *outer = rt->scope;
	flow how = FLOW_NORMAL;

	rt->scope = macro->scope;
	if (!new_scope(rt) || !bind_parameters(rt, node, args))
		return false;
	if (args->caller)
		caller = *args->caller;
	/* The body of a call block sees the caller of the macro around it. */
	if (node->symbol != rt->program->symbol_caller &&
	    !elm__jj_assign(rt, rt->program->symbol_caller, caller))
		return false;
	if (!execute(rt, node->children[node->count - 1], &how))
		return false;
	rt->scope = outer;
	return elm__jj_capture_end(rt, begin, out);
}

/* The variables of the context that the template mentions, and the functions it can call. */
static bool set_globals(jj_runtime *rt, const json_t *context)
{
	const jj_string *name;
	const jj_builtin *function;
	const json_t *member;
	uint32_t i;

	for (i = 0; i < rt->program->symbol_count; i++) {
		name = rt->program->symbols[i]; /* NUL-terminated, unlike other strings */
		member = json_object_get(context, name->data);
		function = elm__jj_find(&elm__jj_globals, name->data, name->length);
		if (member) {
			if (!elm__jj_from_json(rt, member, &rt->scope->values[i]))
				return false;
		} else if (function) {
			rt->scope->values[i] =
				(jj_value){ .kind = JJ_FUNCTION, .as.function = function };
		}
	}
	return true;
}

elm_status elm__jinja_render(const elm__jinja *program, const json_t *context,
			     const elm__jinja_options *options, char **text, size_t *length,
			     elm_error *error)
{
	jj_runtime rt = { .program = program, .options = options, .error = error };
	jj_scope globals = { 0 };
	flow how = FLOW_NORMAL;

	*text = NULL;
	elm__arena_init(&rt.arena, options->limits.memory_bytes);
	rt.steps = options->limits.steps;
	rt.scope = &globals;
	globals.values = elm__jj_alloc(&rt, program->symbol_count, sizeof(*globals.values));
	if (globals.values && set_globals(&rt, context) && execute(&rt, program->root, &how)) {
		*text = elm__buf_detach(&rt.out, length);
		if (!*text)
			rt.status = elm_error_set(error, ELM_ERR_NO_MEMORY, "%s: out of memory",
						  program->name);
	}
	elm__buf_release(&rt.out);
	elm__arena_release(&rt.arena);
	return rt.status;
}
