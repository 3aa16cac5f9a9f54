/*
 * line.h: lines from a person, or from a file or pipe.
 *
 * At a terminal, and where the program was built with libedit, lines can be edited and earlier ones
 * called back; they are kept in a file across runs.
 */
#ifndef ELM_CLI_LINE_H
#define ELM_CLI_LINE_H

#include <stdbool.h>

#include "base/buffer.h"

typedef enum cli_line_result {
	CLI_LINE_TEXT,
	CLI_LINE_END,	      /* end of input: Ctrl-D at a terminal */
	CLI_LINE_INTERRUPTED, /* Ctrl-C; the line typed so far is dropped */
	CLI_LINE_FAILED	      /* the input cannot be read, or memory ran out: see errno */
} cli_line_result;

typedef struct cli_line_reader cli_line_reader;

/* Reads standard input. `interactive`: it is a terminal, so prompts are shown. `history_path` is a
 * file for earlier lines, or NULL. NULL when memory runs out. */
cli_line_reader *cli_line_open(bool interactive, const char *history_path);
void cli_line_close(cli_line_reader *reader); /* NULL allowed */

/* Replaces `line` by the next one, without its newline. Needs cli_interrupt_watch to be armed. */
cli_line_result cli_line_read(cli_line_reader *reader, const char *prompt, elm__buf *line);

#endif
