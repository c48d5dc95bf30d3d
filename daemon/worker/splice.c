/*
 * splice.c: bytes from one plain stream to another.  A worker needs one pipe,
 * and another one for each stream whose peer is slow.
 */

#include "worker/splice.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fail.h"
#include "worker/ours.h"
#include "worker/transport.h"

/*
 * The kernel's 64 KiB are 16 pieces, however small these are.  An unprivileged
 * process may have this much, until its user has many such pipes.
 */
#define PIPE_SIZE (256 << 10)

struct pipe {
	int in, out;
};

static struct pipe *spare; /* an empty one */

static void
pipe_free(struct pipe *pipe)
{
	if (pipe == NULL)
		return;
	ours_close(pipe->in);
	ours_close(pipe->out);
	free(pipe);
}

static struct pipe *
pipe_get(void)
{
	struct pipe *pipe = spare;
	int fds[2];

	if (pipe != NULL) {
		spare = NULL;
		return pipe;
	}
	pipe = malloc(sizeof(*pipe));
	if (pipe == NULL || pipe2(fds, O_CLOEXEC | O_NONBLOCK) == -1) {
		free(pipe);
		return NULL;
	}
	fcntl(fds[1], F_SETPIPE_SZ, PIPE_SIZE); /* smaller will do */
	ours_add(fds[0]);
	ours_add(fds[1]);
	*pipe = (struct pipe){ .in = fds[1], .out = fds[0] };
	return pipe;
}

/* It is empty. */
static void
pipe_put(struct pipe *pipe)
{
	if (spare == NULL)
		spare = pipe;
	else
		pipe_free(pipe);
}

void
splice_done(void)
{
	pipe_free(spare);
	spare = NULL;
}

/* -- A stream whose unsent output is in a pipe -- */

static void
become_plain(struct stream *stream)
{
	stream->transport = &transport_plain;
	stream->state = NULL;
}

/* What was given up is in the pipe: away with it.  Returns whether it was. */
static bool
obey(struct stream *stream)
{
	if (stream->unsent > 0)
		return false;
	pipe_free(stream->state);
	become_plain(stream);
	return true;
}

/* Pass on up to `unsent` bytes.  0 when nothing is left, or -1. */
static int
pour(struct stream *stream)
{
	struct pipe *pipe = stream->state;
	ssize_t n;

	while (stream->unsent > 0) {
		n = splice(pipe->out, NULL, stream->fd, NULL, stream->unsent,
		    SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		if (n == 0)
			return fail(EIO); /* the pipe holds less than it got */
		stream->unsent -= n;
	}
	become_plain(stream);
	pipe_put(pipe);
	return 0;
}

static int
spliced_flush(struct stream *stream)
{
	return obey(stream) ? 0 : pour(stream);
}

static ssize_t
spliced_recv(struct stream *stream, void *buf, size_t len)
{
	return transport_plain.recv(stream, buf, len);
}

static ssize_t
spliced_send(struct stream *stream, const void *buf, size_t len)
{
	if (spliced_flush(stream) == -1)
		return -1;
	return transport_plain.send(stream, buf, len);
}

static ssize_t
spliced_sendv(struct stream *stream, const struct iovec *iov, int count)
{
	if (spliced_flush(stream) == -1)
		return -1;
	return transport_plain.sendv(stream, iov, count);
}

static int
spliced_finish(struct stream *stream, bool last)
{
	obey(stream);
	return transport_plain.finish(stream, last);
}

static int
spliced_error(const struct stream *stream)
{
	return transport_plain.error(stream);
}

static uint32_t
spliced_waiting(const struct stream *stream)
{
	return transport_plain.waiting(stream);
}

static int64_t
spliced_quiet_ms(const struct stream *stream)
{
	return transport_plain.quiet_ms(stream);
}

static uint32_t
spliced_unread(const struct stream *stream)
{
	return transport_plain.unread(stream);
}

static void
spliced_close(struct stream *stream, bool hard)
{
	if (!hard && stream->unsent > 0)
		pour(stream);
	if (stream->transport != &transport_plain)
		pipe_free(stream->state);
	become_plain(stream);
	transport_plain.close(stream, hard);
}

static const struct transport transport_spliced = {
	.name = "spliced",
	.recv = spliced_recv,
	.send = spliced_send,
	.sendv = spliced_sendv,
	.flush = spliced_flush,
	.finish = spliced_finish,
	.error = spliced_error,
	.waiting = spliced_waiting,
	.quiet_ms = spliced_quiet_ms,
	.unread = spliced_unread,
	.close = spliced_close,
};

/* -- From one stream to another -- */

static bool
is_plain(const struct stream *stream)
{
	return (stream->transport == &transport_plain ||
		   stream->transport == &transport_spliced) &&
	    stream->phase == PHASE_OPEN;
}

bool
splice_can(const struct stream *from, const struct stream *to)
{
	return is_plain(from) && is_plain(to) && to->unsent == 0;
}

bool
splice_is_refused(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOMEM ||
	    error == EINVAL;
}

ssize_t
splice_move(struct stream *from, struct stream *to, size_t len, int *ret_error)
{
	struct pipe *pipe;
	ssize_t n;

	*ret_error = 0;
	if (to->transport == &transport_spliced)
		obey(to);
	pipe = pipe_get();
	if (pipe == NULL)
		return -1;
	do
		n = splice(from->fd, NULL, pipe->in, NULL, len,
		    SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	while (n == -1 && errno == EINTR);
	if (n <= 0) {
		pipe_put(pipe);
		return n;
	}
	to->transport = &transport_spliced;
	to->state = pipe;
	to->unsent = n;
	if (pour(to) == -1)
		*ret_error = errno;
	return n;
}
