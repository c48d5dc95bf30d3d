/* home.h: the page for people, at /. */

#ifndef SLUICE_STATUS_HOME_H
#define SLUICE_STATUS_HOME_H

#include <jansson.h>
#include <stdio.h>

struct news;

extern const char home_style[]; /* home_style.c: its style sheet */

/* As pages.h says.  A page with old news says so. */
int home_write(FILE *out, const struct news *news);

/* home_endpoints.c: listeners, connectors, plugins' counters; certificates. */
void home_listeners(FILE *out, const json_t *listeners);
void home_connectors(FILE *out, const json_t *connectors);
void home_upstreams(FILE *out, const json_t *listeners,
    const json_t *connectors);
void home_certificates(FILE *out, const json_t *listeners,
    const json_t *connectors);
void home_counters(FILE *out, const json_t *listeners,
    const json_t *connectors);

/*
 * A section with a table: its heads, which end with NULL, and its end.  The head
 * of a column of numbers begins with "#".
 */
void home_table(FILE *out, const char *title, const char *const *heads);
void home_end_table(FILE *out);

#endif
