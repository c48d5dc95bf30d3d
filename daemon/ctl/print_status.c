/* print_status.c: the answer to `status`, for people. */

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/time_text.h"
#include "ctl/print.h"
#include "ctl/table.h"
#include "ipc/control_client.h"
#include "ipc/counts.h"

#define CERTIFICATE_DAYS 30 /* as the daily look warns */

static void
fill_worker(const json_t *row, char cells[COLUMNS_MAX][CELL_MAX])
{
	static const char *const numbers[] = { "generation", "connections",
		"slow_callbacks", "aborts", "restarts" };

	snprintf(cells[0], CELL_MAX, "%lld", answer_number(row, "worker"));
	snprintf(cells[1], CELL_MAX, "%s", answer_text(row, "group"));
	snprintf(cells[2], CELL_MAX, "%lld", answer_number(row, "pid"));
	snprintf(cells[3], CELL_MAX, "%s", answer_text(row, "state"));
	for (unsigned int i = 0; i < 5; i++)
		snprintf(cells[4 + i], CELL_MAX, "%lld",
		    answer_number(row, numbers[i]));
	snprintf(cells[9], CELL_MAX, "%lld KiB",
	    answer_number(row, "memory") / 1024);
	snprintf(cells[10], CELL_MAX, "%lld KiB",
	    answer_number(row, "heap") / 1024);
	snprintf(cells[11], CELL_MAX, "%lld of %lld",
	    answer_number(row, "descriptors"),
	    answer_number(row, "descriptors_max"));
	snprintf(cells[12], CELL_MAX, "%.1f ms",
	    (double)answer_number(row, "loop_lag_max_us") / 1000);
}

static void
fill_listener_or(const json_t *row, char cells[COLUMNS_MAX][CELL_MAX],
    const char *closed)
{
	const json_t *addresses = json_object_get(row, "addresses");
	size_t used = 0;

	snprintf(cells[0], CELL_MAX, "%s", answer_text(row, "name"));
	snprintf(cells[1], CELL_MAX, "%lld", answer_number(row, "connections"));
	snprintf(cells[2], CELL_MAX, "%s %s", answer_text(row, "plugin"),
	    answer_text(row, "version"));
	snprintf(cells[3], CELL_MAX, "%.8s", answer_text(row, "image"));
	snprintf(cells[4], CELL_MAX, "%s",
	    json_array_size(addresses) > 0 ? "" : closed);
	for (size_t i = 0; i < json_array_size(addresses) && used < CELL_MAX;
	     i++)
		used += (size_t)snprintf(cells[4] + used, CELL_MAX - used,
		    "%s%s", i > 0 ? " " : "",
		    answer_string(json_array_get(addresses, i)));
}

static void
fill_listener(const json_t *row, char cells[COLUMNS_MAX][CELL_MAX])
{
	const char *closed = "(stopped by its plugin)";

	if (json_is_true(json_object_get(row, "drained")))
		closed = "(drained)";
	else if (json_is_true(json_object_get(row, "set_aside")))
		closed = "(set aside)";
	fill_listener_or(row, cells, closed);
}

static void
fill_draining_listener(const json_t *row, char cells[COLUMNS_MAX][CELL_MAX])
{
	fill_listener_or(row, cells, "(closed: sluiced is stopping)");
}

/* The sum of the numbers in a member. */
static long long
total(const json_t *counts, const char *name)
{
	json_t *object = json_object_get(counts, name), *value;
	unsigned long long sum = 0;
	const char *key;

	json_object_foreach(object, key, value)
		sum += (unsigned long long)json_integer_value(value);
	return (long long)sum;
}

static void
fill_numbers(const json_t *row, long long begun, long long failed,
    char cells[COLUMNS_MAX][CELL_MAX])
{
	const json_t *counts = json_object_get(row, "counts");
	const json_t *callbacks = json_object_get(counts, "callbacks");
	const long long numbers[] = {
		begun,
		failed,
		total(counts, "closed"),
		answer_number(counts, "bytes_in"),
		answer_number(counts, "bytes_out"),
		answer_number(callbacks, "count"),
		answer_number(counts, "slow_callbacks"),
	};

	snprintf(cells[0], CELL_MAX, "%s", answer_text(row, "name"));
	for (unsigned int i = 0; i < 7; i++)
		snprintf(cells[1 + i], CELL_MAX, "%lld", numbers[i]);
}

