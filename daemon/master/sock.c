/*
 * sock.c: one listening socket: sets its options and restores them.  Workers
 * have the socket, too, so a plugin can shut it down or change it for all.
 */

#include <errno.h>
#include <linux/tcp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "config/settings.h"
#include "master/bind.h"
#include "master/sockets.h"
#include "master/sockets_internal.h"

static bool
set_option(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) == 0;
}

/* The kernel's defaults, read from a new socket. */
static int
default_keepidle(int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), value = 7200;
	socklen_t length = sizeof(value);

	if (fd == -1)
		return value;
	getsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &value, &length);
	close(fd);
	return value;
}

/*
 * Accepted sockets inherit these, which saves system calls for each connection.
 */
bool
sock_set_options(const struct sock *sock,
    const struct listener_settings *listener)
{
	uint64_t idle_s = keepidle_s(listener->keepalive.ms);

	if (sock->actual.sa.sa_family == AF_UNIX)
		return true;
	if (idle_s == 0)
		idle_s = (uint64_t)default_keepidle(sock->actual.sa.sa_family);
	if (idle_s > KEEPIDLE_MAX_S)
		idle_s = KEEPIDLE_MAX_S;
	return set_option(sock->fd, IPPROTO_TCP, TCP_NODELAY,
		   listener->nodelay) &&
	    set_option(sock->fd, SOL_SOCKET, SO_KEEPALIVE,
		listener->keepalive.on) &&
	    set_option(sock->fd, IPPROTO_TCP, TCP_KEEPIDLE, (int)idle_s);
}

/* How long its queue may be; 0: unknown, since only TCP shows it. */
static int
shown_backlog(const struct sock *sock)
{
	struct tcp_info info = { 0 };
	socklen_t length = sizeof(info);

	if (sock->actual.sa.sa_family == AF_UNIX ||
	    getsockopt(sock->fd, IPPROTO_TCP, TCP_INFO, &info, &length) == -1)
		return 0;
	return (int)info.tcpi_sacked;
}

void
sock_note(struct sock *sock)
{
	sticky_note(sock->fd, &sock->sticky);
	if (sock->requested.kind == ADDRESS_SYSTEMD && sock->backlog == 0)
		sock->backlog = shown_backlog(sock);
}

static bool
is_listening(const struct sock *sock)
{
	struct pollfd poller = { .fd = sock->fd, .events = POLLRDHUP };
	int value = 0;
	socklen_t length = sizeof(value);

	/* A unix socket that was shut down still says that it listens. */
	return getsockopt(sock->fd, SOL_SOCKET, SO_ACCEPTCONN, &value,
		   &length) == 0 &&
	    value != 0 && poll(&poller, 1, 0) == 0;
}

static bool
is_at_its_address(const struct sock *sock)
{
	struct sockaddr_storage now;
	socklen_t length = sizeof(now);

	return getsockname(sock->fd, (struct sockaddr *)&now, &length) == 0 &&
	    length == sock->actual_length &&
	    memcmp(&now, &sock->actual, length) == 0;
}

/*
 * A TCP socket that was shut down or connected can listen again; others cannot.
 * Its port is then lost if the kernel had chosen it, though getsockname(2)
 * still shows it.
 */
static bool
listen_again(const struct sock *sock)
{
	const struct sockaddr nowhere = { .sa_family = AF_UNSPEC };
	int backlog = sock->backlog > 0 ? sock->backlog : SOMAXCONN;

	if (sock->actual.sa.sa_family != AF_UNIX) {
		connect(sock->fd, &nowhere, sizeof(nowhere));
		/* Fails if it still has its port. */
		if (bind(sock->fd, &sock->actual.sa, sock->actual_length) ==
			-1 &&
		    errno != EINVAL)
			return false;
	}
	return listen(sock->fd, backlog) == 0 && is_listening(sock) &&
	    is_at_its_address(sock);
}

/* Have it listen, with a queue as long as before. */
static bool
restore_listening(const struct sock *sock, char *text)
{
	int shown = shown_backlog(sock);

	if (!sock->listening)
		return true;
	if (!is_listening(sock)) {
		sticky_say(text, "it was shut down");
		return listen_again(sock);
	}
	/*
	 * Set again what cannot be read back, except queues that are not ours.
	 */
	if (sock->backlog == 0)
		return true;
	if (listen(sock->fd, sock->backlog) == 0 && shown != 0 &&
	    shown != shown_backlog(sock))
		sticky_say(text, "the length of its queue");
	return true;
}

