/*
 * accept.c: new connections: from the listening socket, past the limits, to
 * conn_new().
 */

#include "worker/accept.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "base/standard.h"
#include "ipc/shm.h"
#include "worker/admission.h"
#include "worker/conn.h"
#include "worker/engine.h"
#include "worker/listener.h"
#include "worker/ours.h"
#include "worker/process_limits.h"
#include "worker/proxy.h"
#include "worker/tls.h"

#define ACCEPT_MAX 64 /* per event and socket: other events wait as well */
/* How long to leave a socket that does not listen before it is tried again. */
#define BROKEN_PAUSE_MS 1000
#define ACCEPT_PAUSE_MS 100 /* out of descriptors: time for some to close */
#define MASTER_PAUSE_MS 2   /* not ready: time for the master's messages */
/*
 * Descriptors that connections never get, so that the master can always send
 * the images and sockets of a reload.  If there are few descriptors, an eighth
 * of them.
 */
#define KEEP_FREE 64

static LIST_HEAD(, acceptor) accepting = LIST_HEAD_INITIALIZER(accepting);
static struct timer pause_timer;
static int reserve_fd = -1; /* closed to make room to turn a client away */
static bool starved;	    /* out of descriptors, and that was logged */
static rlim_t fd_end;	    /* connections use descriptors below it */

static void on_pause_over(struct timer *timer);

static void
open_reserve(void)
{
	if (reserve_fd == -1)
		reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	ours_add(reserve_fd);
}

int
accept_init(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
		return -1;
	fd_end = limit.rlim_cur -
	    (limit.rlim_cur / 8 < KEEP_FREE ? limit.rlim_cur / 8 : KEEP_FREE);
	open_reserve();
	return timers_attach(engine.timers, &pause_timer, on_pause_over);
}

void
accept_done(void)
{
	timers_detach(engine.timers, &pause_timer);
	if (reserve_fd != -1)
		ours_close(reserve_fd);
	reserve_fd = -1;
}

bool
accept_may_use(int fd)
{
	return (rlim_t)fd < fd_end;
}

static void
watch(struct acceptor *acceptor)
{
	if (event_add(acceptor->event, NULL) == -1)
		timers_set(engine.timers, &pause_timer,
		    engine_now() + ACCEPT_PAUSE_MS);
}

static void
on_pause_over(struct timer *timer)
{
	struct acceptor *acceptor;

	(void)timer;
	open_reserve();
	LIST_FOREACH(acceptor, &accepting, all)
		watch(acceptor);
}

/* Close a client for which there is no descriptor, and count it. */
static void
close_unserved(const struct acceptor *acceptor, int fd)
{
	admission_out_of_descriptors(&acceptor->listener->endpoint);
	close(fd);
}

/* Accept one client with the spare descriptor, and close it at once. */
static void
turn_one_away(const struct acceptor *acceptor)
{
	int fd;

	if (reserve_fd == -1)
		return;
	ours_close(reserve_fd);
	reserve_fd = -1;
	fd = accept4(acceptor->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd != -1)
		close_unserved(acceptor, fd);
	open_reserve();
}

/* Wait for a while.  The sockets stay readable, so their events must go. */
static void
look_away(unsigned int ms)
{
	struct acceptor *acceptor;

	LIST_FOREACH(acceptor, &accepting, all)
		event_del(acceptor->event);
	timers_set(engine.timers, &pause_timer, engine_now() + ms);
}

/* Out of descriptors, or of memory for one. */
static void
pause_accepting(const struct acceptor *acceptor, int error)
{
	look_away(ACCEPT_PAUSE_MS);
	if (!starved) {
		errno = error;
		log_warn("%s: cannot accept on %s, open connections: %u; "
			 "trying again every %d ms",
		    acceptor->listener->endpoint.name, acceptor->text,
		    conn_count(), ACCEPT_PAUSE_MS);
	}
	starved = true;
}

