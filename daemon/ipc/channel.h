/*
 * channel.h: a packet.h socket on an event base, perhaps with answers.h for one
 * direction.  Sending never blocks: messages that the other side has no room
 * for wait in a queue, with duplicates of their descriptors.
 */

#ifndef SLUICE_CHANNEL_H
#define SLUICE_CHANNEL_H

struct answers;
struct channel;
struct error;
struct event_base;
struct msg;

/* Messages; a reload of a thousand listeners fits several times. */
#define CHANNEL_QUEUE_MAX 16384

struct channel_ops {
	/*
	 * One message, whose texts are borrowed; msg->fd is the callee's to
	 * keep or close.  The channel may be freed inside.
	 */
	void (*on_message)(void *arg, struct msg *msg);
	/*
	 * The other side is gone, and err is NULL; or err says what it sent,
	 * such as "a message (stop) that is too short".  No more calls follow.
	 */
	void (*on_close)(void *arg, const struct error *err);
};

enum channel_side {
	CHANNEL_BOTH, /* both directions over the socket; answers is NULL */
	/*
	 * Sends over the socket, over which nothing can come back, and receives
	 * answers.
	 */
	CHANNEL_MASTER,
	CHANNEL_CHILD, /* receives over the socket, and sends answers */
};

/*
 * Takes fd and answers over (also on failure: they are closed then).  ops is
 * borrowed.  NULL: errno.
 */
struct channel *channel_new(struct event_base *base, enum channel_side side,
    int fd, struct answers *answers, const struct channel_ops *ops, void *arg);
void channel_free(struct channel *channel); /* safe inside its callbacks */

/*
 * Deliver now what has already arrived: for the last messages of a process that
 * has ended.
 */
void channel_pump(struct channel *channel);

int channel_fd(const struct channel *channel); /* borrowed */

/*
 * As packet_send(), but never EAGAIN.  -1: ENOMEM, EMFILE, ENOBUFS (queue of
 * CHANNEL_QUEUE_MAX full), EPIPE; or as msg_encode().  A CHANNEL_CHILD sends
 * none with a descriptor.
 */
int channel_send(struct channel *channel, const struct msg *msg);

#endif
