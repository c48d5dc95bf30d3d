/* top_page.c: the tables of `top`, each with as many rows as there is room. */

#include "ctl/top_page.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/time_text.h"
#include "ctl/table.h"
#include "ctl/top_rates.h"
#include "ipc/control_client.h"

#define COLUMNS 10
#define CELL 96
#define ROWS_MIN 3    /* of a table, if it has as many */
#define ROWS_MAX 4096 /* that are sorted; sluiced has not so many */

/* One row of a table, and by what it is sorted. */
struct row {
	double weight;
	char cell[COLUMNS][CELL];
};

struct table {
	const char *const *heads; /* ">" in front: to the right */
	struct row *row;
	unsigned int count, room;
};

void
top_sample_done(struct top_sample *sample)
{
	json_decref(sample->status);
	json_decref(sample->conns);
	json_decref(sample->cpu);
	memset(sample, 0, sizeof(*sample));
}

static struct top_line *
next_line(struct top_page *page, const struct top_view *view)
{
	struct top_line *line;

	if (page->count >= view->rows)
		return NULL;
	line = &page->line[page->count++];
	line->head = false;
	line->text[0] = '\0';
	return line;
}

static void __attribute__((format(printf, 3, 4))) add_line(
    struct top_page *page, const struct top_view *view, const char *fmt, ...)
{
	struct top_line *line = next_line(page, view);
	char text[sizeof(line->text)];
	va_list ap;

	if (line == NULL)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	escape_text(text, line->text, sizeof(line->text));
}

/* At most 6 columns: "12345", "12.3K", "1.20M". */
static void
put_number(char *cell, double number)
{
	static const char units[] = "KMGTPE";
	const char *unit = units;

	if (number < 0) {
		snprintf(cell, CELL, "-");
	} else if (number < 99999.5) {
		snprintf(cell, CELL, "%.0f", number);
	} else {
		for (number /= 1024; number >= 999.5 && unit[1] != '\0'; unit++)
			number /= 1024;
		snprintf(cell, CELL, "%.*f%c",
		    number < 9.995	 ? 2
			: number < 99.95 ? 1
					 : 0,
		    number, *unit);
	}
}

/* With a digit behind the point: per cent, or milliseconds. */
static void
put_fraction(char *cell, double number)
{
	if (number < 0)
		snprintf(cell, CELL, "-");
	else
		snprintf(cell, CELL, "%.1f", number);
}

static void
put_name(char *cell, const char *text)
{
	escape_text(text, cell, CELL);
}

static unsigned int
column_count(const char *const *heads)
{
	unsigned int count = 0;

	while (heads[count] != NULL)
		count++;
	return count;
}

static void
measure(const struct table *table, unsigned int shown, size_t width[COLUMNS])
{
	unsigned int columns = column_count(table->heads);
	size_t wide;

	for (unsigned int i = 0; i < columns; i++) {
		width[i] =
		    strlen(table->heads[i]) - (table->heads[i][0] == '>');
		for (unsigned int n = 0; n < shown; n++) {
			wide = text_width(table->row[n].cell[i]);
			if (wide > width[i])
				width[i] = wide;
		}
	}
}

static void
put_cells(struct top_line *line, const struct table *table,
    const size_t width[COLUMNS], const struct row *row)
{
	size_t used = 0, room = sizeof(line->text);
	const char *head, *text;
	int pad;

	for (unsigned int i = 0; table->heads[i] != NULL && used < room; i++) {
		head = table->heads[i];
		text = row != NULL ? row->cell[i] : head + (*head == '>');
		pad = (int)(width[i] - text_width(text));
		used += (size_t)snprintf(line->text + used, room - used,
		    "%s%*s%s%*s", i > 0 ? "  " : "", *head == '>' ? pad : 0, "",
		    text, *head == '>' ? 0 : pad, "");
	}
	line->head = row == NULL;
}

/* A head and up to `most` rows; the last one says how many more there are. */
static void
add_table(struct top_page *page, const struct top_view *view,
    const struct table *table, unsigned int most)
{
	unsigned int shown = table->count;
	size_t width[COLUMNS];
	struct top_line *line;

	if (most < 2)
		return;
	if (shown > most - 1)
		shown = most - 2;
	measure(table, shown, width);
	line = next_line(page, view);
	if (line != NULL)
		put_cells(line, table, width, NULL);
	for (unsigned int i = 0; i < shown; i++)
		if ((line = next_line(page, view)) != NULL)
			put_cells(line, table, width, &table->row[i]);
	if (shown < table->count)
		add_line(page, view, "and %u more", table->count - shown);
}

static int
by_weight(const void *a, const void *b)
{
	const struct row *one = a, *other = b;

	return (other->weight > one->weight) - (other->weight < one->weight);
}

