/*
 * bygones.c: we know their pids and their channels, and tell them when to go.
 * What they answer is read by nobody.
 */

#include "master/bygones.h"

#include <errno.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "ipc/msg.h"
#include "ipc/packet.h"
#include "master/child.h"
#include "master/event_in.h"
#include "master/handover.h"
#include "master/process.h"

/* After the time to drain: it closes by itself what is left, politely. */
#define GRACE_MS 1000
#define STOP_MS 3000 /* for one that was told to leave now */
#define RETRY_MS 100 /* it has not read what it was told before */

/* If a timer is this late, we were stopped, and the workers with us. */
#define LATE_MS 500
#define LOOK_MS 1000 /* whether one that has crashed still looks so */

/* These go over as numbers: a change needs another HANDOVER_FORMAT. */
enum phase { PHASE_SERVE, PHASE_DRAIN, PHASE_STOP, PHASE_KILL, PHASE_DYING };

static const char *const phase_names[] = {
	[PHASE_SERVE] = "serving",
	[PHASE_DRAIN] = "draining",
	[PHASE_STOP] = "leaving",
	[PHASE_KILL] = "leaving",
	[PHASE_DYING] = "dying",
};

struct bygone {
	LIST_ENTRY(bygone) entry;
	struct bygones *bygones;
	struct child *child;
	uint32_t number;
	pid_t pid;
	int channel;
	uint64_t connections; /* when it was handed over */
	enum phase phase;
	bool upgrade; /* it drains because of one, and not of a stop */
	bool told;    /* of the phase */
	uint64_t due_ms;
	struct event *timer;
};

struct bygones {
	struct event_base *base;
	struct children *children;
	void (*on_all_gone)(void *arg);
	void *arg;
	uint32_t count; /* without those that have crashed */
	LIST_HEAD(, bygone) list;
};

static bool
may_be_tried_again(void)
{
	return errno == EAGAIN || errno == EINTR || errno == ENOBUFS ||
	    errno == ENOMEM;
}

/* Tell it what the phase is, and wake when that is over, or to try again. */
static void
go_on(struct bygone *bygone)
{
	const struct msg msg = { .type = MSG_STOP,
		.fd = -1,
		.stop = { .now = bygone->phase == PHASE_STOP,
		    .upgrade = bygone->upgrade } };
	uint64_t now = clock_ms(), ms;

	if (bygone->phase == PHASE_KILL) {
		child_kill(bygone->child, "did not stop in time");
		return;
	}
	if (bygone->phase == PHASE_DYING) {
		if (!process_looks_dead(bygone->pid))
			child_kill(bygone->child,
			    "had crashed, but did not end");
		event_in(bygone->timer, LOOK_MS);
		return;
	}
	/* One that has closed the channel drains, and is about to end. */
	bygone->told = bygone->told ||
	    packet_send(bygone->channel, &msg) == 0 || !may_be_tried_again();
	ms = bygone->due_ms > now ? bygone->due_ms - now : 0;
	if (!bygone->told && ms > RETRY_MS)
		ms = RETRY_MS;
	event_in(bygone->timer, ms);
}

static void
enter(struct bygone *bygone, enum phase phase, uint64_t ms)
{
	bygone->phase = phase;
	bygone->told = false;
	bygone->due_ms = clock_ms() + ms;
	go_on(bygone);
}

static bool
is_here(const struct bygones *bygones, const struct bygone *wanted)
{
	const struct bygone *bygone;

	LIST_FOREACH(bygone, &bygones->list, entry)
		if (bygone == wanted)
			return true;
	return false;
}

static void
bygone_timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct bygone *bygone = arg;
	struct bygones *bygones = bygone->bygones;
	uint64_t now = clock_ms();

	(void)fd;
	(void)what;
	if (bygone->phase == PHASE_DYING || now < bygone->due_ms) {
		go_on(bygone);
		return;
	}
	/* The SIGCHLD of its end may be handled after this timer. */
	children_reap(bygones->children);
	if (!is_here(bygones, bygone))
		return;
	if (now > bygone->due_ms + LATE_MS) {
		bygone->due_ms = now + STOP_MS;
		go_on(bygone);
	} else if (bygone->phase == PHASE_DRAIN) {
		enter(bygone, PHASE_STOP, STOP_MS);
	} else {
		enter(bygone, PHASE_KILL, 0);
	}
}

static void
bygone_free(struct bygone *bygone)
{
	LIST_REMOVE(bygone, entry);
	if (bygone->phase != PHASE_DYING)
		bygone->bygones->count--;
	if (bygone->timer != NULL)
		event_free(bygone->timer);
	if (bygone->channel != -1)
		close(bygone->channel);
	child_free(bygone->child);
	free(bygone);
}

static void
on_gone(void *arg, const char *how, bool clean)
{
	struct bygone *bygone = arg;
	struct bygones *bygones = bygone->bygones;
	bool crashed = bygone->phase == PHASE_DYING;

	if (crashed)
		log_info("worker %u: process %d of the program before this "
			 "one, which had crashed, is gone: it %s",
		    bygone->number + 1, (int)bygone->pid, how);
	else if (clean)
		log_info("worker %u (pid %d) of the program before this one "
			 "has left",
		    bygone->number + 1, (int)bygone->pid);
	else
		log_errorx("worker %u (pid %d) of the program before this one "
			   "%s; its connections are lost",
		    bygone->number + 1, (int)bygone->pid, how);
	bygone->child = NULL;
	bygone_free(bygone);
	if (bygones->count == 0 && !crashed)
		bygones->on_all_gone(bygones->arg);
}

