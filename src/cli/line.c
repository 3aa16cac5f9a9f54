#include "cli/line.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "cli/cli.h"

#ifdef HAVE_LIBEDIT
#include <histedit.h>
#include <locale.h>
#include <wchar.h>

enum { HISTORY_LINES = 1000 };
#endif

struct cli_line_reader {
	bool interactive;
	char *typed; /* getline's */
	size_t room;
	const char *prompt;
#ifdef HAVE_LIBEDIT
	EditLine *editor; /* NULL: plain lines */
	History *history;
	char *history_path;
#endif
};

static bool interrupted(void)
{
	return *cli_interrupt_watch() != 0;
}

static cli_line_result ended(void)
{
	if (interrupted()) {
		cli_interrupt_reset();
		return CLI_LINE_INTERRUPTED;
	}
	return ferror(stdin) ? CLI_LINE_FAILED : CLI_LINE_END;
}

/* Waits until there is something to read; false after Ctrl-C. The signal is let in only while it
 * waits, so that none is missed between the look at the flag and the wait. */
static bool wait_for_input(void)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	sigset_t blocked, before;
	bool ready = false;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGINT);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, &before);
	while (!ready && !interrupted())
		ready = ppoll(&input, 1, NULL, &before) >= 0 || errno != EINTR;
	sigprocmask(SIG_SETMASK, &before, NULL);
	return ready;
}

static cli_line_result store(const char *text, size_t length, elm__buf *line)
{
	if (length && text[length - 1] == '\n')
		length--;
	elm__buf_append(line, text, length);
	return line->failed ? CLI_LINE_FAILED : CLI_LINE_TEXT;
}

static cli_line_result read_plain(cli_line_reader *reader, elm__buf *line)
{
	ssize_t length;
	cli_line_result result;

	if (reader->interactive) {
		fputs(reader->prompt, stdout);
		fflush(stdout);
		if (!wait_for_input())
			return ended();
	}
	errno = 0;
	length = getline(&reader->typed, &reader->room, stdin);
	if (length >= 0)
		return store(reader->typed, (size_t)length, line);
	result = ended();
	if (result == CLI_LINE_INTERRUPTED)
		clearerr(stdin);
	return result;
}

#ifdef HAVE_LIBEDIT
static char *show_prompt(EditLine *editor)
{
	cli_line_reader *reader;

	el_get(editor, EL_CLIENTDATA, &reader);
	return (char *)reader->prompt;
}

/*
 * libedit's own reader goes on after a signal; this one lets Ctrl-C end the line. Returns the
 * number of characters, 0 at the end of input, -1 when there is none.
 */
static int read_character(EditLine *editor, wchar_t *out)
{
	mbstate_t state = { 0 };

	(void)editor;
	for (;;) {
		char byte;
		ssize_t got;
		size_t used;

		if (!wait_for_input())
			return -1;
		got = read(STDIN_FILENO, &byte, 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return (int)got;
		used = mbrtowc(out, &byte, 1, &state);
		if (used == (size_t)-2)
			continue;
		if (used != (size_t)-1)
			return 1;
		memset(&state, 0, sizeof(state)); /* not a character: leave it out */
	}
}

static void open_editor(cli_line_reader *reader, const char *path)
{
	HistEvent event;

	/* Without a locale of the user's, characters are still UTF-8. */
	if (!setlocale(LC_CTYPE, "") || MB_CUR_MAX < 2)
		setlocale(LC_CTYPE, "C.UTF-8");
	reader->editor = el_init("edgelm", stdin, stdout, stderr);
	if (!reader->editor)
		return; /* a terminal that cannot be edited on */
	el_set(reader->editor, EL_CLIENTDATA, reader);
	el_set(reader->editor, EL_PROMPT, show_prompt);
	el_set(reader->editor, EL_EDITOR, "emacs");
	el_set(reader->editor, EL_GETCFN, read_character);
	reader->history = history_init();
	if (!reader->history)
		return;
	history(reader->history, &event, H_SETSIZE, HISTORY_LINES);
	history(reader->history, &event, H_SETUNIQUE, 1);
	el_set(reader->editor, EL_HIST, history, reader->history);
	reader->history_path = path ? elm__strdup(path) : NULL;
	if (reader->history_path)
		history(reader->history, &event, H_LOAD, reader->history_path);
}

static void close_editor(cli_line_reader *reader)
{
	HistEvent event;

	if (reader->history) {
		if (reader->history_path)
			history(reader->history, &event, H_SAVE, reader->history_path);
		history_end(reader->history);
	}
	if (reader->editor)
		el_end(reader->editor);
	elm__free(reader->history_path);
}

static cli_line_result read_edited(cli_line_reader *reader, elm__buf *line)
{
	HistEvent event;
	const char *text;
	int length;

	/* Before the prompt invites typing: el_gets would only do it after, and a Ctrl-D in between
	 * be lost. */
	el_set(reader->editor, EL_PREP_TERM, 1);
	text = el_gets(reader->editor, &length);
	if (!text || length <= 0)
		return ended();
	if (reader->history && text[0] != '\n')
		history(reader->history, &event, H_ENTER, text);
	return store(text, (size_t)length, line);
}
#endif

cli_line_reader *cli_line_open(bool interactive, const char *history_path)
{
	cli_line_reader *reader = elm__calloc(1, sizeof(*reader));

	if (!reader)
		return NULL;
	reader->interactive = interactive;
#ifdef HAVE_LIBEDIT
	if (interactive)
		open_editor(reader, history_path);
#else
	(void)history_path;
#endif
	return reader;
}

void cli_line_close(cli_line_reader *reader)
{
	if (!reader)
		return;
#ifdef HAVE_LIBEDIT
	close_editor(reader);
#endif
	free(reader->typed);
	elm__free(reader);
}

cli_line_result cli_line_read(cli_line_reader *reader, const char *prompt, elm__buf *line)
{
	elm__buf_clear(line);
	reader->prompt = prompt;
#ifdef HAVE_LIBEDIT
	if (reader->editor)
		return read_edited(reader, line);
#endif
	return read_plain(reader, line);
}
