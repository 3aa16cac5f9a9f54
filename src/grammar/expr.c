#include "grammar/expr.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* What building returns after a failure. Nobody looks at it, but it can be added to lists. */
static elm__expr nothing = { .kind = ELM__EXPR_SEQUENCE };

void elm__rules_init(elm__rules *rules)
{
	memset(rules, 0, sizeof(*rules));
	elm__arena_init(&rules->arena, ELM__MAX_GRAMMAR_MEMORY);
}

void elm__rules_release(elm__rules *rules)
{
	elm__arena_release(&rules->arena);
	memset(rules, 0, sizeof(*rules));
}

elm_status elm__rules_fail(elm__rules *rules, elm_status status, const char *format, ...)
{
	va_list args;

	if (rules->status)
		return rules->status;
	va_start(args, format);
	rules->status = elm_error_setv(&rules->error, status, format, args);
	va_end(args);
	return rules->status;
}

elm_status elm__rules_status(const elm__rules *rules, elm_error *error)
{
	if (rules->status)
		return elm_error_set(error, rules->status, "%s", rules->error.text);
	return ELM_OK;
}

static void *take(elm__rules *rules, size_t size)
{
	void *block;

	if (rules->status)
		return NULL;
	if (rules->arena.used + size > ELM__MAX_GRAMMAR_MEMORY) {
		(void)elm__rules_fail(rules, ELM_ERR_LIMIT, "the grammar is too large");
		return NULL;
	}
	block = elm__arena_alloc(&rules->arena, size);
	if (!block)
		(void)elm__rules_fail(rules, ELM_ERR_NO_MEMORY, "out of memory for a grammar");
	return block;
}

/* The array with room for one more item, or NULL. What is outgrown stays in the arena. */
static void *grow(elm__rules *rules, void *array, uint32_t count, uint32_t *room, size_t size)
{
	uint32_t more = *room ? *room * 2 : 4;
	void *block;

	if (count < *room)
		return array;
	block = take(rules, more * size);
	if (!block)
		return NULL;
	if (count)
		memcpy(block, array, count * size);
	*room = more;
	return block;
}

uint32_t elm__rule_add(elm__rules *rules, const char *name, size_t length)
{
	elm__rule *items = grow(rules, rules->items, rules->count, &rules->room, sizeof(*items));
	char *copy = take(rules, length + 1);

	if (rules->count == ELM__MAX_RULES)
		(void)elm__rules_fail(rules, ELM_ERR_LIMIT, "the grammar has more than %d rules",
				      ELM__MAX_RULES);
	if (!items || !copy || rules->status)
		return 0;
	memcpy(copy, name, length);
	copy[length] = '\0';
	rules->items = items;
	items[rules->count] = (elm__rule){ .name = copy };
	return rules->count++;
}

static elm__expr *add(elm__rules *rules, elm__expr_kind kind)
{
	elm__expr *expr;

	if (rules->expressions == ELM__MAX_EXPRESSIONS)
		(void)elm__rules_fail(rules, ELM_ERR_LIMIT,
				      "the grammar has more than %d expressions",
				      ELM__MAX_EXPRESSIONS);
	expr = take(rules, sizeof(*expr));
	if (!expr)
		return &nothing;
	rules->expressions++;
	memset(expr, 0, sizeof(*expr));
	expr->kind = kind;
	return expr;
}

elm__expr *elm__expr_text(elm__rules *rules, const char *text, size_t length)
{
	elm__expr *expr = add(rules, ELM__EXPR_TEXT);
	char *copy = take(rules, length);

	if (!copy)
		return &nothing;
	if (length)
		memcpy(copy, text, length);
	expr->text = copy;
	expr->count = (uint32_t)length;
	return expr;
}

elm__expr *elm__expr_puts(elm__rules *rules, const char *text)
{
	return elm__expr_text(rules, text, strlen(text));
}

elm__expr *elm__expr_class(elm__rules *rules, elm__charset *set)
{
	elm__expr *expr = add(rules, ELM__EXPR_CLASS);

	elm__charset_tidy(set);
	if (!rules->status)
		expr->set = *set;
	return expr;
}

