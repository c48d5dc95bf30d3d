/* conn_rates.c: two answers to `conns`, by the ids of the connections. */

#include "ctl/conn_rates.h"

#include <stdio.h>
#include <stdlib.h>

#include "ipc/control_client.h"

#define ID_TEXT_MAX 24

static const char *
id_text(const json_t *row, char text[ID_TEXT_MAX])
{
	snprintf(text, ID_TEXT_MAX, "%lld", answer_number(row, "id"));
	return text;
}

/* Bytes a second; a number that has fallen, which no sluiced says, is 0. */
static json_t *
rate(const json_t *before, const json_t *after, const char *name, uint64_t ms)
{
	double more = (double)answer_number(after, name) -
	    (double)answer_number(before, name);

	return json_integer(
	    more > 0 ? (json_int_t)(more * 1000 / (double)ms) : 0);
}

void
conn_rates_between(const json_t *before, json_t *after, uint64_t ms)
{
	const json_t *rows = json_object_get(before, "conns"), *then;
	json_t *by_id = json_object(), *row;
	char id[ID_TEXT_MAX];
	size_t i;

	json_array_foreach(rows, i, row)
	    json_object_set(by_id, id_text(row, id), row);
	json_array_foreach(json_object_get(after, "conns"), i, row)
	{
		then = json_object_get(by_id, id_text(row, id));
		if (then == NULL)
			continue;
		json_object_set_new(row, "in_rate",
		    rate(then, row, "in", ms > 0 ? ms : 1));
		json_object_set_new(row, "out_rate",
		    rate(then, row, "out", ms > 0 ? ms : 1));
	}
	json_decref(by_id);
}

static double
both(const json_t *row)
{
	return (double)answer_number(row, "in_rate") +
	    (double)answer_number(row, "out_rate");
}

static int
by_rate(const void *a, const void *b)
{
	json_t *const *one = a, *const *other = b;
	double more = both(*other) - both(*one);

	return (more > 0) - (more < 0);
}

int
conn_rates_sort(json_t *answer, size_t most)
{
	json_t *rows = json_object_get(answer, "conns"), *sorted, *row;
	size_t i, count = json_array_size(rows);
	json_t **list = calloc(count + 1, sizeof(*list));

	if (list == NULL)
		return -1;
	json_array_foreach(rows, i, row) list[i] = row;
	qsort(list, count, sizeof(*list), by_rate);
	sorted = json_array();
	for (i = 0; i < count && i < most; i++)
		json_array_append(sorted, list[i]);
	free(list);
	return json_object_set_new(answer, "conns", sorted);
}