/*
 * The socket does not listen: a plugin has shut it down, and only the master
 * can repair it.  Until then it is tried again every BROKEN_PAUSE_MS.
 */
static void
set_aside(struct acceptor *acceptor)
{
	if (!acceptor->broken)
		log_error("%s: cannot accept on %s",
		    acceptor->listener->endpoint.name, acceptor->text);
	acceptor->broken = true;
	event_del(acceptor->event);
	if (pause_timer.index == 0)
		timers_set(engine.timers, &pause_timer,
		    engine_now() + BROKEN_PAUSE_MS);
}

/* All waiting clients were accepted: if accepting had stopped, it goes on. */
static void
tell_recovery(struct acceptor *acceptor)
{
	if (starved || acceptor->broken)
		log_info("%s: accepting again",
		    acceptor->listener->endpoint.name);
	starved = acceptor->broken = false;
}

/* Does a connection of the listener begin with a handshake? */
static bool
begins_with_tls(const struct listener *listener)
{
	return listener->tls != NULL && !listener->settings->tls.starttls;
}

/* Is the peer a proxy, which says in a header for whom it connects? */
static bool
is_proxy(const struct listener *listener, const struct sockaddr *peer)
{
	return network_set_has(&listener->settings->proxy.networks, peer);
}

/* Set what the new stream begins with.  False: ENOMEM. */
static bool
begin_stream(struct listener *listener, struct stream *stream, bool proxied)
{
	struct counts *counts = listener->endpoint.counts;
	struct tls_server *tls =
	    begins_with_tls(listener) ? listener->tls : NULL;

	if (proxied)
		return proxy_begin(stream, tls, counts);
	return tls == NULL || tls_upgrade(stream, tls, counts);
}

/* Is this client let in, going by its address? */
static bool
admit_address(struct endpoint *endpoint, struct seat *seat,
    const struct sockaddr *peer, socklen_t len)
{
	return admission_lets_in(endpoint, peer, len) &&
	    admission_in_address_rate(endpoint, peer, len) &&
	    seat_take_address(seat, endpoint, peer, len);
}

/*
 * The address first: a peer over its own limit must not take a place.  The
 * address of a proxy is that of all its clients, and each client's own is
 * counted when the proxy has sent it.
 */
static void
admit(struct listener *listener, int fd, const struct sockaddr *peer,
    socklen_t len)
{
	struct endpoint *endpoint = &listener->endpoint;
	bool proxied = is_proxy(listener, peer);
	struct seat seat = SEAT_NONE;
	struct stream stream;
	struct sl_conn *conn;

	if ((!proxied && !admit_address(endpoint, &seat, peer, len)) ||
	    !admission_in_rate(endpoint, peer, len) ||
	    !seat_take(&seat, endpoint, peer, len)) {
		seat_release(&seat);
		close(fd);
		return;
	}
	stream = stream_plain(fd, peer->sa_family == AF_UNIX);
	if (!begin_stream(listener, &stream, proxied)) {
		admission_out_of(endpoint, "memory");
		stream.transport->close(&stream, false);
		seat_release(&seat);
		return;
	}
	conn = conn_new(endpoint, listener->current, stream, seat);
	if (conn != NULL) {
		conn_set_peer(conn, peer, len);
		conn_settle(conn);
	}
}

