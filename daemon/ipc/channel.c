/*
 * channel.c: messages in both directions without ever blocking.  Owns the
 * socket, the answers, and duplicates of the descriptors that wait in its
 * queue.
 */

#include "ipc/channel.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fail.h"
#include "ipc/answers.h"
#include "ipc/msg.h"
#include "ipc/packet.h"

#define MESSAGES_PER_PASS 64 /* then other events have their turn */
#define RETRY_MS 10 /* no event tells when a shortage in the kernel ends */

struct waiting {
	STAILQ_ENTRY(waiting) entry;
	int fd;
	/* Only as long as the message is, so it comes last. */
	struct packet packet;
};

struct channel {
	enum channel_side side;
	int fd;
	struct answers *answers; /* NULL: both directions over fd */
	const struct channel_ops *ops;
	void *arg;
	struct event *readable; /* messages came */
	/* The end of the socket, when messages come as answers. */
	struct event *hangup;
	struct event *writable, *retry;
	STAILQ_HEAD(, waiting) queue;
	unsigned int queued;
	bool out_broken;    /* nobody will read what we send */
	bool closed;	    /* on_close was called */
	unsigned int depth; /* of our callbacks on the stack */
	bool freed;
};

static void
channel_destroy(struct channel *channel)
{
	struct waiting *waiting;

	while ((waiting = STAILQ_FIRST(&channel->queue)) != NULL) {
		STAILQ_REMOVE_HEAD(&channel->queue, entry);
		if (waiting->fd != -1)
			close(waiting->fd);
		free(waiting);
	}
	/*
	 * Events first: a descriptor that is still in epoll must not be closed.
	 */
	if (channel->readable != NULL)
		event_free(channel->readable);
	if (channel->hangup != NULL)
		event_free(channel->hangup);
	if (channel->writable != NULL)
		event_free(channel->writable);
	if (channel->retry != NULL)
		event_free(channel->retry);
	answers_free(channel->answers);
	close(channel->fd);
	free(channel);
}

/* Remove all events: there are no more callbacks. */
static void
channel_still(struct channel *channel)
{
	event_del(channel->readable);
	if (channel->hangup != NULL)
		event_del(channel->hangup);
	event_del(channel->writable);
	event_del(channel->retry);
}

static void
channel_leave(struct channel *channel)
{
	if (--channel->depth == 0 && channel->freed)
		channel_destroy(channel);
}

static void
channel_end(struct channel *channel, const struct error *err)
{
	if (channel->freed || channel->closed)
		return;
	channel->closed = true;
	channel_still(channel);
	channel->ops->on_close(channel->arg, err);
}

/* Returns true when there may be more to read. */
static bool
receive_one(struct channel *channel, struct packet *room)
{
	struct error err;
	struct msg msg;
	int got;

	if (channel->freed || channel->closed)
		return false;
	got = channel->side == CHANNEL_MASTER
	    ? answers_get(channel->answers, room, &msg, &err)
	    : packet_recv(channel->fd, room, &msg, &err);
	if (got == 1) {
		channel->ops->on_message(channel->arg, &msg);
		return true;
	}
	if (got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK))
		channel_end(channel, got == 0 ? NULL : &err);
	return false;
}

/* Returns true when there may be more to read. */
static bool
receive(struct channel *channel, unsigned int max)
{
	struct packet room;

	while (max-- > 0)
		if (!receive_one(channel, &room))
			return false;
	return !channel->freed && !channel->closed;
}

static void
channel_read_cb(evutil_socket_t fd, short what, void *arg)
{
	struct channel *channel = arg;

	(void)fd;
	(void)what;
	channel->depth++;
	/* The bell does not ring again for the messages that are left. */
	if (receive(channel, MESSAGES_PER_PASS) &&
	    channel->side == CHANNEL_MASTER)
		event_active(channel->readable, EV_READ, 0);
	channel_leave(channel);
}

/*
 * Something happened to the socket, whose reading half we have shut down.
 * poll(2) says whether its other half is shut down, too, which is the end.
 */
static void
channel_hangup_cb(evutil_socket_t fd, short what, void *arg)
{
	struct pollfd pfd = { .fd = fd };
	struct channel *channel = arg;

	(void)what;
	if (poll(&pfd, 1, 0) != 1)
		return;
	channel->depth++;
	/* Bounded: another process may have the memory, and go on sending. */
	receive(channel, CHANNEL_QUEUE_MAX);
	channel_end(channel, NULL);
	channel_leave(channel);
}

/*
 * Arrange to send the same message later.  Returns false when that is no use
 * after this errno.
 */
static bool
send_later(struct channel *channel, int error)
{
	static const struct timeval pause = { 0, RETRY_MS * 1000 };

	if (channel->side != CHANNEL_CHILD &&
	    (error == EAGAIN || error == EWOULDBLOCK))
		return event_add(channel->writable, NULL) == 0;
	if (error == EAGAIN || error == ENOBUFS || error == ENOMEM ||
	    error == ETOOMANYREFS)
		return event_add(channel->retry, &pause) == 0;
	return false;
}

