/* top_screen.c: draws lines, and reads keys. */

#include "ctl/top_screen.h"

#include <curses.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <term.h>
#include <unistd.h>
#include <wchar.h>

#include "base/error.h"
#include "ctl/top_page.h"

#define ROWS_MIN 8 /* below that there is no table to see */
#define COLUMNS_MIN 40
#define HELP                                                                  \
	"q quit  p pause  tab tables  s connections by  o listeners by  +/- " \
	"pauses"

static SCREEN *screen; /* NULL: the terminal is not ours */

static const struct {
	int key;
	enum screen_key means;
} keys[] = {
	{ 'q', SCREEN_QUIT },
	{ 'Q', SCREEN_QUIT },
	{ 'p', SCREEN_PAUSE },
	{ ' ', SCREEN_PAUSE },
	{ '\t', SCREEN_PART },
	{ 's', SCREEN_SORT },
	{ 'o', SCREEN_ORDER },
	{ '+', SCREEN_SLOWER },
	{ '-', SCREEN_FASTER },
	{ KEY_RESIZE, SCREEN_RESIZED },
};

static int
check_terminal(struct error *err)
{
	const char *term = getenv("TERM");
	bool moves;
	int known;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return error_set(err,
		    "top needs a terminal; for a script or a file there are "
		    "status --rates, conns --rates and metrics");
	if (term == NULL || *term == '\0')
		return error_set(err,
		    "the type of the terminal is not known: set TERM, such as "
		    "TERM=xterm");
	if (setupterm(NULL, STDOUT_FILENO, &known) == ERR)
		return error_set(err,
		    "nothing is known of a terminal \"%.64s\": set TERM to a "
		    "type that terminfo has, such as xterm",
		    term);
	moves = tigetstr("cup") != NULL;
	/* newterm() reads it again, and does not free this one. */
	del_curterm(cur_term);
	if (!moves)
		return error_set(err,
		    "a terminal \"%.64s\" cannot move its cursor; use another "
		    "one, or status --rates and conns --rates",
		    term);
	return 0;
}

int
screen_open(struct error *err)
{
	if (check_terminal(err) == -1)
		return -1;
	screen = newterm(NULL, stdout, stdin);
	if (screen == NULL)
		return error_set(err, "cannot use the terminal");
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	curs_set(0);
	return 0;
}

void
screen_close(void)
{
	if (screen == NULL)
		return;
	endwin();
	delscreen(screen);
	screen = NULL;
}

unsigned int
screen_rows(void)
{
	return LINES >= ROWS_MIN && COLS >= COLUMNS_MIN
	    ? (unsigned int)LINES - 1
	    : 0;
}

/* What fits on a line, with "?" for what this locale cannot show. */
static void
draw_line(int y, const char *text, bool reverse)
{
	wchar_t wide[512];
	mbstate_t state;
	size_t length, count = 0;
	int taken = 0, width;

	memset(&state, 0, sizeof(state));
	for (; *text != '\0' && count < sizeof(wide) / sizeof(*wide) - 1;
	     text += length) {
		length = mbrtowc(&wide[count], text, MB_CUR_MAX, &state);
		if (length == 0 || length > MB_CUR_MAX) {
			memset(&state, 0, sizeof(state));
			wide[count] = L'?';
			length = 1;
		}
		width = wcwidth(wide[count]);
		if (width < 0) {
			wide[count] = L'?';
			width = 1;
		}
		if (taken + width > COLS)
			break;
		taken += width;
		count++;
	}
	if (reverse)
		attron(A_REVERSE);
	mvaddnwstr(y, 0, wide, (int)count);
	if (reverse) {
		for (; taken < COLS; taken++)
			addch(' ');
		attroff(A_REVERSE);
	}
}

void
screen_draw(const struct top_page *page)
{
	char text[96];

	erase();
	if (screen_rows() == 0) {
		snprintf(text, sizeof(text),
		    "the terminal is too small: %dx%d, at least %dx%d", COLS,
		    LINES, COLUMNS_MIN, ROWS_MIN);
		draw_line(0, text, false);
	} else {
		for (unsigned int i = 0; i < page->count; i++)
			draw_line((int)i, page->line[i].text,
			    page->line[i].head);
		draw_line(LINES - 1, HELP, false);
	}
	refresh();
}

enum screen_key
screen_key(unsigned int ms)
{
	struct pollfd poller = { .fd = STDIN_FILENO, .events = POLLIN };
	int got, key;

	got = poll(&poller, 1, (int)ms);
	/* A signal may have changed the size, which getch() then says. */
	key = getch();
	if (key == ERR)
		return got > 0 ? SCREEN_QUIT : SCREEN_NONE;
	for (unsigned int i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (keys[i].key == key)
			return keys[i].means;
	return SCREEN_NONE;
}
