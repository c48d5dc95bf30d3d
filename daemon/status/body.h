/*
 * body.h: a page as it was written once, which all clients share that ask for
 * it within the same second.  It is in a memfd and not in our heap, and the
 * kernel sends it from there.
 */

#ifndef SLUICE_STATUS_BODY_H
#define SLUICE_STATUS_BODY_H

#include <stddef.h>

struct MHD_Response;
struct news;
struct page;

struct body {
	struct MHD_Response *response;
	int status; /* of HTTP */
	/* private */
	const struct page *page;
	unsigned long long number;
	size_t size;
	unsigned int refs;
};

/*
 * That page with this news, written now unless it was before.  A reference, or
 * NULL with errno.
 */
struct body *body_get(const struct page *page, const struct news *news);
void body_unref(struct body *body); /* NULL is fine */

/* How many bytes all of them have that clients still read. */
size_t body_bytes(void);

/* What every answer has, of this content. */
void body_add_headers(struct MHD_Response *response, const char *type);

/* Drop those that are kept for the next client.  At the end. */
void body_forget(void);

#endif