static void
fill_counts(const json_t *row, char cells[COLUMNS_MAX][CELL_MAX])
{
	const json_t *counts = json_object_get(row, "counts");

	fill_numbers(row, answer_number(counts, "accepted"),
	    total(counts, "refused"), cells);
}

static void
fill_connector_counts(const json_t *row, char cells[COLUMNS_MAX][CELL_MAX])
{
	const json_t *counts = json_object_get(row, "counts");

	fill_numbers(row, answer_number(counts, "outgoing"),
	    answer_number(counts, "failed"), cells);
}

/* "echo closed: peer 12, idle 1" */
static void
print_members(const json_t *listener, const char *what)
{
	json_t *object, *value;
	const char *key, *before = ": ";

	object = json_object_get(json_object_get(listener, "counts"), what);
	if (json_object_size(object) == 0)
		return;
	put_member(listener, "name");
	printf(" %s", what);
	json_object_foreach(object, key, value) {
		fputs(before, stdout);
		put_text(stdout, key, NULL);
		printf(" %lld", (long long)json_integer_value(value));
		before = ", ";
	}
	putchar('\n');
}

/* "half under 2 us": the upper bound of the bucket. */
static void
print_bound(const char *what, size_t bucket)
{
	bool last = bucket >= COUNT_BUCKETS - 1;
	unsigned long us = 1ul << (last ? COUNT_BUCKETS - 2 : bucket);

	printf("%s %s ", what, last ? "over" : "under");
	if (us < 1000)
		printf("%lu us", us);
	else if (us < 1000000)
		printf("%lu ms", us / 1000);
	else
		printf("%lu s", us / 1000000);
}

/* The bucket of number `part`, counted from the shortest times. */
static size_t
bucket_of(const json_t *buckets, unsigned long long part)
{
	unsigned long long sum = 0;
	size_t i;

	for (i = 0; i + 1 < json_array_size(buckets); i++) {
		sum += (unsigned long long)json_integer_value(
		    json_array_get(buckets, i));
		if (sum > part)
			break;
	}
	return i;
}

/* "echo callbacks: half under 1 us, 99 % under 4 us, all under 131 ms" */
static void
print_times(const json_t *listener, const char *name, const char *label)
{
	const json_t *times =
	    json_object_get(json_object_get(listener, "counts"), name);
	const json_t *buckets = json_object_get(times, "buckets");
	unsigned long long all =
	    (unsigned long long)answer_number(times, "count");

	if (json_array_size(buckets) == 0)
		return;
	put_member(listener, "name");
	printf(" %s:", label);
	print_bound(" half", bucket_of(buckets, all / 2));
	print_bound(", 99 %", bucket_of(buckets, all - all / 100 - 1));
	print_bound(", all", json_array_size(buckets) - 1);
	putchar('\n');
}

/* What the table of counts has no room for. */
static void
print_details(const json_t *endpoints)
{
	const json_t *endpoint;

	for (size_t i = 0; i < json_array_size(endpoints); i++) {
		endpoint = json_array_get(endpoints, i);
		print_members(endpoint, "refused");
		print_members(endpoint, "closed");
		print_times(endpoint, "callbacks", "callbacks");
		print_members(endpoint, "handshakes");
		print_times(endpoint, "handshake_times", "handshake times");
		print_members(endpoint, "counters");
	}
}

/* `first` is the head of the first column; NULL: what stands there. */
static void
put_counts(const json_t *listeners, const json_t *connectors, const char *first)
{
	const char *const heads[] = { first != NULL ? first : "LISTENER",
		"ACCEPTED", "REFUSED", "CLOSED", "IN", "OUT", "CALLBACKS",
		"SLOW", NULL };
	const char *const made[] = { first != NULL ? first : "CONNECTOR",
		"TRIED", "FAILED", "CLOSED", "IN", "OUT", "CALLBACKS", "SLOW",
		NULL };

	if (json_array_size(listeners) > 0) {
		putchar('\n');
		put_table(listeners, heads, fill_counts);
	}
	if (json_array_size(connectors) > 0) {
		putchar('\n');
		put_table(connectors, made, fill_connector_counts);
	}
}

static void
print_counts(const json_t *answer)
{
	const json_t *listeners = json_object_get(answer, "listeners");
	const json_t *connectors = json_object_get(answer, "connectors");

	put_counts(listeners, connectors, NULL);
	print_details(listeners);
	print_details(connectors);
}