/* There is room for one more. */
static struct row *
add_row(struct table *table)
{
	return &table->row[table->count++];
}

/* How many of a list get a row. */
static size_t
rows_of(const struct table *table, const json_t *array)
{
	size_t left = table->room - table->count;

	return json_array_size(array) < left ? json_array_size(array) : left;
}

static void
add_endpoint(struct table *table, const struct top_view *view,
    const struct top_sample *before, const struct top_sample *now,
    const char *list, size_t at)
{
	const json_t *one =
	    json_array_get(json_object_get(now->status, list), at);
	const json_t *then = top_find(before->status, list, "name",
	    json_object_get(one, "name"), at);
	struct row *row = add_row(table);
	double in = top_rate(before, now, then, one, "bytes_in");
	double out = top_rate(before, now, then, one, "bytes_out");
	double errors = top_rate(before, now, then, one, "refused");
	const char *begun =
	    strcmp(list, "connectors") == 0 ? "outgoing" : "accepted";

	if (errors >= 0)
		errors += top_rate(before, now, then, one, "failed");
	put_name(row->cell[0], answer_text(one, "name"));
	put_number(row->cell[1], top_open_of(one));
	put_number(row->cell[2], top_rate(before, now, then, one, begun));
	put_number(row->cell[3], in);
	put_number(row->cell[4], out);
	put_number(row->cell[5], errors);
	put_number(row->cell[6],
	    top_rate(before, now, then, one, "slow_callbacks"));
	put_name(row->cell[7], answer_text(one, "plugin"));
	if (view->order == TOP_CONFIGURED)
		row->weight = -(double)table->count;
	else if (view->order == TOP_TRAFFIC)
		row->weight = in + out;
	else
		row->weight =
		    view->order == TOP_OPEN ? top_open_of(one) : errors;
}

static void
fill_endpoints(struct table *table, const struct top_view *view,
    const struct top_sample *before, const struct top_sample *now)
{
	static const char *const lists[] = { "listeners", "connectors" };
	size_t count;

	for (unsigned int k = 0; k < 2; k++) {
		count = rows_of(table, json_object_get(now->status, lists[k]));
		for (size_t i = 0; i < count; i++)
			add_endpoint(table, view, before, now, lists[k], i);
	}
}

static void
add_worker(struct table *table, const struct top_sample *before,
    const struct top_sample *now, size_t at)
{
	const json_t *one =
	    json_array_get(json_object_get(now->status, "workers"), at);
	/* By the process: another one counts anew. */
	const json_t *then = top_find(before->status, "workers", "pid",
	    json_object_get(one, "pid"), at);
	struct row *row = add_row(table);

	put_number(row->cell[0], (double)answer_number(one, "worker"));
	snprintf(row->cell[1], CELL, "%lld", answer_number(one, "pid"));
	put_name(row->cell[2], answer_text(one, "state"));
	put_number(row->cell[3], (double)answer_number(one, "connections"));
	put_fraction(row->cell[4],
	    top_cpu_of(before, now, answer_number(one, "pid")));
	put_fraction(row->cell[5], top_busy_of(before, now, then, one));
	put_fraction(row->cell[6],
	    (double)answer_number(one, "loop_lag_us") / 1000);
	put_number(row->cell[7], (double)answer_number(one, "memory"));
	put_number(row->cell[8],
	    top_rate(before, now, then, one, "slow_callbacks"));
	put_name(row->cell[9], answer_text(one, "doing"));
	row->weight = -(double)table->count;
}

static void
fill_workers(struct table *table, const struct top_sample *before,
    const struct top_sample *now)
{
	size_t count = rows_of(table, json_object_get(now->status, "workers"));

	for (size_t i = 0; i < count; i++)
		add_worker(table, before, now, i);
}

static void
add_conn(struct table *table, const json_t *one)
{
	struct row *row = add_row(table);
	char age[TIME_TEXT_MAX];
	long long ms = answer_number(one, "age_ms");

	snprintf(row->cell[0], CELL, "%lld", answer_number(one, "id"));
	put_name(row->cell[1], answer_text(one, "listener"));
	put_name(row->cell[2], answer_text(one, "peer"));
	put_name(row->cell[3], answer_text(one, "state"));
	put_name(row->cell[4],
	    duration_text(ms >= 1000 ? (uint64_t)(ms - ms % 1000) : 0, age));
	put_number(row->cell[5], (double)answer_number(one, "in_rate"));
	put_number(row->cell[6], (double)answer_number(one, "out_rate"));
	put_number(row->cell[7], (double)answer_number(one, "queued"));
	put_number(row->cell[8], (double)answer_number(one, "worker"));
	row->weight = -(double)table->count; /* they came in order */
}

