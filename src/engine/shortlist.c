#include "engine/shortlist.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/exactmath.h"

/* The vocabulary is looked at in blocks of four vectors. Which lane an element falls into is fixed,
 * so sums are the same on every machine. */
enum { VECTORS = 4, LANES = 4 * VECTORS, SUM_BLOCK = 1024 };

static elm__f32x4 load(const float *from)
{
	elm__f32x4 v;

	memcpy(&v, from, sizeof(v));
	return v;
}

static float bounded(float logit)
{
	return logit > FLT_MAX ? FLT_MAX : logit; /* NaN stays */
}

float elm__logits_best(const float *logits, size_t count)
{
	elm__f32x4 lanes[VECTORS];
	float best = -INFINITY;
	size_t i = 0;

	for (int j = 0; j < VECTORS; j++)
		lanes[j] = elm__splat4(-INFINITY);
	for (; i + LANES <= count; i += LANES)
		for (int j = 0; j < VECTORS; j++) {
			elm__f32x4 v = load(logits + i + 4 * j);

			lanes[j] = elm__select4(v > lanes[j], v, lanes[j]);
		}
	for (int j = 0; j < LANES; j++)
		best = lanes[j / 4][j % 4] > best ? lanes[j / 4][j % 4] : best;
	for (; i < count; i++)
		best = logits[i] > best ? logits[i] : best;
	return bounded(best);
}

static float block_mass(const float *logits, size_t count, float best, float temperature)
{
	const elm__f32x4 largest = elm__splat4(FLT_MAX);
	elm__f32x4 lanes[VECTORS] = { { 0 } };
	float sum = 0;
	size_t i = 0;

	for (; i + LANES <= count; i += LANES)
		for (int j = 0; j < VECTORS; j++) {
			elm__f32x4 v = load(logits + i + 4 * j);

			v = elm__select4(v > largest, largest, v);
			lanes[j] += elm__exp_negative4((v - best) / temperature);
		}
	for (int j = 0; j < LANES; j++)
		sum += lanes[j / 4][j % 4];
	for (; i < count; i++)
		sum += elm__exp_negative((bounded(logits[i]) - best) / temperature);
	return sum;
}

double elm__logits_mass(const float *logits, size_t count, float best, float temperature)
{
	double mass = 0;

	for (size_t i = 0; i < count; i += SUM_BLOCK) {
		size_t length = count - i < SUM_BLOCK ? count - i : SUM_BLOCK;

		mass += (double)block_mass(logits + i, length, best, temperature);
	}
	return mass;
}

double elm__shortlist_weigh(elm__shortlist *list, float best, float temperature)
{
	elm_candidate *items = list->items;
	double mass = 0;
	size_t i = 0;

	for (; i + 4 <= list->count; i += 4) {
		elm__f32x4 v = { items[i].logit, items[i + 1].logit, items[i + 2].logit,
				 items[i + 3].logit };

		v = elm__exp_negative4((v - best) / temperature);
		for (int j = 0; j < 4; j++)
			items[i + j].probability = v[j];
		mass += ((double)v[0] + (double)v[1]) + ((double)v[2] + (double)v[3]);
	}
	for (; i < list->count; i++) {
		items[i].probability = elm__exp_negative((items[i].logit - best) / temperature);
		mass += (double)items[i].probability;
	}
	return mass;
}

float elm__candidate_weight(const elm_candidate *candidate, float best)
{
	return elm__exp_negative(candidate->logit - best);
}

/* Whether a stands before b. */
typedef bool order(const elm_candidate *a, const elm_candidate *b);

static bool by_logit(const elm_candidate *a, const elm_candidate *b)
{
	return a->logit > b->logit || (a->logit == b->logit && a->token < b->token);
}

static bool by_logit_reversed(const elm_candidate *a, const elm_candidate *b)
{
	return by_logit(b, a);
}

/* While a list is taken by nearness, `probability` holds the distance. */
static bool by_distance_reversed(const elm_candidate *a, const elm_candidate *b)
{
	return a->probability > b->probability ||
	       (a->probability == b->probability && a->token > b->token);
}

/* A heap whose root stands last in the order. */
static inline void sift_down(elm_candidate *items, size_t at, size_t count, order *before)
{
	elm_candidate moving = items[at];

	for (size_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
		if (child + 1 < count && before(&items[child], &items[child + 1]))
			child++;
		if (!before(&moving, &items[child]))
			break;
		items[at] = items[child];
		at = child;
	}
	items[at] = moving;
}

static inline void make_heap(elm_candidate *items, size_t count, order *before)
{
	for (size_t i = count / 2; i-- > 0;)
		sift_down(items, i, count, before);
}

