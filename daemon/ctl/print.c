/* print.c: answers as text for people. */

#include "ctl/print.h"

#include <stdio.h>
#include <string.h>

#include "ctl/table.h"
#include "ipc/control_client.h"
#include "ipc/metrics.h"

static void
print_lines(const json_t *answer, const char *name, FILE *out)
{
	const json_t *lines = json_object_get(answer, name);
	const char *line;

	for (size_t i = 0; i < json_array_size(lines); i++) {
		line = json_string_value(json_array_get(lines, i));
		if (line != NULL)
			put_line(out, line);
	}
}

static void
print_verdict(const json_t *answer)
{
	print_lines(answer, "problems", stderr);
	print_lines(answer, "changes", stdout);
	if (json_is_true(json_object_get(answer, "accepted")))
		puts("reload requested; its verdict will be in the log and in "
		     "status");
	else
		put_line(stdout, answer_text(answer, "verdict"));
}

static void
print_diff(const json_t *answer)
{
	print_verdict(answer);
	if (strcmp(answer_text(answer, "reload"), "idle") == 0)
		return;
	printf("a reload runs meanwhile: ");
	put_line(stdout, answer_text(answer, "reload"));
}

static void
fill_generation_listener(const json_t *row, char cells[COLUMNS_MAX][CELL_MAX])
{
	snprintf(cells[0], CELL_MAX, "  %s", answer_text(row, "name"));
	snprintf(cells[1], CELL_MAX, "%lld", answer_number(row, "connections"));
	snprintf(cells[2], CELL_MAX, "%lld", answer_number(row, "code"));
}

static void
print_generations(const json_t *answer)
{
	static const char *const heads[] = { "  LISTENER", "CONNECTIONS",
		"CODE OF", NULL };
	const json_t *list = json_object_get(answer, "generations");
	const json_t *workers = json_object_get(answer, "workers"), *row;

	for (size_t i = 0; i < json_array_size(list); i++) {
		row = json_array_get(list, i);
		printf("generation %lld, ", answer_number(row, "generation"));
		put_member(row, "state");
		printf(": %lld connection%s\n",
		    answer_number(row, "connections"),
		    answer_number(row, "connections") == 1 ? "" : "s");
		if (json_array_size(json_object_get(row, "listeners")) > 0)
			put_table(json_object_get(row, "listeners"), heads,
			    fill_generation_listener);
	}
	for (size_t i = 0; i < json_array_size(workers); i++) {
		row = json_array_get(workers, i);
		if (strcmp(answer_text(row, "state"), "answered") == 0)
			continue;
		printf("without worker %lld, which is ",
		    answer_number(row, "worker"));
		put_line(stdout, answer_text(row, "state"));
	}
	if (json_is_false(json_object_get(answer, "whole")))
		puts("so this list is incomplete");
}

static void
print_crashes(const json_t *answer)
{
	const json_t *list = json_object_get(answer, "crashes"), *row;
	long long count = answer_number(answer, "count");

	if (count == 0)
		puts("no worker has died");
	else if ((long long)json_array_size(list) < count)
		printf("the last %zu of %lld:\n", json_array_size(list), count);
	for (size_t i = 0; i < json_array_size(list); i++) {
		row = json_array_get(list, i);
		put_member(row, "time");
		printf(" worker %lld (pid %lld), generation %lld, ",
		    answer_number(row, "worker"), answer_number(row, "pid"),
		    answer_number(row, "generation"));
		put_member(row, "how");
		if (answer_number(row, "connections") > 0)
			printf("; connections lost: %lld",
			    answer_number(row, "connections"));
		putchar('\n');
		if (*answer_text(row, "report") == '\0')
			continue;
		printf("    ");
		put_text(stdout, answer_text(row, "report"), "    ");
	}
}

static void
print_metrics(const json_t *answer)
{
	metrics_write(stdout, answer, METRICS_TEXT);
}

static void
print_log_level(const json_t *answer)
{
	printf("logging at level %s until the next reload\n",
	    answer_text(answer, "level"));
}

static void (*const printers[CONTROL_COMMANDS])(const json_t *answer) = {
	[CONTROL_STATUS] = print_status,
	[CONTROL_RELOAD] = print_verdict,
	[CONTROL_CONFIG] = print_config,
	[CONTROL_DIFF] = print_diff,
	[CONTROL_GENERATIONS] = print_generations,
	[CONTROL_ROLLBACK] = print_verdict,
	[CONTROL_CRASHES] = print_crashes,
	[CONTROL_CONNS] = print_conns,
	[CONTROL_KILL] = print_kill,
	[CONTROL_METRICS] = print_metrics,
	[CONTROL_LOG_LEVEL] = print_log_level,
	[CONTROL_DRAIN] = print_verdict,
	[CONTROL_UNDRAIN] = print_verdict,
	[CONTROL_WORKERS] = print_verdict,
	[CONTROL_UPGRADE] = print_verdict,
};

void
print_answer(const struct control_request *request, const json_t *answer)
{
	if (request->command == CONTROL_METRICS &&
	    request->values.of[CONTROL_METRICS_OPEN] != NULL)
		metrics_write(stdout, answer, METRICS_OPEN);
	else
		printers[request->command](answer);
}

void
print_failure(const json_t *answer)
{
	print_lines(answer, "changes", stdout);
	print_lines(answer, "problems", stderr);
	if (json_is_string(json_object_get(answer, "verdict"))) {
		put_line(stderr, answer_text(answer, "verdict"));
		return;
	}
	fprintf(stderr, "sluicectl: ");
	put_line(stderr, answer_text(answer, "error"));
}
