/* print_peers.c: connectors and upstreams in the answer to `status`. */

#include <stdio.h>

#include "ctl/print.h"
#include "ctl/table.h"
#include "ipc/control_client.h"

/* One worker of a connector, with what is the same for all of them. */
static void
fill_connector(const json_t *row, char cells[COLUMNS_MAX][CELL_MAX])
{
	const json_t *connector = json_object_get(row, "connector");
	const json_t *state = json_object_get(row, "state");

	snprintf(cells[0], CELL_MAX, "%s", answer_text(connector, "name"));
	snprintf(cells[1], CELL_MAX, "%lld", answer_number(state, "worker"));
	snprintf(cells[2], CELL_MAX, "%s", answer_text(state, "state"));
	snprintf(cells[3], CELL_MAX, "%s", answer_text(state, "since"));
	snprintf(cells[4], CELL_MAX, "%lld", answer_number(state, "attempts"));
	snprintf(cells[5], CELL_MAX, "%s %s", answer_text(connector, "plugin"),
	    answer_text(connector, "version"));
	snprintf(cells[6], CELL_MAX, "%s", answer_text(connector, "connect"));
	snprintf(cells[7], CELL_MAX, "%s", answer_text(state, "error"));
}

void
print_connectors(const json_t *connectors)
{
	static const char *const heads[] = { "CONNECTOR", "WORKER", "STATE",
		"SINCE", "ATTEMPTS", "PLUGIN", "PEER", "LAST ERROR", NULL };
	json_t *rows, *connector, *states, *state;
	size_t i, j;

	if (json_array_size(connectors) == 0)
		return;
	rows = json_array();
	json_array_foreach(connectors, i, connector)
	{
		states = json_object_get(connector, "workers");
		json_array_foreach(states, j, state) json_array_append_new(rows,
		    json_pack("{s:O, s:O}", "connector", connector, "state",
			state));
	}
	putchar('\n');
	put_table(rows, heads, fill_connector);
	json_decref(rows);
}

/* One upstream, and whose it is. */
static void
fill_upstream(const json_t *row, char cells[COLUMNS_MAX][CELL_MAX])
{
	const json_t *one = json_object_get(row, "upstream");
	static const char *const numbers[] = { "connections", "connected",
		"failed", "failed_in_a_row" };

	snprintf(cells[0], CELL_MAX, "%s",
	    answer_text(json_object_get(row, "of"), "name"));
	snprintf(cells[1], CELL_MAX, "%s", answer_text(one, "name"));
	snprintf(cells[2], CELL_MAX, "%s", answer_text(one, "state"));
	snprintf(cells[3], CELL_MAX, "%s", answer_text(one, "since"));
	snprintf(cells[4], CELL_MAX, "%s", answer_text(one, "tried"));
	for (unsigned int i = 0; i < 4; i++)
		snprintf(cells[5 + i], CELL_MAX, "%lld",
		    answer_number(one, numbers[i]));
	snprintf(cells[9], CELL_MAX, "%s", answer_text(one, "error"));
}

static void
add_upstreams(json_t *rows, const json_t *endpoints)
{
	json_t *endpoint, *upstreams, *one;
	size_t i, j;

	json_array_foreach(endpoints, i, endpoint)
	{
		upstreams = json_object_get(endpoint, "upstreams");
		json_array_foreach(upstreams, j,
		    one) json_array_append_new(rows,
		    json_pack("{s:O, s:O}", "of", endpoint, "upstream", one));
	}
}

void
print_upstreams(const json_t *answer)
{
	static const char *const heads[] = { "OF", "UPSTREAM", "STATE", "SINCE",
		"TRIED", "CONNECTIONS", "CONNECTED", "FAILED", "IN A ROW",
		"LAST ERROR", NULL };
	json_t *rows = json_array();

	add_upstreams(rows, json_object_get(answer, "listeners"));
	add_upstreams(rows, json_object_get(answer, "connectors"));
	if (json_array_size(rows) > 0) {
		putchar('\n');
		put_table(rows, heads, fill_upstream);
	}
	json_decref(rows);
}
