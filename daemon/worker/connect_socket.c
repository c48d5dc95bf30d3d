/* connect_socket.c: a socket that connects to one address. */

#include "worker/connect_socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/standard.h"
#include "worker/accept.h"
#include "worker/ours.h"

static void
set(int fd, int level, int name, int value)
{
	/* The kernel takes all values that get here. */
	setsockopt(fd, level, name, &value, sizeof(value));
}

static void
set_options(int fd, const struct connect_plan *plan,
    const struct endpoint_address *to)
{
	if (to->sa.sa_family == AF_UNIX)
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
open_socket(const struct connect_plan *plan, const struct endpoint_address *to)
{
	int fd = standard_above(socket(to->sa.sa_family,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
	int error;

	if (fd == -1)
		return -1;
	if (!accept_may_use(fd)) {
		close(fd);
		return fail(EMFILE);
	}
	set_options(fd, plan, to);
	if (plan->from.len > 0 &&
	    bind(fd, &plan->from.sa, plan->from.len) == -1) {
		error = errno;
		close(fd);
		return fail(error);
	}
	return fd;
}

int
connect_begin(const struct connect_plan *plan,
    const struct endpoint_address *to)
{
	int fd = open_socket(plan, to), error;

	if (fd == -1)
		return -1;
	if (connect(fd, &to->sa, to->len) == 0 || errno == EINPROGRESS) {
		ours_add(fd);
		return fd;
	}
	error = errno;
	close(fd);
	/* The queue of a unix socket is full, and no event says when it is not. */
	return fail(error == EAGAIN ? EBUSY : error);
}

static in_port_t
port_of(const struct endpoint_address *address)
{
	/* sin_port and sin6_port are at the same place. */
	return ((const struct sockaddr_in *)&address->storage)->sin_port;
}

/*
 * Has TCP connected the socket to itself?  That happens when the kernel chooses
 * the very port that it is to connect to, and nobody listens there.
 */
static bool
is_own_peer(int fd, const struct endpoint_address *to)
{
	struct endpoint_address local = { 0 }, peer = { 0 };

	local.len = peer.len = sizeof(local.storage);
	return to->sa.sa_family != AF_UNIX &&
	    getsockname(fd, &local.sa, &local.len) == 0 &&
	    port_of(&local) == port_of(to) && /* they mostly differ */
	    getpeername(fd, &peer.sa, &peer.len) == 0 &&
	    local.len == peer.len &&
	    memcmp(&local.sa, &peer.sa, local.len) == 0;
}

int
connect_look(int fd, const struct endpoint_address *to)
{
	const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
	struct pollfd ready = { .fd = fd, .events = POLLOUT };
	char byte;

	if (poll(&ready, 1, 0) == -1)
		return -1;
	if (ready.revents == 0)
		return fail(EAGAIN);
	if ((ready.revents & POLLERR) && recv(fd, &byte, 1, MSG_PEEK) == -1)
		return -1;
	if (!is_own_peer(fd, to))
		return 0;
	/* Or the port stays in use for a minute. */
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	return fail(ECONNREFUSED);
}
