/* config.json: what is accepted makes sense, and comes back from the configuration made of it. */
#include <stdlib.h>
#include <string.h>

#include "convert/facts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void check_facts(const elm__facts *facts)
{
	check(facts->layers > 0 && facts->heads > 0 && facts->kv_heads > 0);
	check(facts->heads % facts->kv_heads == 0);
	check(elm__facts_head_dim(facts) % 2 == 0 && elm__facts_head_dim(facts) > 0);
	for (int side = ELM__SIDE_ONE; side <= ELM__SIDE_TWO_FFN; side++)
		check(side == ELM__SIDE_VOCABULARY || elm__facts_side(facts, (elm__side)side) > 0);
	for (size_t i = 0; i < facts->rope.count; i++) {
		check(!facts->rope.divisors || facts->rope.divisors[i] > 0);
		check(!facts->rope.long_list || facts->rope.long_list[i] > 0);
		check(!facts->rope.short_list || facts->rope.short_list[i] > 0);
	}
}

static void check_same(const elm__facts *a, const elm__facts *b)
{
	check(!strcmp(a->family->arch, b->family->arch));
	check(a->layers == b->layers && a->width == b->width && a->ffn == b->ffn);
	check(a->heads == b->heads && a->kv_heads == b->kv_heads && a->context == b->context);
	check(elm__facts_head_dim(a) == elm__facts_head_dim(b));
	check(a->window == b->window && a->window_period == b->window_period);
	check(a->norm_epsilon == b->norm_epsilon && a->tied == b->tied);
	check(a->rope.scaling == b->rope.scaling && a->rope.base == b->rope.base);
	check(a->rope.factor == b->rope.factor && a->rope.count == b->rope.count);
}

static void come_back(const elm__facts *facts)
{
	json_t *config = elm__facts_to_config(facts);
	elm_error error = { 0 };
	elm__facts again;

	check(config != NULL);
	check(elm__facts_from_config(&again, "again", config, &error) == ELM_OK);
	check_same(facts, &again);
	elm__facts_release(&again);
	json_decref(config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	elm_error error = { 0 };
	elm__facts facts;
	json_t *root;

	if (elm__json_parse("fuzz", (const char *)data, size, &root, &error) != ELM_OK)
		return 0;
	if (elm__facts_from_config(&facts, "fuzz", root, &error) == ELM_OK) {
		check_facts(&facts);
		come_back(&facts);
		elm__facts_release(&facts);
	} else {
		check(error.text[0]);
	}
	json_decref(root);
	return 0;
}
