/* ask.c: questions that wait for the answers of workers. */

#include "master/ask.h"

#include <errno.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <unistd.h>

#include "ipc/conn_sheet.h"
#include "ipc/msg.h"
#include "master/event_in.h"
#include "master/worker_row.h"
#include "master/workers.h"

struct ask {
	LIST_ENTRY(ask) link; /* in workers->asks, while it is listed */
	bool listed;
	struct workers *workers;
	uint32_t serial;
	uint32_t waiting; /* workers that have not answered */
	struct event *timer;
	void (*on_done)(void *arg, struct ask *ask);
	void *arg;
	struct asked {
		int fd;	    /* the sheet; -1: there is none */
		bool waits; /* for its answer */
		bool done;  /* it has filled the sheet in */
	} of[];
};

/* No answer counts any more. */
static void
delist(struct ask *ask)
{
	if (ask->listed)
		LIST_REMOVE(ask, link);
	ask->listed = false;
}

static void
ask_timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct ask *ask = arg;

	(void)fd;
	(void)what;
	delist(ask);
	ask->on_done(ask->arg, ask);
}

/* Call on_done soon: not under ask_workers(), nor amid what workers say. */
static void
finish_soon(struct ask *ask)
{
	if (ask->waiting == 0)
		event_in(ask->timer, 0);
}

static void
ask_one(struct ask *ask, struct worker_row *worker,
    const struct conn_query *query)
{
	struct msg msg = { .type = MSG_LIST, .list.serial = ask->serial };
	struct asked *asked = &ask->of[worker->index];

	if (worker->child == NULL || !worker->served)
		return;
	msg.fd = asked->fd = conn_sheet_new(query);
	if (msg.fd == -1 || worker_tell(worker, &msg) == -1)
		return;
	asked->waits = true;
	ask->waiting++;
}

static void
no_longer_waits(struct ask *ask, struct asked *asked)
{
	asked->waits = false;
	ask->waiting--;
	finish_soon(ask);
}

struct ask *
ask_workers(struct workers *workers, const struct conn_query *query,
    void (*on_done)(void *arg, struct ask *ask), void *arg)
{
	struct ask *ask =
	    calloc(1, sizeof(*ask) + workers->places * sizeof(ask->of[0]));

	if (ask == NULL)
		return NULL;
	ask->workers = workers;
	ask->serial = ++workers->last_ask;
	ask->on_done = on_done;
	ask->arg = arg;
	for (uint32_t i = 0; i < workers->places; i++)
		ask->of[i].fd = -1;
	ask->timer = event_new(event_get_base(workers->row[0].timer), -1, 0,
	    ask_timer_cb, ask);
	if (ask->timer == NULL || event_in(ask->timer, ASK_MS) == -1) {
		ask_free(ask);
		errno = ENOMEM;
		return NULL;
	}
	LIST_INSERT_HEAD(&workers->asks, ask, link);
	ask->listed = true;
	for (uint32_t i = 0; i < workers->places; i++)
		ask_one(ask, &workers->row[i], query);
	finish_soon(ask);
	return ask;
}

void
ask_free(struct ask *ask)
{
	if (ask == NULL)
		return;
	delist(ask);
	if (ask->timer != NULL)
		event_free(ask->timer);
	for (uint32_t i = 0; i < ask->workers->places; i++)
		if (ask->of[i].fd != -1)
			close(ask->of[i].fd);
	free(ask);
}

int
ask_sheet(const struct ask *ask, uint32_t place)
{
	return ask->of[place].done ? ask->of[place].fd : -1;
}

void
ask_answered(struct worker_row *worker, uint32_t serial)
{
	struct ask *ask;
	struct asked *asked;

	LIST_FOREACH(ask, &worker->workers->asks, link) {
		asked = &ask->of[worker->index];
		if (ask->serial != serial || !asked->waits)
			continue;
		asked->done = true;
		no_longer_waits(ask, asked);
	}
}

void
ask_gone(struct worker_row *worker)
{
	struct ask *ask;

	LIST_FOREACH(ask, &worker->workers->asks, link)
		if (ask->of[worker->index].waits)
			no_longer_waits(ask, &ask->of[worker->index]);
}
