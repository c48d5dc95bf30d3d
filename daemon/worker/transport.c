/* transport.c: plain TCP and unix stream sockets. */

#include <sys/socket.h>

#include "transport.h"

static ssize_t
plain_recv(struct stream *stream, void *buf, size_t len)
{
	return recv(stream->fd, buf, len, 0);
}

static ssize_t
plain_sendv(struct stream *stream, const struct iovec *iov, int count)
{
	struct msghdr msg = { 0 };

	if (count == 1)
		return send(stream->fd, iov->iov_base, iov->iov_len,
		    MSG_NOSIGNAL);
	msg.msg_iov = (struct iovec *)iov;
	msg.msg_iovlen = count;
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
	.sendv = plain_sendv,
	.finish = plain_finish,
};
