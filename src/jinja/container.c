/* Lists, dicts, and what comes in as JSON. */
#include <math.h>
#include <string.h>

#include "jinja/runtime.h"
#include "jinja/unicode.h"

enum { SMALL_DICT = 8 }; /* entries that are searched without a hash table */

bool elm__jj_list(jj_runtime *rt, jj_kind kind, size_t capacity, jj_value *out)
{
	jj_list *list = elm__jj_alloc(rt, 1, sizeof(*list));

	if (!list)
		return false;
	if (capacity) {
		list->items = elm__jj_alloc(rt, capacity, sizeof(*list->items));
		if (!list->items)
			return false;
	}
	list->capacity = capacity;
	*out = (jj_value){ .kind = (uint8_t)kind, .as.list = list };
	return true;
}

bool elm__jj_push(jj_runtime *rt, jj_list *list, jj_value item)
{
	size_t capacity;
	jj_value *items;

	if (list->count == list->capacity) {
		capacity = list->capacity ? list->capacity * 2 : 4;
		items = elm__jj_alloc(rt, capacity, sizeof(*items));
		if (!items)
			return false;
		if (list->count)
			memcpy(items, list->items, list->count * sizeof(*items));
		list->items = items;
		list->capacity = capacity;
	}
	list->items[list->count++] = item;
	return true;
}

bool elm__jj_pair(jj_runtime *rt, jj_value a, jj_value b, jj_value *out)
{
	return elm__jj_list(rt, JJ_TUPLE, 2, out) && elm__jj_push(rt, out->as.list, a) &&
	       elm__jj_push(rt, out->as.list, b);
}

bool elm__jj_dict(jj_runtime *rt, jj_kind kind, jj_value *out)
{
	jj_dict *dict = elm__jj_alloc(rt, 1, sizeof(*dict));

	*out = (jj_value){ .kind = (uint8_t)kind, .as.dict = dict };
	return dict != NULL;
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
	return hash ^ hash >> 29;
}

/* Equal values have equal hashes: 1, 1.0 and True are one key. */
static bool hash_value(jj_runtime *rt, jj_value value, uint64_t *hash)
{
	uint64_t part = 0;
	size_t i;
	bool good = true;

	*hash = value.kind;
	switch (value.kind) {
	case JJ_STRING:
		*hash = 14695981039346656037u;
		for (i = 0; i < value.as.string->length; i++)
			*hash = (*hash ^ (unsigned char)value.as.string->data[i]) * 1099511628211u;
		return elm__jj_charge(rt, value.as.string->length);
	case JJ_FLOAT:
		if (!(fabs(value.as.real) < 9e18) || floor(value.as.real) != value.as.real) {
			memcpy(&part, &value.as.real, sizeof(part));
			*hash = mix(2, part);
		} else {
			*hash = mix(1, (uint64_t)(int64_t)value.as.real);
		}
		return true;
	case JJ_BOOL:
	case JJ_INT:
		*hash = mix(1, (uint64_t)jj_integer(value));
		return true;
	case JJ_NONE:
	case JJ_UNDEFINED:
		return true;
	case JJ_TUPLE:
		if (!elm__jj_enter_call(rt))
			return false;
		*hash = 3;
		for (i = 0; i < value.as.list->count && good; i++) {
			good = elm__jj_charge(rt, 0) &&
			       hash_value(rt, value.as.list->items[i], &part);
			*hash = mix(*hash, part);
		}
		jj_leave_call(rt);
		return good;
	default:
		return elm__jj_fail(rt, "unhashable type: '%s'", elm__jj_kind_name(value));
	}
}

static bool is_key(jj_runtime *rt, const jj_entry *entry, jj_value key, uint64_t hash, bool *same)
{
	*same = false;
	if (entry->hash != hash || entry->key.kind == JJ_ABSENT)
		return true;
	return elm__jj_equal(rt, entry->key, key, same);
}

static bool find_entry(jj_runtime *rt, jj_dict *dict, jj_value key, uint64_t hash, jj_entry **found)
{
	size_t at;
	bool same;

	*found = NULL;
	if (!dict->slots) {
		for (at = 0; at < dict->used; at++) {
			if (!is_key(rt, &dict->entries[at], key, hash, &same))
				return false;
			if (same) {
				*found = &dict->entries[at];
				return true;
			}
		}
		return true;
	}
	for (at = hash & (dict->slot_count - 1); dict->slots[at];
	     at = (at + 1) & (dict->slot_count - 1)) {
		jj_entry *entry = &dict->entries[dict->slots[at] - 1];

		/* Colliding keys cost steps, so they cannot cost unbounded time. */
		if (!elm__jj_charge(rt, 0) || !is_key(rt, entry, key, hash, &same))
			return false;
		if (same) {
			*found = entry;
			return true;
		}
	}
	return true;
}

bool elm__jj_lookup(jj_runtime *rt, jj_dict *dict, jj_value key, jj_entry **found)
{
	uint64_t hash;

	return hash_value(rt, key, &hash) && find_entry(rt, dict, key, hash, found);
}

bool elm__jj_lookup_name(jj_runtime *rt, jj_dict *dict, const jj_string *name, jj_entry **found)
{
	return elm__jj_lookup(rt, dict, (jj_value){ .kind = JJ_STRING, .as.string = name }, found);
}

