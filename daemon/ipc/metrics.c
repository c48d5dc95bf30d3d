/*
 * metrics.c: one family after the other, each with its samples of all listeners
 * or workers, as the formats want it.
 */

#include "ipc/metrics.h"

#include <stdbool.h>
#include <string.h>

#include "ipc/control_client.h"
#include "ipc/counts.h"
#include "ipc/metrics_internal.h"

/* One gauge or counter without labels. */
static void
single(const struct metrics_writer *to, const char *name,
    enum metrics_type type, const char *help, long long value)
{
	metrics_begin(to, name, type, help);
	metrics_sample(to, name, type == METRICS_COUNTER ? "_total" : "", "",
	    value);
}

static void
put_labelled(const struct metrics_writer *to, const char *name,
    const char *labels, const struct count_row *count, const json_t *value)
{
	char all[METRICS_LABELS_MAX];
	const char *key;

	for (unsigned int i = 0; i < count->many; i++) {
		key = count->label_value(i);
		snprintf(all, sizeof(all), "%s", labels);
		metrics_label(all, count->label, key);
		/* Also those that are 0, so that rates can be taken. */
		metrics_sample(to, name, "_total", all,
		    answer_number(value, key));
	}
}

static void
put_histogram(const struct metrics_writer *to, const char *name,
    const char *labels, const json_t *value)
{
	const json_t *buckets = json_object_get(value, "buckets");
	char all[METRICS_LABELS_MAX], le[32];
	long long us = answer_number(value, "us");
	unsigned long long sum = 0;

	for (unsigned int i = 0; i + 1 < COUNT_BUCKETS; i++) {
		sum += (unsigned long long)json_integer_value(
		    json_array_get(buckets, i));
		snprintf(all, sizeof(all), "%s", labels);
		snprintf(le, sizeof(le), "%u.%06u", (1u << i) / 1000000,
		    (1u << i) % 1000000);
		metrics_label(all, "le", le);
		metrics_sample(to, name, "_bucket", all, (long long)sum);
	}
	snprintf(all, sizeof(all), "%s", labels);
	metrics_label(all, "le", "+Inf");
	metrics_sample(to, name, "_bucket", all, answer_number(value, "count"));
	fprintf(to->out, "%s_sum{%s} %lld.%06lld\n", name, labels, us / 1000000,
	    us % 1000000);
	metrics_sample(to, name, "_count", labels,
	    answer_number(value, "count"));
}

static void
put_count(const struct metrics_writer *to, const char *name,
    const struct count_row *count, const struct metrics_group *group)
{
	char labels[METRICS_LABELS_MAX];
	const json_t *row, *counts;

	for (size_t i = 0; i < json_array_size(group->rows); i++) {
		row = json_array_get(group->rows, i);
		counts = json_object_get(row, "counts");
		metrics_identify(group, row, labels);
		switch (count->kind) {
		case COUNT_PLAIN:
			metrics_sample(to, name, "_total", labels,
			    answer_number(counts, count->name));
			break;
		case COUNT_BY_LABEL:
			put_labelled(to, name, labels, count,
			    json_object_get(counts, count->name));
			break;
		case COUNT_HISTOGRAM:
			put_histogram(to, name, labels,
			    json_object_get(counts, count->name));
			break;
		}
	}
}

/* All counts of the table, of these groups together. */
static void
put_counts(const struct metrics_writer *to, const char *prefix,
    const struct metrics_group *groups, unsigned int group_count)
{
	const struct count_row *count;
	char name[METRICS_NAME_MAX];

	for (size_t i = 0; i < count_table_size; i++) {
		count = &count_table[i];
		snprintf(name, sizeof(name), "%s_%s", prefix, count->metric);
		metrics_begin(to, name,
		    count->kind == COUNT_HISTOGRAM ? METRICS_HISTOGRAM
						   : METRICS_COUNTER,
		    count->help);
		for (unsigned int k = 0; k < group_count; k++)
			put_count(to, name, count, &groups[k]);
	}
}

/* A value of each row. */
static void
put_each(const struct metrics_writer *to, const char *name,
    enum metrics_type type, const char *help, const struct metrics_group *group,
    long long (*value)(const json_t *row, const char *member),
    const char *member)
{
	char labels[METRICS_LABELS_MAX];

	metrics_begin(to, name, type, help);
	for (size_t i = 0; i < json_array_size(group->rows); i++) {
		const json_t *row = json_array_get(group->rows, i);

		metrics_identify(group, row, labels);
		metrics_sample(to, name,
		    type == METRICS_COUNTER ? "_total" : "", labels,
		    value(row, member));
	}
}

/* One member of each row, a number. */
static void
put_member(const struct metrics_writer *to, const char *name,
    enum metrics_type type, const char *help, const struct metrics_group *group,
    const char *member)
{
	put_each(to, name, type, help, group, answer_number, member);
}

static long long
is_set(const json_t *row, const char *member)
{
	return json_is_true(json_object_get(row, member));
}

/* 1 where the member is true. */
static void
put_flag(const struct metrics_writer *to, const char *name, const char *help,
    const struct metrics_group *group, const char *member)
{
	put_each(to, name, METRICS_GAUGE, help, group, is_set, member);
}

static long long
serves(const json_t *row, const char *member)
{
	(void)member;
	return answer_worker_serves(row);
}

