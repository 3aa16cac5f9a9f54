/* check.c: what a grammar must not have. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "grammar/program.h"

/* Of expressions that this check follows inside each other; more than anyone writes. */
enum { MAX_CHAIN = 5000 };

typedef enum mark { UNSEEN, OPEN, SOLID, EMPTY } mark;

typedef struct walk {
	const elm__rules *rules;
	uint8_t *marks; /* of rules */
	unsigned depth;
	elm_status status;
	elm_error *error;
} walk;

/* "rule x", with its place when it came from a text. */
static const char *rule_name(const elm__rule *rule, char *out, size_t size)
{
	if (rule->line)
		snprintf(out, size, "line %u column %u: rule %.100s", rule->line, rule->column,
			 rule->name);
	else
		snprintf(out, size, "%.200s", rule->name);
	return out;
}

static bool visit(walk *w, const elm__expr *expr);

/* Depth first: only what may stand at the beginning of a rule is entered, so that a rule that is
 * entered again while it is open is left recursive, and all others are known when they are left. */
static bool visit_rule(walk *w, uint32_t number)
{
	const elm__rule *rule = &w->rules->items[number];
	char place[256];

	if (w->marks[number] == OPEN) {
		w->status = elm_error_set(
			w->error, ELM_ERR_UNSUPPORTED,
			"%s refers to itself before any character; such left recursion is not "
			"supported%s",
			rule_name(rule, place, sizeof(place)),
			rule->line ? "; write a repetition with * instead" : "");
		return false;
	}
	if (w->marks[number] == UNSEEN) {
		w->marks[number] = OPEN;
		w->marks[number] = visit(w, rule->body) ? EMPTY : SOLID;
	}
	return w->marks[number] == EMPTY;
}

/* Whether the expression can be empty. */
static bool visit(walk *w, const elm__expr *expr)
{
	bool empty = expr->kind == ELM__EXPR_SEQUENCE;

	if (w->status)
		return false;
	if (w->depth == MAX_CHAIN) {
		w->status =
			elm_error_set(w->error, ELM_ERR_LIMIT,
				      "the rules refer to each other more than %d deep", MAX_CHAIN);
		return false;
	}
	w->depth++;
	switch (expr->kind) {
	case ELM__EXPR_TEXT:
		empty = !expr->count;
		break;
	case ELM__EXPR_CLASS:
		break;
	case ELM__EXPR_SEQUENCE:
		for (uint32_t i = 0; i < expr->count && empty; i++)
			empty = visit(w, expr->items[i]);
		break;
	case ELM__EXPR_CHOICE:
		for (uint32_t i = 0; i < expr->count; i++)
			empty |= visit(w, expr->items[i]);
		break;
	case ELM__EXPR_REPEAT:
		empty = visit(w, expr->items[0]) || !expr->min;
		break;
	case ELM__EXPR_RULE:
		empty = visit_rule(w, expr->rule);
		break;
	}
	w->depth--;
	return empty;
}

elm_status elm__find_nullable(const elm__rules *rules, bool *nullable, elm_error *error)
{
	walk w = { .rules = rules, .error = error };

	w.marks = elm__calloc(rules->count, 1);
	if (!w.marks)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for a grammar");
	for (uint32_t i = 0; i < rules->count && !w.status; i++) {
		nullable[i] = visit_rule(&w, i);
	}
	elm__free(w.marks);
	return w.status;
}

bool elm__can_be_empty(const elm__expr *expr, const bool *nullable)
{
	bool empty = expr->kind == ELM__EXPR_SEQUENCE;

	switch (expr->kind) {
	case ELM__EXPR_TEXT:
		return !expr->count;
	case ELM__EXPR_CLASS:
		return false;
	case ELM__EXPR_SEQUENCE:
		for (uint32_t i = 0; i < expr->count && empty; i++)
			empty = elm__can_be_empty(expr->items[i], nullable);
		return empty;
	case ELM__EXPR_CHOICE:
		for (uint32_t i = 0; i < expr->count && !empty; i++)
			empty = elm__can_be_empty(expr->items[i], nullable);
		return empty;
	case ELM__EXPR_REPEAT:
		return !expr->min || elm__can_be_empty(expr->items[0], nullable);
	case ELM__EXPR_RULE:
		return nullable[expr->rule];
	}
	return false;
}

