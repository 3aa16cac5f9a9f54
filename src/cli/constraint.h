/* constraint.h: the options that say which form generated text must have. */
#ifndef ELM_CLI_CONSTRAINT_H
#define ELM_CLI_CONSTRAINT_H

#include <edgelm/grammar.h>

#include "cli/cli.h"

typedef struct cli_constraint_settings {
	const char *grammar; /* a file */
	const char *schema;  /* a file, or the text */
	bool object;
} cli_constraint_settings;

extern const cli_option cli_constraint_options[];

/* The grammar that the settings (at most one of them) name; NULL for none, or on failure. */
ELM_NODISCARD elm_status cli_read_grammar(const cli_constraint_settings *settings,
					  elm_grammar **out, elm_error *error);

/* A constraint of the grammar, which is taken over, on success and failure; NULL for no grammar. */
ELM_NODISCARD elm_status cli_constrain(elm_grammar *grammar, const elm_tokenizer *tokenizer,
				       elm_constraint **out, elm_error *error);

#endif
