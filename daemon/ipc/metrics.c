/*
 * metrics.c: one family after the other, each with its samples of all listeners
 * or workers, as the formats want it.
 */

#include "ipc/metrics.h"

#include <stdbool.h>
#include <string.h>

#include "ipc/control_client.h"
#include "ipc/counts.h"

#define NAME_MAX_BYTES 128
#define LABELS_MAX_BYTES 1024

struct writer {
	FILE *out;
	enum metrics_format format;
};

enum type { GAUGE, COUNTER, HISTOGRAM, INFO };

/*
 * Begin a family.  In OpenMetrics its name is that of its samples without
 * _total or _info.
 */
static void
begin(const struct writer *to, const char *name, enum type type,
    const char *help)
{
	static const char *const words[] = { "gauge", "counter", "histogram",
		"info" };
	bool open = to->format == METRICS_OPEN;
	const char *suffix = "";

	if (!open && type == COUNTER)
		suffix = "_total";
	else if (!open && type == INFO)
		suffix = "_info";
	fprintf(to->out, "# TYPE %s%s %s\n", name, suffix,
	    !open && type == INFO ? "gauge" : words[type]);
	fprintf(to->out, "# HELP %s%s %s\n", name, suffix, help);
}

/* Append NAME="VALUE" to labels. */
static void
label(char labels[LABELS_MAX_BYTES], const char *name, const char *value)
{
	size_t used = strlen(labels);

	used += (size_t)snprintf(labels + used, LABELS_MAX_BYTES - used,
	    "%s%s=\"", used > 0 ? "," : "", name);
	/* Room for an escaped character, the quotation mark and the NUL. */
	for (; *value != '\0' && used + 4 < LABELS_MAX_BYTES; value++) {
		if (*value == '\\' || *value == '"')
			labels[used++] = '\\';
		if (*value == '\n')
			labels[used++] = '\\';
		labels[used++] = *value == '\n' ? 'n' : *value;
	}
	if (used + 1 < LABELS_MAX_BYTES) {
		labels[used++] = '"';
		labels[used] = '\0';
	}
}

static void
sample(const struct writer *to, const char *name, const char *suffix,
    const char *labels, long long value)
{
	fprintf(to->out, *labels != '\0' ? "%s%s{%s} %lld\n" : "%s%s%s %lld\n",
	    name, suffix, labels, value);
}

/* One gauge or counter without labels. */
static void
single(const struct writer *to, const char *name, enum type type,
    const char *help, long long value)
{
	begin(to, name, type, help);
	sample(to, name, type == COUNTER ? "_total" : "", "", value);
}

/* Those with the counts: listeners and connectors, or workers. */
struct group {
	const json_t *rows;
	const char *kind; /* "listener", "connector" or "worker" */
};

static void
identify(const struct group *group, const json_t *row,
    char labels[LABELS_MAX_BYTES])
{
	char number[24];

	labels[0] = '\0';
	if (strcmp(group->kind, "worker") == 0) {
		snprintf(number, sizeof(number), "%lld",
		    answer_number(row, "worker"));
		label(labels, "worker", number);
		label(labels, "group", answer_text(row, "group"));
		return;
	}
	label(labels, group->kind, answer_text(row, "name"));
	label(labels, "plugin", answer_text(row, "plugin"));
}

static void
put_labelled(const struct writer *to, const char *name, const char *labels,
    const struct count_row *count, const json_t *value)
{
	char all[LABELS_MAX_BYTES];
	const char *key;

	for (unsigned int i = 0; i < count->many; i++) {
		key = count->label_value(i);
		snprintf(all, sizeof(all), "%s", labels);
		label(all, count->label, key);
		/* Also those that are 0, so that rates can be taken. */
		sample(to, name, "_total", all, answer_number(value, key));
	}
}

static void
put_histogram(const struct writer *to, const char *name, const char *labels,
    const json_t *value)
{
	const json_t *buckets = json_object_get(value, "buckets");
	char all[LABELS_MAX_BYTES], le[32];
	long long sum = 0, us = answer_number(value, "us");

	for (unsigned int i = 0; i + 1 < COUNT_BUCKETS; i++) {
		sum += json_integer_value(json_array_get(buckets, i));
		snprintf(all, sizeof(all), "%s", labels);
		snprintf(le, sizeof(le), "%u.%06u", (1u << i) / 1000000,
		    (1u << i) % 1000000);
		label(all, "le", le);
		sample(to, name, "_bucket", all, sum);
	}
	snprintf(all, sizeof(all), "%s", labels);
	label(all, "le", "+Inf");
	sample(to, name, "_bucket", all, answer_number(value, "count"));
	fprintf(to->out, "%s_sum{%s} %lld.%06lld\n", name, labels, us / 1000000,
	    us % 1000000);
	sample(to, name, "_count", labels, answer_number(value, "count"));
}

