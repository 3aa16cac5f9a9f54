#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/display.h"
#include "cli/inspection.h"
#include "cli/model_options.h"
#include "model/kv.h"

enum { TEXT_ELEMENTS = 8, SIZE_TEXT = 32, MAX_CONTEXT = 1 << 28, MAX_BATCH = 1 << 16 };

typedef struct settings {
	const char *model;
	bool tensors, metadata, hash;
	int64_t context, batch;
	int kv_type;
} settings;

static const cli_option arguments[] = { { "MODEL", 0, CLI_FILE(settings, model), NULL,
					  "the GGUF file, or the first of a split model",
					  .required = true },
					{ 0 } };

static const cli_option options[] = {
	{ "tensors", 't', CLI_FLAG(settings, tensors), NULL, "list the tensors" },
	{ "metadata", 'm', CLI_FLAG(settings, metadata), NULL, "list the metadata" },
	{ "hash", 0, CLI_FLAG(settings, hash), NULL, "print the SHA-256 of every file" },
	{ "ctx", 'c', CLI_INT(settings, context), "N",
	  "tokens of context that the memory is estimated for",
	  .default_text = "what the model was trained for, at most 4096",
	  .range = { 1, MAX_CONTEXT } },
	{ "batch", 'b', CLI_INT(settings, batch), "N", "tokens that are computed together",
	  .default_text = "512, or the context if that is less", .range = { 1, MAX_BATCH } },
	{ "kv-type", 0, CLI_CHOICE(settings, kv_type), "TYPE", "type of cached keys and values",
	  .choices = cli_kv_type_names },
	{ 0 }
};

static const cli_group groups[] = { { "Options", options, 0 }, { 0 } };

static const char *bytes_text(uint64_t bytes, char out[SIZE_TEXT])
{
	return elm__format_bytes(bytes, out, SIZE_TEXT);
}

static void put_count(elm__buf *out, uint64_t count)
{
	elm__buf_printf(out, "%" PRIu64, count);
	if (count >= 1000000000)
		elm__buf_printf(out, " (%.2f billion)", (double)count * 1e-9);
	else if (count >= 1000000)
		elm__buf_printf(out, " (%.1f million)", (double)count * 1e-6);
}

static void put_overview(elm__buf *out, const cli_inspection *in)
{
	size_t files = elm_gguf_split_count(in->gguf);
	char size[SIZE_TEXT];

	elm__buf_printf(out, "architecture         %s\n",
			in->architecture[0] ? in->architecture : "none named");
	if (in->name[0])
		elm__buf_printf(out, "name                 %s\n", in->name);
	elm__buf_printf(out, "file                 GGUF version %u, %s, alignment %u",
			elm_gguf_version(in->gguf), bytes_text(elm_gguf_file_bytes(in->gguf), size),
			elm_gguf_alignment(in->gguf));
	if (files > 1)
		elm__buf_printf(out, ", split into %zu files", files);
	elm__buf_puts(out, "\nparameters           ");
	put_count(out, in->elements);
	elm__buf_printf(out, "\ntensors              %zu, %s", elm_gguf_tensor_count(in->gguf),
			bytes_text(in->bytes, size));
	if (in->elements)
		elm__buf_printf(out, ", %.2f bits per weight",
				cli_bits_per_weight(in->bytes, in->elements));
	elm__buf_putc(out, '\n');
	for (size_t i = 0; i < in->shape_count; i++)
		elm__buf_printf(out, "%-20s %u\n", in->shape[i].label, in->shape[i].value);
	if (in->vocabulary)
		elm__buf_printf(out, "vocabulary           %" PRIu64 " tokens%s%s\n",
				in->vocabulary, in->tokenizer[0] ? ", " : "", in->tokenizer);
	for (size_t i = 0; in->hashes && i < files; i++)
		elm__buf_printf(out, "sha256               %s%s%s\n", in->hashes[i],
				files > 1 ? "  " : "",
				files > 1 ? elm_gguf_file_path(in->gguf, i) : "");
}

static void put_types(elm__buf *out, const cli_inspection *in)
{
	char size[SIZE_TEXT];

	if (!in->type_count)
		return;
	elm__buf_puts(out, "\nType      Tensors        Weights         Size  Bits per weight\n");
	for (size_t i = 0; i < in->type_count; i++) {
		const cli_type_use *use = &in->types[i];

		elm__buf_printf(out, "%-8s %8zu %14" PRIu64 " %12s  %15.2f\n",
				elm_type_get(use->type)->name, use->tensors, use->elements,
				bytes_text(use->bytes, size),
				cli_bits_per_weight(use->bytes, use->elements));
	}
}

static void put_memory(elm__buf *out, const cli_inspection *in)
{
	const elm_memory_estimate *m = &in->memory;
	char size[SIZE_TEXT];

	if (!in->has_memory) {
		elm__buf_printf(out, "\nThis engine cannot run it: %s\n", in->no_memory.text);
		return;
	}
	elm__buf_printf(out,
			"\nMemory for a context of %u and a batch of %u, cache in %s (estimated)\n",
			in->options.context, in->options.batch,
			elm__kv_type_name(in->options.kv_type));
	elm__buf_printf(out, "weights       %12s  mapped from the file, shared by processes\n",
			bytes_text(m->weights, size));
	if (m->packed)
		elm__buf_printf(out, "packed        %12s  weights rearranged for this processor\n",
				bytes_text(m->packed, size));
	elm__buf_printf(out, "KV cache      %12s\n", bytes_text(m->kv, size));
	elm__buf_printf(out, "scratch       %12s\n", bytes_text(m->scratch, size));
	elm__buf_printf(out, "total         %12s\n", bytes_text(m->total, size));
}

