/* Filters on sequences. */
#include <string.h>

#include "jinja/runtime.h"
#include "jinja/unicode.h"

static jj_value argument(const jj_args *args, size_t index)
{
	return args->positional[index];
}

static bool f_first(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	jj_list *items;

	if (!elm__jj_iterate(rt, self, &items))
		return false;
	*out = items->count ? items->items[0] : jj_undefined(JJ_ABSENT, NULL);
	return true;
}

static bool f_last(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	jj_list *items;

	if (!elm__jj_iterate(rt, self, &items))
		return false;
	*out = items->count ? items->items[items->count - 1] : jj_undefined(JJ_ABSENT, NULL);
	return true;
}

/* A list of its own with the items of anything. */
static bool copy_items(jj_runtime *rt, jj_value self, jj_value *out)
{
	jj_list *items;

	if (!elm__jj_iterate(rt, self, &items) || !elm__jj_list(rt, JJ_LIST, items->count, out))
		return false;
	if (items->count)
		memcpy(out->as.list->items, items->items, items->count * sizeof(*items->items));
	out->as.list->count = items->count;
	return true;
}

static bool f_list(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	return copy_items(rt, self, out);
}

static bool f_reverse(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	const jj_value bounds[3] = { jj_none(), jj_none(), jj_int(-1) };

	if (self.kind == JJ_STRING)
		return elm__jj_slice(rt, self, bounds, out);
	if (!copy_items(rt, self, out))
		return false;
	elm__jj_reverse(out->as.list);
	return true;
}

/* The value at a path of each item, or the items themselves without one. */
static bool attributes(jj_runtime *rt, const jj_list *items, jj_value path, jj_value *out)
{
	jj_value part;
	size_t i;

	if (!elm__jj_list(rt, JJ_LIST, items->count, out))
		return false;
	for (i = 0; i < items->count; i++) {
		part = items->items[i];
		if (path.kind != JJ_ABSENT && path.kind != JJ_NONE &&
		    !elm__jj_path(rt, items->items[i], path, &part))
			return false;
		if (!elm__jj_push(rt, out->as.list, part))
			return false;
	}
	return true;
}

static bool f_join(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	jj_value parts, separator = argument(args, 0);
	jj_list *items;

	if (separator.kind == JJ_ABSENT ? !elm__jj_literal(rt, "", &separator) :
					  !elm__jj_to_string(rt, separator, &separator))
		return false;
	return elm__jj_iterate(rt, self, &items) &&
	       attributes(rt, items, argument(args, 1), &parts) &&
	       elm__jj_join(rt, separator.as.string, parts.as.list, false, out);
}

/* The keyword argument `name`, or JJ_ABSENT. */
static jj_value keyword(const jj_args *args, const char *name)
{
	size_t i;

	for (i = 0; i < args->named_count; i++)
		if (elm__jj_string_is(args->names[i], name))
			return args->named[i];
	return (jj_value){ 0 };
}

/* The arguments without the first `count`, for the filter or test that they name. */
static jj_args rest(const jj_args *args, size_t count)
{
	jj_args out = *args;

	out.positional += count;
	out.count -= count;
	return out;
}

static bool map_attribute(jj_runtime *rt, const jj_list *items, const jj_args *args, jj_value *out)
{
	jj_value fallback = keyword(args, "default");
	size_t i;

	if (args->named_count != (fallback.kind == JJ_ABSENT ? 1 : 2) || args->count)
		return elm__jj_fail(rt, "map() takes either the name of a filter, or attribute and "
					"default");
	if (!attributes(rt, items, keyword(args, "attribute"), out))
		return false;
	for (i = 0; i < items->count && fallback.kind != JJ_ABSENT; i++)
		if (out->as.list->items[i].kind == JJ_UNDEFINED)
			out->as.list->items[i] = fallback;
	return true;
}

static bool f_map(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	jj_value mapped, result;
	jj_list *items;
	jj_args others;
	size_t i;

	if (!elm__jj_iterate(rt, self, &items))
		return false;
	if (keyword(args, "attribute").kind != JJ_ABSENT)
		return map_attribute(rt, items, args, out);
	if (!args->count)
		return elm__jj_fail(rt, "map() needs the name of a filter or an attribute");
	others = rest(args, 1);
	if (!elm__jj_list(rt, JJ_LIST, items->count, &result))
		return false;
	for (i = 0; i < items->count; i++)
		if (!elm__jj_charge(rt, 0) ||
		    !elm__jj_filter_by_name(rt, argument(args, 0), items->items[i], &others,
					    &mapped) ||
		    !elm__jj_push(rt, result.as.list, mapped))
			return false;
	*out = result;
	return true;
}

