/*
 * census.c: one question at a time is under way; who asks meanwhile hears the
 * answers to the next one.  A worker that still owes an answer is not asked
 * before it has given that, so questions never pile up in front of one that
 * hangs.
 */

#include "master/census.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "config/settings.h"
#include "ipc/shm.h"
#include "master/child.h"
#include "master/event_in.h"
#include "master/worker_row.h"
#include "master/workers.h"

TAILQ_HEAD(askers, census_asker);

struct census {
	struct workers *workers;
	struct event *timer; /* the end of the question */
	bool running;	     /* one is under way */
	struct askers now, next;
	uint32_t serial;
	uint32_t missing; /* answers */
	uint32_t count;
	struct census_worker worker[];
};

static void begin(struct census *census);

static void
forget_rows(struct census_worker *worker)
{
	free(worker->rows);
	memset(worker, 0, sizeof(*worker));
}

/* Tell everybody who waits for this one, then begin the next. */
static void
finish(struct census *census)
{
	struct census_asker *asker;

	while ((asker = TAILQ_FIRST(&census->now)) != NULL) {
		TAILQ_REMOVE(&census->now, asker, link);
		asker->on_census(asker->arg, census->worker, census->count);
	}
	for (uint32_t i = 0; i < census->count; i++)
		forget_rows(&census->worker[i]);
	census->running = false;
	if (!TAILQ_EMPTY(&census->next))
		begin(census);
}

static void
census_finish_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	finish(arg);
}

/* Through the loop, since a worker may be deep in the stack. */
static void
answer_came(struct census *census)
{
	if (--census->missing == 0)
		event_in(census->timer, 0);
}

/* One that cannot be asked will not answer in time. */
static void
ask_worker(const struct census *census, struct worker_row *row)
{
	const uint32_t arg[4] = { census->serial, 0, 0, 0 };

	if (worker_tell(row, MSG_STATUS, 0, arg, NULL, 0) == -1)
		return;
	row->status_owed = true;
	row->status_serial = census->serial;
	row->status_rows = 0;
}

static void
begin(struct census *census)
{
	struct worker_row *row;

	TAILQ_CONCAT(&census->now, &census->next, link);
	census->running = true;
	census->serial++;
	census->missing = 0;
	for (uint32_t i = 0; i < census->count; i++) {
		row = &census->workers->row[i];
		if (row->child == NULL)
			continue;
		census->worker[i].state = CENSUS_ASKED;
		census->missing++;
		if (!row->status_owed)
			ask_worker(census, row);
	}
	event_in(census->timer, census->missing > 0 ? CENSUS_MS : 0);
}

void
census_ask(struct census *census, struct census_asker *asker)
{
	TAILQ_INSERT_TAIL(&census->next, asker, link);
	if (!census->running)
		begin(census);
}

void
census_forget(struct census *census, struct census_asker *asker)
{
	struct census_asker *other;

	TAILQ_FOREACH(other, &census->now, link) {
		if (other != asker)
			continue;
		TAILQ_REMOVE(&census->now, asker, link);
		return;
	}
	TAILQ_FOREACH(other, &census->next, link) {
		if (other != asker)
			continue;
		TAILQ_REMOVE(&census->next, asker, link);
		return;
	}
}

/* Keep its rows; without memory it counts as one that did not answer. */
static bool
keep(struct census_worker *worker, const struct msg *msg, uint32_t count)
{
	struct status_row *rows;

	rows = reallocarray(worker->rows, (size_t)worker->count + count + 1,
	    sizeof(*rows));
	if (rows == NULL)
		return false;
	memcpy(rows + worker->count, msg->payload, count * sizeof(*rows));
	worker->rows = rows;
	worker->count += count;
	return true;
}

static bool
rows_valid(const struct msg *msg, uint32_t count)
{
	struct status_row row;

	for (uint32_t i = 0; i < count; i++) {
		memcpy(&row, msg->payload + i * sizeof(row), sizeof(row));
		if (row.slot >= LISTENERS_MAX || row.current > 1 ||
		    row.connections > UINT32_MAX)
			return false;
	}
	return true;
}

bool
census_on_reply(struct census *census, struct worker_row *row,
    const struct msg *msg)
{
	uint32_t count = msg->length / sizeof(struct status_row);
	struct census_worker *worker = &census->worker[row->index];
	bool last = msg->arg[1] == 0;

	if (!row->status_owed || msg->arg[0] != row->status_serial ||
	    msg->length % sizeof(struct status_row) != 0 || msg->arg[1] > 1 ||
	    (!last && count == 0) ||
	    row->status_rows + count > STATUS_ROWS_ALL ||
	    !rows_valid(msg, count))
		return false;
	row->status_rows += count;
	row->status_owed = !last;
	if (!census->running || worker->state != CENSUS_ASKED)
		return true;
	if (row->status_serial != census->serial) {
		/* Too late for the last question; the next one has waited. */
		if (last)
			ask_worker(census, row);
	} else if (keep(worker, msg, count) && last) {
		worker->state = CENSUS_ANSWERED;
		answer_came(census);
	}
	return true;
}

void
census_on_gone(struct census *census, struct worker_row *row)
{
	struct census_worker *worker = &census->worker[row->index];

	row->status_owed = false;
	if (!census->running || worker->state != CENSUS_ASKED)
		return;
	forget_rows(worker);
	answer_came(census);
}

struct census *
census_new(struct event_base *base, struct workers *workers)
{
	uint32_t count = workers_count(workers);
	struct census *census;

	census = calloc(1, sizeof(*census) + count * sizeof(census->worker[0]));
	if (census == NULL)
		return NULL;
	census->workers = workers;
	census->count = count;
	TAILQ_INIT(&census->now);
	TAILQ_INIT(&census->next);
	census->timer = event_new(base, -1, 0, census_finish_cb, census);
	if (census->timer == NULL) {
		free(census);
		return NULL;
	}
	return census;
}

void
census_free(struct census *census)
{
	if (census == NULL)
		return;
	for (uint32_t i = 0; i < census->count; i++)
		forget_rows(&census->worker[i]);
	event_free(census->timer);
	free(census);
}
