/* pages.h: what is served, by its path. */

#ifndef SLUICE_STATUS_PAGES_H
#define SLUICE_STATUS_PAGES_H

#include <stdio.h>

struct news;

struct page {
	const char *path, *type; /* of its content */
	/* Write it.  Returns the status code of HTTP. */
	int (*write)(FILE *out, const struct news *news);
};

#define PAGES_MAX 8
extern const struct page pages[PAGES_MAX]; /* the last one has no path */

/* That of a path, for a client with this header Accept or NULL.  NULL: none. */
const struct page *page_find(const char *path, const char *accept);

/* The type of what it has written, with this status code. */
const char *page_type(const struct page *page, int status);

/* The paths in a sentence, with its newline. */
const char *pages_text(void);

#endif