/* Those whose plugins crashed too often. */
static void
print_aside(const json_t *endpoints)
{
	const json_t *endpoint;
	size_t i;

	json_array_foreach(endpoints, i, endpoint)
	{
		if (!json_is_true(json_object_get(endpoint, "set_aside")))
			continue;
		put_member(endpoint, "name");
		printf(": set aside, since its plugin ");
		put_member(endpoint, "plugin");
		printf(" crashed; mend it, and reload to serve it\n");
	}
}

/* Those that end soon, or have ended. */
static void
print_certificates(const json_t *endpoints)
{
	const json_t *endpoint, *certificates, *one, *names;
	size_t i, k;

	json_array_foreach(endpoints, i, endpoint)
	{
		certificates = json_object_get(endpoint, "certificates");
		json_array_foreach(certificates, k, one)
		{
			if (answer_number(one, "days") > CERTIFICATE_DAYS)
				continue;
			put_member(endpoint, "name");
			names = json_object_get(one, "names");
			printf(": the certificate ");
			if (json_array_size(names) > 0)
				printf("for ");
			put_text(stdout,
			    answer_string(json_array_get(names, 0)), NULL);
			printf("%sends on ",
			    json_array_size(names) > 0 ? " " : "");
			put_member(one, "ends");
			printf(", in %lld days\n", answer_number(one, "days"));
		}
	}
}

/* Callbacks that have been running for long. */
static void
print_doing(const json_t *workers)
{
	const json_t *worker;

	for (size_t i = 0; i < json_array_size(workers); i++) {
		worker = json_array_get(workers, i);
		if (*answer_text(worker, "doing") == '\0')
			continue;
		printf("worker %lld: ", answer_number(worker, "worker"));
		put_line(stdout, answer_text(worker, "doing"));
	}
}

static void
print_uptime(long long s)
{
	if (s >= 86400)
		printf("%lld d %lld h", s / 86400, s / 3600 % 24);
	else if (s >= 3600)
		printf("%lld h %lld min", s / 3600, s / 60 % 60);
	else if (s >= 60)
		printf("%lld min %lld s", s / 60, s % 60);
	else
		printf("%lld s", s);
}

/* Is it stopping?  That is said first, with what it still waits for. */
static bool
print_stopping(const json_t *answer)
{
	const json_t *workers = json_object_get(answer, "workers"), *worker;
	long long connections = 0;
	size_t i;

	if (strcmp(answer_text(answer, "reload"), "stopped") != 0)
		return false;
	json_array_foreach(workers, i, worker) connections +=
	    answer_number(worker, "connections");
	printf("sluiced is stopping: it accepts no connections any more, and "
	       "%lld open %s may finish until drain_timeout\n",
	    connections, connections == 1 ? "connection" : "connections");
	return true;
}

/* Only when something is wrong with it. */
static void
print_log(const json_t *log)
{
	if (answer_number(log, "lost") == 0)
		return;
	printf("log: %lld lines were lost", answer_number(log, "lost"));
	if (json_is_string(json_object_get(log, "error"))) {
		printf(", and it takes none now: ");
		put_text(stdout, answer_text(log, "error"), NULL);
	}
	putchar('\n');
}

static void
fill_old_worker(const json_t *row, char cells[COLUMNS_MAX][CELL_MAX])
{
	const json_t *left = json_object_get(row, "left_ms");
	char text[TIME_TEXT_MAX];

	snprintf(cells[0], CELL_MAX, "%lld", answer_number(row, "worker"));
	snprintf(cells[1], CELL_MAX, "%lld", answer_number(row, "pid"));
	snprintf(cells[2], CELL_MAX, "%s", answer_text(row, "state"));
	snprintf(cells[3], CELL_MAX, "%lld",
	    answer_number(row, "connections_at_upgrade"));
	snprintf(cells[4], CELL_MAX, "%s",
	    json_is_integer(left)
		? duration_text(((uint64_t)json_integer_value(left) + 999) /
			  1000 * 1000,
		      text)
		: "-");
}

static void
print_old_workers(const json_t *array)
{
	static const char *const heads[] = { "WORKER", "PID", "STATE",
		"CONNECTIONS AT THE UPGRADE", "TIME LEFT", NULL };

	if (json_array_size(array) == 0)
		return;
	puts("\nof the program before an upgrade, until their connections end; "
	     "conns and kill do not reach these:");
	put_table(array, heads, fill_old_worker);
}

