/*
 * top_page.h: what `top` shows, as lines of text.  It knows answers of sluiced,
 * but no terminal.
 */

#ifndef SLUICE_CTL_TOP_PAGE_H
#define SLUICE_CTL_TOP_PAGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What was asked at one time; owned. */
struct top_sample {
	json_t *status, *conns; /* answers; NULL: none yet */
	json_t *cpu;		/* of workers, by the pid: ms so far */
	uint64_t time_ms;	/* monotonic */
};

void top_sample_done(struct top_sample *sample);

enum top_part { TOP_ALL, TOP_LISTENERS, TOP_WORKERS, TOP_CONNS, TOP_PARTS };
enum top_order {
	TOP_CONFIGURED,
	TOP_TRAFFIC,
	TOP_OPEN,
	TOP_ERRORS,
	TOP_ORDERS
};

struct top_view {
	enum top_part part;
	enum top_order order; /* of listeners */
	const char *sort;     /* of connections */
	unsigned int rows;    /* how many lines there is room for */
	const char *note;     /* "" or what to say, such as an error */
};

/* Printable UTF-8; the head of a table may be shown in another way. */
struct top_line {
	bool head;
	char text[512];
};

struct top_page {
	struct top_line *line; /* room for view->rows, owned */
	unsigned int count;
};

/*
 * Fill the page with what happened between the two samples; `before` may have
 * no answers, and then rates are "-".  0, or -1: no memory.
 */
int top_page_make(struct top_page *page, const struct top_view *view,
    const struct top_sample *before, const struct top_sample *now);
void top_page_done(struct top_page *page);

#endif
