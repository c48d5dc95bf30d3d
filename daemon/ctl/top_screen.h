/* top_screen.h: the terminal of `top`, by ncurses. */

#ifndef SLUICE_CTL_TOP_SCREEN_H
#define SLUICE_CTL_TOP_SCREEN_H

#include <stdbool.h>

struct error;
struct top_page;

enum screen_key {
	SCREEN_NONE,
	SCREEN_QUIT,
	SCREEN_PAUSE,
	SCREEN_PART,   /* other tables */
	SCREEN_SORT,   /* connections in another order */
	SCREEN_ORDER,  /* listeners */
	SCREEN_FASTER, /* shorter pauses */
	SCREEN_SLOWER,
	SCREEN_RESIZED,
};

/*
 * Take the terminal on standard input and output.  0, or -1: err says why it
 * cannot be used and what to do.
 */
int screen_open(struct error *err);
/* Give it back as it was.  It may be called twice. */
void screen_close(void);

/* How many lines there are for a page; 0: the terminal is too small. */
unsigned int screen_rows(void);
/* Show it, above a line of help. */
void screen_draw(const struct top_page *page);

/*
 * The next key, for at most so many milliseconds.  SCREEN_QUIT, too, when the
 * terminal is gone.
 */
enum screen_key screen_key(unsigned int ms);

#endif
