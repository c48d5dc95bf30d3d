/* print_status.c: the answer to `status`, for people. */

#include <stdio.h>
#include <string.h>

#include "ctl/print.h"
#include "ctl/table.h"

static void
fill_worker(const json_t *row, char cells[COLUMNS_MAX][CELL_MAX])
{
	static const char *const numbers[] = { "generation", "connections",
		"slow_callbacks", "aborts", "restarts" };

	snprintf(cells[0], CELL_MAX, "%lld", answer_number(row, "worker"));
	snprintf(cells[1], CELL_MAX, "%lld", answer_number(row, "pid"));
	snprintf(cells[2], CELL_MAX, "%s", answer_text(row, "state"));
	for (unsigned int i = 0; i < 5; i++)
		snprintf(cells[3 + i], CELL_MAX, "%lld",
		    answer_number(row, numbers[i]));
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
	fill_listener_or(row, cells, "(stopped by its plugin)");
}

static void
fill_draining_listener(const json_t *row, char cells[COLUMNS_MAX][CELL_MAX])
{
	fill_listener_or(row, cells, "(closed: sluiced is stopping)");
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

void
print_status(const json_t *answer)
{
	static const char *const worker_heads[] = { "WORKER", "PID", "STATE",
		"GENERATION", "CONNECTIONS", "SLOW", "ABORTS", "RESTARTS",
		NULL };
	static const char *const listener_heads[] = { "LISTENER", "CONNECTIONS",
		"PLUGIN", "IMAGE", "ADDRESSES", NULL };
	const json_t *last = json_object_get(answer, "last");

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
	putchar('\n');
	put_table(json_object_get(answer, "workers"), worker_heads,
	    fill_worker);
	putchar('\n');
	put_table(json_object_get(answer, "listeners"), listener_heads,
	    strcmp(answer_text(answer, "reload"), "stopped") == 0
		? fill_draining_listener
		: fill_listener);
}