static void
fill_conns(struct table *table, const struct top_sample *now)
{
	const json_t *array = json_object_get(now->conns, "conns");
	size_t count = rows_of(table, array);

	for (size_t i = 0; i < count; i++)
		add_conn(table, json_array_get(array, i));
}

static int
make_table(struct table *table, const char *const *heads, size_t rows)
{
	table->heads = heads;
	table->count = 0;
	table->room = rows < ROWS_MAX ? (unsigned int)rows : ROWS_MAX;
	table->row = calloc(table->room + 1, sizeof(*table->row));
	return table->row != NULL ? 0 : -1;
}

static void
add_sorted(struct top_page *page, const struct top_view *view,
    struct table *table, unsigned int most)
{
	qsort(table->row, table->count, sizeof(*table->row), by_weight);
	add_table(page, view, table, most);
}

static size_t
size_of(const json_t *answer, const char *name)
{
	return json_array_size(json_object_get(answer, name));
}

/* "sluiced 0.1.0, process 17, up 12 s; generation 4; reload: idle; ..." */
static void
add_title(struct top_page *page, const struct top_view *view,
    const struct top_sample *now)
{
	char up[TIME_TEXT_MAX];

	add_line(page, view,
	    "sluiced %s, process %lld, up %s; generation %lld; reload: %s; "
	    "crashes: %lld",
	    answer_text(now->status, "version"),
	    answer_number(now->status, "pid"),
	    duration_text(
		(uint64_t)answer_number(now->status, "uptime_s") * 1000, up),
	    answer_number(now->status, "generation"),
	    answer_text(now->status, "reload"),
	    answer_number(now->status, "crashes"));
	add_line(page, view, "%s", view->note);
}

/* How many lines a part gets, with its head. */
static unsigned int
share(const struct top_view *view, enum top_part part, size_t rows,
    unsigned int left)
{
	unsigned int most = left;

	if (view->part != TOP_ALL)
		return view->part == part ? left : 0;
	if (part == TOP_LISTENERS)
		most = left / 3;
	else if (part == TOP_WORKERS)
		most = left * 2 / 5;
	if (most < ROWS_MIN + 1)
		most = ROWS_MIN + 1;
	if (rows + 1 < most)
		most = (unsigned int)rows + 1;
	return most < left ? most : left;
}

static unsigned int
left_on(const struct top_page *page, const struct top_view *view)
{
	return view->rows - page->count;
}

int
top_page_make(struct top_page *page, const struct top_view *view,
    const struct top_sample *before, const struct top_sample *now)
{
	static const char *const endpoint_heads[] = { "LISTENER", ">OPEN",
		">NEW/S", ">IN/S", ">OUT/S", ">ERRORS/S", ">SLOW/S", "PLUGIN",
		NULL };
	static const char *const worker_heads[] = { ">WORKER", ">PID", "STATE",
		">OPEN", ">CPU%", ">BUSY%", ">LAG MS", ">MEMORY", ">SLOW/S",
		"DOES", NULL };
	static const char *const conn_heads[] = { ">CONNECTION", "LISTENER",
		"PEER", "STATE", ">AGE", ">IN/S", ">OUT/S", ">QUEUED",
		">WORKER", NULL };
	size_t endpoints = size_of(now->status, "listeners") +
	    size_of(now->status, "connectors");
	size_t workers = size_of(now->status, "workers");
	size_t conns = size_of(now->conns, "conns");
	struct table table[3] = { { 0 } };
	int rc = -1;

	page->count = 0;
	page->line = calloc(view->rows + 1, sizeof(*page->line));
	if (page->line == NULL ||
	    make_table(&table[0], endpoint_heads, endpoints) == -1 ||
	    make_table(&table[1], worker_heads, workers) == -1 ||
	    make_table(&table[2], conn_heads, conns) == -1)
		goto out;
	add_title(page, view, now);
	fill_endpoints(&table[0], view, before, now);
	fill_workers(&table[1], before, now);
	fill_conns(&table[2], now);
	add_sorted(page, view, &table[0],
	    share(view, TOP_LISTENERS, endpoints, left_on(page, view)));
	add_sorted(page, view, &table[1],
	    share(view, TOP_WORKERS, workers, left_on(page, view)));
	add_sorted(page, view, &table[2],
	    share(view, TOP_CONNS, conns, left_on(page, view)));
	rc = 0;
out:
	for (unsigned int i = 0; i < 3; i++)
		free(table[i].row);
	if (rc == -1)
		top_page_done(page);
	return rc;
}

void
top_page_done(struct top_page *page)
{
	free(page->line);
	page->line = NULL;
	page->count = 0;
}
