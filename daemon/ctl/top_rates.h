/* top_rates.h: what happened between two samples, for top_page.c. */

#ifndef SLUICE_CTL_TOP_RATES_H
#define SLUICE_CTL_TOP_RATES_H

#include <jansson.h>
#include <stddef.h>

struct top_sample;

/*
 * The element of an array of the status whose member has that number or text:
 * usually it is the one at `hint`.  NULL: there is none.
 */
const json_t *top_find(const json_t *status, const char *array,
    const char *name, const json_t *value, size_t hint);

/* How much a count has grown per second; -1: not known. */
double top_rate(const struct top_sample *before, const struct top_sample *now,
    const json_t *then, const json_t *one, const char *name);

/* A connector is open in the workers in which it is up. */
double top_open_of(const json_t *one);

/* Of a processor, in per cent; -1: not known. */
double top_cpu_of(const struct top_sample *before, const struct top_sample *now,
    long long pid);

/* Its time in callbacks, in per cent; -1: not known. */
double top_busy_of(const struct top_sample *before,
    const struct top_sample *now, const json_t *then, const json_t *one);

#endif
