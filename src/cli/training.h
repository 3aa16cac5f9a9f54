/* training.h: what `train` and `distill` share: options, text, the loop over steps. */
#ifndef ELM_CLI_TRAINING_H
#define ELM_CLI_TRAINING_H

#include "cli/cli.h"
#include "train/trainer.h"

typedef struct cli_training_settings {
	cli_list files;
	const char *valid, *output, *checkpoint, *log, *isa;
	int type;
	int64_t context, batch, rows, steps, warmup, seed, threads, save_every, valid_every;
	double epochs, rate, low_rate, decay, clip, beta1, beta2;
	bool resume, bf16;
} cli_training_settings;

/* Those of elm__train_defaults, which a test compares. */
#define CLI_TRAINING_DEFAULTS                                                          \
	{                                                                              \
		.type = 1, .batch = 8192, .warmup = 100, .seed = 1, .save_every = 500, \
		.epochs = 1, .rate = 1e-3, .low_rate = 1e-4, .decay = 0.1, .clip = 1,  \
		.beta1 = 0.9, .beta2 = 0.95,                                           \
	}

extern const cli_option cli_training_text_options[], cli_training_options[];

/* Gives the trainer a teacher, once the text is read and the student there. */
typedef struct cli_teacher {
	elm_status (*begin)(void *user, elm__trainer *student, const elm_tokenizer *tokenizer,
			    const elm__corpus *corpus, elm_error *error);
	void *user;
} cli_teacher;

/* Trains from `source`, whose file is the vocabulary's too, and writes the model; `teacher` may be
 * NULL. Returns the exit code; failures have been reported. */
int cli_train(const cli_context *cli, const cli_training_settings *settings,
	      const elm__train_source *source, const cli_teacher *teacher);

#endif