static const struct child_ops child_ops = {
	.on_gone = on_gone,
};

struct bygones *
bygones_new(struct event_base *base, struct children *children,
    void (*on_all_gone)(void *arg), void *arg)
{
	struct bygones *bygones = calloc(1, sizeof(*bygones));

	if (bygones == NULL)
		return NULL;
	LIST_INIT(&bygones->list);
	bygones->base = base;
	bygones->children = children;
	bygones->on_all_gone = on_all_gone;
	bygones->arg = arg;
	return bygones;
}

void
bygones_free(struct bygones *bygones)
{
	struct bygone *bygone;

	if (bygones == NULL)
		return;
	while ((bygone = LIST_FIRST(&bygones->list)) != NULL)
		bygone_free(bygone);
	free(bygones);
}

static void
pack(struct handover *handover, const struct bygone *bygone)
{
	pack_u32(&handover->packer, true);
	pack_u32(&handover->packer, bygone->number);
	pack_u32(&handover->packer, (uint32_t)bygone->pid);
	handover_fd(handover, bygone->channel);
	pack_u64(&handover->packer, bygone->connections);
	pack_u32(&handover->packer, bygone->phase);
	pack_u32(&handover->packer, bygone->upgrade);
	pack_u32(&handover->packer, bygone->told);
	pack_u64(&handover->packer, bygone->due_ms);
}

void
bygone_hand_over(struct handover *handover, uint32_t number, pid_t pid,
    int channel, uint64_t connections)
{
	pack(handover,
	    &(struct bygone){ .number = number,
		.pid = pid,
		.channel = channel,
		.connections = connections,
		.phase = PHASE_SERVE });
}

void
bygone_hand_over_dying(struct handover *handover, uint32_t number, pid_t pid)
{
	pack(handover,
	    &(struct bygone){ .number = number,
		.pid = pid,
		.channel = -1,
		.phase = PHASE_DYING });
}

void
bygones_hand_over(const struct bygones *bygones, struct handover *handover)
{
	const struct bygone *bygone;

	LIST_FOREACH(bygone, &bygones->list, entry)
		pack(handover, bygone);
}

void
bygones_hand_over_end(struct handover *handover)
{
	pack_u32(&handover->packer, false);
}

static int
take_one(struct bygones *bygones, struct taken *taken)
{
	struct bygone *bygone = calloc(1, sizeof(*bygone));

	if (bygone == NULL)
		return -1;
	LIST_INSERT_HEAD(&bygones->list, bygone, entry);
	bygone->bygones = bygones;
	bygone->number = unpack_u32(&taken->unpacker);
	bygone->pid = (pid_t)unpack_u32(&taken->unpacker);
	bygone->channel = taken_fd(taken);
	bygone->connections = unpack_u64(&taken->unpacker);
	bygone->phase = unpack_u32(&taken->unpacker);
	bygone->upgrade = unpack_bool(&taken->unpacker);
	bygone->told = unpack_bool(&taken->unpacker);
	bygone->due_ms = unpack_u64(&taken->unpacker);
	if (bygone->phase > PHASE_DYING)
		taken->unpacker.failed = true;
	if (bygone->phase != PHASE_DYING)
		bygones->count++;
	bygone->timer =
	    event_new(bygones->base, -1, 0, bygone_timer_cb, bygone);
	bygone->child =
	    child_adopt(bygones->children, bygone->pid, &child_ops, bygone);
	if (bygone->timer == NULL || bygone->child == NULL ||
	    taken->unpacker.failed)
		return -1;
	if (bygone->phase != PHASE_SERVE)
		go_on(bygone);
	return 0;
}

int
bygones_take(struct bygones *bygones, struct taken *taken)
{
	while (unpack_bool(&taken->unpacker))
		if (take_one(bygones, taken) == -1)
			return -1;
	return 0;
}

uint32_t
bygones_count(const struct bygones *bygones)
{
	return bygones->count;
}

static struct bygone_facts
facts_of(const struct bygone *bygone)
{
	/* It closes its connections before we tell it to leave. */
	uint64_t end_ms = clock_ms() + GRACE_MS;

	return (struct bygone_facts){
		.worker = bygone->number,
		.pid = bygone->pid,
		.state = phase_names[bygone->phase],
		.connections = bygone->connections,
		.ends = bygone->phase == PHASE_DRAIN,
		.left_ms =
		    bygone->due_ms > end_ms ? bygone->due_ms - end_ms : 0,
	};
}

void
bygones_each(const struct bygones *bygones,
    void (*each)(void *arg, const struct bygone_facts *facts), void *arg)
{
	const struct bygone *bygone;
	struct bygone_facts facts;

	LIST_FOREACH(bygone, &bygones->list, entry) {
		facts = facts_of(bygone);
		each(arg, &facts);
	}
}

void
bygones_drain(struct bygones *bygones, uint64_t most_ms, bool upgrade)
{
	uint64_t ms = most_ms > 0 ? most_ms + GRACE_MS : 0;
	uint64_t due_ms = clock_ms() + ms;
	struct bygone *bygone;

	LIST_FOREACH(bygone, &bygones->list, entry) {
		if (bygone->phase == PHASE_SERVE ||
		    (bygone->phase == PHASE_DRAIN && due_ms < bygone->due_ms)) {
			bygone->upgrade = upgrade;
			enter(bygone, PHASE_DRAIN, ms);
		}
	}
}
