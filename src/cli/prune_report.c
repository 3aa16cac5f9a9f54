/* prune_report.c: the table of edgelm prune. */
#include "cli/prune.h"

#include <stdio.h>

#include "base/text.h"

/* The share of a number that is gone. */
static double gone(uint64_t before, uint64_t after)
{
	return before ? 1 - (double)after / (double)before : 0;
}

/* What is left of the error by reconstruction; negative where nothing was left out. */
static double left(const elm__reconstruction *r)
{
	return r->bare > 0 ? r->error / r->bare : -1;
}

static json_t *share_json(const elm__reconstruction *r)
{
	return left(r) < 0 ? json_null() : json_real(left(r));
}

static json_t *layer_json(const cli_pruned *p, uint32_t i)
{
	const elm__pruned_layer *l = &p->plan->layers[i];
	const elm__layer_shape *s = &p->plan->hp->shapes[l->from];
	json_t *layer =
		json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f}", "layer",
			  (json_int_t)i, "from", (json_int_t)l->from, "heads", (json_int_t)l->heads,
			  "heads_before", (json_int_t)s->heads, "kv_heads", (json_int_t)l->kv_heads,
			  "kv_heads_before", (json_int_t)s->kv_heads, "neurons",
			  (json_int_t)l->neurons, "neurons_before", (json_int_t)s->ffn,
			  "attention_score_lost", l->heads_lost, "ffn_score_lost", l->neurons_lost);

	if (layer && p->repairs) {
		json_object_set_new(layer, "attention_error_left", share_json(&p->repairs[i].out));
		json_object_set_new(layer, "ffn_error_left", share_json(&p->repairs[i].down));
	}
	return layer;
}

static json_t *sizes_json(const elm__prune_sizes *s)
{
	return json_pack("{s:I, s:I, s:I}", "weights", (json_int_t)s->weights, "layer_weights",
			 (json_int_t)s->layer_weights, "tensor_bytes", (json_int_t)s->bytes);
}

static int print_json(const cli_context *cli, const cli_pruned *p)
{
	json_t *layers = json_array();

	for (uint32_t i = 0; i < p->plan->count; i++)
		json_array_append_new(layers, layer_json(p, i));
	return cli_print_json(
		cli,
		json_pack("{s:s, s:s, s:s, s:b, s:b, s:f, s:f, s:o, s:o, s:o}", "output", p->output,
			  "architecture", elm__prune_arch(p->plan)->name, "score", p->score,
			  "written", (int)p->written, "reconstructed", p->repairs != NULL,
			  "sparsity", gone(p->before.layer_weights, p->after.layer_weights),
			  "sparsity_of_file", gone(p->before.weights, p->after.weights), "before",
			  sizes_json(&p->before), "after", sizes_json(&p->after), "layers",
			  layers));
}

/* "8 -> 6", or "8" */
static const char *change(uint32_t before, uint32_t after, char *out, size_t size)
{
	if (before == after)
		snprintf(out, size, "%u", after);
	else
		snprintf(out, size, "%u -> %u", before, after);
	return out;
}

static const char *percent(const elm__reconstruction *r, char *out, size_t size)
{
	if (left(r) < 0)
		snprintf(out, size, "-");
	else
		snprintf(out, size, "%.1f %%", 100 * left(r));
	return out;
}

static void print_table(const cli_pruned *p)
{
	char heads[32], kv_heads[32], neurons[32], out[32], down[32];

	printf("%5s  %-12s %-12s %-16s %s", "layer", "heads", "key heads", "neurons",
	       "score lost: attention, neurons");
	printf(p->repairs ? "  error left: attention, neurons\n" : "\n");
	for (uint32_t from = 0, i = 0; from < p->plan->hp->layers; from++) {
		const elm__pruned_layer *l = &p->plan->layers[i];
		const elm__layer_shape *s = &p->plan->hp->shapes[from];

		if (i == p->plan->count || l->from != from) {
			printf("%5u  gone\n", from);
			continue;
		}
		printf("%5u  %-12s %-12s %-16s %19.1f %%, %6.1f %%", l->from,
		       change(s->heads, l->heads, heads, sizeof(heads)),
		       change(s->kv_heads, l->kv_heads, kv_heads, sizeof(kv_heads)),
		       change(s->ffn, l->neurons, neurons, sizeof(neurons)), 100 * l->heads_lost,
		       100 * l->neurons_lost);
		if (p->repairs)
			printf("  %21s, %7s", percent(&p->repairs[i].out, out, sizeof(out)),
			       percent(&p->repairs[i].down, down, sizeof(down)));
		putchar('\n');
		i++;
	}
}

int cli_print_pruned(const cli_context *cli, const cli_pruned *p)
{
	char before[32], after[32];

	if (cli->json)
		return print_json(cli, p);
	print_table(p);
	if (elm__prune_arch(p->plan) != p->plan->hp->arch)
		printf("architecture: %s, which is %s with layers of different widths\n",
		       elm__prune_arch(p->plan)->name, p->plan->hp->arch->name);
	printf("weights of layers: %llu, %llu before, %.1f %% fewer\n",
	       (unsigned long long)p->after.layer_weights,
	       (unsigned long long)p->before.layer_weights,
	       100 * gone(p->before.layer_weights, p->after.layer_weights));
	printf("weights in all: %llu, %llu before, %.1f %% fewer\n",
	       (unsigned long long)p->after.weights, (unsigned long long)p->before.weights,
	       100 * gone(p->before.weights, p->after.weights));
	printf("%s: %s of tensors, %s before%s\n", p->output,
	       elm__format_bytes(p->after.bytes, after, sizeof(after)),
	       elm__format_bytes(p->before.bytes, before, sizeof(before)),
	       p->written ? "" : "; not written");
	return CLI_DONE;
}
