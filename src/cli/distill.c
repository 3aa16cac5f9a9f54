/* distill.c: a student learns what a teacher says. */
#include <unistd.h>

#include "cli/commands.h"
#include "cli/model_options.h"
#include "cli/training.h"
#include "train/teacher.h"

typedef struct settings {
	const char *teacher, *student, *shape, *lessons;
	double temperature, share;
	int64_t top_k;
	cli_training_settings training;
} settings;

#define S settings
static const cli_option arguments[] = {
	{ "TEACHER", 0, CLI_FILE(S, teacher), NULL, "the GGUF file of the model to learn from",
	  .required = true },
	{ "STUDENT", 0, CLI_FILE(S, student), NULL,
	  "the model to train, a pruned one for example; left out with --shape" },
	{ 0 },
};

static const cli_option distill_options[] = {
	{ "shape", 0, CLI_TEXT(S, shape), "SHAPE",
	  "train a new model of this shape, as in edgelm train, with the teacher's vocabulary" },
	{ "share", 0, CLI_REAL(S, share), "X",
	  "of the teacher in what is learned; the text itself has the rest",
	  .real_range = { 0, 1 } },
	{ "temperature", 0, CLI_REAL(S, temperature), "T",
	  "makes the teacher's probabilities more even", .real_range = { 0.1, 100 } },
	{ "top-k", 0, CLI_INT(S, top_k), "K",
	  "learn the K most likely tokens one by one, all others as one", .range = { 1, 1 << 20 } },
	{ "lessons", 0, CLI_FILE(S, lessons), "FILE",
	  "ask the teacher once, and keep its answers here", .default_text = "ask in each epoch" },
	{ 0 },
};
#undef S

static const cli_group groups[] = {
	{ "Teacher", distill_options, 0 },
	{ "Text and files", cli_training_text_options, offsetof(settings, training) },
	{ "Training", cli_training_options, offsetof(settings, training) },
	{ 0 },
};
static const settings defaults = {
	.share = 1, .temperature = 1, .top_k = 64, .training = CLI_TRAINING_DEFAULTS
};

typedef struct class
{
	const cli_context *cli;
	const settings *s;
	elm_model *model;
	elm__teacher *teacher;
	elm__lessons *lessons;
	cli_progress progress;
	const volatile int *interrupted;
} class;

static bool show_asking(void *user, uint64_t done, uint64_t total)
{
	class *c = user;

	cli_progress_update(&c->progress, done, total, "tokens");
	return *c->interrupted != 0;
}

/* What the teacher says comes from the file, which is made where there is none. */
static elm_status open_lessons(class *c, elm__teaching *teaching, const elm__corpus *corpus,
			       uint32_t context, uint32_t vocabulary, elm_error *error)
{
	const char *path = c->s->lessons;
	elm_status status = ELM_OK;

	if (access(path, F_OK)) {
		cli_progress_start(&c->progress, c->cli, "asking the teacher");
		status = elm__lessons_write(path, teaching, corpus, context, show_asking, c, error);
		cli_progress_end(&c->progress);
	}
	if (!status)
		status = elm__lessons_open(path, teaching, corpus, context, vocabulary, &c->lessons,
					   error);
	if (!status)
		*teaching = elm__lessons_teaching(c->lessons);
	return status;
}

static elm_status begin(void *user, elm__trainer *student, const elm_tokenizer *tokenizer,
			const elm__corpus *corpus, elm_error *error)
{
	class *c = user;
	const elm__train_options *training = elm__trainer_options(student);
	elm__teacher_options options = { .count = (uint32_t)c->s->top_k,
					 .temperature = (float)c->s->temperature,
					 .share = (float)c->s->share,
					 .context = training->context,
					 .vocabulary = elm__trainer_hparams(student)->vocabulary,
					 .threads = training->threads };
	elm__teaching teaching;
	elm_status status = elm__same_vocabulary(elm_model_tokenizer(c->model), tokenizer, error);

	if (!status)
		status = elm__teacher_create(c->model, &options, &c->teacher, error);
	if (status)
		return status;
	teaching = elm__teacher_teaching(c->teacher);
	if (c->s->lessons)
		status = open_lessons(c, &teaching, corpus, options.context, options.vocabulary,
				      error);
	return status ? status : elm__trainer_teach(student, &teaching, error);
}

static int distill(class *c, const elm__shape *shape)
{
	const settings *s = c->s;
	elm__train_source source = { .shape = shape };
	cli_teacher teacher = { .begin = begin, .user = c };
	elm_gguf *student = NULL;
	elm_error error = { 0 };
	int code;

	if (s->student && elm_gguf_open(s->student, &student, &error))
		return cli_fail_error(c->cli, &error);
	source.file = student ? student : elm_model_gguf(c->model);
	code = cli_train(c->cli, &s->training, &source, &teacher);
	elm_gguf_close(student);
	return code;
}

static int run(cli_context *cli)
{
	const settings *s = cli->settings;
	cli_model_settings model = { .isa = s->training.isa };
	class c = { .cli = cli, .s = s, .interrupted = cli_interrupt_watch() };
	elm__shape shape = elm__shape_defaults();
	elm_error error = { 0 };
	int code;

	if (!s->student == !s->shape)
		return cli_usage(cli, "give either a STUDENT or --shape");
	if (s->shape && elm__shape_parse(&shape, s->shape, &error))
		return cli_fail_error(cli, &error);
	c.model = cli_open_model(cli, s->teacher, &model);
	if (!c.model)
		return CLI_FAILED;
	code = distill(&c, s->shape ? &shape : NULL);
	elm__lessons_close(c.lessons);
	elm__teacher_free(c.teacher);
	elm_model_close(c.model);
	return code;
}

const cli_command cli_cmd_distill = {
	.name = "distill",
	.summary = "train a student to say what a teacher says",
	.description =
		"Trains a model as edgelm train does, but on the probabilities that another one "
		"gives to the next token. The student is a model that there is, usually the "
		"teacher after pruning, or a new one. Both must have the same vocabulary. The "
		"teacher may be of any architecture and weight type that edgelm runs, the student "
		"of the families llama, qwen2 and qwen3.\n\n"
		"With --lessons the teacher is asked once and its answers are kept in a file, 8 "
		"bytes for each of K tokens of each predicted token; it is made where there is "
		"none, and serves further runs with the same text.",
	.examples = "edgelm distill model.gguf pruned.gguf -f text.jsonl -o student.gguf --rate "
		    "3e-4\n"
		    "edgelm distill model.gguf --shape width=128,layers=4,heads=4,context=256 -f "
		    "text.txt -o small.gguf",
	.arguments = arguments,
	.groups = groups,
	.settings_size = sizeof(settings),
	.defaults = &defaults,
	.prints_json = true,
	.run = run,
};
