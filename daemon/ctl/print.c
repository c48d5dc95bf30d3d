/*
 * print.c: text for people.  What is printed may come from a plugin, so no
 * control character of it reaches the terminal.
 */

#include "ctl/print.h"

#include <stdio.h>
#include <string.h>

#include "base/escape.h"

#define COLUMNS_MAX 8
#define CELL_MAX 512

/* What one row of a table says. */
typedef void fill_row(const json_t *row, char cells[COLUMNS_MAX][CELL_MAX]);

static const char *
string_of(const json_t *value)
{
	return json_is_string(value) ? json_string_value(value) : "";
}

static const char *
text(const json_t *object, const char *name)
{
	return string_of(json_object_get(object, name));
}

static long long
number(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

/* With an indent a newline is one. */
static void
put(FILE *out, const char *words, const char *indent)
{
	char escaped[ESCAPE_MAX];

	while (*words != '\0') {
		if (*words == '\n' && indent != NULL) {
			words++;
			fprintf(out, "\n%s", *words != '\0' ? indent : "");
			continue;
		}
		words += escape_one(words, escaped);
		fputs(escaped, out);
	}
}

static void
put_line(FILE *out, const char *words)
{
	put(out, words, NULL);
	putc('\n', out);
}

static void
put_member(const json_t *object, const char *name)
{
	put(stdout, text(object, name), NULL);
}

/* How many columns of a terminal it takes, more or less. */
static size_t
width_of(const char *words)
{
	size_t width = 0;

	for (; *words != '\0'; words++)
		if (((unsigned char)*words & 0xc0) != 0x80)
			width++;
	return width;
}

/* The last column takes what it needs. */
static void
print_row(char cells[COLUMNS_MAX][CELL_MAX], const size_t *width,
    unsigned int columns)
{
	size_t pad;

	for (unsigned int i = 0; i < columns; i++) {
		pad = width[i] - width_of(cells[i]) + 2;
		printf("%s%*s", cells[i], i + 1 < columns ? (int)pad : 0, "");
	}
	putchar('\n');
}

static void
fill_plain(const json_t *row, fill_row *fill, char cells[COLUMNS_MAX][CELL_MAX],
    unsigned int columns)
{
	char said[COLUMNS_MAX][CELL_MAX];

	fill(row, said);
	for (unsigned int i = 0; i < columns; i++)
		escape_text(said[i], cells[i], CELL_MAX);
}

static void
print_table(const json_t *rows, const char *const *heads, fill_row *fill)
{
	char cells[COLUMNS_MAX][CELL_MAX];
	size_t i, width[COLUMNS_MAX] = { 0 };
	unsigned int column, columns;

	for (columns = 0; heads[columns] != NULL; columns++)
		width[columns] = strlen(heads[columns]);
	for (i = 0; i < json_array_size(rows); i++) {
		fill_plain(json_array_get(rows, i), fill, cells, columns);
		for (column = 0; column < columns; column++)
			if (width_of(cells[column]) > width[column])
				width[column] = width_of(cells[column]);
	}
	for (column = 0; column < columns; column++)
		snprintf(cells[column], CELL_MAX, "%s", heads[column]);
	print_row(cells, width, columns);
	for (i = 0; i < json_array_size(rows); i++) {
		fill_plain(json_array_get(rows, i), fill, cells, columns);
		print_row(cells, width, columns);
	}
}

static void
fill_worker(const json_t *row, char cells[COLUMNS_MAX][CELL_MAX])
{
	static const char *const numbers[] = { "generation", "connections",
		"slow_callbacks", "aborts", "restarts" };

	snprintf(cells[0], CELL_MAX, "%lld", number(row, "worker"));
	snprintf(cells[1], CELL_MAX, "%lld", number(row, "pid"));
	snprintf(cells[2], CELL_MAX, "%s", text(row, "state"));
	for (unsigned int i = 0; i < 5; i++)
		snprintf(cells[3 + i], CELL_MAX, "%lld",
		    number(row, numbers[i]));
}

static void
fill_listener_or(const json_t *row, char cells[COLUMNS_MAX][CELL_MAX],
    const char *closed)
{
	const json_t *addresses = json_object_get(row, "addresses");
	size_t used = 0;

	snprintf(cells[0], CELL_MAX, "%s", text(row, "name"));
	snprintf(cells[1], CELL_MAX, "%lld", number(row, "connections"));
	snprintf(cells[2], CELL_MAX, "%s %s", text(row, "plugin"),
	    text(row, "version"));
	snprintf(cells[3], CELL_MAX, "%.8s", text(row, "image"));
	snprintf(cells[4], CELL_MAX, "%s",
	    json_array_size(addresses) > 0 ? "" : closed);
	for (size_t i = 0; i < json_array_size(addresses) && used < CELL_MAX;
	     i++)
		used += (size_t)snprintf(cells[4] + used, CELL_MAX - used,
		    "%s%s", i > 0 ? " " : "",
		    string_of(json_array_get(addresses, i)));
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

static void
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
	printf(", process %lld, up ", number(answer, "pid"));
	print_uptime(number(answer, "uptime_s"));
	printf("\nconfiguration ");
	put_line(stdout, text(answer, "config"));
	printf("generation %lld", number(answer, "generation"));
	if (json_is_integer(json_object_get(answer, "previous")))
		printf(", before it %lld", number(answer, "previous"));
	printf("; reload: ");
	put_member(answer, "reload");
	printf("; crashes: %lld\n", number(answer, "crashes"));
	if (json_is_object(last)) {
		printf("last verdict, ");
		put_member(last, "time");
		printf(": ");
		put_line(stdout, text(last, "verdict"));
	}
	putchar('\n');
	print_table(json_object_get(answer, "workers"), worker_heads,
	    fill_worker);
	putchar('\n');
	print_table(json_object_get(answer, "listeners"), listener_heads,
	    strcmp(text(answer, "reload"), "stopped") == 0
		? fill_draining_listener
		: fill_listener);
}

static void
print_problems(const json_t *answer)
{
	const json_t *problems = json_object_get(answer, "problems");
	const char *line;

	for (size_t i = 0; i < json_array_size(problems); i++) {
		line = json_string_value(json_array_get(problems, i));
		if (line != NULL)
			put_line(stderr, line);
	}
}

static void
print_verdict(const json_t *answer)
{
	print_problems(answer);
	if (json_is_true(json_object_get(answer, "accepted")))
		puts("asked for; the verdict will be in the log and in status");
	else
		put_line(stdout, text(answer, "verdict"));
}

static void
fill_generation_listener(const json_t *row, char cells[COLUMNS_MAX][CELL_MAX])
{
	snprintf(cells[0], CELL_MAX, "  %s", text(row, "name"));
	snprintf(cells[1], CELL_MAX, "%lld", number(row, "connections"));
	snprintf(cells[2], CELL_MAX, "%lld", number(row, "code"));
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
		printf("generation %lld, ", number(row, "generation"));
		put_member(row, "state");
		printf(": %lld connection%s\n", number(row, "connections"),
		    number(row, "connections") == 1 ? "" : "s");
		if (json_array_size(json_object_get(row, "listeners")) > 0)
			print_table(json_object_get(row, "listeners"), heads,
			    fill_generation_listener);
	}
	for (size_t i = 0; i < json_array_size(workers); i++) {
		row = json_array_get(workers, i);
		if (strcmp(text(row, "state"), "answered") == 0)
			continue;
		printf("without worker %lld, which is ", number(row, "worker"));
		put_line(stdout, text(row, "state"));
	}
	if (json_is_false(json_object_get(answer, "whole")))
		puts("so this is not all there is");
}