void
print_status(const json_t *answer)
{
	static const char *const worker_heads[] = { "WORKER", "GROUP", "PID",
		"STATE", "GENERATION", "CONNECTIONS", "SLOW", "ABORTS",
		"RESTARTS", "MEMORY", "HEAP", "DESCRIPTORS", "LAG", NULL };
	static const char *const listener_heads[] = { "LISTENER", "CONNECTIONS",
		"PLUGIN", "IMAGE", "ADDRESSES", NULL };
	const json_t *last = json_object_get(answer, "last");
	const json_t *replaced = json_object_get(answer, "replaced");
	const json_t *listeners = json_object_get(answer, "listeners");
	bool stopping = print_stopping(answer);

	printf("sluiced ");
	put_member(answer, "version");
	printf(", process %lld, up ", answer_number(answer, "pid"));
	print_uptime(answer_number(answer, "uptime_s"));
	printf("\nconfiguration ");
	put_line(stdout, answer_text(answer, "config"));
	printf("generation %lld", answer_number(answer, "generation"));
	if (json_is_integer(json_object_get(answer, "previous")))
		printf(", before it %lld", answer_number(answer, "previous"));
	printf("; reload: ");
	put_member(answer, "reload");
	printf("; crashes: %lld\n", answer_number(answer, "crashes"));
	if (json_is_object(last)) {
		printf("last verdict, ");
		put_member(last, "time");
		printf(": ");
		put_line(stdout, answer_text(last, "verdict"));
	}
	print_log(json_object_get(answer, "log"));
	putchar('\n');
	put_table(json_object_get(answer, "workers"), worker_heads,
	    fill_worker);
	print_doing(json_object_get(answer, "workers"));
	if (json_array_size(replaced) > 0) {
		puts("\nprocesses that were replaced, until their connections "
		     "end:");
		put_table(replaced, worker_heads, fill_worker);
		print_doing(replaced);
	}
	print_old_workers(json_object_get(answer, "old_workers"));
	if (json_array_size(listeners) > 0) {
		putchar('\n');
		put_table(listeners, listener_heads,
		    stopping ? fill_draining_listener : fill_listener);
	}
	print_connectors(json_object_get(answer, "connectors"));
	print_upstreams(answer);
	print_counts(answer);
	print_aside(listeners);
	print_aside(json_object_get(answer, "connectors"));
	print_certificates(listeners);
	print_certificates(json_object_get(answer, "connectors"));
}

#define RATE_MAX 1e18 /* more is not a sensible answer */

/* By how much each number has grown per second. */
static json_t *
rate_of(const json_t *after, const json_t *before, uint64_t ms)
{
	double more = (double)json_integer_value(after) -
	    (double)json_integer_value(before);
	json_t *object, *value;
	const char *key;

	more = more * 1000 / (double)ms;
	if (more < 0)
		more = 0;
	if (more > RATE_MAX)
		more = RATE_MAX;
	if (!json_is_object(after))
		return json_integer((json_int_t)more);
	object = json_object();
	json_object_foreach((json_t *)after, key, value)
		json_object_set_new(object, key,
		    rate_of(value, json_object_get(before, key), ms));
	return object;
}

static bool
is_called(const json_t *one, const char *name)
{
	return strcmp(answer_text(one, "name"), name) == 0;
}

/* Usually it is the one at `hint`.  NULL: no element has that name. */
static const json_t *
counts_of(const json_t *array, const char *name, size_t hint)
{
	const json_t *one = json_array_get(array, hint);

	for (size_t i = 0; !is_called(one, name); i++) {
		if (i == json_array_size(array))
			return NULL;
		one = json_array_get(array, i);
	}
	return json_object_get(one, "counts");
}

/* The names of a list in both answers, with the rates of their counts. */
static json_t *
rates_of(const json_t *before, const json_t *after, const char *list,
    uint64_t ms)
{
	const json_t *array = json_object_get(after, list);
	json_t *rows = json_array(), *one;
	const char *name;

	for (size_t i = 0; i < json_array_size(array); i++) {
		one = json_array_get(array, i);
		name = answer_text(one, "name");
		json_array_append_new(rows,
		    json_pack("{s:s, s:o}", "name", name, "counts",
			rate_of(json_object_get(one, "counts"),
			    counts_of(json_object_get(before, list), name, i),
			    ms > 0 ? ms : 1)));
	}
	return rows;
}

void
print_rates(const json_t *before, const json_t *after, uint64_t ms)
{
	json_t *listeners = rates_of(before, after, "listeners", ms);
	json_t *connectors = rates_of(before, after, "connectors", ms);

	put_counts(listeners, connectors, "IN A SECOND");
	json_decref(listeners);
	json_decref(connectors);
}