int
sock_restore(struct sock *sock, const char *listener)
{
	char changed[STICKY_TEXT_MAX] = "", text[ADDRESS_TEXT_MAX];
	bool good;

	if (sock->stuck)
		return -1;
	good = restore_listening(sock, changed);
	sock->deaf = !good;
	good =
	    sticky_reset(sock->fd, &sock->sticky, &sock->deaf, changed) == 0 &&
	    good;
	if (*changed == '\0')
		return 0;
	if (good) {
		log_warnx("listener %s: a plugin had changed the listening "
			  "socket of %s (%s); this was undone",
		    listener, sock_text(sock, text), changed);
		return 0;
	}
	log_errorx("listener %s: a plugin has changed the listening socket of "
		   "%s (%s), which cannot be undone; a reload makes a new "
		   "socket",
	    listener, sock_text(sock, text), changed);
	sock->stuck = true;
	return -1;
}

int
sock_listen(struct sock *sock, const struct listener_settings *listener,
    struct error *err)
{
	char text[ADDRESS_TEXT_MAX];

	if (sock->listening)
		return 0;
	if (listen(sock->fd, (int)listener->backlog) == -1)
		return error_sys(err, "cannot listen on %s",
		    sock_text(sock, text));
	sock->backlog = (int)listener->backlog;
	sock->listening = true;
	return 0;
}

/* Mode and owner of its path. */
static void
apply_rights(struct sock *sock, const struct listener_settings *listener)
{
	char text[ADDRESS_TEXT_MAX];
	struct unix_rights rights;
	struct error err;
	int path_fd = bind_unix_ours(&sock->requested, &sock->bound);

	if (path_fd == -1) {
		log_warnx("listener %s: %s was removed or replaced by another "
			  "process: no client can find it; reload to make a "
			  "new one",
		    listener->name, sock_text(sock, text));
		return;
	}
	bind_unix_given_up(&sock->rights, &listener->unix_rights, &sock->bound,
	    &rights);
	if (bind_unix_rights(path_fd, &rights, &err) == -1)
		log_warnx("listener %s: %s: %s", listener->name,
		    sock_text(sock, text), err.text);
	else
		sock->rights = listener->unix_rights;
	close(path_fd);
}

void
sock_apply(struct sock *sock, const struct listener_settings *listener)
{
	char text[ADDRESS_TEXT_MAX];

	/* From now on clients reach this socket. */
	sock_restore(sock, listener->name);
	if (!sock_set_options(sock, listener))
		log_warn("listener %s: cannot set the options of %s",
		    listener->name, sock_text(sock, text));
	sock_note(sock);
	/* The length of systemd's queues is set in the .socket unit. */
	if (sock->requested.kind != ADDRESS_SYSTEMD && sock->listening) {
		if (listen(sock->fd, (int)listener->backlog) == -1)
			log_warn("listener %s: cannot set the backlog of %s",
			    listener->name, sock_text(sock, text));
		sock->backlog = (int)listener->backlog;
	}
	if (sock->requested.kind == ADDRESS_UNIX)
		apply_rights(sock, listener);
}

bool
sock_is_deaf(const struct sock *sock)
{
	return sock->stuck && sock->deaf;
}

int
sock_fd(const struct sock *sock)
{
	return sock->fd;
}

uint32_t
sock_id(const struct sock *sock)
{
	return sock->id;
}

const char *
sock_text(const struct sock *sock, char text[ADDRESS_TEXT_MAX])
{
	struct address address = sock->requested;

	if (address.kind == ADDRESS_UNIX || address.kind == ADDRESS_ABSTRACT ||
	    sock->actual_length == 0)
		return address_text(&address, text);
	/* "*:port" only when it takes IPv4 and IPv6. */
	if (address.dual && sock->actual.sa.sa_family == AF_INET6) {
		address.u.in6 = sock->actual.in6;
		return address_text(&address, text);
	}
	return sockaddr_text(&sock->actual.sa, sock->actual_length, text);
}
