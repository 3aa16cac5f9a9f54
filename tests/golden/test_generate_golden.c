/* The trained golden model: its known text, and its known perplexity. */
#include <edgelm/generate.h>
#include <edgelm/memory.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "eval/perplexity.h"
#include "support.h"

static const char prompt_text[] = "Once upon a time";
static const char golden_text[] =
	", there was a little girl named Lily. She loved to play outside in the park. One day, she "
	"saw a big, red ball. She wanted to play with it, but it was too high.";

/* NULL, after a message, where golden data is absent. */
static elm_model *open_model(void)
{
	const char *path = golden_path("models/stories260K-F32.gguf");
	elm_error error = { 0 };
	elm_model *model;

	if (!path)
		return NULL;
	if (elm_model_open(path, NULL, &model, &error) != ELM_OK)
		fail_msg("%s", error.text);
	return model;
}

static void greedy_text(elm_model *model, elm_type kv_type, uint32_t batch)
{
	elm_session_options session_options = elm_session_defaults();
	elm_sampler_options sampler_options = elm_sampler_defaults();
	elm_generate_options options = { .max_tokens = 100 };
	elm_generate_result result;
	elm_generator *generator;
	elm_session *session;
	elm_sampler *sampler;
	elm_error error = { 0 };
	elm_token *prompt;

	session_options.kv_type = kv_type;
	session_options.batch = batch;
	sampler_options.temperature = 0;
	assert_int_equal(elm_tokenize(elm_model_tokenizer(model), prompt_text, strlen(prompt_text),
				      ELM_TOKENIZE_BOS, &prompt, &options.prompt_count, NULL),
			 ELM_OK);
	options.prompt = prompt;
	assert_int_equal(elm_session_create(model, &session_options, &session, NULL), ELM_OK);
	assert_int_equal(elm_sampler_create(&sampler_options, elm_model_get_info(model)->vocabulary,
					    &sampler, NULL),
			 ELM_OK);
	assert_int_equal(elm_generator_create(session, 0, &generator, NULL), ELM_OK);
	if (elm_generator_run(generator, sampler, &options, &result, &error) != ELM_OK)
		fail_msg("%s", error.text);
	assert_int_equal(result.token_count, 100);
	if (strncmp(result.text, golden_text, strlen(golden_text)) != 0)
		fail_msg("not the golden text: %s", result.text);
	elm_generator_free(generator);
	elm_sampler_free(sampler);
	elm_session_free(session);
	elm_free(prompt);
}

static void the_known_text(void **state)
{
	elm_model *model = open_model();

	(void)state;
	if (!model)
		skip();
	greedy_text(model, ELM_TYPE_F32, 512);
	greedy_text(model, ELM_TYPE_F16, 512);
	greedy_text(model, ELM_TYPE_F16, 1);
	elm_model_close(model);
}

static void the_known_perplexity(void **state)
{
	enum { BYTES = 40000, WINDOW = 256 };
	elm_session_options options = elm_session_defaults();
	elm__buf text = ELM__BUF_INIT;
	elm_model *model = open_model();
	elm_session *session;
	elm_token *tokens;
	elm__perplexity p;
	size_t count;

	(void)state;
	if (!model)
		skip();
	read_whole(golden_path("wikitext-2-valid.txt"), &text);
	assert_true(text.length >= BYTES);
	assert_int_equal(elm_tokenize(elm_model_tokenizer(model), text.data, BYTES,
				      ELM_TOKENIZE_BOS, &tokens, &count, NULL),
			 ELM_OK);
	options.context = options.batch = options.max_logits = WINDOW;
	assert_int_equal(elm_session_create(model, &options, &session, NULL), ELM_OK);
	assert_int_equal(elm__perplexity_init(&p, session, tokens, count, WINDOW, NULL), ELM_OK);
	while (p.done < p.windows)
		assert_int_equal(elm__perplexity_next(&p, NULL), ELM_OK);
	printf("perplexity %.3f +/- %.3f\n", elm__perplexity_value(&p), elm__perplexity_error(&p));
	assert_true(fabs(elm__perplexity_value(&p) / 321.30 - 1) < 0.005);
	assert_true(fabs(elm__perplexity_error(&p) - 14.2) < 0.1);
	elm__perplexity_release(&p);
	elm_session_free(session);
	elm_free(tokens);
	elm__buf_release(&text);
	elm_model_close(model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_known_text),
		cmocka_unit_test(the_known_perplexity),
	};

	return cmocka_run_group_tests_name("generate_golden", tests, NULL, NULL);
}
