/* cruel.c: a transport that does everything a transport may do. */

#include "cruel.h"

#include <check.h>
#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <sluice.h>
#include <stdlib.h>
#include <string.h>

#define RECORD 16384

struct cruelty cruelty;
const struct transport *cruel_below;

struct cruel {
	unsigned char *in; /* read ahead, and not yet returned by recv() */
	size_t start, end, size;
	bool eof;
	const struct stream_fault *fault;
	unsigned int agains;
	bool started; /* start() has said EAGAIN once in this phase */
	size_t heard; /* bytes of the hello of this phase */
	int fd;	      /* the socket, while the stream has none */
	unsigned char out[RECORD]; /* taken, and not yet sent */
	size_t out_start;	   /* stream->unsent bytes begin here */
};

static const struct stream_fault truncated = {
	.why = SL_WHY_TRUNCATED,
	.stage = SL_STAGE_TLS,
};
static struct stream_fault alert = {
	.why = SL_WHY_TLS,
	.stage = SL_STAGE_TLS,
	.sys_errno = EPROTO,
};

void
cruel_reset(void)
{
	cruelty = (struct cruelty){
		.from = PHASE_HANDSHAKE,
		.record = RECORD,
		.hoard = 2 * RECORD,
		.again = 1,
		.again_needs = EV_WRITE,
	};
	cruel_below = &transport_plain;
}

static int
again(struct stream *stream, uint8_t needs)
{
	stream->recv_needs = needs;
	errno = EAGAIN;
	return -1;
}

/* Each phase first waits to write, and then reads its hello. */
static int
cruel_start(struct stream *stream)
{
	struct cruel *cruel = stream->state;
	char byte;

	if (cruelty.no_socket) {
		if (stream->fd != -1)
			cruel->fd = stream->fd;
		stream->fd = -1;
		return again(stream, EV_WRITE);
	}
	if (stream->fd == -1)
		stream->fd = cruel->fd;
	if (!cruel->started) {
		cruel->started = true;
		return again(stream, EV_WRITE);
	}
	for (; cruel->heard < cruelty.hello; cruel->heard++)
		if (cruel_below->recv(stream, &byte, 1) != 1)
			return again(stream, EV_READ);
	if (stream->phase == cruelty.fails_in) {
		if (cruelty.alert != NULL) {
			alert.text = cruelty.alert;
			((struct cruel *)stream->state)->fault = &alert;
		}
		errno = cruelty.fails_with;
		return -1;
	}
	cruel->started = false;
	cruel->heard = 0;
	stream->recv_needs = EV_READ;
	stream->phase++;
	return 0;
}

/* Read ahead from the kernel.  Returns bytes, 0 at end of file, or -1. */
static ssize_t
hoard(struct stream *stream, struct cruel *cruel)
{
	ssize_t n;

	if (cruel->start == cruel->end)
		cruel->start = cruel->end = 0;
	if (cruel->size != cruelty.hoard) {
		cruel->in = realloc(cruel->in, cruelty.hoard);
		ck_assert_ptr_nonnull(cruel->in);
		cruel->size = cruelty.hoard;
	}
	n = cruel_below->recv(stream, cruel->in + cruel->end,
	    cruel->size - cruel->end);
	cruel->end += n > 0 ? n : 0;
	cruel->eof = n == 0;
	return n;
}

static bool
writable(const struct stream *stream)
{
	struct pollfd poll_fd = { .fd = stream->fd, .events = POLLOUT };

	return poll(&poll_fd, 1, 0) == 1 && poll_fd.revents == POLLOUT;
}

/* There is nothing to read: every second time it waits to write instead. */
static ssize_t
not_now(struct stream *stream)
{
	int error = errno;

	if (error == EAGAIN && stream->recv_needs == EV_READ &&
	    writable(stream))
		stream->recv_needs = EV_WRITE;
	else
		stream->recv_needs = EV_READ;
	errno = error;
	return -1;
}

/* Send what was taken.  Returns 0 when nothing is left, or -1. */
static int
cruel_flush(struct stream *stream)
{
	struct cruel *cruel = stream->state;

	while (stream->unsent > 0) {
		ssize_t n = cruel_below->send(stream,
		    cruel->out + cruel->out_start, stream->unsent);

		if (n == -1)
			return -1;
		cruel->out_start += n;
		stream->unsent -= n;
	}
	cruel->out_start = 0;
	return 0;
}

/* The transport has to send something itself, as TLS does for a key update. */
static void
answer(struct stream *stream, struct cruel *cruel)
{
	if (cruelty.answer == 0 || stream->unsent > 0)
		return;
	memset(cruel->out, '!', cruelty.answer);
	stream->unsent = cruelty.answer;
	cruelty.answer = 0;
	cruel_flush(stream);
}

