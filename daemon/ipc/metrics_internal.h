/* metrics_internal.h: what the files of the metrics share. */

#ifndef SLUICE_METRICS_INTERNAL_H
#define SLUICE_METRICS_INTERNAL_H

#include <jansson.h>
#include <stdio.h>

#include "ipc/metrics.h"

#define METRICS_NAME_MAX 128
#define METRICS_LABELS_MAX 1024

struct metrics_writer {
	FILE *out;
	enum metrics_format format;
};

enum metrics_type {
	METRICS_GAUGE,
	METRICS_COUNTER,
	METRICS_HISTOGRAM,
	METRICS_INFO,
};

/* metrics_text.c */

/*
 * Begin a family.  In OpenMetrics its name is that of its samples without
 * _total or _info.
 */
void metrics_begin(const struct metrics_writer *to, const char *name,
    enum metrics_type type, const char *help);
/*
 * Append NAME="VALUE" to labels.  A value that does not fit is cut, and what has
 * no room at all is left out.
 */
void metrics_label(char labels[METRICS_LABELS_MAX], const char *name,
    const char *value);
void metrics_sample(const struct metrics_writer *to, const char *name,
    const char *suffix, const char *labels, long long value);

/* Those with the counts: listeners and connectors, or workers. */
struct metrics_group {
	const json_t *rows;
	const char *kind; /* "listener", "connector" or "worker" */
};

/* The labels that say which row it is. */
void metrics_identify(const struct metrics_group *group, const json_t *row,
    char labels[METRICS_LABELS_MAX]);

/* metrics_counters.c: what plugins count. */
void metrics_put_counters(const struct metrics_writer *to,
    const struct metrics_group *groups, unsigned int group_count);

/* metrics_peers.c: what is connected to, and our certificates. */
void metrics_put_connectors(const struct metrics_writer *to,
    const json_t *connectors);
void metrics_put_upstreams(const struct metrics_writer *to,
    const struct metrics_group *groups, unsigned int group_count);
void metrics_put_certificates(const struct metrics_writer *to,
    const struct metrics_group *groups, unsigned int group_count);

#endif