static void put_tensors(elm__buf *out, const elm_gguf *gguf)
{
	bool split = elm_gguf_split_count(gguf) > 1;
	char shape[4 * 24], size[SIZE_TEXT];
	int width = (int)strlen("Tensor");

	for (size_t i = 0; i < elm_gguf_tensor_count(gguf); i++)
		if ((int)strlen(elm_gguf_tensor_at(gguf, i)->name) > width)
			width = (int)strlen(elm_gguf_tensor_at(gguf, i)->name);
	elm__buf_printf(out, "\n%-*s  %-6s  %-20s %12s  Offset\n", width, "Tensor", "Type", "Shape",
			"Size");
	for (size_t i = 0; i < elm_gguf_tensor_count(gguf); i++) {
		const elm_gguf_tensor *tensor = elm_gguf_tensor_at(gguf, i);
		size_t used = 0;

		for (uint32_t d = 0; d < tensor->n_dims; d++)
			used += (size_t)snprintf(shape + used, sizeof(shape) - used,
						 d ? " x %" PRIu64 : "%" PRIu64, tensor->dims[d]);
		elm__buf_printf(out, "%-*s  %-6s  %-20s %12s  %" PRIu64, width, tensor->name,
				elm_type_get(tensor->type)->name, shape,
				bytes_text(tensor->bytes, size), tensor->offset);
		if (split)
			elm__buf_printf(out, " in file %u", tensor->split + 1);
		elm__buf_putc(out, '\n');
	}
}

static void put_metadata(elm__buf *out, const elm_gguf *gguf)
{
	elm__buf_puts(out, "\nMetadata\n");
	for (size_t i = 0; i < elm_gguf_kv_count(gguf); i++) {
		const elm_gguf_kv *kv = elm_gguf_kv_at(gguf, i);

		elm__buf_append(out, kv->key.data, kv->key.length);
		elm__buf_puts(out, " = ");
		cli_put_value(out, kv, TEXT_ELEMENTS);
		elm__buf_putc(out, '\n');
	}
}

static elm_status hash_files(const cli_context *cli, cli_inspection *in, elm_error *error)
{
	size_t count = elm_gguf_split_count(in->gguf);
	elm_status status = ELM_OK;

	in->hashes = elm__calloc(count, sizeof(in->hashes[0]));
	if (!in->hashes)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < count && status == ELM_OK; i++)
		status =
			cli_sha256_file(cli, elm_gguf_file_path(in->gguf, i), in->hashes[i], error);
	return status;
}

static int print(const cli_context *cli, const cli_inspection *in)
{
	const settings *s = cli->settings;
	elm__buf out = ELM__BUF_INIT;

	if (cli->json)
		return cli_print_json(cli, cli_inspection_json(in, s->tensors, s->metadata));
	put_overview(&out, in);
	put_types(&out, in);
	put_memory(&out, in);
	if (s->tensors)
		put_tensors(&out, in->gguf);
	if (s->metadata)
		put_metadata(&out, in->gguf);
	if (out.failed) {
		elm__buf_release(&out);
		return cli_fail(cli, "out of memory");
	}
	fwrite(elm__buf_text(&out), 1, out.length, stdout);
	elm__buf_release(&out);
	return CLI_DONE;
}

static int run(cli_context *cli)
{
	const settings *s = cli->settings;
	elm_session_options wanted = elm_session_defaults();
	cli_inspection inspection;
	elm_error error = { 0 };
	elm_status status;
	int code;

	wanted.context = (uint32_t)s->context;
	wanted.batch = (uint32_t)s->batch;
	wanted.kv_type = cli_kv_type(s->kv_type);
	status = cli_inspection_init(&inspection, s->model, &wanted, &error);
	if (status == ELM_OK && s->hash)
		status = hash_files(cli, &inspection, &error);
	code = status == ELM_OK ? print(cli, &inspection) : cli_fail_error(cli, &error);
	cli_inspection_release(&inspection);
	return code;
}

const cli_command cli_cmd_inspect = {
	.name = "inspect",
	.summary = "show what a model file holds and the memory it needs",
	.description =
		"Prints the architecture, the sizes and the weight types of a GGUF file, and "
		"estimates the memory that running it would take.\n\n"
		"It works for files that the engine cannot run, too, and says why it cannot. Long "
		"arrays of the metadata are cut: to 8 elements, with --json to 32.",
	.examples = "edgelm inspect model.gguf\n"
		    "edgelm inspect model.gguf --ctx 32768 --kv-type int8\n"
		    "edgelm inspect model.gguf --tensors --metadata\n"
		    "edgelm inspect model.gguf --hash --json",
	.arguments = arguments,
	.groups = groups,
	.settings_size = sizeof(settings),
	.prints_json = true,
	.run = run,
};
