/*
 * status.c: connections, counted by listener and by the code that serves them.
 */

#include "worker/status.h"

#include <stdbool.h>

#include "base/log.h"
#include "ipc/channel.h"
#include "ipc/msg.h"
#include "worker/generation.h"
#include "worker/listener.h"
#include "worker/service.h"

_Static_assert(STATUS_ROWS_MAX * sizeof(struct status_row) <= MSG_PAYLOAD_MAX,
    "it fits");

struct answer {
	struct channel *channel;
	uint32_t serial;
	unsigned int sent, count; /* rows, in messages before and in this one */
	struct status_row rows[STATUS_ROWS_MAX];
};

static void
flush(struct answer *answer, bool more)
{
	const uint32_t arg[4] = { answer->serial, more };

	if (channel_send(answer->channel, MSG_STATUS_REPLY, 0, arg,
		answer->rows, answer->count * sizeof(answer->rows[0]),
		-1) == -1)
		log_warn("cannot tell the master %s",
		    msg_name(MSG_STATUS_REPLY));
	answer->sent += answer->count;
	answer->count = 0;
}

/* A version of the listener. */
static void
add(struct answer *answer, const struct listener *listener,
    const struct sl_service *service)
{
	bool current = service == listener->current && !listener->gone;

	/* The current one also when nobody is connected to it. */
	if ((service->conn_count == 0 && !current) ||
	    answer->sent + answer->count >= STATUS_ROWS_ALL)
		return;
	if (answer->count == STATUS_ROWS_MAX)
		flush(answer, true);
	answer->rows[answer->count++] = (struct status_row){
		.slot = listener->slot,
		.generation = service->generation,
		.connections = service->conn_count,
		.current = current,
	};
}

void
status_send(struct channel *channel, uint32_t serial)
{
	struct answer answer = { .channel = channel, .serial = serial };
	const struct listener *listener;
	const struct sl_service *service;

	LIST_FOREACH(listener, &listeners, link)
		LIST_FOREACH(service, &listener->versions, link)
			add(&answer, listener, service);
	flush(&answer, false);
}
