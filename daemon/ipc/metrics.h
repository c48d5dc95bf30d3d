/*
 * metrics.h: the answer to `status` as metrics for Prometheus and those that
 * read the same formats.
 */

#ifndef SLUICE_METRICS_H
#define SLUICE_METRICS_H

#include <jansson.h>
#include <stdio.h>

enum metrics_format {
	METRICS_TEXT, /* text/plain; version=0.0.4 */
	METRICS_OPEN, /* application/openmetrics-text; version=1.0.0 */
};

/* Write all of it.  What is missing in the answer is left out. */
void metrics_write(FILE *out, const json_t *status, enum metrics_format format);

#endif
