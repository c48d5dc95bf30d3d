/* transport_connect.c: the socket of a connection that we make. */

#include "worker/transport_connect.h"
#include "base/error.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sluice.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/container_of.h"
#include "base/error.h"
#include "base/fail.h"
#include "base/standard.h"
#include "config/address.h"
#include "worker/accept.h"
#include "worker/engine.h"
#include "worker/names.h"
#include "worker/ours.h"
#include "worker/timers.h"

/* A socket that may be connected to one of several addresses. */
struct attempt {
	int fd; /* -1: it has failed, or was never begun */
	struct endpoint_address to;
	struct event *event;
};

struct connect;

struct race {
	struct connect *owner;
	struct timer timer;		   /* for the next address */
	uint64_t next_ms;		   /* when it is to be tried */
	unsigned int next;		   /* attempt */
	unsigned int running;		   /* attempts */
	unsigned int tried[NAME_FAMILIES]; /* addresses of the answer */
	enum name_family last;		   /* of the last attempt */
	struct attempt attempts[NAME_ADDRESSES_MAX];
	struct stream_fault fault; /* of the last one that has failed */
	char text[ADDRESS_TEXT_MAX + 128];
	struct stream_fault silence; /* of the last one, while it runs */
	char silence_text[ADDRESS_TEXT_MAX + 32];
};

struct connect {
	struct connect_plan plan;
	unsigned int *in_progress;
	void (*news)(void *arg);
	void *arg;
	struct name_query *query;
	struct race *race; /* NULL: there is no name */
};

static void
attempt_end(struct race *race, struct attempt *attempt)
{
	if (attempt->event != NULL)
		event_free(attempt->event);
	attempt->event = NULL;
	if (attempt->fd != -1) {
		ours_close(attempt->fd);
		race->running--;
	}
	attempt->fd = -1;
}

static void
connect_free(struct connect *connect)
{
	struct race *race = connect->race;

	--*connect->in_progress;
	names_forget(connect->query);
	if (race != NULL) {
		for (unsigned int i = 0; i < race->next; i++)
			attempt_end(race, &race->attempts[i]);
		timers_detach(engine.timers, &race->timer);
	}
	free(race);
	free((char *)connect->plan.host);
	free(connect);
}