static void
put_count(const struct writer *to, const char *name,
    const struct count_row *count, const struct group *group)
{
	char labels[LABELS_MAX_BYTES];
	const json_t *row, *counts;

	for (size_t i = 0; i < json_array_size(group->rows); i++) {
		row = json_array_get(group->rows, i);
		counts = json_object_get(row, "counts");
		identify(group, row, labels);
		switch (count->kind) {
		case COUNT_PLAIN:
			sample(to, name, "_total", labels,
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
put_counts(const struct writer *to, const char *prefix,
    const struct group *groups, unsigned int group_count)
{
	const struct count_row *count;
	char name[NAME_MAX_BYTES];

	for (size_t i = 0; i < count_table_size; i++) {
		count = &count_table[i];
		snprintf(name, sizeof(name), "%s_%s", prefix, count->metric);
		begin(to, name,
		    count->kind == COUNT_HISTOGRAM ? HISTOGRAM : COUNTER,
		    count->help);
		for (unsigned int k = 0; k < group_count; k++)
			put_count(to, name, count, &groups[k]);
	}
}

/* A name that a plugin counts under, as part of the name of a metric. */
static void
metric_name(const char *counter, char name[NAME_MAX_BYTES])
{
	snprintf(name, NAME_MAX_BYTES, "sluice_plugin_%s", counter);
	for (char *c = name; *c != '\0'; c++)
		if (*c == '.' || *c == '-')
			*c = '_';
}

/*
 * All counters of plugins that have this name as a metric: several names of
 * plugins may look the same then, so each sample has the true one as a label.
 */
static void
put_counter(const struct writer *to, const char *name,
    const struct group *groups, unsigned int group_count)
{
	char labels[LABELS_MAX_BYTES], other[NAME_MAX_BYTES];
	const json_t *row, *counters;
	const char *counter;
	json_t *value;

	begin(to, name, COUNTER, "What a plugin counts with sl_count().");
	for (unsigned int k = 0; k < group_count; k++) {
		for (size_t i = 0; i < json_array_size(groups[k].rows); i++) {
			row = json_array_get(groups[k].rows, i);
			counters = json_object_get(
			    json_object_get(row, "counts"), "counters");
			json_object_foreach((json_t *)(uintptr_t)counters,
			    counter, value) {
				metric_name(counter, other);
				if (strcmp(name, other) != 0)
					continue;
				identify(&groups[k], row, labels);
				label(labels, "counter", counter);
				sample(to, name, "_total", labels,
				    json_integer_value(value));
			}
		}
	}
}

static void
put_counters(const struct writer *to, const struct group *groups,
    unsigned int group_count)
{
	json_t *done = json_object(), *value;
	char name[NAME_MAX_BYTES];
	const json_t *counters;
	const char *counter;

	for (unsigned int k = 0; k < group_count; k++) {
		for (size_t i = 0; i < json_array_size(groups[k].rows); i++) {
			counters = json_object_get(
			    json_object_get(json_array_get(groups[k].rows, i),
				"counts"),
			    "counters");
			json_object_foreach((json_t *)(uintptr_t)counters,
			    counter, value) {
				metric_name(counter, name);
				if (json_object_get(done, name) != NULL)
					continue;
				json_object_set_new(done, name, json_true());
				put_counter(to, name, groups, group_count);
			}
		}
	}
	json_decref(done);
}

/* A value of each row. */
static void
put_each(const struct writer *to, const char *name, enum type type,
    const char *help, const struct group *group,
    long long (*value)(const json_t *row, const char *member),
    const char *member)
{
	char labels[LABELS_MAX_BYTES];

	begin(to, name, type, help);
	for (size_t i = 0; i < json_array_size(group->rows); i++) {
		const json_t *row = json_array_get(group->rows, i);

		identify(group, row, labels);
		sample(to, name, type == COUNTER ? "_total" : "", labels,
		    value(row, member));
	}
}

/* One member of each row, a number. */
static void
put_member(const struct writer *to, const char *name, enum type type,
    const char *help, const struct group *group, const char *member)
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
put_flag(const struct writer *to, const char *name, const char *help,
    const struct group *group, const char *member)
{
	put_each(to, name, GAUGE, help, group, is_set, member);
}

static long long
serves(const json_t *row, const char *member)
{
	(void)member;
	return answer_worker_serves(row);
}

static void
put_workers(const struct writer *to, const struct group *workers)
{
	put_each(to, "sluice_worker_up", GAUGE, "1 if it serves connections.",
	    workers, serves, NULL);
	put_member(to, "sluice_worker_connections", GAUGE, "Open connections.",
	    workers, "connections");
	put_member(to, "sluice_worker_generation", GAUGE,
	    "The generation that it serves.", workers, "generation");
	put_member(to, "sluice_worker_resident_memory_bytes", GAUGE,
	    "Memory of the process, with what it has mapped.", workers,
	    "memory");
	put_member(to, "sluice_worker_heap_bytes", GAUGE,
	    "Memory that malloc(3) has given out there.", workers, "heap");
	put_member(to, "sluice_worker_open_fds", GAUGE, "Open descriptors.",
	    workers, "descriptors");
	put_member(to, "sluice_worker_max_fds", GAUGE,
	    "How many descriptors it may open.", workers, "descriptors_max");
	put_member(to, "sluice_worker_memory_recycles", COUNTER,
	    "How often it was replaced for being above limits.memory.", workers,
	    "memory_recycled");
	put_member(to, "sluice_worker_restarts", COUNTER,
	    "How often it was started again.", workers, "restarts");
	put_member(to, "sluice_worker_aborts", COUNTER,
	    "Callbacks that took longer than `watchdog`.", workers, "aborts");
}

/* Each connector has a row for each worker that makes its connection. */
static void
put_connectors(const struct writer *to, const json_t *connectors)
{
	char labels[LABELS_MAX_BYTES], number[24];
	const json_t *row, *states, *state;

	if (json_array_size(connectors) == 0)
		return;
	begin(to, "sluice_connector_up", GAUGE, "1 if it is connected.");
	for (size_t i = 0; i < json_array_size(connectors); i++) {
		row = json_array_get(connectors, i);
		states = json_object_get(row, "workers");
		for (size_t k = 0; k < json_array_size(states); k++) {
			state = json_array_get(states, k);
			labels[0] = '\0';
			label(labels, "connector", answer_text(row, "name"));
			snprintf(number, sizeof(number), "%lld",
			    answer_number(state, "worker"));
			label(labels, "worker", number);
			sample(to, "sluice_connector_up", "", labels,
			    json_is_true(json_object_get(state, "up")));
		}
	}
}

static void
put_certificates(const struct writer *to, const struct group *group)
{
	const json_t *row, *list, *one;
	char labels[LABELS_MAX_BYTES];
	size_t i, k;

	json_array_foreach(group->rows, i, row)
	{
		list = json_object_get(row, "certificates");
		json_array_foreach(list, k, one)
		{
			identify(group, row, labels);
			label(labels, "group", answer_text(one, "group"));
			label(labels, "name",
			    answer_string(json_array_get(
				json_object_get(one, "names"), 0)));
			sample(to, "sluice_certificate_end_timestamp_seconds",
			    "", labels, answer_number(one, "ends_s"));
		}
	}
}

static void
put_daemon(const struct writer *to, const json_t *status)
{
	const json_t *last = json_object_get(status, "last");
	char labels[LABELS_MAX_BYTES] = "";

	label(labels, "version", answer_text(status, "version"));
	begin(to, "sluice_build", INFO, "The version of sluiced.");
	sample(to, "sluice_build", "_info", labels, 1);
	single(to, "sluice_uptime_seconds", GAUGE,
	    "How long the daemon has been running.",
	    answer_number(status, "uptime_s"));
	single(to, "sluice_generation", GAUGE, "The committed generation.",
	    answer_number(status, "generation"));
	single(to, "sluice_worker_crashes", COUNTER,
	    "Workers that died unexpectedly.",
	    answer_number(status, "crashes"));
	single(to, "sluice_replaced_processes", GAUGE,
	    "Processes of workers that were replaced and have not ended.",
	    (long long)json_array_size(json_object_get(status, "replaced")));
	single(to, "sluice_reload_running", GAUGE, "1 while a reload runs.",
	    strcmp(answer_text(status, "reload"), "idle") != 0);
	single(to, "sluice_log_lines_lost", COUNTER,
	    "Lines of the log that could not be written.",
	    answer_number(json_object_get(status, "log"), "lost"));
	single(to, "sluice_last_reload_ok", GAUGE,
	    "1 if the last reload, or the start, was successful.",
	    json_is_true(json_object_get(last, "ok")));
}

void
metrics_write(FILE *out, const json_t *status, enum metrics_format format)
{
	const struct writer to = { out, format };
	const struct group endpoints[] = {
		{ json_object_get(status, "listeners"), "listener" },
		{ json_object_get(status, "connectors"), "connector" },
	};
	const struct group workers = { json_object_get(status, "workers"),
		"worker" };

	put_daemon(&to, status);
	put_member(&to, "sluice_connections", GAUGE,
	    "Open connections of a listener.", &endpoints[0], "connections");
	put_flag(&to, "sluice_listener_drained",
	    "1 if an operator has drained the listener.", &endpoints[0],
	    "drained");
	put_flag(&to, "sluice_listener_set_aside",
	    "1 if it is not served, since its plugin crashed.", &endpoints[0],
	    "set_aside");
	put_counts(&to, "sluice", endpoints, 2);
	put_counters(&to, endpoints, 2);
	put_connectors(&to, endpoints[1].rows);
	begin(&to, "sluice_certificate_end_timestamp_seconds", GAUGE,
	    "When a certificate of ours ends, in seconds since 1970.");
	put_certificates(&to, &endpoints[0]);
	put_certificates(&to, &endpoints[1]);
	put_workers(&to, &workers);
	put_counts(&to, "sluice_worker", &workers, 1);
	if (format == METRICS_OPEN)
		fputs("# EOF\n", out);
}
