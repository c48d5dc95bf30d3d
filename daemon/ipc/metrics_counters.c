/*
 * metrics_counters.c: what plugins count with sl_count().  The names are theirs,
 * so which families there are is known only when all have been seen.
 */

#include <stdint.h>
#include <stdlib.h>

#include "ipc/metrics_internal.h"

/* One counter of one listener or connector. */
struct counter_sample {
	const struct metrics_group *group;
	const json_t *row;
	const char *counter; /* as the plugin calls it */
	long long value;
	size_t number; /* in the order in which they came */
};

struct counter_samples {
	struct counter_sample *all;
	size_t count, room;
};

/* A character of a name that a plugin counts under, in the name of a metric. */
static char
in_metric(char c)
{
	return c == '.' || c == '-' ? '_' : c;
}

static void
metric_name(const char *counter, char name[METRICS_NAME_MAX])
{
	snprintf(name, METRICS_NAME_MAX, "sluice_plugin_%s", counter);
	for (char *c = name; *c != '\0'; c++)
		*c = in_metric(*c);
}

/* As strcmp(), of the names of their metrics. */
static int
compare_names(const char *a, const char *b)
{
	while (*a != '\0' && in_metric(*a) == in_metric(*b)) {
		a++;
		b++;
	}
	return in_metric(*a) - in_metric(*b);
}

/* NULL: no memory. */
static struct counter_sample *
append(struct counter_samples *samples)
{
	size_t room = samples->room == 0 ? 64 : 2 * samples->room;
	struct counter_sample *more;

	if (samples->count == samples->room) {
		more = reallocarray(samples->all, room, sizeof(*more));
		if (more == NULL)
			return NULL;
		samples->all = more;
		samples->room = room;
	}
	return &samples->all[samples->count++];
}

/* Without memory there are fewer of them. */
static void
collect(struct counter_samples *samples, const struct metrics_group *group,
    const json_t *row)
{
	const json_t *counters =
	    json_object_get(json_object_get(row, "counts"), "counters");
	struct counter_sample *sample;
	const char *counter;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)counters, counter, value) {
		sample = append(samples);
		if (sample == NULL)
			return;
		*sample = (struct counter_sample){
			.group = group,
			.row = row,
			.counter = counter,
			.value = json_integer_value(value),
			.number = samples->count,
		};
	}
}

static int
compare(const void *a, const void *b)
{
	const struct counter_sample *one = a, *other = b;
	int order = compare_names(one->counter, other->counter);

	if (order != 0)
		return order;
	return one->number < other->number ? -1 : one->number > other->number;
}

/*
 * Several names of plugins may be the same one as a metric, so each sample has
 * the true one as a label.
 */
static void
put_sample(const struct metrics_writer *to, const char *name,
    const struct counter_sample *one)
{
	char labels[METRICS_LABELS_MAX];

	metrics_identify(one->group, one->row, labels);
	metrics_label(labels, "counter", one->counter);
	metrics_sample(to, name, "_total", labels, one->value);
}

void
metrics_put_counters(const struct metrics_writer *to,
    const struct metrics_group *groups, unsigned int group_count)
{
	struct counter_samples samples = { 0 };
	char name[METRICS_NAME_MAX];
	const json_t *row;
	size_t i;

	for (unsigned int k = 0; k < group_count; k++)
		json_array_foreach(groups[k].rows, i, row)
		    collect(&samples, &groups[k], row);
	if (samples.count > 0)
		qsort(samples.all, samples.count, sizeof(samples.all[0]),
		    compare);
	for (i = 0; i < samples.count; i++) {
		if (i == 0 ||
		    compare_names(samples.all[i].counter,
			samples.all[i - 1].counter) != 0) {
			metric_name(samples.all[i].counter, name);
			metrics_begin(to, name, METRICS_COUNTER,
			    "What a plugin counts with sl_count().");
		}
		put_sample(to, name, &samples.all[i]);
	}
	free(samples.all);
}