elm__expr *elm__expr_range(elm__rules *rules, uint32_t first, uint32_t last)
{
	elm__charset set = { 0 };

	elm__charset_add(rules, &set, first, last);
	return elm__expr_class(rules, &set);
}

elm__expr *elm__expr_rule(elm__rules *rules, uint32_t rule)
{
	elm__expr *expr = add(rules, ELM__EXPR_RULE);

	if (!rules->status)
		expr->rule = rule;
	return expr;
}

elm__expr *elm__expr_list(elm__rules *rules, elm__expr_kind kind)
{
	return add(rules, kind);
}

void elm__expr_add(elm__rules *rules, elm__expr *list, elm__expr *item)
{
	elm__expr **items;

	if (rules->status)
		return;
	items = grow(rules, list->items, list->count, &list->room, sizeof(elm__expr *));
	if (!items)
		return;
	list->items = items;
	items[list->count++] = item;
}

elm__expr *elm__expr_sequence(elm__rules *rules, unsigned count, ...)
{
	elm__expr *list = elm__expr_list(rules, ELM__EXPR_SEQUENCE);
	va_list items;

	va_start(items, count);
	while (count--)
		elm__expr_add(rules, list, va_arg(items, elm__expr *));
	va_end(items);
	return list;
}

elm__expr *elm__expr_repeat(elm__rules *rules, elm__expr *body, uint32_t min, uint32_t max)
{
	elm__expr *expr = add(rules, ELM__EXPR_REPEAT);

	elm__expr_add(rules, expr, body);
	if (!rules->status) {
		expr->min = min;
		expr->max = max;
	}
	return expr;
}

elm__expr *elm__expr_optional(elm__rules *rules, elm__expr *body)
{
	return elm__expr_repeat(rules, body, 0, 1);
}

void elm__charset_add(elm__rules *rules, elm__charset *set, uint32_t first, uint32_t last)
{
	elm__range *ranges;

	if (first > last)
		return;
	if (set->count == ELM__MAX_CLASS_RANGES)
		(void)elm__rules_fail(rules, ELM_ERR_LIMIT,
				      "a character class has more than %d ranges",
				      ELM__MAX_CLASS_RANGES);
	if (rules->status)
		return;
	ranges = grow(rules, set->ranges, set->count, &set->room, sizeof(*ranges));
	if (!ranges)
		return;
	set->ranges = ranges;
	ranges[set->count++] = (elm__range){ first, last };
}

static int by_first(const void *a, const void *b)
{
	uint32_t x = ((const elm__range *)a)->first, y = ((const elm__range *)b)->first;

	return x < y ? -1 : x > y;
}

void elm__charset_tidy(elm__charset *set)
{
	uint32_t kept = 0;

	if (!set->count)
		return;
	qsort(set->ranges, set->count, sizeof(set->ranges[0]), by_first);
	for (uint32_t i = 1; i < set->count; i++) {
		elm__range next = set->ranges[i];

		if (next.first > set->ranges[kept].last + 1)
			set->ranges[++kept] = next;
		else if (next.last > set->ranges[kept].last)
			set->ranges[kept].last = next.last;
	}
	set->count = kept + 1;
}

void elm__charset_invert(elm__rules *rules, elm__charset *set)
{
	elm__charset out = { 0 };
	uint32_t next = 0;

	elm__charset_add(rules, set, 0xD800, 0xDFFF);
	elm__charset_tidy(set);
	for (uint32_t i = 0; i < set->count; i++) {
		if (set->ranges[i].first > next)
			elm__charset_add(rules, &out, next, set->ranges[i].first - 1);
		next = set->ranges[i].last + 1;
	}
	elm__charset_add(rules, &out, next, ELM__LAST_CODE_POINT);
	*set = out;
}

void elm__charset_remove(elm__rules *rules, elm__charset *set, uint32_t first, uint32_t last)
{
	elm__charset_invert(rules, set);
	elm__charset_add(rules, set, first, last);
	elm__charset_invert(rules, set);
}

bool elm__charset_has(const elm__charset *set, uint32_t code_point)
{
	for (uint32_t i = 0; i < set->count; i++)
		if (code_point >= set->ranges[i].first && code_point <= set->ranges[i].last)
			return true;
	return false;
}
