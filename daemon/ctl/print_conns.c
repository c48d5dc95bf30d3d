/* print_conns.c: the answers about connections, for people. */

#include <stdio.h>
#include <string.h>

#include "base/time_text.h"
#include "ctl/print.h"
#include "ctl/table.h"
#include "ipc/control_client.h"

/* Whole seconds, since a table is read at a glance. */
static void
show_seconds(const json_t *row, const char *name, char *cell)
{
	char text[TIME_TEXT_MAX];
	long long ms = answer_number(row, name);

	if (ms >= 1000)
		ms -= ms % 1000;
	snprintf(cell, CELL_MAX, "%s",
	    duration_text(ms > 0 ? (uint64_t)ms : 0, text));
}

static void
fill_conn(const json_t *row, char cells[COLUMNS_MAX][CELL_MAX])
{
	const char *tls = answer_text(row, "tls");

	snprintf(cells[0], CELL_MAX, "%lld", answer_number(row, "id"));
	snprintf(cells[1], CELL_MAX, "%s", answer_text(row, "listener"));
	snprintf(cells[2], CELL_MAX, "%s%s",
	    json_is_true(json_object_get(row, "outgoing")) ? "to " : "",
	    answer_text(row, "peer"));
	snprintf(cells[3], CELL_MAX, "%s%s%s", answer_text(row, "state"),
	    *tls != '\0' ? " " : "", tls);
	show_seconds(row, "age_ms", cells[4]);
	show_seconds(row, "idle_ms", cells[5]);
	snprintf(cells[6], CELL_MAX, "%lld", answer_number(row, "in"));
	snprintf(cells[7], CELL_MAX, "%lld", answer_number(row, "out"));
	snprintf(cells[8], CELL_MAX, "%lld", answer_number(row, "in_rate"));
	snprintf(cells[9], CELL_MAX, "%lld", answer_number(row, "out_rate"));
	snprintf(cells[10], CELL_MAX, "%lld", answer_number(row, "queued"));
	snprintf(cells[11], CELL_MAX, "%lld", answer_number(row, "worker"));
	snprintf(cells[12], CELL_MAX, "%s %s", answer_text(row, "plugin"),
	    answer_text(row, "version"));
}

static void
print_silent(const json_t *answer)
{
	const json_t *silent = json_object_get(answer, "silent"), *row;

	for (size_t i = 0; i < json_array_size(silent); i++) {
		row = json_array_get(silent, i);
		printf("without the %lld connection%s of worker %lld: ",
		    answer_number(row, "connections"),
		    answer_number(row, "connections") == 1 ? "" : "s",
		    answer_number(row, "worker"));
		put_line(stdout, answer_text(row, "doing"));
	}
}

static void
print_not_asked(const json_t *answer)
{
	long long old = answer_number(answer, "old_workers");

	print_silent(answer);
	if (old > 0)
		printf("without those of %lld worker%s of the program before "
		       "an upgrade, which status shows\n",
		    old, old == 1 ? "" : "s");
}

void
print_conns(const json_t *answer)
{
	static const char *const heads[] = { "ID", "LISTENER", "PEER", "STATE",
		"AGE", "IDLE", "IN", "OUT", "IN/S", "OUT/S", "QUEUED", "WORKER",
		"PLUGIN", NULL };
	const json_t *conns = json_object_get(answer, "conns");
	long long matched = answer_number(answer, "matched");

	if (json_array_size(conns) > 0)
		put_table(conns, heads, fill_conn);
	else if (matched == 0)
		puts("no connection");
	if (matched > (long long)json_array_size(conns))
		printf("and %lld more; --limit shows more of them\n",
		    matched - (long long)json_array_size(conns));
	print_not_asked(answer);
}

void
print_kill(const json_t *answer)
{
	long long killed = answer_number(answer, "killed"),
		  ids = answer_number(answer, "ids");

	printf("%lld connection%s ended\n", killed, killed == 1 ? "" : "s");
	if (killed < ids && ids == 1)
		puts("it is not open, or not what was asked for");
	else if (killed < ids)
		printf(
		    "%lld of the %lld ids %s not open, or not what was asked "
		    "for\n",
		    ids - killed, ids, ids - killed == 1 ? "is" : "are");
	print_not_asked(answer);
}
