/* Methods of lists, tuples, dicts, and of the loop and cycler objects. */
#include <string.h>

#include "jinja/runtime.h"

static jj_value argument(const jj_args *args, size_t index)
{
	return args->positional[index];
}

/* list and tuple */

static bool m_append(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	return elm__jj_push(rt, self.as.list, argument(args, 0));
}

static bool m_extend(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	jj_list *items;
	size_t count, i;

	if (!elm__jj_iterate(rt, argument(args, 0), &items))
		return false;
	count = items->count; /* the list may be extended by itself */
	for (i = 0; i < count; i++)
		if (!elm__jj_push(rt, self.as.list, items->items[i]))
			return false;
	return true;
}

/* The index that an argument means, between 0 and the count; beyond is cut to it. */
static bool position(jj_runtime *rt, const jj_list *list, jj_value value, int64_t fallback,
		     int64_t *out)
{
	int64_t count = (int64_t)list->count;

	if (!elm__jj_want_int(rt, value, "the index", fallback, out))
		return false;
	if (*out < 0)
		*out = *out < -count ? 0 : *out + count;
	if (*out > count)
		*out = count;
	return true;
}

static bool m_insert(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	jj_list *list = self.as.list;
	int64_t at;

	if (!position(rt, list, argument(args, 0), 0, &at) ||
	    !elm__jj_push(rt, list, argument(args, 1)) ||
	    !elm__jj_charge(rt, (list->count - (size_t)at) * sizeof(*list->items)))
		return false;
	memmove(list->items + at + 1, list->items + at,
		(list->count - 1 - (size_t)at) * sizeof(*list->items));
	list->items[at] = argument(args, 1);
	return true;
}

static bool remove_at(jj_runtime *rt, jj_list *list, size_t at)
{
	size_t after = list->count - at - 1;

	memmove(list->items + at, list->items + at + 1, after * sizeof(*list->items));
	list->count--;
	return elm__jj_charge(rt, after * sizeof(*list->items));
}

static bool m_list_pop(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	int64_t count = (int64_t)self.as.list->count, at;

	if (!elm__jj_want_int(rt, argument(args, 0), "the index", -1, &at))
		return false;
	at += at < 0 ? count : 0;
	if (at < 0 || at >= count)
		return elm__jj_fail(rt, "pop index out of range");
	*out = self.as.list->items[at];
	return remove_at(rt, self.as.list, (size_t)at);
}

/* The first item equal to `wanted`, or count when there is none. */
static bool find_item(jj_runtime *rt, const jj_list *list, jj_value wanted, size_t from, size_t *at)
{
	bool same;

	for (*at = from; *at < list->count; (*at)++) {
		if (!elm__jj_charge(rt, 0) || !elm__jj_equal(rt, list->items[*at], wanted, &same))
			return false;
		if (same)
			break;
	}
	return true;
}

static bool m_remove(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	size_t at;

	if (!find_item(rt, self.as.list, argument(args, 0), 0, &at))
		return false;
	if (at == self.as.list->count)
		return elm__jj_fail(rt, "remove(): the item is not in the list");
	return remove_at(rt, self.as.list, at);
}

static bool m_list_index(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	size_t at;

	if (!find_item(rt, self.as.list, argument(args, 0), 0, &at))
		return false;
	if (at == self.as.list->count)
		return elm__jj_fail(rt, "index(): the item is not in the %s",
				    elm__jj_kind_name(self));
	*out = jj_int((int64_t)at);
	return true;
}

static bool m_list_count(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	int64_t count = 0;
	size_t at = 0;

	for (;; at++, count++) {
		if (!find_item(rt, self.as.list, argument(args, 0), at, &at))
			return false;
		if (at == self.as.list->count)
			break;
	}
	*out = jj_int(count);
	return true;
}

static bool m_reverse(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	elm__jj_reverse(self.as.list);
	return elm__jj_charge(rt, self.as.list->count);
}

