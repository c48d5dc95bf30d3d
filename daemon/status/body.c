/* body.c: pages in memory files. */

#include "status/body.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/memfd.h"
#include "status/mhd.h"
#include "status/news.h"
#include "status/pages.h"

/* The newest of each page, which has a reference here. */
static struct body *kept[PAGES_MAX];
static size_t bytes;

static const char *const headers[][2] = {
	{ "Connection", "close" },
	{ "Cache-Control", "no-store" },
	{ "Vary", "Accept" },
	{ "X-Content-Type-Options", "nosniff" },
	{ "Referrer-Policy", "no-referrer" },
	{ "Content-Security-Policy",
	    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
	    "form-action 'none'; frame-ancestors 'none'" },
};

void
body_add_headers(struct MHD_Response *response, const char *type)
{
	mhd.add_response_header(response, "Content-Type", type);
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		mhd.add_response_header(response, headers[i][0], headers[i][1]);
}

void
body_unref(struct body *body)
{
	if (body == NULL || --body->refs > 0)
		return;
	bytes -= body->size;
	if (body->response != NULL)
		mhd.destroy_response(body->response);
	free(body);
}

/* Write the page to a file of its own: -1, or its descriptor. */
static int
write_page(struct body *body, const struct news *news)
{
	int fd = memfd_new("sluice-page", false), kept_fd;
	FILE *out;
	long size;

	if (fd == -1)
		return -1;
	kept_fd = dup(fd);
	out = kept_fd != -1 ? fdopen(fd, "w") : NULL;
	if (out == NULL) {
		close(fd);
		if (kept_fd != -1)
			close(kept_fd);
		return -1;
	}
	body->status = body->page->write(out, news);
	size = ftell(out);
	if (ferror(out) | fclose(out) || size < 0) {
		close(kept_fd);
		errno = ENOMEM;
		return -1;
	}
	body->size = (size_t)size;
	return kept_fd;
}

static struct body *
body_new(const struct page *page, const struct news *news)
{
	struct body *body = calloc(1, sizeof(*body));
	int fd;

	if (body == NULL)
		return NULL;
	body->refs = 1;
	body->page = page;
	body->number = news->trouble == NULL ? news->number : 0;
	fd = write_page(body, news);
	if (fd != -1)
		body->response = mhd.create_response_from_fd(body->size, fd);
	if (body->response == NULL) {
		if (fd != -1)
			close(fd);
		free(body);
		return NULL;
	}
	bytes += body->size;
	body_add_headers(body->response, page_type(page, body->status));
	return body;
}

struct body *
body_get(const struct page *page, const struct news *news)
{
	struct body **slot = &kept[page - pages], *body = *slot;

	if (body == NULL || body->number != news->number ||
	    news->trouble != NULL) {
		body = body_new(page, news);
		if (body == NULL)
			return NULL;
		body_unref(*slot);
		*slot = body;
	}
	body->refs++;
	return body;
}

size_t
body_bytes(void)
{
	return bytes;
}

void
body_forget(void)
{
	for (unsigned int i = 0; i < PAGES_MAX; i++) {
		body_unref(kept[i]);
		kept[i] = NULL;
	}
}