/* Moves the root behind the heap, which loses one item. */
static inline void pop_heap(elm_candidate *items, size_t count, order *before)
{
	elm_candidate root = items[0];

	items[0] = items[count - 1];
	items[count - 1] = root;
	sift_down(items, 0, count - 1, before);
}

static void sort_heap(elm_candidate *items, size_t count)
{
	for (; count > 1; count--)
		pop_heap(items, count, by_logit);
}

void elm__shortlist_sort(elm__shortlist *list)
{
	make_heap(list->items, list->count, by_logit);
	sort_heap(list->items, list->count);
}

/* Whether any of a block is above the bar: most blocks hold nothing of interest. */
static bool any_above(const float *block, float bar)
{
	elm__i32x4 hits = { 0 };

	for (int j = 0; j < VECTORS; j++)
		hits |= load(block + 4 * j) > bar;
	return (hits[0] | hits[1] | hits[2] | hits[3]) != 0;
}

elm_token elm__logits_find(const float *logits, size_t count, float logit)
{
	float below = nextafterf(logit, -INFINITY);

	for (size_t i = 0; i < count; i++) {
		while (i + LANES <= count && !any_above(logits + i, below))
			i += LANES;
		if (i < count && logits[i] > below)
			return (elm_token)i;
	}
	return ELM_TOKEN_NONE;
}

void elm__shortlist_top_k(elm__shortlist *list, const float *logits, size_t count, size_t k)
{
	elm_candidate *items = list->items;
	float bar = -INFINITY; /* once the heap is full, its last; a later equal one is no better */
	size_t used = 0;

	for (size_t i = 0; i < count; i += LANES) {
		size_t end = i + LANES < count ? i + LANES : count;

		if (end - i == LANES && !any_above(logits + i, bar))
			continue;
		for (size_t j = i; j < end; j++) {
			elm_candidate candidate = { (elm_token)j, bounded(logits[j]), 0 };

			if (!(candidate.logit > bar))
				continue;
			if (used < k) {
				items[used++] = candidate;
				if (used < k)
					continue;
				make_heap(items, k, by_logit);
			} else {
				items[0] = candidate;
				sift_down(items, 0, k, by_logit);
			}
			bar = items[0].logit;
		}
	}
	list->count = used;
	if (used < k)
		make_heap(items, used, by_logit);
	sort_heap(items, used);
}

void elm__shortlist_above(elm__shortlist *list, const float *logits, size_t count, float floor)
{
	float below = floor > -FLT_MAX ? nextafterf(floor, -INFINITY) : -INFINITY;
	size_t used = 0;

	for (size_t i = 0; i < count; i += LANES) {
		size_t end = i + LANES < count ? i + LANES : count;

		if (end - i == LANES && !any_above(logits + i, below))
			continue;
		for (size_t j = i; j < end; j++)
			if (logits[j] > below)
				list->items[used++] =
					(elm_candidate){ (elm_token)j, bounded(logits[j]), 0 };
	}
	list->count = used;
}

/* Takes from the front of the order (given reversed, so that its first is the heap's root) until
 * the weights reach `mass`. */
static inline void take(elm__shortlist *list, float best, double mass, order *reversed)
{
	elm_candidate *items = list->items, swapped;
	size_t left = list->count;
	double sum = 0;

	make_heap(items, left, reversed);
	while (left > 0) {
		pop_heap(items, left, reversed);
		left--;
		sum += (double)elm__candidate_weight(&items[left], best);
		if (sum >= mass)
			break;
	}
	for (size_t i = 0, j = list->count; i + 1 < j; i++) {
		j--;
		swapped = items[i];
		items[i] = items[j];
		items[j] = swapped;
	}
	list->count -= left;
}

void elm__shortlist_take_likely(elm__shortlist *list, float best, double mass)
{
	take(list, best, mass, by_logit_reversed);
}

void elm__shortlist_take_typical(elm__shortlist *list, float best, double share)
{
	double mass = 0, weighted = 0, entropy;

	/* With d = best - logit: p = e^-d / mass, so -ln p = ln mass + d. */
	for (size_t i = 0; i < list->count; i++) {
		double weight = (double)elm__candidate_weight(&list->items[i], best);

		mass += weight;
		if (weight > 0)
			weighted += weight * ((double)best - (double)list->items[i].logit);
	}
	entropy = weighted / mass; /* less ln mass, which the surprise lacks too */
	for (size_t i = 0; i < list->count; i++)
		list->items[i].probability =
			(float)fabs((double)best - (double)list->items[i].logit - entropy);
	take(list, best, share * mass, by_distance_reversed);
}
