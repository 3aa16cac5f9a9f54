/* commands.h: every command of the program; the table is in commands.c. */
#ifndef ELM_CLI_COMMANDS_H
#define ELM_CLI_COMMANDS_H

#include "cli/cli.h"

extern const cli_command cli_root;

extern const cli_command cli_cmd_bench;
extern const cli_command cli_cmd_build;
extern const cli_command cli_cmd_cache_dir;
extern const cli_command cli_cmd_calibrate;
extern const cli_command cli_cmd_chat;
extern const cli_command cli_cmd_chat_template;
extern const cli_command cli_cmd_completion;
extern const cli_command cli_cmd_compress;
extern const cli_command cli_cmd_convert;
extern const cli_command cli_cmd_detokenize;
extern const cli_command cli_cmd_distill;
extern const cli_command cli_cmd_eval;
extern const cli_command cli_cmd_export;
extern const cli_command cli_cmd_help;
extern const cli_command cli_cmd_inspect;
extern const cli_command cli_cmd_man;
extern const cli_command cli_cmd_monitor;
extern const cli_command cli_cmd_prune;
extern const cli_command cli_cmd_quantize;
extern const cli_command cli_cmd_run;
extern const cli_command cli_cmd_serve;
extern const cli_command cli_cmd_study;
extern const cli_command cli_cmd_tokenize;
extern const cli_command cli_cmd_tokenizer;
extern const cli_command cli_cmd_train;

#endif