static void add_slot(jj_dict *dict, size_t index)
{
	size_t at = dict->entries[index].hash & (dict->slot_count - 1);

	while (dict->slots[at])
		at = (at + 1) & (dict->slot_count - 1);
	dict->slots[at] = (uint32_t)(index + 1);
}

/* Room for one more entry: drops removed ones, grows, and makes the hash table anew. */
static bool grow(jj_runtime *rt, jj_dict *dict)
{
	size_t capacity = SMALL_DICT, used = 0, i;
	jj_entry *entries;
	uint32_t *slots = NULL;

	while (capacity < dict->count * 2)
		capacity *= 2;
	if (capacity > UINT32_MAX / 4)
		return elm__jj_fail_with(rt, ELM_ERR_LIMIT, "a dict has too many keys");
	entries = elm__jj_alloc(rt, capacity, sizeof(*entries));
	if (!entries)
		return false;
	if (capacity > SMALL_DICT) {
		slots = elm__jj_alloc(rt, capacity * 2, sizeof(*slots));
		if (!slots)
			return false;
	}
	for (i = 0; i < dict->used; i++)
		if (dict->entries[i].key.kind != JJ_ABSENT)
			entries[used++] = dict->entries[i];
	dict->entries = entries;
	dict->used = used;
	dict->capacity = capacity;
	dict->slots = slots;
	dict->slot_count = slots ? capacity * 2 : 0;
	for (i = 0; slots && i < used; i++)
		add_slot(dict, i);
	return true;
}

bool elm__jj_store(jj_runtime *rt, jj_dict *dict, jj_value key, jj_value value)
{
	jj_entry *entry;
	uint64_t hash;

	if (!hash_value(rt, key, &hash) || !find_entry(rt, dict, key, hash, &entry))
		return false;
	if (entry) {
		entry->value = value;
		return true;
	}
	if (dict->used == dict->capacity && !grow(rt, dict))
		return false;
	entry = &dict->entries[dict->used++];
	entry->key = key;
	entry->value = value;
	entry->hash = hash;
	dict->count++;
	if (dict->slots)
		add_slot(dict, dict->used - 1);
	return true;
}

void elm__jj_remove(jj_dict *dict, jj_entry *entry)
{
	entry->key.kind = JJ_ABSENT;
	dict->count--;
}

static bool characters(jj_runtime *rt, const jj_string *string, jj_list *list)
{
	size_t at, size;
	jj_value item;

	for (at = 0; at < string->length; at += size) {
		elm__jj_char(string->data + at, string->length - at, &size);
		if (!elm__jj_view(rt, string->data + at, size, &item) ||
		    !elm__jj_push(rt, list, item))
			return false;
	}
	return true;
}

bool elm__jj_iterate(jj_runtime *rt, jj_value value, jj_list **out)
{
	jj_value list;
	size_t i;

	if (jj_is_sequence(value)) {
		*out = value.as.list;
		return true;
	}
	if (value.kind != JJ_STRING && value.kind != JJ_DICT && value.kind != JJ_UNDEFINED)
		return elm__jj_fail(rt, "'%s' object is not iterable", elm__jj_kind_name(value));
	if (!elm__jj_list(rt, JJ_LIST, 0, &list))
		return false;
	*out = list.as.list;
	if (value.kind == JJ_STRING)
		return characters(rt, value.as.string, *out);
	for (i = 0; value.kind == JJ_DICT && i < value.as.dict->used; i++)
		if (value.as.dict->entries[i].key.kind != JJ_ABSENT &&
		    !elm__jj_push(rt, *out, value.as.dict->entries[i].key))
			return false;
	return true;
}

static bool from_object(jj_runtime *rt, const json_t *json, jj_value *out)
{
	const char *key;
	json_t *member;
	jj_value name, value;

	if (!elm__jj_dict(rt, JJ_DICT, out))
		return false;
	/* jansson's macro wants a json_t that is not const but does not change it. */
	json_object_foreach((json_t *)json, key,
			    member) if (!elm__jj_literal(rt, key, &name) ||
					!elm__jj_from_json(rt, member, &value) ||
					!elm__jj_store(rt, out->as.dict, name, value)) return false;
	return true;
}

static bool from_array(jj_runtime *rt, const json_t *json, jj_value *out)
{
	size_t count = json_array_size(json), i;
	jj_value item;

	if (!elm__jj_list(rt, JJ_LIST, count, out))
		return false;
	for (i = 0; i < count; i++)
		if (!elm__jj_from_json(rt, json_array_get(json, i), &item) ||
		    !elm__jj_push(rt, out->as.list, item))
			return false;
	return true;
}

bool elm__jj_from_json(jj_runtime *rt, const json_t *json, jj_value *out)
{
	bool good;

	switch (json_typeof(json)) {
	case JSON_TRUE:
	case JSON_FALSE:
		*out = jj_bool(json_is_true(json));
		return true;
	case JSON_INTEGER:
		*out = jj_int(json_integer_value(json));
		return true;
	case JSON_REAL:
		*out = jj_float(json_real_value(json));
		return true;
	case JSON_STRING:
		return elm__jj_view(rt, json_string_value(json), json_string_length(json), out);
	case JSON_OBJECT:
	case JSON_ARRAY:
		if (!elm__jj_enter_call(rt))
			return false;
		good = json_is_object(json) ? from_object(rt, json, out) :
					      from_array(rt, json, out);
		jj_leave_call(rt);
		return good;
	case JSON_NULL:
		break;
	}
	*out = jj_none();
	return true;
}