/* ---- endings ---- */

/* Nodes that a node waits for: one of them is enough, or (`both`) it needs all. */
static unsigned waits_for(const elm__program *p, const elm__node *node, uint32_t on[2], bool *both)
{
	bool skippable = node->kind == ELM__NODE_REPEAT && !p->loops[node->extra].min;

	*both = node->kind == ELM__NODE_CALL || node->kind == ELM__NODE_REPEAT;
	on[0] = skippable ? node->b : node->a;
	on[1] = node->b;
	switch ((elm__node_kind)node->kind) {
	case ELM__NODE_RETURN:
		return 0;
	case ELM__NODE_BYTE:
	case ELM__NODE_JUMP:
		return 1;
	case ELM__NODE_REPEAT:
		return skippable ? 1 : 2;
	case ELM__NODE_CALL:
	case ELM__NODE_SPLIT:
		break;
	}
	return 2;
}

/*
 * Marks all nodes from which a RETURN can be reached, backwards from it. waiting[first[n]] to
 * waiting[first[n + 1]] are the nodes that wait for node n; `queue` has room for all nodes.
 */
static void mark_ending(const elm__program *p, const uint32_t *first, const uint32_t *waiting,
			uint8_t *met, uint32_t *queue)
{
	uint32_t count = 0, on[2];
	bool both;

	for (uint32_t i = 0; i < p->node_count; i++)
		if (p->nodes[i].kind == ELM__NODE_RETURN) {
			met[i] = 2;
			queue[count++] = i;
		}
	while (count) {
		uint32_t node = queue[--count];

		for (uint32_t i = first[node]; i < first[node + 1]; i++) {
			uint32_t waiter = waiting[i];
			unsigned needs = waits_for(p, &p->nodes[waiter], on, &both);

			if (met[waiter] == 2)
				continue;
			met[waiter] += both && needs == 2 ? 1 : 2;
			if (met[waiter] == 2)
				queue[count++] = waiter;
		}
	}
}

elm_status elm__check_endings(const elm__rules *rules, const elm__program *p, elm_error *error)
{
	size_t n = p->node_count;
	uint32_t *first = elm__calloc(n + 2, sizeof(*first)), on[2];
	uint32_t *waiting = elm__realloc_array(NULL, n * 2, sizeof(*waiting));
	uint32_t *queue = elm__realloc_array(NULL, n, sizeof(*queue));
	uint8_t *met = elm__calloc(n, 1);
	elm_status status = ELM_OK;
	char place[256];
	bool both;

	if (!first || !waiting || !queue || !met) {
		status = elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory for a grammar");
		goto done;
	}
	/* Counting sort by what is waited for: counts, ends, then filled from the ends down. */
	for (size_t i = 0; i < n; i++)
		for (unsigned k = waits_for(p, &p->nodes[i], on, &both); k > 0; k--)
			first[on[k - 1]]++;
	for (size_t i = 1; i <= n; i++)
		first[i] += first[i - 1];
	for (size_t i = 0; i < n; i++)
		for (unsigned k = waits_for(p, &p->nodes[i], on, &both); k > 0; k--)
			waiting[--first[on[k - 1]]] = (uint32_t)i;
	mark_ending(p, first, waiting, met, queue);
	for (uint32_t i = 0; i < rules->count && !status; i++)
		if (met[i] != 2)
			status = elm_error_set(
				error, ELM_ERR_UNSUPPORTED,
				"%s can never end: every way through it needs another one of "
				"itself",
				rule_name(&rules->items[i], place, sizeof(place)));
done:
	elm__free(first);
	elm__free(waiting);
	elm__free(queue);
	elm__free(met);
	return status;
}