/* In seconds; they are a gauge. */
static void
put_lag(const struct metrics_writer *to, const char *name, const char *help,
    const struct metrics_group *workers, const char *member)
{
	char labels[METRICS_LABELS_MAX];
	const json_t *row;
	long long us;
	size_t i;

	metrics_begin(to, name, METRICS_GAUGE, help);
	json_array_foreach(workers->rows, i, row)
	{
		us = answer_number(row, member);
		metrics_identify(workers, row, labels);
		fprintf(to->out, "%s{%s} %lld.%06lld\n", name, labels,
		    us / 1000000, us % 1000000);
	}
}

static void
put_workers(const struct metrics_writer *to,
    const struct metrics_group *workers)
{
	put_each(to, "sluice_worker_up", METRICS_GAUGE,
	    "1 if it serves connections.", workers, serves, NULL);
	put_member(to, "sluice_worker_connections", METRICS_GAUGE,
	    "Open connections.", workers, "connections");
	put_member(to, "sluice_worker_generation", METRICS_GAUGE,
	    "The generation that it serves.", workers, "generation");
	put_member(to, "sluice_worker_resident_memory_bytes", METRICS_GAUGE,
	    "Memory of the process, with what it has mapped.", workers,
	    "memory");
	put_member(to, "sluice_worker_heap_bytes", METRICS_GAUGE,
	    "Memory that malloc(3) has given out there.", workers, "heap");
	put_member(to, "sluice_worker_open_fds", METRICS_GAUGE,
	    "Open descriptors.", workers, "descriptors");
	put_member(to, "sluice_worker_max_fds", METRICS_GAUGE,
	    "How many descriptors it may open.", workers, "descriptors_max");
	put_lag(to, "sluice_worker_loop_lag_seconds",
	    "How late its loop comes to what is due, each second.", workers,
	    "loop_lag_us");
	put_lag(to, "sluice_worker_loop_lag_max_seconds",
	    "The most of that in the last minute.", workers, "loop_lag_max_us");
	put_member(to, "sluice_worker_memory_recycles", METRICS_COUNTER,
	    "How often it was replaced for being above limits.memory.", workers,
	    "memory_recycled");
	put_member(to, "sluice_worker_restarts", METRICS_COUNTER,
	    "How often it was started again.", workers, "restarts");
	put_member(to, "sluice_worker_aborts", METRICS_COUNTER,
	    "Callbacks that took longer than `watchdog`.", workers, "aborts");
}

static void
put_daemon(const struct metrics_writer *to, const json_t *status)
{
	const json_t *last = json_object_get(status, "last");
	char labels[METRICS_LABELS_MAX] = "";

	metrics_label(labels, "version", answer_text(status, "version"));
	metrics_begin(to, "sluice_build", METRICS_INFO,
	    "The version of sluiced.");
	metrics_sample(to, "sluice_build", "_info", labels, 1);
	single(to, "sluice_uptime_seconds", METRICS_GAUGE,
	    "How long the daemon has been running.",
	    answer_number(status, "uptime_s"));
	single(to, "sluice_generation", METRICS_GAUGE,
	    "The committed generation.", answer_number(status, "generation"));
	single(to, "sluice_worker_crashes", METRICS_COUNTER,
	    "Workers that died unexpectedly.",
	    answer_number(status, "crashes"));
	single(to, "sluice_replaced_processes", METRICS_GAUGE,
	    "Processes of workers that were replaced and have not ended.",
	    (long long)json_array_size(json_object_get(status, "replaced")));
	single(to, "sluice_old_processes", METRICS_GAUGE,
	    "Workers of the program before an upgrade that have not ended.",
	    (long long)json_array_size(json_object_get(status, "old_workers")));
	single(to, "sluice_reload_running", METRICS_GAUGE,
	    "1 while a reload runs.",
	    strcmp(answer_text(status, "reload"), "idle") != 0);
	single(to, "sluice_log_lines_lost", METRICS_COUNTER,
	    "Lines of the log that could not be written.",
	    answer_number(json_object_get(status, "log"), "lost"));
	single(to, "sluice_last_reload_ok", METRICS_GAUGE,
	    "1 if the last reload, or the start, was successful.",
	    json_is_true(json_object_get(last, "ok")));
}

void
metrics_write(FILE *out, const json_t *status, enum metrics_format format)
{
	const struct metrics_writer to = { out, format };
	const struct metrics_group endpoints[] = {
		{ json_object_get(status, "listeners"), "listener" },
		{ json_object_get(status, "connectors"), "connector" },
	};
	const struct metrics_group workers = {
		json_object_get(status, "workers"), "worker"
	};

	put_daemon(&to, status);
	put_member(&to, "sluice_connections", METRICS_GAUGE,
	    "Open connections of a listener.", &endpoints[0], "connections");
	put_flag(&to, "sluice_listener_drained",
	    "1 if an operator has drained the listener.", &endpoints[0],
	    "drained");
	put_flag(&to, "sluice_listener_set_aside",
	    "1 if it is not served, since its plugin crashed.", &endpoints[0],
	    "set_aside");
	put_counts(&to, "sluice", endpoints, 2);
	metrics_put_counters(&to, endpoints, 2);
	metrics_put_connectors(&to, endpoints[1].rows);
	metrics_put_upstreams(&to, endpoints, 2);
	metrics_put_certificates(&to, endpoints, 2);
	put_workers(&to, &workers);
	put_counts(&to, "sluice_worker", &workers, 1);
	if (format == METRICS_OPEN)
		fputs("# EOF\n", out);
}
