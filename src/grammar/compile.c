#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/text.h"
#include "grammar/program.h"

/* Repetitions of something small, at most this often, are copies; others are counters. */
enum { MAX_COPIES = 32, MAX_SETS = 1 << 16 };

/* A sequence of byte ranges: some characters whose UTF-8 forms have the same length. */
typedef struct byte_ranges {
	unsigned length;
	uint8_t first[4], last[4];
} byte_ranges;

typedef struct compiler {
	const elm__rules *rules;
	elm__program *program;
	bool *nullable;
	uint32_t node_room, set_room, loop_room;
	uint32_t *set_slots; /* open addressing, number of a set + 1 */
	uint32_t set_mask;
	byte_ranges *pieces; /* scratch for one class */
	uint32_t piece_count, piece_room;
	uint32_t end; /* the RETURN node */
	elm_status status;
	elm_error *error;
} compiler;

static void fail(compiler *c, elm_status status, const char *text)
{
	if (!c->status)
		c->status = elm_error_set(c->error, status, "%s", text);
}

/* Room for one more item; NULL fails the compiler. */
static void *grow(compiler *c, void *array, uint32_t count, uint32_t *room, size_t size)
{
	uint32_t more = *room ? *room * 2 : 64;
	void *block;

	if (count < *room)
		return array;
	block = elm__realloc_array(array, more, size);
	if (!block) {
		fail(c, ELM_ERR_NO_MEMORY, "out of memory for a grammar");
		return NULL;
	}
	*room = more;
	return block;
}

/* 0 after a failure: a node that exists, and nobody looks. */
static uint32_t node(compiler *c, elm__node_kind kind, uint32_t extra, uint32_t a, uint32_t b)
{
	elm__program *p = c->program;
	elm__node *nodes;

	if (p->node_count == ELM__MAX_NODES)
		fail(c, ELM_ERR_LIMIT, "the grammar is too large");
	if (c->status)
		return 0;
	nodes = grow(c, p->nodes, p->node_count, &c->node_room, sizeof(*nodes));
	if (!nodes)
		return 0;
	p->nodes = nodes;
	nodes[p->node_count] = (elm__node){ .kind = kind, .extra = extra, .a = a, .b = b };
	return p->node_count++;
}

static void rehash_sets(compiler *c)
{
	uint32_t size = c->set_mask ? (c->set_mask + 1) * 2 : 64;
	uint32_t *slots = elm__calloc(size, sizeof(*slots));

	if (!slots) {
		fail(c, ELM_ERR_NO_MEMORY, "out of memory for a grammar");
		return;
	}
	elm__free(c->set_slots);
	c->set_slots = slots;
	c->set_mask = size - 1;
	for (uint32_t i = 0; i < c->program->set_count; i++) {
		uint32_t at = (uint32_t)elm__hash64(&c->program->sets[i], sizeof(elm__byteset), 0);

		while (slots[at & c->set_mask])
			at++;
		slots[at & c->set_mask] = i + 1;
	}
}

/* The number of a set; equal ones are the same. */
static uint32_t intern_set(compiler *c, const elm__byteset *set)
{
	elm__program *p = c->program;
	uint32_t at = (uint32_t)elm__hash64(set, sizeof(*set), 0);
	elm__byteset *sets;

	if (!c->set_mask || p->set_count * 2 > c->set_mask)
		rehash_sets(c);
	if (c->status)
		return 0;
	for (; c->set_slots[at & c->set_mask]; at++) {
		uint32_t number = c->set_slots[at & c->set_mask] - 1;

		if (!memcmp(&p->sets[number], set, sizeof(*set)))
			return number;
	}
	if (p->set_count == MAX_SETS) {
		fail(c, ELM_ERR_LIMIT, "the grammar has too many different character classes");
		return 0;
	}
	sets = grow(c, p->sets, p->set_count, &c->set_room, sizeof(*sets));
	if (!sets)
		return 0;
	p->sets = sets;
	sets[p->set_count] = *set;
	c->set_slots[at & c->set_mask] = p->set_count + 1;
	return p->set_count++;
}

static void set_add(elm__byteset *set, uint8_t first, uint8_t last)
{
	for (unsigned byte = first; byte <= last; byte++)
		set->bits[byte / 64] |= (uint64_t)1 << byte % 64;
}

static uint32_t byte_node(compiler *c, uint8_t first, uint8_t last, uint32_t next)
{
	elm__byteset set = { { 0 } };

	set_add(&set, first, last);
	return node(c, ELM__NODE_BYTE, intern_set(c, &set), next, 0);
}

/* ---- characters ---- */

static void add_piece(compiler *c, uint32_t first, uint32_t last)
{
	byte_ranges *pieces =
		grow(c, c->pieces, c->piece_count, &c->piece_room, sizeof(*c->pieces));
	byte_ranges *piece;

	if (!pieces)
		return;
	c->pieces = pieces;
	piece = &pieces[c->piece_count++];
	memset(piece, 0, sizeof(*piece));
	piece->length = (unsigned)elm__utf8_encode(first, (char *)piece->first);
	(void)elm__utf8_encode(last, (char *)piece->last);
}

