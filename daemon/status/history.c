/* history.c: points in rings, one ring for each name. */

#include "status/history.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/control_client.h"

#define NAME_BYTES 65 /* longer names do not exist */

struct row {
	char name[NAME_BYTES];
	bool seen;  /* in this answer */
	bool known; /* in the one before */
	struct history history;
};

static struct row **rows; /* in the order of the names */
static size_t row_count, row_room;
static uint64_t last_ms;

/* The place of the name, or where it belongs. */
static size_t
place_of(const char *name)
{
	size_t low = 0, high = row_count, middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (strcmp(rows[middle]->name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool
is_at(size_t place, const char *name)
{
	return place < row_count && strcmp(rows[place]->name, name) == 0;
}

/* NULL: no memory. */
static struct row *
row_of(const char *name)
{
	size_t place = place_of(name), room;
	struct row *row, **more;

	if (is_at(place, name))
		return rows[place];
	if (row_count == row_room) {
		room = row_room == 0 ? 16 : 2 * row_room;
		more = reallocarray(rows, room, sizeof(struct row *));
		if (more == NULL)
			return NULL;
		rows = more;
		row_room = room;
	}
	row = calloc(1, sizeof(*row));
	if (row == NULL)
		return NULL;
	strncpy(row->name, name, sizeof(row->name) - 1);
	memmove(rows + place + 1, rows + place,
	    (row_count - place) * sizeof(struct row *));
	row_count++;
	return rows[place] = row;
}

/* A slot that went to another listener of that name may begin at 0 again. */
static float
rate(uint64_t now, uint64_t before, double seconds)
{
	return now < before ? 0 : (float)((double)(now - before) / seconds);
}

static void
note(const json_t *one, double seconds)
{
	const json_t *counts = json_object_get(one, "counts");
	struct row *row = row_of(answer_text(one, "name"));
	struct history *history;
	uint64_t accepted, in, out;

	if (row == NULL)
		return;
	accepted = (uint64_t)answer_number(counts, "accepted") +
	    (uint64_t)answer_number(counts, "outgoing");
	in = (uint64_t)answer_number(counts, "bytes_in");
	out = (uint64_t)answer_number(counts, "bytes_out");
	history = &row->history;
	row->seen = true;
	if (row->known) {
		history->point[history->next] = (struct history_point){
			.accepted = rate(accepted, history->accepted, seconds),
			.in = rate(in, history->in, seconds),
			.out = rate(out, history->out, seconds),
		};
		history->next = (history->next + 1) % HISTORY_POINTS;
		if (history->count < HISTORY_POINTS)
			history->count++;
	}
	row->known = true; /* from here on there is a rate */
	history->accepted = accepted;
	history->in = in;
	history->out = out;
}

static void
forget_unseen(void)
{
	size_t kept = 0;

	for (size_t i = 0; i < row_count; i++) {
		if (rows[i]->seen)
			rows[kept++] = rows[i];
		else
			free(rows[i]);
	}
	row_count = kept;
}

void
history_note(const json_t *status, uint64_t now_ms)
{
	static const char *const groups[] = { "listeners", "connectors" };
	double seconds = (double)(now_ms - last_ms) / 1000;
	const json_t *list;

	for (size_t i = 0; i < row_count; i++)
		rows[i]->seen = false;
	for (unsigned int k = 0; k < 2; k++) {
		list = json_object_get(status, groups[k]);
		for (size_t i = 0; i < json_array_size(list); i++)
			note(json_array_get(list, i), seconds);
	}
	forget_unseen();
	last_ms = now_ms;
}

const struct history *
history_of(const char *name)
{
	size_t place = place_of(name);

	return is_at(place, name) ? &rows[place]->history : NULL;
}

const struct history_point *
history_at(const struct history *history, unsigned int number)
{
	return &history->point[(history->next + HISTORY_POINTS -
				   history->count + number) %
	    HISTORY_POINTS];
}

void
history_forget(void)
{
	for (size_t i = 0; i < row_count; i++)
		free(rows[i]);
	free(rows);
	rows = NULL;
	row_count = row_room = 0;
}
