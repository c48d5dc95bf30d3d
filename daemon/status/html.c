/* html.c: text and numbers in a page. */

#include "status/html.h"

#include <string.h>

#include "base/escape.h"
#include "ipc/control_client.h"
#include "ipc/counts.h"
#include "status/history.h"
#include "status/news.h"

#define SPARK_WIDTH (2 * (HISTORY_POINTS - 1)) /* units of its drawing */
#define SPARK_HEIGHT 24

static const char *
entity(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	default:
		return NULL;
	}
}

void
html_text(FILE *out, const char *text)
{
	char plain[ESCAPE_MAX];
	const char *as;

	while (*text != '\0') {
		text += escape_one(text, plain);
		as = plain[1] == '\0' ? entity(plain[0]) : NULL;
		fputs(as != NULL ? as : plain, out);
	}
}

void
html_number(FILE *out, long long number)
{
	char digits[32];
	size_t length =
	    (size_t)snprintf(digits, sizeof(digits), "%lld", number);

	for (size_t i = 0; i < length; i++) {
		putc(digits[i], out);
		if (i + 1 < length && (length - i - 1) % 3 == 0 &&
		    digits[i] != '-')
			putc(',', out);
	}
}

void
html_bytes(FILE *out, double bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB",
		"PiB", "EiB" };
	unsigned int unit = 0;

	while (bytes >= 1024 && unit < 6) {
		bytes /= 1024;
		unit++;
	}
	fprintf(out, unit > 0 && bytes < 100 ? "%.1f %s" : "%.0f %s", bytes,
	    units[unit]);
}

void
html_rate(FILE *out, double per_second)
{
	if (per_second > 0 && per_second < 100)
		fprintf(out, "%.1f", per_second);
	else
		html_number(out, (long long)per_second);
}

void
html_age(FILE *out, long long seconds)
{
	if (seconds < 0)
		seconds = 0;
	if (seconds < 60)
		fprintf(out, "%lld s", seconds);
	else if (seconds < 3600)
		fprintf(out, "%lld min %lld s", seconds / 60, seconds % 60);
	else if (seconds < 86400)
		fprintf(out, "%lld h %lld min", seconds / 3600,
		    seconds / 60 % 60);
	else
		fprintf(out, "%lld d %lld h", seconds / 86400,
		    seconds / 3600 % 24);
}

static void
put_time(FILE *out, unsigned int bucket)
{
	unsigned int us = 1u << bucket;

	if (us < 1000)
		fprintf(out, "%u µs", us);
	else if (us < 1000000)
		fprintf(out, "%u ms", us / 1000);
	else
		fprintf(out, "%u s", us / 1000000);
}

void
html_quantile(FILE *out, const json_t *histogram, unsigned int percent)
{
	const json_t *buckets = json_object_get(histogram, "buckets");
	/* A plugin may have written any numbers into its worker's memory. */
	double count = (double)answer_number(histogram, "count"), sum = 0;

	for (size_t i = 0; i < json_array_size(buckets) && i < COUNT_BUCKETS;
	     i++) {
		sum += (double)json_integer_value(json_array_get(buckets, i));
		if (sum * 100 < count * percent)
			continue;
		/* The last one has all that took longer. */
		fputs(i + 1 < COUNT_BUCKETS ? "&lt; " : "&gt; ", out);
		put_time(out,
		    (unsigned int)(i + 1 < COUNT_BUCKETS ? i : i - 1));
		return;
	}
	fputs("–", out);
}

void
html_cell(FILE *out, const char *label, const char *class)
{
	fprintf(out, "<td data-label=\"%s\"", label);
	if (class != NULL)
		fprintf(out, " class=\"%s\"", class);
	putc('>', out);
}

void
html_end_cell(FILE *out)
{
	fputs("</td>", out);
}

void
html_text_cell(FILE *out, const char *label, const char *text)
{
	html_cell(out, label, NULL);
	html_text(out, text);
	html_end_cell(out);
}

void
html_number_cell(FILE *out, const char *label, long long number)
{
	html_cell(out, label, number == 0 ? "n zero" : "n");
	html_number(out, number);
	html_end_cell(out);
}

static double
bytes_at(const struct history *history, unsigned int number)
{
	const struct history_point *point = history_at(history, number);

	return (double)point->in + (double)point->out;
}

static double
most_bytes(const struct history *history)
{
	double most = 0;

	for (unsigned int i = 0; i < history->count; i++)
		if (bytes_at(history, i) > most)
			most = bytes_at(history, i);
	return most;
}

/* The newest point is at the right, wherever the oldest is. */
static void
put_points(FILE *out, const struct history *history, double most)
{
	unsigned int first = HISTORY_POINTS - history->count;
	double height;

	for (unsigned int i = 0; i < history->count; i++) {
		height = most > 0 ? bytes_at(history, i) / most : 0;
		fprintf(out, "%s%u,%.1f", i > 0 ? " " : "", 2 * (first + i),
		    SPARK_HEIGHT - 1 - height * (SPARK_HEIGHT - 3));
	}
}

void
html_sparkline(FILE *out, const struct history *history)
{
	double most;

	if (history == NULL || history->count < 2) {
		fputs("<span class=\"dim\">soon</span>", out);
		return;
	}
	most = most_bytes(history);
	fprintf(out,
	    "<svg class=\"spark\" role=\"img\" viewBox=\"0 0 %d %d\" "
	    "preserveAspectRatio=\"none\"><title>in and out, up to ",
	    SPARK_WIDTH, SPARK_HEIGHT);
	html_bytes(out, most);
	fprintf(out, "/s in the last %u s</title><polygon points=\"%u,%d ",
	    (history->count - 1) * NEWS_POLL_MS / 1000,
	    2 * (HISTORY_POINTS - history->count), SPARK_HEIGHT - 1);
	put_points(out, history, most);
	fprintf(out, " %d,%d\"/><polyline points=\"", SPARK_WIDTH,
	    SPARK_HEIGHT - 1);
	put_points(out, history, most);
	fputs("\"/></svg>", out);
}
