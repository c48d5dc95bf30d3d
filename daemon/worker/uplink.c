/* uplink.c: what a worker says to its master. */

#include "worker/uplink.h"

#include <errno.h>
#include <stddef.h>

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
say(enum msg_type type, uint32_t generation)
{
	const struct msg msg = { .type = type, .generation = generation };

	if (channel != NULL && channel_send(channel, &msg) == -1)
		log_warn("cannot tell the master %s", msg_name(type));
}

void
uplink_problem(uint32_t generation, int level, const struct origin *origin,
    const char *text)
{
	const struct msg msg = {
		.type = MSG_PROBLEM,
		.generation = generation,
		.problem.level = (uint32_t)level,
		.problem.line = origin != NULL ? origin->line : 0,
		.problem.file =
		    origin != NULL && origin->line != 0 ? origin->file : "",
		.problem.text = text,
	};

	if (channel != NULL)
		channel_send(channel, &msg);
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

void
uplink_no_tickets(void)
{
	say(MSG_NO_TICKETS, 0);
}

void
uplink_listed(uint32_t serial)
{
	const struct msg msg = { .type = MSG_LISTED, .listed.serial = serial };

	if (channel != NULL)
		channel_send(channel, &msg);
}

void
uplink_slow(unsigned int callback, uint64_t ms, const char *listener,
    const char *plugin, const char *text)
{
	const struct msg msg = {
		.type = MSG_SLOW,
		.slow.callback = callback,
		.slow.ms = ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX,
		.slow.listener = listener,
		.slow.plugin = plugin,
		.slow.text = text,
	};

	if (channel != NULL)
		channel_send(channel, &msg);
}

static int
ask(const struct msg *msg)
{
	return channel != NULL ? channel_send(channel, msg) : fail(ENOTCONN);
}

int
uplink_ask_reload(void)
{
	return ask(&(struct msg){ .type = MSG_RELOAD });
}

int
uplink_ask_stop_listener(const char *name, const char *plugin,
    bool close_active)
{
	return ask(&(struct msg){
	    .type = MSG_STOP_LISTENER,
	    .stop_listener.close_active = close_active,
	    .stop_listener.name = name,
	    .stop_listener.plugin = plugin,
	});
}
