/* generate.c: continues a text with a model, at temperature 0.
 * Build: cc generate.c $(pkg-config --cflags --libs edgelm)
 * Run:   ./a.out model.gguf "Once upon a time" */
#include <edgelm/generate.h>
#include <edgelm/memory.h>
#include <edgelm/tokenizer.h>

#include <stdio.h>
#include <string.h>

static bool print(void *user, const char *text, size_t length)
{
	(void)user;
	return fwrite(text, 1, length, stdout) == length && fflush(stdout) == 0;
}

static elm_status generate(elm_session *session, const char *text, elm_error *error)
{
	const elm_model *model = elm_session_model(session);
	elm_sampler_options sampling = elm_sampler_defaults();
	elm_generate_options options = { .max_tokens = 100, .on_text = print };
	elm_generate_result result;
	elm_generator *generator = NULL;
	elm_sampler *sampler = NULL;
	elm_token *prompt = NULL;
	elm_status status;

	sampling.temperature = 0;
	status = elm_tokenize(elm_model_tokenizer(model), text, strlen(text), ELM_TOKENIZE_BOS,
			      &prompt, &options.prompt_count, error);
	options.prompt = prompt;
	if (status == ELM_OK)
		status = elm_sampler_create(&sampling, elm_model_get_info(model)->vocabulary,
					    &sampler, error);
	if (status == ELM_OK)
		status = elm_generator_create(session, 0, &generator, error);
	if (status == ELM_OK)
		status = elm_generator_run(generator, sampler, &options, &result, error);
	if (status == ELM_OK)
		fprintf(stderr, "\n%.1f tokens per second\n", result.token_rate);
	elm_generator_free(generator);
	elm_sampler_free(sampler);
	elm_free(prompt);
	return status;
}

int main(int argc, char **argv)
{
	elm_session_options settings = elm_session_defaults();
	elm_session *session = NULL;
	elm_model *model = NULL;
	elm_error error = { 0 };
	elm_status status;

	if (argc != 3) {
		fprintf(stderr, "usage: %s MODEL.gguf TEXT\n", argv[0]);
		return 2;
	}
	status = elm_model_open(argv[1], NULL, &model, &error);
	if (status == ELM_OK)
		status = elm_session_create(model, &settings, &session, &error);
	if (status == ELM_OK)
		status = generate(session, argv[2], &error);
	if (status != ELM_OK)
		fprintf(stderr, "%s\n", error.text);
	elm_session_free(session);
	elm_model_close(model);
	return status == ELM_OK ? 0 : 1;
}