static bool m_sort(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	return elm__jj_sort(rt, self.as.list, self.as.list->items,
			    elm__jj_truth(argument(args, 0)));
}

static bool m_list_copy(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	const jj_list *list = self.as.list;

	if (!elm__jj_list(rt, JJ_LIST, list->count, out))
		return false;
	if (list->count)
		memcpy(out->as.list->items, list->items, list->count * sizeof(*list->items));
	out->as.list->count = list->count;
	return true;
}

static bool m_list_clear(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	self.as.list->count = 0;
	return true;
}

/* dict */

static bool m_items(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	return elm__jj_dict_items(rt, self.as.dict, out);
}

static bool m_keys(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	jj_list *keys;

	if (!elm__jj_iterate(rt, self, &keys))
		return false;
	*out = (jj_value){ .kind = JJ_LIST, .as.list = keys };
	return true;
}

static bool m_values(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	const jj_dict *dict = self.as.dict;
	size_t i;

	if (!elm__jj_list(rt, JJ_LIST, dict->count, out))
		return false;
	for (i = 0; i < dict->used; i++)
		if (dict->entries[i].key.kind != JJ_ABSENT &&
		    !elm__jj_push(rt, out->as.list, dict->entries[i].value))
			return false;
	return true;
}

static bool m_get(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	jj_entry *entry;

	if (!elm__jj_lookup(rt, self.as.dict, argument(args, 0), &entry))
		return false;
	if (entry)
		*out = entry->value;
	else if (argument(args, 1).kind != JJ_ABSENT)
		*out = argument(args, 1);
	return true;
}

static bool m_dict_pop(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	jj_entry *entry;

	if (!elm__jj_lookup(rt, self.as.dict, argument(args, 0), &entry))
		return false;
	if (!entry && argument(args, 1).kind == JJ_ABSENT)
		return elm__jj_fail(rt, "pop(): the dict has no such key");
	*out = entry ? entry->value : argument(args, 1);
	if (entry)
		elm__jj_remove(self.as.dict, entry);
	return true;
}

static bool m_setdefault(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	jj_entry *entry;

	if (!elm__jj_lookup(rt, self.as.dict, argument(args, 0), &entry))
		return false;
	if (entry) {
		*out = entry->value;
		return true;
	}
	if (argument(args, 1).kind != JJ_ABSENT)
		*out = argument(args, 1);
	return elm__jj_store(rt, self.as.dict, argument(args, 0), *out);
}

static bool copy_entries(jj_runtime *rt, jj_dict *to, const jj_dict *from)
{
	size_t used = from->used, i;

	for (i = 0; to != from && i < used; i++)
		if (from->entries[i].key.kind != JJ_ABSENT &&
		    !elm__jj_store(rt, to, from->entries[i].key, from->entries[i].value))
			return false;
	return true;
}

bool elm__jj_update(jj_runtime *rt, jj_dict *dict, const jj_args *args)
{
	jj_list *pairs, *pair;
	jj_value source;
	size_t i;

	if (args->count > 1)
		return elm__jj_fail(rt, "at most one positional argument is possible, not %zu",
				    args->count);
	if (args->count) {
		source = args->positional[0];
		if (source.kind == JJ_DICT || source.kind == JJ_NAMESPACE) {
			if (!copy_entries(rt, dict, source.as.dict))
				return false;
		} else {
			if (!elm__jj_iterate(rt, source, &pairs))
				return false;
			for (i = 0; i < pairs->count; i++) {
				if (!elm__jj_iterate(rt, pairs->items[i], &pair))
					return false;
				if (pair->count != 2)
					return elm__jj_fail(rt,
							    "a dict is made of pairs; item %zu "
							    "has %zu parts",
							    i, pair->count);
				if (!elm__jj_store(rt, dict, pair->items[0], pair->items[1]))
					return false;
			}
		}
	}
	for (i = 0; i < args->named_count; i++)
		if (!elm__jj_store(rt, dict,
				   (jj_value){ .kind = JJ_STRING, .as.string = args->names[i] },
				   args->named[i]))
			return false;
	return true;
}

