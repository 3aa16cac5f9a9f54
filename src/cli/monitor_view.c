/* monitor_view.c: the view of `edgelm monitor` on a terminal, by ncurses. */
#include "cli/monitoring.h"

#ifdef HAVE_NCURSES

#include <curses.h>
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

enum { LABEL = 13, BAR = 24, ALARM_COLOUR = 1, BAR_COLOUR = 2 };

typedef struct view {
	monitor_source *source;
	json_t *look, *before;
	monitor_lines lines;
	int top; /* the first line that is shown */
	bool colours;
} view;

static void draw_line(const view *v, int row, const monitor_line *line)
{
	int width = COLS - LABEL, bar = line->share >= 0 && width > 3 * BAR / 2 ? BAR : 0;
	int style = line->alarm ? A_BOLD | (v->colours ? COLOR_PAIR(ALARM_COLOUR) : 0) : 0;

	move(row, 0);
	attron(A_BOLD);
	addnstr(line->label, COLS < LABEL - 1 ? COLS : LABEL - 1);
	attroff(A_BOLD);
	if (width <= 0)
		return;
	move(row, LABEL);
	if (bar) {
		int full = (int)lround(line->share * (bar - 3));

		addch('[');
		if (v->colours)
			attron(COLOR_PAIR(BAR_COLOUR));
		for (int i = 0; i < bar - 3; i++)
			addch(i < full ? '|' : ' ');
		if (v->colours)
			attroff(COLOR_PAIR(BAR_COLOUR));
		addstr("] ");
		width -= bar;
	}
	attron(style);
	addnstr(line->text, width);
	attroff(style);
}

static void draw(view *v)
{
	int rows = LINES - 1, count = (int)v->lines.count;

	if (v->top > count - rows)
		v->top = count - rows;
	if (v->top < 0)
		v->top = 0;
	erase();
	for (int i = 0; i < rows && v->top + i < count; i++)
		draw_line(v, i, &v->lines.lines[v->top + i]);
	if (LINES > 1) {
		move(LINES - 1, 0);
		attron(A_REVERSE);
		addnstr(count > rows ? " q quit  up/down scroll " : " q quit ", COLS - 1);
		attroff(A_REVERSE);
	}
	refresh();
}

/* Takes a look and makes the lines of it. False when memory runs out. */
static bool update(view *v)
{
	json_t *look = monitor_look(v->source);

	if (!look)
		return false;
	json_decref(v->before);
	v->before = v->look;
	v->look = look;
	v->lines.count = 0;
	monitor_describe(v->look, v->before, &v->lines);
	return !v->lines.failed;
}

/* False when the user wants to end. */
static bool handle_key(view *v, int key)
{
	switch (key) {
	case 'q':
	case 'Q':
	case 27: /* escape */
		return false;
	case KEY_UP:
	case 'k':
		v->top--;
		break;
	case KEY_DOWN:
	case 'j':
		v->top++;
		break;
	case KEY_PPAGE:
		v->top -= LINES - 1;
		break;
	case KEY_NPAGE:
		v->top += LINES - 1;
		break;
	case KEY_HOME:
		v->top = 0;
		break;
	case KEY_END:
		v->top = (int)v->lines.count;
		break;
	default: /* KEY_RESIZE: ncurses has taken the new size */
		break;
	}
	draw(v);
	return true;
}

/* Waits for keys until then. False when it is to end: by a key, a signal, or a terminal that went
 * away. */
static bool wait_for_keys(view *v, uint64_t until_ns, const volatile int *cancel)
{
	for (uint64_t now = elm__now_ns(); now < until_ns; now = elm__now_ns()) {
		struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
		int key, ready = poll(&input, 1, (int)((until_ns - now) / 1000000 + 1));

		/* A change of size comes as a signal, and then as a key. */
		if (*cancel || (ready < 0 && errno != EINTR))
			return false;
		while ((key = getch()) != ERR)
			if (!handle_key(v, key))
				return false;
		/* The signal that a terminal is gone may be ignored: under nohup it is. */
		if (ready > 0 && input.revents & (POLLHUP | POLLERR | POLLNVAL))
			return false;
	}
	return !*cancel;
}

static void set_up(view *v)
{
	const char *no_colour = getenv("NO_COLOR");

	cbreak();
	noecho();
	nodelay(stdscr, TRUE);
	keypad(stdscr, TRUE);
	set_escdelay(25);
	curs_set(0);
	if ((no_colour && no_colour[0]) || !has_colors() || start_color() == ERR)
		return;
	use_default_colors();
	init_pair(ALARM_COLOUR, COLOR_RED, -1);
	init_pair(BAR_COLOUR, COLOR_GREEN, -1);
	v->colours = true;
}

static bool show(view *v, double interval, const volatile int *cancel)
{
	uint64_t next = elm__now_ns();
	bool going = true;

	while (going) {
		if (!update(v))
			return false;
		draw(v);
		next += (uint64_t)(interval * 1e9);
		if (next < elm__now_ns())
			next = elm__now_ns();
		going = wait_for_keys(v, next, cancel);
	}
	return true;
}

int monitor_view(const cli_context *cli, monitor_source *source, double interval)
{
	/* Before ncurses sets handlers of its own, which would leave the terminal to chance. */
	const volatile int *cancel = cli_interrupt_watch();
	view v = { .source = source };
	SCREEN *screen;
	bool fine;

	if (!setlocale(LC_CTYPE, ""))
		setlocale(LC_CTYPE, "C.UTF-8");
	screen = newterm(NULL, stdout, stdin);
	if (!screen)
		return cli_fail(cli, "this terminal ($TERM) is not known here; --once prints plain "
				     "text");
	set_up(&v);
	fine = show(&v, interval, cancel);
	endwin();
	delscreen(screen);
	json_decref(v.look);
	json_decref(v.before);
	monitor_lines_release(&v.lines);
	return fine ? CLI_DONE : cli_fail(cli, "out of memory");
}

#else

int monitor_view(const cli_context *cli, monitor_source *source, double interval)
{
	return cli_fail(cli, "this program was built without ncurses, which draws on terminals; "
			     "--once prints plain text, --json and --csv go on");
}

#endif
