/*
 * html.h: text and numbers in a page.  Every text that is not constant goes
 * through html_text(): it may come from a plugin, a peer or a file.
 */

#ifndef SLUICE_STATUS_HTML_H
#define SLUICE_STATUS_HTML_H

#include <jansson.h>
#include <stdio.h>

struct history;

/* Escaped for an element or an attribute, without control characters. */
void html_text(FILE *out, const char *text);

/* "1,234,567" */
void html_number(FILE *out, long long number);
/* "3.2 MiB", "0 B" */
void html_bytes(FILE *out, double bytes);
/* "12.3", "0" */
void html_rate(FILE *out, double per_second);
/* "3 d 4 h", "5 min 12 s" */
void html_age(FILE *out, long long seconds);
/* "< 64 us", of a histogram: what so many of a hundred stayed below. */
void html_quantile(FILE *out, const json_t *histogram, unsigned int percent);

/* A cell of a table: its contents follow, and then html_end_cell(). */
void html_cell(FILE *out, const char *label, const char *class);
void html_end_cell(FILE *out);
void html_text_cell(FILE *out, const char *label, const char *text);
void html_number_cell(FILE *out, const char *label, long long number);

/* Its bytes per second in the last minutes, as a line; NULL: nothing yet. */
void html_sparkline(FILE *out, const struct history *history);

#endif
