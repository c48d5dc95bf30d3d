/* status.c: connections, counted by listener and by the code that serves them. */

#include "status.h"

#include <stdbool.h>
#include <string.h>

#include "channel.h"
#include "conn.h"
#include "generation.h"
#include "listener.h"
#include "log.h"
#include "msg.h"
#include "service.h"

_Static_assert(STATUS_ROWS_MAX * sizeof(struct status_row) <= MSG_PAYLOAD_MAX,
    "it fits");

struct answer {
	struct channel *channel;
	uint32_t serial;
	unsigned int sent;	   /* rows, in messages before */
	unsigned int count, first; /* rows; the first one of this listener */
	struct status_row rows[STATUS_ROWS_MAX];
};

static void
flush(struct answer *answer, bool more)
{
	const uint32_t arg[4] = { answer->serial, more };

	if (channel_send(answer->channel, MSG_STATUS_REPLY, 0, arg,
		answer->rows, answer->count * sizeof(answer->rows[0]), -1) == -1)
		log_warn("cannot tell the master %s", msg_name(MSG_STATUS_REPLY));
	answer->sent += answer->count;
	answer->count = 0;
	answer->first = 0;
}

/* The row of a version of the listener, from the newest: most are served by that.  NULL: enough was told. */
static struct status_row *
find_row(struct answer *answer, const struct listener *listener,
    const struct sl_service *service)
{
	bool current = service == listener->current && !listener->gone;
	struct status_row *row;
	unsigned int i;

	for (i = answer->count; i > answer->first; i--) {
		row = &answer->rows[i - 1];
		if (row->generation == service->generation &&
		    row->current == current)
			return row;
	}
	if (answer->sent + answer->count >= STATUS_ROWS_ALL)
		return NULL;
	if (answer->count == STATUS_ROWS_MAX)
		flush(answer, true);
	row = &answer->rows[answer->count++];
	memset(row, 0, sizeof(*row));
	row->slot = listener->slot;
	row->generation = service->generation;
	row->current = current;
	return row;
}

void
status_send(struct channel *channel, uint32_t serial)
{
	struct answer answer = { .channel = channel, .serial = serial };
	const struct listener *listener;
	const struct sl_conn *conn;
	struct status_row *row;

	LIST_FOREACH(listener, &listeners, link) {
		answer.first = answer.count;
		/* Also what nobody is connected to. */
		if (listener->current != NULL && !listener->gone)
			find_row(&answer, listener, listener->current);
		TAILQ_FOREACH(conn, &listener->conns, link) {
			row = find_row(&answer, listener, conn->service);
			if (row != NULL)
				row->connections++;
		}
	}
	flush(&answer, false);
}