/* Cuts a range of characters of one length where its last bytes do not run over all values, so that
 * each piece is a product of byte ranges. */
static void cut_range(compiler *c, uint32_t first, uint32_t last, unsigned length)
{
	for (unsigned i = 1; i < length; i++) {
		uint32_t low = ((uint32_t)1 << 6 * i) - 1;

		if ((first & ~low) == (last & ~low))
			break;
		if (first & low) {
			cut_range(c, first, first | low, length);
			cut_range(c, (first | low) + 1, last, length);
			return;
		}
		if ((last & low) != low) {
			cut_range(c, first, (last & ~low) - 1, length);
			cut_range(c, last & ~low, last, length);
			return;
		}
	}
	add_piece(c, first, last);
}

static void cut_class(compiler *c, const elm__charset *set)
{
	/* Each row is encoded in as many bytes; surrogates are left out. */
	static const struct {
		uint32_t first, last;
		unsigned length;
	} lengths[] = { { 0, 0x7F, 1 },
			{ 0x80, 0x7FF, 2 },
			{ 0x800, 0xD7FF, 3 },
			{ 0xE000, 0xFFFF, 3 },
			{ 0x10000, ELM__LAST_CODE_POINT, 4 } };

	c->piece_count = 0;
	for (uint32_t i = 0; i < set->count; i++)
		for (unsigned k = 0; k < sizeof(lengths) / sizeof(lengths[0]); k++) {
			elm__range r = set->ranges[i];

			if (r.first < lengths[k].first)
				r.first = lengths[k].first;
			if (r.last > lengths[k].last)
				r.last = lengths[k].last;
			if (r.first <= r.last)
				cut_range(c, r.first, r.last, lengths[k].length);
		}
}

/* By all bytes but the leading one. */
static int by_tail(const void *a, const void *b)
{
	const byte_ranges *x = a, *y = b;
	int order;

	if (x->length != y->length)
		return x->length < y->length ? -1 : 1;
	order = memcmp(x->first + 1, y->first + 1, sizeof(x->first) - 1);
	return order ? order : memcmp(x->last + 1, y->last + 1, sizeof(x->last) - 1);
}

/* One way through for all characters whose forms differ only in the leading byte. */
static uint32_t emit_class(compiler *c, const elm__charset *set, uint32_t next)
{
	uint32_t all = 0;
	bool first = true;

	cut_class(c, set);
	if (c->status)
		return 0;
	if (c->piece_count)
		qsort(c->pieces, c->piece_count, sizeof(c->pieces[0]), by_tail);
	for (uint32_t i = 0; i < c->piece_count;) {
		const byte_ranges *piece = &c->pieces[i];
		elm__byteset lead = { { 0 } };
		uint32_t way = next;

		for (; i < c->piece_count && !by_tail(piece, &c->pieces[i]); i++)
			set_add(&lead, c->pieces[i].first[0], c->pieces[i].last[0]);
		for (unsigned k = piece->length - 1; k > 0; k--)
			way = byte_node(c, piece->first[k], piece->last[k], way);
		way = node(c, ELM__NODE_BYTE, intern_set(c, &lead), way, 0);
		all = first ? way : node(c, ELM__NODE_SPLIT, 0, way, all);
		first = false;
	}
	if (first) /* a class of nothing but surrogates */
		fail(c, ELM_ERR_FORMAT, "a character class has no character that UTF-8 can encode");
	return all;
}

/* ---- expressions, from the end to the beginning ---- */

static uint32_t emit(compiler *c, const elm__expr *expr, uint32_t next);

static bool is_small(const elm__expr *expr)
{
	return expr->kind == ELM__EXPR_CLASS || expr->kind == ELM__EXPR_RULE ||
	       (expr->kind == ELM__EXPR_TEXT && expr->count <= 8);
}

static uint32_t emit_copies(compiler *c, const elm__expr *body, uint32_t count, uint32_t next)
{
	for (; count && !c->status; count--)
		next = emit(c, body, next);
	return next;
}

/* `body`, at most `count` times; each copy may go on to `next`. */
static uint32_t emit_options(compiler *c, const elm__expr *body, uint32_t count, uint32_t next)
{
	uint32_t way = next;

	for (; count && !c->status; count--)
		way = node(c, ELM__NODE_SPLIT, 0, emit(c, body, way), next);
	return way;
}

/* `body`, at least `min` times. The way back goes through a node that is filled in afterwards. */
static uint32_t emit_unlimited(compiler *c, const elm__expr *body, uint32_t min, uint32_t next)
{
	uint32_t loop = node(c, ELM__NODE_SPLIT, 0, 0, next), inside = emit(c, body, loop);

	if (c->status)
		return 0;
	c->program->nodes[loop].a = inside;
	return min ? emit_copies(c, body, min - 1, inside) : loop;
}