static int
send_now(struct channel *channel, const struct packet *packet, int fd)
{
	if (channel->side == CHANNEL_CHILD)
		return answers_put(channel->answers, packet);
	return packet_put(channel->fd, packet, fd);
}

static void
channel_write_cb(evutil_socket_t fd, short what, void *arg)
{
	struct channel *channel = arg;
	struct waiting *waiting;

	(void)fd;
	(void)what;
	while ((waiting = STAILQ_FIRST(&channel->queue)) != NULL) {
		if (!channel->out_broken &&
		    send_now(channel, &waiting->packet, waiting->fd) == -1) {
			if (send_later(channel, errno))
				return;
			/*
			 * The reading half will notice the end, and report it.
			 */
			channel->out_broken = true;
		}
		STAILQ_REMOVE_HEAD(&channel->queue, entry);
		channel->queued--;
		if (waiting->fd != -1)
			close(waiting->fd);
		free(waiting);
	}
}

static int
prepare_socket(int fd, enum channel_side side)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags == -1 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) == -1)
		return -1;
	/*
	 * From now on the other end can send us nothing, and above all no
	 * descriptors.
	 */
	return side == CHANNEL_MASTER ? shutdown(fd, SHUT_RD) : 0;
}

/*
 * In libevent all events of a descriptor are edge-triggered or none is, so if
 * one waits for an edge, all do.
 */
static int
add_events(struct channel *channel, struct event_base *base)
{
	bool edge = channel->side == CHANNEL_MASTER;
	short each = edge ? EV_ET : 0;

	channel->readable =
	    event_new(base, edge ? answers_bell(channel->answers) : channel->fd,
		EV_READ | EV_PERSIST | each, channel_read_cb, channel);
	channel->writable = event_new(base, channel->fd, EV_WRITE | each,
	    channel_write_cb, channel);
	channel->retry = event_new(base, -1, 0, channel_write_cb, channel);
	if (channel->readable == NULL || channel->writable == NULL ||
	    channel->retry == NULL || event_add(channel->readable, NULL) == -1)
		return -1;
	if (!edge)
		return 0;
	channel->hangup = event_new(base, channel->fd,
	    EV_READ | EV_PERSIST | EV_ET, channel_hangup_cb, channel);
	if (channel->hangup == NULL)
		return -1;
	return event_add(channel->hangup, NULL);
}

struct channel *
channel_new(struct event_base *base, enum channel_side side, int fd,
    struct answers *answers, const struct channel_ops *ops, void *arg)
{
	struct channel *channel;
	int saved;

	channel = calloc(1, sizeof(*channel));
	if (channel == NULL) {
		answers_free(answers);
		close(fd);
		errno = ENOMEM;
		return NULL;
	}
	STAILQ_INIT(&channel->queue);
	channel->side = side;
	channel->fd = fd;
	channel->answers = answers;
	channel->ops = ops;
	channel->arg = arg;
	if (prepare_socket(fd, side) == 0) {
		errno = ENOMEM;
		if (add_events(channel, base) == 0)
			return channel;
	}
	saved = errno;
	channel_destroy(channel);
	errno = saved;
	return NULL;
}

void
channel_free(struct channel *channel)
{
	if (channel == NULL)
		return;
	channel->freed = true;
	channel_still(channel);
	if (channel->depth == 0)
		channel_destroy(channel);
}

int
channel_fd(const struct channel *channel)
{
	return channel->fd;
}

void
channel_pump(struct channel *channel)
{
	channel->depth++;
	/*
	 * Bounded: another process may hold the other end, and go on sending.
	 */
	receive(channel, CHANNEL_QUEUE_MAX);
	channel_leave(channel);
}

static int
enqueue(struct channel *channel, const struct packet *packet, int fd)
{
	struct waiting *waiting;

	if (channel->queued >= CHANNEL_QUEUE_MAX)
		return fail(ENOBUFS);
	waiting = malloc(offsetof(struct waiting, packet) + msg_size(packet));
	if (waiting == NULL)
		return fail(ENOMEM);
	waiting->fd = -1;
	if (fd != -1) {
		waiting->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (waiting->fd == -1) {
			free(waiting);
			return -1;
		}
	}
	memcpy(&waiting->packet, packet, msg_size(packet));
	STAILQ_INSERT_TAIL(&channel->queue, waiting, entry);
	channel->queued++;
	return 0;
}

int
channel_send(struct channel *channel, const struct msg *msg)
{
	int fd = msg_takes_fd(msg->type) ? msg->fd : -1;
	struct packet packet;

	if (channel->closed || channel->freed || channel->out_broken)
		return fail(EPIPE);
	if (msg_encode(msg, &packet) == -1)
		return -1;
	if (STAILQ_EMPTY(&channel->queue)) {
		if (send_now(channel, &packet, fd) == 0)
			return 0;
		if (!send_later(channel, errno))
			return -1;
	}
	return enqueue(channel, &packet, fd);
}