static bool m_update(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	return elm__jj_update(rt, self.as.dict, args);
}

static bool m_dict_copy(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	return elm__jj_dict(rt, JJ_DICT, out) && copy_entries(rt, out->as.dict, self.as.dict);
}

static bool m_dict_clear(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	memset(self.as.dict, 0, sizeof(*self.as.dict));
	return true;
}

/* loop and cycler */

static bool m_cycle(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	if (!args->count)
		return elm__jj_fail(rt, "cycle() needs at least one value");
	*out = args->positional[self.as.loop->index % args->count];
	return true;
}

static bool m_changed(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	jj_loop *loop = self.as.loop;
	bool same = false;
	jj_value now;
	size_t i;

	if (!elm__jj_list(rt, JJ_TUPLE, args->count, &now))
		return false;
	for (i = 0; i < args->count; i++)
		if (!elm__jj_push(rt, now.as.list, args->positional[i]))
			return false;
	if (loop->changed_before && !elm__jj_equal(rt, now, loop->changed, &same))
		return false;
	loop->changed_before = true;
	loop->changed = now;
	*out = jj_bool(!same);
	return true;
}

static bool m_next(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	jj_list *list = self.as.list;
	int64_t at = list->items[0].as.integer;

	*out = list->items[1 + at];
	list->items[0] = jj_int((at + 1) % (int64_t)(list->count - 1));
	return true;
}

static bool m_reset(jj_runtime *rt, jj_value self, const jj_args *args, jj_value *out)
{
	self.as.list->items[0] = jj_int(0);
	return true;
}

static const jj_builtin list_methods[] = {
	{ "append", m_append, "object", 1 },	   { "extend", m_extend, "iterable", 1 },
	{ "insert", m_insert, "index object", 2 }, { "pop", m_list_pop, "index", 0 },
	{ "remove", m_remove, "value", 1 },	   { "index", m_list_index, "value", 1 },
	{ "count", m_list_count, "value", 1 },	   { "reverse", m_reverse, "", 0 },
	{ "sort", m_sort, "reverse", 0 },	   { "copy", m_list_copy, "", 0 },
	{ "clear", m_list_clear, "", 0 },
};

static const jj_builtin tuple_methods[] = {
	{ "index", m_list_index, "value", 1 },
	{ "count", m_list_count, "value", 1 },
};

static const jj_builtin dict_methods[] = {
	{ "items", m_items, "", 0 },
	{ "keys", m_keys, "", 0 },
	{ "values", m_values, "", 0 },
	{ "get", m_get, "key default", 1 },
	{ "pop", m_dict_pop, "key default", 1 },
	{ "setdefault", m_setdefault, "key default", 1 },
	{ "update", m_update, NULL, 0 },
	{ "copy", m_dict_copy, "", 0 },
	{ "clear", m_dict_clear, "", 0 },
};

static const jj_builtin loop_methods[] = {
	{ "cycle", m_cycle, NULL, 0 },
	{ "changed", m_changed, NULL, 0 },
};

static const jj_builtin cycler_methods[] = {
	{ "next", m_next, "", 0 },
	{ "reset", m_reset, "", 0 },
};

#define TABLE(items)                                      \
	{                                                 \
		items, sizeof(items) / sizeof((items)[0]) \
	}

const jj_table elm__jj_list_methods = TABLE(list_methods);
const jj_table elm__jj_tuple_methods = TABLE(tuple_methods);
const jj_table elm__jj_dict_methods = TABLE(dict_methods);
const jj_table elm__jj_loop_methods = TABLE(loop_methods);
const jj_table elm__jj_cycler_methods = TABLE(cycler_methods);