/* Accept one client.  Returns false if none waits, or none can be accepted. */
static bool
accept_one(struct acceptor *acceptor)
{
	union {
		struct sockaddr sa;
		struct sockaddr_storage storage;
	} peer;
	socklen_t len = sizeof(peer);
	int fd;

	fd = standard_above(accept4(acceptor->fd, &peer.sa, &len,
	    SOCK_NONBLOCK | SOCK_CLOEXEC));
	if (fd != -1 && !accept_may_use(fd)) {
		close_unserved(acceptor, fd);
		pause_accepting(acceptor, EMFILE);
		return false;
	}
	if (fd != -1) {
		admit(acceptor->listener, fd, &peer.sa, len);
		return true;
	}
	switch (errno) {
	case EAGAIN:
		tell_recovery(acceptor);
		return false;
	case EMFILE:
		if (process_limits_restore())
			return true;
		errno = EMFILE;
		/* FALLTHROUGH */
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		pause_accepting(acceptor, errno);
		turn_one_away(acceptor);
		return false;
	case EBADF:
	case EINVAL:
	case ENOTSOCK:
	case EOPNOTSUPP:
		set_aside(acceptor);
		return false;
	default: /* this client has left already, or a firewall refused it */
		return true;
	}
}

static void
accept_cb(evutil_socket_t fd, short what, void *arg)
{
	struct acceptor *acceptor = arg;

	(void)fd;
	(void)what;
	for (int i = 0; i < ACCEPT_MAX; i++) {
		if (!shm_ready(engine.shm)) {
			look_away(MASTER_PAUSE_MS);
			return;
		}
		if (!accept_one(acceptor) ||
		    event_base_got_break(engine.base)) /* see callback.c */
			return;
	}
}

static void
fill_address(struct acceptor *acceptor)
{
	struct sockaddr_storage sa = { 0 };
	socklen_t len = sizeof(sa);

	if (getsockname(acceptor->fd, (struct sockaddr *)&sa, &len) == -1)
		len = sizeof(sa_family_t);
	acceptor->address.size = sizeof(acceptor->address);
	acceptor->address.family = sa.ss_family;
	acceptor->address.text =
	    sockaddr_text((struct sockaddr *)&sa, len, acceptor->text);
	if (sa.ss_family == AF_INET)
		acceptor->address.port =
		    ntohs(((struct sockaddr_in *)&sa)->sin_port);
	else if (sa.ss_family == AF_INET6)
		acceptor->address.port =
		    ntohs(((struct sockaddr_in6 *)&sa)->sin6_port);
}

struct acceptor *
acceptor_new(struct listener *listener, int fd, uint32_t id, uint32_t index)
{
	struct acceptor *acceptor = calloc(1, sizeof(*acceptor));

	if (acceptor == NULL) {
		ours_close(fd);
		return NULL;
	}
	acceptor->listener = listener;
	acceptor->fd = fd;
	ours_add(fd);
	acceptor->id = id;
	acceptor->index = index;
	acceptor->event = event_new(engine.base, fd, EV_READ | EV_PERSIST,
	    accept_cb, acceptor);
	/* A socket from elsewhere may be blocking: never wait in accept4(). */
	if (acceptor->event == NULL ||
	    evutil_make_socket_nonblocking(fd) == -1) {
		acceptor_free(acceptor);
		return NULL;
	}
	fill_address(acceptor);
	return acceptor;
}

void
acceptor_start(struct acceptor *acceptor)
{
	if (acceptor->accepting)
		return;
	acceptor->accepting = true;
	LIST_INSERT_HEAD(&accepting, acceptor, all);
	watch(acceptor);
}

void
acceptor_stop(struct acceptor *acceptor)
{
	/*
	 * New clients may keep coming to a shared socket: stop at the backlog.
	 */
	int most = acceptor->listener->settings->backlog;

	/* Other processes share it, and may have made it blocking. */
	evutil_make_socket_nonblocking(acceptor->fd);
	for (int i = 0; i < most; i++)
		if (!accept_one(acceptor))
			break;
	TAILQ_REMOVE(&acceptor->listener->acceptors, acceptor, link);
	acceptor_free(acceptor);
}

void
acceptor_free(struct acceptor *acceptor)
{
	if (acceptor == NULL)
		return;
	if (acceptor->accepting)
		LIST_REMOVE(acceptor, all);
	if (acceptor->event != NULL)
		event_free(acceptor->event); /* before close(): see epoll(7) */
	ours_close(acceptor->fd);
	free(acceptor);
}