/* Whether the test named by the first of `args`, if any, holds; without one, the value's truth. */
static bool passes(jj_runtime *rt, jj_value value, const jj_args *args, bool *out)
{
	const jj_builtin *function;
	const jj_string *name;
	jj_args others;
	jj_value result;

	if (!args->count) {
		*out = elm__jj_truth(value);
		return true;
	}
	if (!elm__jj_want_string(rt, argument(args, 0), "the name of a test", &name))
		return false;
	function = elm__jj_find_test(name->data, name->length);
	if (!function)
		return elm__jj_fail(rt, "there is no test named '%.*s'",
				    name->length < 100 ? (int)name->length : 100, name->data);
	others = rest(args, 1);
	if (!elm__jj_call_builtin(rt, function, value, &others, &result))
		return false;
	*out = elm__jj_truth(result);
	return true;
}

/* The items that pass (or, for reject, do not), judged by themselves or by an attribute. */
static bool choose(jj_runtime *rt, jj_value self, const jj_args *args, bool by_attribute,
		   bool wanted, jj_value *out)
{
	jj_args test = *args;
	jj_list *items;
	jj_value part;
	bool holds = false;
	size_t i;

	if (by_attribute) {
		if (!args->count)
			return elm__jj_fail(rt, "the name of an attribute is missing");
		test = rest(args, 1);
	}
	if (!elm__jj_iterate(rt, self, &items) || !elm__jj_list(rt, JJ_LIST, 0, out))
		return false;
	for (i = 0; i < items->count; i++) {
		part = items->items[i];
		if (by_attribute && !elm__jj_path(rt, part, argument(args, 0), &part))
			return false;
		if (!elm__jj_charge(rt, 0) || !passes(rt, part, &test, &holds))
			return false;
		if (holds == wanted && !elm__jj_push(rt, out->as.list, items->items[i]))
			return false;
	}
	return true;
}

static bool f_select(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	return choose(rt, self, args, false, true, out);
}

static bool f_reject(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	return choose(rt, self, args, false, false, out);
}

static bool f_selectattr(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	return choose(rt, self, args, true, true, out);
}

static bool f_rejectattr(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	return choose(rt, self, args, true, false, out);
}

/* What items are compared by: an attribute or themselves, strings in lower case unless told
 * otherwise. */
static bool sort_keys(jj_runtime *rt, const jj_list *items, jj_value path, jj_value case_sensitive,
		      jj_value *out)
{
	jj_value *key;
	size_t i;

	if (!attributes(rt, items, path, out))
		return false;
	for (i = 0; i < items->count && !elm__jj_truth(case_sensitive); i++) {
		key = &out->as.list->items[i];
		if (key->kind == JJ_STRING &&
		    !elm__jj_change_case(rt, key->as.string, JJ_LOWER, key))
			return false;
	}
	return true;
}

/* Arguments: reverse, case_sensitive, attribute. */
static bool f_sort(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	jj_value keys;

	return copy_items(rt, self, out) &&
	       sort_keys(rt, out->as.list, argument(args, 2), argument(args, 1), &keys) &&
	       elm__jj_sort(rt, out->as.list, keys.as.list->items,
			    elm__jj_truth(argument(args, 0)));
}

/* Arguments: case_sensitive, by, reverse. */
static bool f_dictsort(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	jj_value by = argument(args, 1), path = jj_int(0), keys;

	if (self.kind != JJ_DICT)
		return elm__jj_fail(rt, "dictsort wants a dict, not %s", elm__jj_kind_name(self));
	if (by.kind == JJ_STRING && elm__jj_string_is(by.as.string, "value"))
		path = jj_int(1);
	else if (by.kind != JJ_ABSENT &&
		 !(by.kind == JJ_STRING && elm__jj_string_is(by.as.string, "key")))
		return elm__jj_fail(rt, "dictsort sorts by 'key' or 'value'");
	return elm__jj_dict_items(rt, self.as.dict, out) &&
	       sort_keys(rt, out->as.list, path, argument(args, 0), &keys) &&
	       elm__jj_sort(rt, out->as.list, keys.as.list->items,
			    elm__jj_truth(argument(args, 2)));
}

/* Arguments: case_sensitive, attribute. */
static bool f_unique(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	jj_value keys, seen;
	jj_entry *entry;
	jj_list *items;
	size_t i;

	if (!elm__jj_iterate(rt, self, &items) ||
	    !sort_keys(rt, items, argument(args, 1), argument(args, 0), &keys) ||
	    !elm__jj_dict(rt, JJ_DICT, &seen) || !elm__jj_list(rt, JJ_LIST, 0, out))
		return false;
	for (i = 0; i < items->count; i++) {
		if (!elm__jj_lookup(rt, seen.as.dict, keys.as.list->items[i], &entry))
			return false;
		if (entry)
			continue;
		if (!elm__jj_store(rt, seen.as.dict, keys.as.list->items[i], jj_none()) ||
		    !elm__jj_push(rt, out->as.list, items->items[i]))
			return false;
	}
	return true;
}