static void
print_crashes(const json_t *answer)
{
	const json_t *list = json_object_get(answer, "crashes"), *row;
	long long count = number(answer, "count");

	if (count == 0)
		puts("no worker has died");
	else if ((long long)json_array_size(list) < count)
		printf("the last %zu of %lld:\n", json_array_size(list), count);
	for (size_t i = 0; i < json_array_size(list); i++) {
		row = json_array_get(list, i);
		put_member(row, "time");
		printf(" worker %lld (pid %lld), generation %lld, ",
		    number(row, "worker"), number(row, "pid"),
		    number(row, "generation"));
		put_line(stdout, text(row, "how"));
		if (*text(row, "report") == '\0')
			continue;
		printf("    ");
		put(stdout, text(row, "report"), "    ");
	}
}

static void (*const printers[CONTROL_COMMANDS])(const json_t *answer) = {
	[CONTROL_STATUS] = print_status,
	[CONTROL_RELOAD] = print_verdict,
	[CONTROL_GENERATIONS] = print_generations,
	[CONTROL_ROLLBACK] = print_verdict,
	[CONTROL_CRASHES] = print_crashes,
};

void
print_answer(enum control_command command, const json_t *answer)
{
	printers[command](answer);
}

void
print_failure(const json_t *answer)
{
	print_problems(answer);
	if (json_is_string(json_object_get(answer, "verdict"))) {
		put_line(stderr, text(answer, "verdict"));
		return;
	}
	fprintf(stderr, "sluicectl: ");
	put_line(stderr, text(answer, "error"));
}
