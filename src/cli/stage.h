/*
 * stage.h: a command of this program as one stage of a longer work, in a process of its own: its
 * memory is given back when it ends, and what it did can be repeated by hand.
 */
#ifndef ELM_CLI_STAGE_H
#define ELM_CLI_STAGE_H

#include "cli/cli.h"

/*
 * Runs "edgelm WORDS...", `words` ending with NULL. Messages and progress go where ours go. What it
 * prints is read as JSON into *result, which the caller releases with json_decref; where `result`
 * is NULL nothing may be printed. Ctrl-C reaches the stage, and is ELM_ERR_CANCELLED here. A stage
 * that ends with another code than 0 has said why; the error names the command.
 */
ELM_NODISCARD elm_status cli_stage_run(const char *const *words, json_t **result, elm_error *error);

#endif
