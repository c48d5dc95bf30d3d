/* pages.c: the table of paths, and the short pages. */

#include "status/pages.h"

#include <string.h>

#include "base/clock.h"
#include "ipc/metrics.h"
#include "status/health.h"
#include "status/home.h"
#include "status/negotiate.h"
#include "status/news.h"

#define TEXT "text/plain; charset=utf-8"
#define HTML "text/html; charset=utf-8"
#define JSON "application/json"
#define PROMETHEUS "text/plain; version=0.0.4; charset=utf-8"
#define OPENMETRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"

#define OK 200
#define UNAVAILABLE 503

/* Is there no answer of the master that is young enough? */
static bool
is_old(FILE *out, const struct news *news)
{
	if (news->trouble == NULL)
		return false;
	if (news->came_ms == 0)
		fprintf(out, "%s\n", news->trouble);
	else
		fprintf(out, "%s: its last answer is %llu s old\n",
		    news->trouble,
		    (unsigned long long)(clock_ms() - news->came_ms) / 1000);
	return true;
}

static int
write_json(FILE *out, const struct news *news)
{
	if (is_old(out, news))
		return UNAVAILABLE;
	fwrite(news->text, 1, news->length, out);
	return OK;
}

static int
write_prometheus(FILE *out, const struct news *news)
{
	if (is_old(out, news))
		return UNAVAILABLE;
	metrics_write(out, news->status, METRICS_TEXT);
	return OK;
}

static int
write_openmetrics(FILE *out, const struct news *news)
{
	if (is_old(out, news))
		return UNAVAILABLE;
	metrics_write(out, news->status, METRICS_OPEN);
	return OK;
}

static int
write_healthz(FILE *out, const struct news *news)
{
	if (is_old(out, news))
		return UNAVAILABLE;
	fputs("ok\n", out);
	return OK;
}

static int
write_readyz(FILE *out, const struct news *news)
{
	char why[256];

	if (is_old(out, news))
		return UNAVAILABLE;
	if (health_ready(news->status, why, sizeof(why))) {
		fputs("ready\n", out);
		return OK;
	}
	fprintf(out, "%s\n", why);
	return UNAVAILABLE;
}

const struct page pages[PAGES_MAX] = {
	{ "/", HTML, home_write },
	{ "/status.json", JSON, write_json },
	{ "/metrics", PROMETHEUS, write_prometheus },
	{ "/metrics", OPENMETRICS, write_openmetrics },
	{ "/healthz", TEXT, write_healthz },
	{ "/readyz", TEXT, write_readyz },
	{ NULL, NULL, NULL },
};

const char *
page_type(const struct page *page, int status)
{
	/* That page is for a browser, whatever it says. */
	return status == OK || page->write == home_write ? page->type : TEXT;
}

const struct page *
page_find(const char *path, const char *accept)
{
	const struct page *page = pages;

	while (page->path != NULL && strcmp(page->path, path) != 0)
		page++;
	if (page->write == write_prometheus && negotiate_openmetrics(accept))
		page++;
	return page->path != NULL ? page : NULL;
}

const char *
pages_text(void)
{
	return "the paths here are /, /status.json, /metrics, /healthz and "
	       "/readyz\n";
}
