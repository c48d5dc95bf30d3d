/* uplink.c: what a worker says to its master. */

#include "worker/uplink.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>

#include "base/fail.h"
#include "base/log.h"
#include "config/settings.h"
#include "ipc/answers.h"
#include "ipc/channel.h"
#include "ipc/msg.h"

static struct channel *channel; /* NULL: the master is gone */

int
uplink_open(struct event_base *base, struct answers *answers,
    const struct channel_ops *ops)
{
	channel = channel_new(base, CHANNEL_CHILD, CHILD_CHANNEL_FD, answers,
	    ops, NULL);
	return channel != NULL ? 0 : -1;
}

void
uplink_close(void)
{
	channel_free(channel);
	channel = NULL;
}

void
uplink_hear(void)
{
	if (channel != NULL)
		channel_pump(channel);
}

static void
say(uint32_t type, uint32_t generation)
{
	if (channel != NULL &&
	    channel_send(channel, type, generation, NULL, NULL, 0, -1) == -1)
		log_warn("cannot tell the master %s", msg_name(type));
}

void
uplink_problem(uint32_t generation, int level, const struct origin *origin,
    const char *text)
{
	uint32_t arg[4] = { level, origin != NULL ? origin->line : 0 };
	char payload[MSG_PAYLOAD_MAX];

	if (channel != NULL)
		channel_send(channel, MSG_PROBLEM, generation, arg, payload,
		    msg_problem(payload, arg[1] != 0 ? origin->file : NULL,
			text),
		    -1);
}

void
uplink_prepared(uint32_t generation, bool good)
{
	say(good ? MSG_PREPARED : MSG_REFUSED, generation);
}

void
uplink_committed(uint32_t generation)
{
	say(MSG_COMMITTED, generation);
}

void
uplink_done(uint32_t generation)
{
	say(MSG_DONE, generation);
}

int
uplink_ask_reload(void)
{
	if (channel == NULL)
		return fail(ENOTCONN);
	return channel_send(channel, MSG_RELOAD, 0, NULL, NULL, 0, -1);
}

int
uplink_ask_stop_listener(const char *name, const char *plugin,
    bool close_active)
{
	const uint32_t arg[4] = { close_active };
	char payload[MSG_PAYLOAD_MAX];
	int n;

	if (channel == NULL)
		return fail(ENOTCONN);
	n = snprintf(payload, sizeof(payload), "%s%c%s", name, '\0', plugin);
	if (n < 0 || (size_t)n >= sizeof(payload))
		return fail(EMSGSIZE);
	return channel_send(channel, MSG_STOP_LISTENER, 0, arg, payload,
	    (size_t)n + 1, -1);
}