static uint32_t emit_counter(compiler *c, const elm__expr *expr, uint32_t next)
{
	elm__program *p = c->program;
	uint32_t body = emit(c, expr->items[0], c->end);
	elm__loop *loops = grow(c, p->loops, p->loop_count, &c->loop_room, sizeof(*loops));

	if (!loops)
		return 0;
	p->loops = loops;
	loops[p->loop_count] = (elm__loop){ expr->min, expr->max };
	return node(c, ELM__NODE_REPEAT, p->loop_count++, body, next);
}

static uint32_t emit_repeat(compiler *c, const elm__expr *expr, uint32_t next)
{
	const elm__expr *body = expr->items[0];
	bool hollow = elm__can_be_empty(body, c->nullable), copies = hollow || is_small(body);
	uint32_t min = hollow ? 0 : expr->min, max = expr->max;

	if (!max)
		return next;
	if (max == ELM__UNLIMITED && (min <= 1 || (min <= MAX_COPIES && copies)))
		return emit_unlimited(c, body, min, next);
	if (max == 1 || (max <= MAX_COPIES && copies))
		return emit_copies(c, body, min, emit_options(c, body, max - min, next));
	if (hollow) /* what it consumes does not say how often it was repeated */
		fail(c, ELM_ERR_LIMIT,
		     "something that can be empty is repeated more than 32 times; let it not be "
		     "empty, or repeat it with *");
	return emit_counter(c, expr, next);
}

static uint32_t emit(compiler *c, const elm__expr *expr, uint32_t next)
{
	uint32_t way = next;
	uint32_t i = expr->count;

	if (c->status)
		return 0;
	switch (expr->kind) {
	case ELM__EXPR_TEXT:
		while (i--)
			way = byte_node(c, (uint8_t)expr->text[i], (uint8_t)expr->text[i], way);
		return way;
	case ELM__EXPR_CLASS:
		return emit_class(c, &expr->set, next);
	case ELM__EXPR_SEQUENCE:
		while (i--)
			way = emit(c, expr->items[i], way);
		return way;
	case ELM__EXPR_CHOICE:
		way = emit(c, expr->items[--i], next);
		while (i--)
			way = node(c, ELM__NODE_SPLIT, 0, emit(c, expr->items[i], next), way);
		return way;
	case ELM__EXPR_REPEAT:
		return emit_repeat(c, expr, next);
	case ELM__EXPR_RULE:
		return next == c->end ? expr->rule : node(c, ELM__NODE_CALL, 0, expr->rule, next);
	}
	return 0;
}

/* Numbers the classes of bytes anew: by what they were, and whether they are in the set. */
static void split_classes(elm__program *p, const elm__byteset *set)
{
	int16_t number[256][2];

	memset(number, 0xff, sizeof(number));
	p->class_count = 0;
	for (unsigned byte = 0; byte < 256; byte++) {
		int16_t *n = &number[p->class_of[byte]][elm__byteset_has(set, (uint8_t)byte)];

		if (*n < 0)
			*n = (int16_t)p->class_count++;
		p->class_of[byte] = (uint8_t)*n;
		p->class_byte[*n] = (uint8_t)byte;
	}
}

static void emit_rules(compiler *c)
{
	const elm__rules *rules = c->rules;
	uint32_t i;

	for (i = 0; i < rules->count; i++)
		(void)node(c, ELM__NODE_JUMP, 0, 0, 0);
	c->end = node(c, ELM__NODE_RETURN, 0, 0, 0);
	for (i = 0; i < rules->count && !c->status; i++) {
		uint32_t way = emit(c, rules->items[i].body, c->end);

		if (!c->status)
			c->program->nodes[i].a = way;
	}
	c->program->start = rules->root;
}

elm_status elm__program_init(elm__program *program, const elm__rules *rules, elm_error *error)
{
	static const elm__byteset space = { { (uint64_t)1 << ' ' } };
	compiler c = { .rules = rules, .program = program, .error = error };

	memset(program, 0, sizeof(*program));
	c.nullable = elm__calloc(rules->count, sizeof(*c.nullable));
	if (!c.nullable)
		fail(&c, ELM_ERR_NO_MEMORY, "out of memory for a grammar");
	if (!c.status)
		c.status = elm__find_nullable(rules, c.nullable, error);
	if (!c.status)
		emit_rules(&c);
	if (!c.status)
		c.status = elm__check_endings(rules, program, error);
	split_classes(program, &space); /* elm__states_fresh tells it apart */
	for (uint32_t i = 0; i < program->set_count; i++)
		split_classes(program, &program->sets[i]);
	elm__free(c.nullable);
	elm__free(c.set_slots);
	elm__free(c.pieces);
	if (c.status)
		elm__program_release(program);
	return c.status;
}

void elm__program_release(elm__program *program)
{
	elm__free(program->nodes);
	elm__free(program->sets);
	elm__free(program->loops);
	memset(program, 0, sizeof(*program));
}