/* Arguments: case_sensitive, attribute. `wanted` is the order that replaces the best so far. */
static bool extreme(jj_runtime *rt, jj_value self, const jj_args *args, int wanted, jj_value *out)
{
	jj_list *items;
	jj_value keys;
	size_t best = 0, i;
	int order;

	if (!elm__jj_iterate(rt, self, &items) ||
	    !sort_keys(rt, items, argument(args, 1), argument(args, 0), &keys))
		return false;
	for (i = 1; i < items->count; i++) {
		if (!elm__jj_order(rt, keys.as.list->items[i], keys.as.list->items[best], &order))
			return false;
		if (order == wanted)
			best = i;
	}
	*out = items->count ? items->items[best] : jj_undefined(JJ_ABSENT, NULL);
	return true;
}

static bool f_min(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	return extreme(rt, self, args, -1, out);
}

static bool f_max(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	return extreme(rt, self, args, 1, out);
}

/* Arguments: attribute, start. */
static bool f_sum(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	jj_value parts, total = argument(args, 1);
	jj_list *items;
	size_t i;

	if (total.kind == JJ_ABSENT)
		total = jj_int(0);
	if (!elm__jj_iterate(rt, self, &items) || !attributes(rt, items, argument(args, 0), &parts))
		return false;
	for (i = 0; i < parts.as.list->count; i++)
		if (!elm__jj_charge(rt, 0) ||
		    !elm__jj_binary(rt, JJ_OP_ADD, total, parts.as.list->items[i], &total))
			return false;
	*out = total;
	return true;
}

static bool f_items(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	if (self.kind == JJ_UNDEFINED)
		return elm__jj_list(rt, JJ_LIST, 0, out);
	if (self.kind != JJ_DICT)
		return elm__jj_fail(rt, "items wants a dict, not %s", elm__jj_kind_name(self));
	return elm__jj_dict_items(rt, self.as.dict, out);
}

/* Arguments: linecount, fill_with. */
static bool f_batch(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	jj_value row = { 0 }, fill = argument(args, 1);
	int64_t size;
	jj_list *items;
	size_t i;

	if (!elm__jj_want_int(rt, argument(args, 0), "the size of a batch", 1, &size) ||
	    !elm__jj_iterate(rt, self, &items) || !elm__jj_list(rt, JJ_LIST, 0, out))
		return false;
	if (size < 1)
		return elm__jj_fail(rt, "the size of a batch must be positive");
	for (i = 0; i < items->count; i++) {
		if (i % (size_t)size == 0 &&
		    (!elm__jj_list(rt, JJ_LIST, 0, &row) || !elm__jj_push(rt, out->as.list, row)))
			return false;
		if (!elm__jj_push(rt, row.as.list, items->items[i]))
			return false;
	}
	while (fill.kind != JJ_ABSENT && fill.kind != JJ_NONE && row.kind == JJ_LIST &&
	       row.as.list->count < (size_t)size)
		if (!elm__jj_push(rt, row.as.list, fill))
			return false;
	return true;
}

static const jj_builtin filters[] = {
	{ "first", f_first, "", 0 },
	{ "last", f_last, "", 0 },
	{ "list", f_list, "", 0 },
	{ "join", f_join, "d attribute", 0 },
	{ "map", f_map, NULL, 0 },
	{ "select", f_select, NULL, 0 },
	{ "reject", f_reject, NULL, 0 },
	{ "selectattr", f_selectattr, NULL, 0 },
	{ "rejectattr", f_rejectattr, NULL, 0 },
	{ "items", f_items, "", 0 },
	{ "reverse", f_reverse, "", 0 },
	{ "sort", f_sort, "reverse case_sensitive attribute", 0 },
	{ "dictsort", f_dictsort, "case_sensitive by reverse", 0 },
	{ "unique", f_unique, "case_sensitive attribute", 0 },
	{ "min", f_min, "case_sensitive attribute", 0 },
	{ "max", f_max, "case_sensitive attribute", 0 },
	{ "sum", f_sum, "attribute start", 0 },
	{ "batch", f_batch, "linecount fill_with", 1 },
};

const jj_table elm__jj_sequence_filters = { filters, sizeof(filters) / sizeof(filters[0]) };