/* The socket is connected: what follows is a plain stream. */
static int
hand_on(struct stream *stream)
{
	connect_free(stream->state);
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
	int fd = standard_above(socket(plan->to.sa.sa_family,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
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

/*
 * Begin to connect.  Returns the socket, which may be connected already, or -1
 * as start() does.
 */
static int
begin(const struct connect_plan *plan)
{
	int fd = open_socket(plan), error;

	if (fd == -1)
		return -1;
	if (connect(fd, &plan->to.sa, plan->to.len) == 0 ||
	    errno == EINPROGRESS) {
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

/*
 * Is it connected?  Returns 0, or -1 as start() does.  A peer that has accepted,
 * written and reset the connection by now did answer: what it wrote is shown to
 * the plugin first, and then the reset.
 */
static int
look(int fd, const struct endpoint_address *to)
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

/* The one address is known. */
static int
start_single(struct stream *stream, const struct connect *connect)
{
	if (stream->fd == -1) {
		stream->fd = begin(&connect->plan);
		if (stream->fd == -1)
			return -1;
		stream->recv_needs = EV_WRITE;
	}
	return look(stream->fd, &connect->plan.to) == -1 ? -1 : hand_on(stream);
}

static void
tell(void *arg)
{
	struct connect *connect = arg;

	connect->news(connect->arg);
}

static void
attempt_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	tell(arg);
}

static void
on_next(struct timer *timer)
{
	struct race *race = container_of(timer, struct race, timer);

	tell(race->owner);
}

/* Did the attempt fail because this host does not have what it takes? */
static bool
is_ours(int error)
{
	return error == ENETUNREACH || error == EAFNOSUPPORT ||
	    error == EADDRNOTAVAIL;
}

/*
 * An attempt has failed: if no other succeeds, this is told.  That a host without
 * IPv6 does not reach it says less than how the other addresses failed.
 */
static void
note_failure(struct race *race, const struct endpoint_address *to, int error)
{
	char text[ADDRESS_TEXT_MAX];

	if (race->fault.why != SL_WHY_NONE && is_ours(error))
		return;
	race->fault = (struct stream_fault){ SL_WHY_CONNECT, SL_STAGE_CONNECT,
		error, race->text };
	snprintf(race->text, sizeof(race->text), "%s: %s",
	    sockaddr_text(&to->sa, to->len, text), error_text(error));
}

/*
 * The next address: families take turns, beginning with IPv6, as RFC 8305 asks
 * for.  More may have come since the last one.  Returns false: none is left.
 */
static bool
choose_next(struct connect *connect, enum name_family *ret)
{
	const struct name_answer *answer = names_answer(connect->query);
	const struct race *race = connect->race;
	enum name_family other = race->next > 0 ? race->last : NAME_V4;
	enum name_family turn = other == NAME_V6 ? NAME_V4 : NAME_V6;

	if (race->next == NAME_ADDRESSES_MAX)
		return false;
	if (race->tried[turn] == answer->families[turn].count)
		turn = other;
	*ret = turn;
	return race->tried[turn] < answer->families[turn].count;
}

static bool
may_get_more(const struct connect *connect)
{
	return !names_answer(connect->query)->complete &&
	    connect->race->next < NAME_ADDRESSES_MAX;
}

/* Take it, with its port. */
static void
take_next(struct connect *connect, enum name_family family)
{
	const struct name_answer *answer = names_answer(connect->query);
	struct race *race = connect->race;
	struct endpoint_address *to = &connect->plan.to;
	const union name_address *from =
	    &answer->families[family].list[race->tried[family]++];

	race->last = family;
	memset(to, 0, sizeof(*to));
	to->len = family == NAME_V4 ? sizeof(from->in) : sizeof(from->in6);
	memcpy(&to->storage, from, to->len);
	/* sin_port and sin6_port are at the same place. */
	((struct sockaddr_in *)&to->storage)->sin_port =
	    htons(connect->plan.port);
}

/* An attempt has begun: if there is no time for its end, this is told. */
static void
note_silence(struct race *race, const struct endpoint_address *to)
{
	char text[ADDRESS_TEXT_MAX];

	race->silence = (struct stream_fault){ SL_WHY_CONNECT, SL_STAGE_CONNECT,
		ETIMEDOUT, race->silence_text };
	snprintf(race->silence_text, sizeof(race->silence_text),
	    "%s does not answer", sockaddr_text(&to->sa, to->len, text));
}

/* Begin the next attempt.  Returns its descriptor, or -1 if it has failed. */
static int
begin_next(struct connect *connect, enum name_family family)
{
	struct race *race = connect->race;
	struct attempt *attempt = &race->attempts[race->next];
	const struct connect_plan *plan = &connect->plan;
	bool fits;

	take_next(connect, family);
	attempt->to = plan->to;
	race->next++;
	fits = plan->from.len == 0 ||
	    plan->from.sa.sa_family == plan->to.sa.sa_family;
	attempt->fd = fits ? begin(plan) : fail(EAFNOSUPPORT);
	if (attempt->fd == -1) {
		note_failure(race, &plan->to, errno);
		return -1;
	}
	race->running++;
	note_silence(race, &plan->to);
	race->next_ms = engine_now() + CONNECT_STAGGER_MS;
	attempt->event = event_new(engine.base, attempt->fd,
	    EV_WRITE | EV_PERSIST, attempt_cb, connect);
	if (attempt->event == NULL || event_add(attempt->event, NULL) == -1) {
		attempt_end(race, attempt);
		note_failure(race, &plan->to, ENOMEM);
		return -1;
	}
	return attempt->fd;
}

/* Has this attempt won?  If it has failed, it ends. */
static bool
has_won(struct race *race, struct attempt *attempt)
{
	int error;

	if (attempt->fd == -1)
		return false;
	if (look(attempt->fd, &attempt->to) == 0)
		return true;
	error = errno;
	if (error == EAGAIN)
		return false;
	note_failure(race, &attempt->to, error);
	attempt_end(race, attempt);
	return false;
}

/* The attempt's socket is the stream's from now on. */
static int
win(struct stream *stream, struct race *race, struct attempt *attempt)
{
	stream->fd = attempt->fd;
	event_free(attempt->event);
	attempt->event = NULL;
	attempt->fd = -1;
	race->running--;
	return hand_on(stream);
}

/* The addresses are known: several of them. */
static int
start_race(struct stream *stream, struct connect *connect)
{
	struct race *race = connect->race;
	enum name_family family;
	bool more;

	for (unsigned int i = 0; i < race->next; i++)
		if (has_won(race, &race->attempts[i]))
			return win(stream, race, &race->attempts[i]);
	while ((more = choose_next(connect, &family)) &&
	    (race->running == 0 || engine_now() >= race->next_ms)) {
		struct attempt *attempt = &race->attempts[race->next];

		if (begin_next(connect, family) != -1 && has_won(race, attempt))
			return win(stream, race, attempt);
	}
	if (more)
		timers_set(engine.timers, &race->timer, race->next_ms);
	else if (race->running == 0 && !may_get_more(connect))
		return fail(ECONNREFUSED); /* fault() says why */
	return fail(EAGAIN);
}

/* Look the name up. */
static int
start_resolve(struct stream *stream, struct connect *connect)
{
	const struct name_answer *answer;

	if (connect->query == NULL)
		connect->query = names_ask(connect->plan.host, tell, connect);
	if (connect->query == NULL)
		return -1;
	answer = names_answer(connect->query);
	if (answer == NULL)
		return fail(EAGAIN);
	if (answer->families[NAME_V6].count + answer->families[NAME_V4].count ==
	    0) {
		connect->race->fault = (struct stream_fault){ SL_WHY_RESOLVE,
			SL_STAGE_RESOLVE, 0, answer->error };
		return fail(ENOENT);
	}
	stream->phase = PHASE_CONNECT;
	return 0;
}

static int
connect_start(struct stream *stream)
{
	struct connect *connect = stream->state;

	if (connect->race == NULL)
		return start_single(stream, connect);
	/* All the sockets have events of their own until one has won. */
	stream->recv_needs = EV_WRITE;
	return stream->phase == PHASE_RESOLVE ? start_resolve(stream, connect)
					      : start_race(stream, connect);
}

static const struct stream_fault *
connect_fault(const struct stream *stream)
{
	const struct race *race = ((const struct connect *)stream->state)->race;

	if (race == NULL)
		return NULL;
	/* While others are running, the failure of one decides nothing. */
	if (race->running > 0)
		return &race->silence;
	return race->fault.why != SL_WHY_NONE ? &race->fault : NULL;
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
	connect_free(stream->state);
	stream->state = NULL;
	if (stream->fd != -1)
		transport_plain.close(stream, hard);
}

static const struct transport transport_connect = {
	.name = "connect",
	.start = connect_start,
	.fault = connect_fault,
	.error = connect_error,
	.unread = connect_unread,
	.close = connect_close,
};

/* What only a host needs.  Returns 0, or -1 with ENOMEM. */
static int
add_race(struct connect *connect, const char *host)
{
	connect->plan.host = strdup(host);
	connect->race = calloc(1, sizeof(*connect->race));
	if (connect->plan.host == NULL || connect->race == NULL)
		return -1;
	connect->race->owner = connect;
	return timers_attach(engine.timers, &connect->race->timer, on_next);
}

int
stream_connect(struct stream *ret_stream, const struct connect_plan *plan,
    unsigned int *in_progress)
{
	struct connect *connect = calloc(1, sizeof(*connect));

	if (connect == NULL)
		return -1;
	connect->plan = *plan;
	connect->plan.host = NULL;
	connect->in_progress = in_progress;
	++*in_progress;
	if (plan->host != NULL && add_race(connect, plan->host) == -1) {
		connect_free(connect);
		return fail(ENOMEM);
	}
	*ret_stream = (struct stream){
		.transport = &transport_connect,
		.state = connect,
		.fd = -1,
		.send_needs = EV_WRITE,
		.phase = plan->host != NULL ? PHASE_RESOLVE : PHASE_CONNECT,
		.is_unix = plan->to.sa.sa_family == AF_UNIX,
		.outgoing = true,
	};
	return 0;
}

void
stream_connect_news(struct stream *stream, void (*news)(void *arg), void *arg)
{
	struct connect *connect = stream->state;

	connect->news = news;
	connect->arg = arg;
}
