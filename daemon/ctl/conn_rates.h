/* conn_rates.h: what connections did between two answers to `conns`. */

#ifndef SLUICE_CTL_CONN_RATES_H
#define SLUICE_CTL_CONN_RATES_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Replace `in_rate` and `out_rate` of the connections that are in both answers,
 * which were given so long after one another.  Others keep those of their age.
 */
void conn_rates_between(const json_t *before, json_t *after, uint64_t ms);

/*
 * The connections of an answer, those with the most bytes a second first, and at
 * most so many of them.  0, or -1: no memory.
 */
int conn_rates_sort(json_t *answer, size_t most);

#endif