/* The peer has ended its output. */
static ssize_t
at_end(struct stream *stream)
{
	if (cruelty.truncate)
		((struct cruel *)stream->state)->fault = &truncated;
	if (cruelty.alert == NULL)
		return 0;
	alert.text = cruelty.alert;
	((struct cruel *)stream->state)->fault = &alert;
	errno = EPROTO;
	return -1;
}

static ssize_t
cruel_recv(struct stream *stream, void *buf, size_t len)
{
	struct cruel *cruel = stream->state;
	size_t take;

	if ((cruelty.gather || cruel->start == cruel->end) && !cruel->eof &&
	    hoard(stream, cruel) == -1)
		return not_now(stream);
	if (cruelty.gather) {
		errno = EAGAIN;
		return -1;
	}
	stream->recv_needs = EV_READ;
	answer(stream, cruel);
	take = cruel->end - cruel->start;
	if (take == 0)
		return at_end(stream);
	if (take > cruelty.record)
		take = cruelty.record;
	if (take > len)
		take = len;
	memcpy(buf, cruel->in + cruel->start, take);
	cruel->start += take;
	stream->more = cruel->start < cruel->end;
	return take;
}

/* Does this send have to wait for input?  Only once. */
static bool
wants_read(struct stream *stream)
{
	stream->send_needs = EV_WRITE;
	if (!cruelty.send_wants_read)
		return false;
	cruelty.send_wants_read = false;
	stream->send_needs = EV_READ;
	errno = EAGAIN;
	return true;
}

/* Take one record after another, until the kernel takes no more. */
static ssize_t
cruel_send(struct stream *stream, const void *buf, size_t len)
{
	struct cruel *cruel = stream->state;
	size_t taken = 0;

	if (wants_read(stream) || cruel_flush(stream) == -1)
		return -1;
	while (taken < len && stream->unsent == 0) {
		size_t take = len - taken < RECORD ? len - taken : RECORD;

		memcpy(cruel->out, (const char *)buf + taken, take);
		stream->unsent = take;
		taken += take;
		cruel_flush(stream); /* the next call returns its error */
	}
	return taken;
}

static ssize_t
cruel_sendv(struct stream *stream, const struct iovec *iov, int count)
{
	ssize_t taken = 0;

	for (int i = 0; i < count; i++) {
		ssize_t n = cruel_send(stream, iov[i].iov_base, iov[i].iov_len);

		if (n == -1)
			return taken > 0 ? taken : -1;
		taken += n;
		if ((size_t)n < iov[i].iov_len)
			break;
	}
	return taken;
}

static int
cruel_finish(struct stream *stream, bool last)
{
	struct cruel *cruel = stream->state;

	ck_assert_uint_eq(stream->unsent, 0);
	cruelty.last = last;
	if (cruel->agains++ < cruelty.again) {
		stream->send_needs = cruelty.again_needs;
		errno = EAGAIN;
		return -1;
	}
	cruelty.finished++;
	return cruel_below->finish(stream, last);
}

static const struct stream_fault *
cruel_fault(const struct stream *stream)
{
	return ((const struct cruel *)stream->state)->fault;
}

static int
cruel_error(const struct stream *stream)
{
	return cruel_below->error(stream);
}

static uint32_t
cruel_waiting(const struct stream *stream)
{
	return cruel_below->waiting(stream);
}

static int64_t
cruel_quiet_ms(const struct stream *stream)
{
	return cruel_below->quiet_ms(stream);
}

static uint32_t
cruel_unread(const struct stream *stream)
{
	const struct cruel *cruel = stream->state;

	return cruel->end - cruel->start + cruel_below->unread(stream);
}

static void
cruel_close(struct stream *stream, bool hard)
{
	struct cruel *cruel = stream->state;

	cruelty.hard = hard;
	if (stream->fd == -1)
		stream->fd = cruel->fd;
	free(cruel->in);
	free(cruel);
	stream->state = NULL;
	cruel_below->close(stream, hard);
}

const struct transport transport_cruel = {
	.name = "cruel",
	.start = cruel_start,
	.recv = cruel_recv,
	.send = cruel_send,
	.sendv = cruel_sendv,
	.flush = cruel_flush,
	.finish = cruel_finish,
	.fault = cruel_fault,
	.error = cruel_error,
	.waiting = cruel_waiting,
	.quiet_ms = cruel_quiet_ms,
	.unread = cruel_unread,
	.close = cruel_close,
};

struct stream
cruel_stream(int fd, bool is_unix)
{
	struct stream stream = stream_plain(fd, is_unix);

	stream.transport = &transport_cruel;
	stream.phase = cruelty.from;
	stream.recv_needs = 0; /* it has something to say first */
	stream.state = calloc(1, sizeof(struct cruel));
	ck_assert_ptr_nonnull(stream.state);
	return stream;
}
