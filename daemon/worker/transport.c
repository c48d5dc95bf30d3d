/* transport.c: plain TCP and unix stream sockets. */

#include <sys/socket.h>

#include "transport.h"

static ssize_t
plain_recv(struct stream *stream, void *buf, size_t len)
{
	return recv(stream->fd, buf, len, 0);
}

static ssize_t
plain_send(struct stream *stream, const void *buf, size_t len)
{
	return send(stream->fd, buf, len, MSG_NOSIGNAL);
}

static ssize_t
plain_sendv(struct stream *stream, const struct iovec *iov, int count)
{
	const struct msghdr msg = {
		.msg_iov = (struct iovec *)iov,
		.msg_iovlen = count,
	};

	return sendmsg(stream->fd, &msg, MSG_NOSIGNAL);
}

static int
plain_finish(struct stream *stream)
{
	return shutdown(stream->fd, SHUT_WR);
}

const struct transport transport_plain = {
	.name = "plain",
	.recv = plain_recv,
	.send = plain_send,
	.sendv = plain_sendv,
	.finish = plain_finish,
};
