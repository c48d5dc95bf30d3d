/* transport.c: plain TCP and unix stream sockets. */

#include "worker/transport.h"

#include <errno.h>
#include <event2/event.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "worker/ours.h"

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
plain_finish(struct stream *stream, bool last)
{
	if (last)
		return 0; /* close() tells the peer the same */
	stream->finished = true;
	/* ENOTCONN: it is broken, and recv() or error() reports that. */
	if (shutdown(stream->fd, SHUT_WR) == -1 && errno != ENOTCONN)
		return -1;
	return 0;
}

static int
plain_error(const struct stream *stream)
{
	int error = 0;
	socklen_t len = sizeof(error);

	getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	return error;
}

static uint32_t
ask(const struct stream *stream, unsigned long request)
{
	int bytes;

	if (ioctl(stream->fd, request, &bytes) == -1 || bytes < 0)
		return 0;
	return bytes;
}

static uint32_t
plain_waiting(const struct stream *stream)
{
	uint32_t bytes = ask(stream, SIOCOUTQ);

	/* The FIN of TCP takes a sequence number, so it counts as one byte. */
	if (bytes > 0 && stream->finished && !stream->is_unix)
		bytes--;
	return bytes;
}

static int64_t
plain_quiet_ms(const struct stream *stream)
{
	struct tcp_info info;
	socklen_t len = offsetof(struct tcp_info, tcpi_pmtu);

	if (getsockopt(stream->fd, IPPROTO_TCP, TCP_INFO, &info, &len) == -1 ||
	    len < offsetof(struct tcp_info, tcpi_pmtu))
		return -1;
	return info.tcpi_last_ack_recv;
}

static uint32_t
plain_unread(const struct stream *stream)
{
	return ask(stream, SIOCINQ);
}

static void
plain_close(struct stream *stream, bool hard)
{
	const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

	if (hard)
		setsockopt(stream->fd, SOL_SOCKET, SO_LINGER, &at_once,
		    sizeof(at_once));
	ours_close(stream->fd);
	stream->fd = -1;
}

const struct transport transport_plain = {
	.name = "plain",
	.recv = plain_recv,
	.send = plain_send,
	.sendv = plain_sendv,
	.finish = plain_finish,
	.error = plain_error,
	.waiting = plain_waiting,
	.quiet_ms = plain_quiet_ms,
	.unread = plain_unread,
	.close = plain_close,
};

struct stream
stream_plain(int fd, bool is_unix)
{
	ours_add(fd);
	return (struct stream){
		.transport = &transport_plain,
		.fd = fd,
		.recv_needs = EV_READ,
		.send_needs = EV_WRITE,
		.phase = PHASE_OPEN,
		.is_unix = is_unix,
	};
}
