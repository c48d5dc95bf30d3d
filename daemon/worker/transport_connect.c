/* transport_connect.c: the socket of a connection that we make. */

#include "worker/transport_connect.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fail.h"
#include "worker/accept.h"
#include "worker/ours.h"

struct connect {
	struct connect_plan plan;
	unsigned int *in_progress;
};

/* The socket is connected: what follows is a plain stream. */
static int
hand_on(struct stream *stream)
{
	struct connect *connect = stream->state;

	--*connect->in_progress;
	free(connect);
	stream->state = NULL;
	stream->transport = &transport_plain;
	stream->recv_needs = EV_READ;
	stream->phase = PHASE_OPEN;
	return 0;
}

static void
set(int fd, int level, int name, int value)
{
	/* The kernel takes all values that get here. */
	setsockopt(fd, level, name, &value, sizeof(value));
}

static void
set_options(int fd, const struct connect_plan *plan)
{
	if (plan->to.sa.sa_family == AF_UNIX)
		return;
	set(fd, IPPROTO_TCP, TCP_NODELAY, plan->nodelay);
	set(fd, SOL_SOCKET, SO_KEEPALIVE, plan->keepalive);
	if (plan->keepalive && plan->keepalive_s > 0)
		set(fd, IPPROTO_TCP, TCP_KEEPIDLE, (int)plan->keepalive_s);
	/*
	 * With a source address but no port, the kernel chooses the port when
	 * it knows the peer, and may use one that is in use for others.
	 */
	if (plan->from.len > 0)
		set(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
}

/* A socket, bound if it has a source address.  Returns it, or -1. */
static int
open_socket(const struct connect_plan *plan)
{
	int fd = socket(plan->to.sa.sa_family,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int error;

	if (fd == -1)
		return -1;
	if (!accept_may_use(fd)) {
		close(fd);
		return fail(EMFILE);
	}
	set_options(fd, plan);
	if (plan->from.len > 0 &&
	    bind(fd, &plan->from.sa, plan->from.len) == -1) {
		error = errno;
		close(fd);
		return fail(error);
	}
	return fd;
}

/* Begin to connect.  Returns 0: it is, or -1 as start() does. */
static int
begin(struct stream *stream, const struct connect_plan *plan)
{
	int fd = open_socket(plan), error;

	if (fd == -1)
		return -1;
	if (connect(fd, &plan->to.sa, plan->to.len) == 0 ||
	    errno == EINPROGRESS) {
		ours_add(fd);
		stream->fd = fd;
		stream->recv_needs = EV_WRITE;
		return 0;
	}
	error = errno;
	close(fd);
	/* The queue of a unix socket is full, and no event says when it is not. */
	return fail(error == EAGAIN ? EBUSY : error);
}

/*
 * Has TCP connected the socket to itself?  That happens when the kernel chooses
 * the very port that it is to connect to, and nobody listens there.
 */
static bool
is_own_peer(int fd)
{
	struct sockaddr_storage local = { 0 }, peer = { 0 };
	socklen_t local_len = sizeof(local), peer_len = sizeof(peer);

	return getsockname(fd, (struct sockaddr *)&local, &local_len) == 0 &&
	    getpeername(fd, (struct sockaddr *)&peer, &peer_len) == 0 &&
	    local.ss_family != AF_UNIX && local_len == peer_len &&
	    memcmp(&local, &peer, local_len) == 0;
}

/*
 * Is it connected?  Returns 0, or -1 as start() does.  A peer that has accepted,
 * written and reset the connection by now did answer: what it wrote is shown to
 * the plugin first, and then the reset.
 */
static int
look(const struct stream *stream)
{
	const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
	struct pollfd ready = { .fd = stream->fd, .events = POLLOUT };
	char byte;

	if (poll(&ready, 1, 0) == -1)
		return -1;
	if (ready.revents == 0)
		return fail(EAGAIN);
	if ((ready.revents & POLLERR) &&
	    recv(stream->fd, &byte, 1, MSG_PEEK) == -1)
		return -1;
	if (!is_own_peer(stream->fd))
		return 0;
	/* Or the port stays in use for a minute. */
	setsockopt(stream->fd, SOL_SOCKET, SO_LINGER, &at_once,
	    sizeof(at_once));
	return fail(ECONNREFUSED);
}

static int
connect_start(struct stream *stream)
{
	struct connect *connect = stream->state;

	if (stream->fd == -1 && begin(stream, &connect->plan) == -1)
		return -1;
	return look(stream) == -1 ? -1 : hand_on(stream);
}

static int
connect_error(const struct stream *stream)
{
	return stream->fd != -1 ? transport_plain.error(stream) : 0;
}

static uint32_t
connect_unread(const struct stream *stream)
{
	(void)stream;
	return 0;
}

static void
connect_close(struct stream *stream, bool hard)
{
	struct connect *connect = stream->state;

	--*connect->in_progress;
	free(connect);
	stream->state = NULL;
	if (stream->fd != -1)
		transport_plain.close(stream, hard);
}

static const struct transport transport_connect = {
	.name = "connect",
	.start = connect_start,
	.error = connect_error,
	.unread = connect_unread,
	.close = connect_close,
};

int
stream_connect(struct stream *ret_stream, const struct connect_plan *plan,
    unsigned int *in_progress)
{
	struct connect *connect = malloc(sizeof(*connect));

	if (connect == NULL)
		return -1;
	connect->plan = *plan;
	connect->in_progress = in_progress;
	++*in_progress;
	*ret_stream = (struct stream){
		.transport = &transport_connect,
		.state = connect,
		.fd = -1,
		.send_needs = EV_WRITE,
		.phase = PHASE_CONNECT,
		.is_unix = plan->to.sa.sa_family == AF_UNIX,
		.outgoing = true,
	};
	return 0;
}
