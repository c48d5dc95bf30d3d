/*
 * channel.c: messages in both directions without ever blocking.  Owns the
 * socket, and duplicates of the descriptors that wait in its queue.
 */

#include "channel.h"

#include <sys/queue.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "msg.h"

#define MESSAGES_PER_PASS 64 /* then others have their turn */
#define RETRY_MS 10 /* the kernel was short of something no event tells about */

struct waiting {
	STAILQ_ENTRY(waiting) entry;
	uint32_t type, generation, arg[4];
	int fd;
	size_t length;
	char payload[];
};

struct channel {
	int fd;
	const struct channel_ops *ops;
	void *arg;
	struct event *readable, *writable, *retry;
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
	/* Events first: a descriptor that is still in epoll must not be closed. */
	if (channel->readable != NULL)
		event_free(channel->readable);
	if (channel->writable != NULL)
		event_free(channel->writable);
	if (channel->retry != NULL)
		event_free(channel->retry);
	if (channel->fd != -1)
		close(channel->fd);
	free(channel);
}

static void
channel_leave(struct channel *channel)
{
	if (--channel->depth == 0 && channel->freed)
		channel_destroy(channel);
}

/* Returns true when there may be more to read. */
static bool
receive_one(struct channel *channel, struct msg *msg)
{
	int got;

	if (channel->freed || channel->closed)
		return false;
	got = msg_recv(channel->fd, msg);
	if (got == 1) {
		channel->ops->on_message(channel->arg, msg);
		return true;
	}
	if (got == -1 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return false;
	channel->closed = true;
	event_del(channel->readable);
	event_del(channel->writable);
	event_del(channel->retry);
	channel->ops->on_close(channel->arg, got == 0 ? 0 : errno);
	return false;
}

static void
receive(struct channel *channel, unsigned int max)
{
	struct msg msg;

	channel->depth++;
	while (max-- > 0 && receive_one(channel, &msg))
		continue;
	channel_leave(channel);
}

static void
channel_read_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	receive(arg, MESSAGES_PER_PASS);
}

/* Is this an errno after which the same message may go later? */
static bool
send_later(struct channel *channel, int error)
{
	static const struct timeval pause = { 0, RETRY_MS * 1000 };

	if (error == EAGAIN || error == EWOULDBLOCK)
		return event_add(channel->writable, NULL) == 0;
	if (error == ENOBUFS || error == ENOMEM || error == ETOOMANYREFS)
		return event_add(channel->retry, &pause) == 0;
	return false;
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
		    msg_send(channel->fd, waiting->type, waiting->generation,
			waiting->arg, waiting->payload, waiting->length,
			waiting->fd) == -1) {
			if (send_later(channel, errno))
				return;
			/* The reading half will see the end, and say so. */
			channel->out_broken = true;
		}
		STAILQ_REMOVE_HEAD(&channel->queue, entry);
		channel->queued--;
		if (waiting->fd != -1)
			close(waiting->fd);
		free(waiting);
	}
}

struct channel *
channel_new(struct event_base *base, int fd, const struct channel_ops *ops,
    void *arg)
{
	struct channel *channel;
	int flags;

	channel = calloc(1, sizeof(*channel));
	if (channel == NULL) {
		close(fd);
		errno = ENOMEM;
		return NULL;
	}
	STAILQ_INIT(&channel->queue);
	channel->fd = fd;
	channel->ops = ops;
	channel->arg = arg;
	flags = fcntl(fd, F_GETFL);
	if (flags == -1 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) == -1)
		goto fail;
	errno = ENOMEM;
	channel->readable =
	    event_new(base, fd, EV_READ | EV_PERSIST, channel_read_cb, channel);
	channel->writable =
	    event_new(base, fd, EV_WRITE, channel_write_cb, channel);
	channel->retry = event_new(base, -1, 0, channel_write_cb, channel);
	if (channel->readable == NULL || channel->writable == NULL ||
	    channel->retry == NULL || event_add(channel->readable, NULL) == -1)
		goto fail;
	return channel;
fail:
	flags = errno;
	channel_destroy(channel);
	errno = flags;
	return NULL;
}

void
channel_free(struct channel *channel)
{
	if (channel == NULL)
		return;
	channel->freed = true;
	event_del(channel->readable);
	event_del(channel->writable);
	event_del(channel->retry);
	if (channel->depth == 0)
		channel_destroy(channel);
}

void
channel_pump(struct channel *channel)
{
	/* Bounded: somebody else may hold the other end, and go on talking. */
	receive(channel, CHANNEL_QUEUE_MAX);
}

static int
enqueue(struct channel *channel, uint32_t type, uint32_t generation,
    const uint32_t arg[4], const void *payload, size_t length, int fd)
{
	struct waiting *waiting;

	if (channel->queued >= CHANNEL_QUEUE_MAX) {
		errno = ENOBUFS;
		return -1;
	}
	waiting = calloc(1, sizeof(*waiting) + length);
	if (waiting == NULL) {
		errno = ENOMEM;
		return -1;
	}
	waiting->fd = -1;
	if (fd != -1) {
		waiting->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (waiting->fd == -1) {
			free(waiting);
			return -1;
		}
	}
	waiting->type = type;
	waiting->generation = generation;
	if (arg != NULL)
		memcpy(waiting->arg, arg, sizeof(waiting->arg));
	if (length > 0)
		memcpy(waiting->payload, payload, length);
	waiting->length = length;
	STAILQ_INSERT_TAIL(&channel->queue, waiting, entry);
	channel->queued++;
	return 0;
}

int
channel_send(struct channel *channel, uint32_t type, uint32_t generation,
    const uint32_t arg[4], const void *payload, size_t length, int fd)
{
	if (channel->closed || channel->freed || channel->out_broken) {
		errno = EPIPE;
		return -1;
	}
	if (length > MSG_PAYLOAD_MAX) {
		errno = EMSGSIZE;
		return -1;
	}
	if (STAILQ_EMPTY(&channel->queue)) {
		if (msg_send(channel->fd, type, generation, arg, payload,
			length, fd) == 0)
			return 0;
		if (!send_later(channel, errno))
			return -1;
	}
	return enqueue(channel, type, generation, arg, payload, length, fd);
}
