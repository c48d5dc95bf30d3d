/*
 * names.c: c-ares on the event loop.  A channel is c-ares' word for the settings
 * of /etc/resolv.conf with the sockets and queries that use them.
 */

#include "worker/names.h"

#include <ares.h>
#include <errno.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/container_of.h"
#include "base/fail.h"
#include "base/hash.h"
#include "worker/accept.h"
#include "worker/engine.h"
#include "worker/ours.h"
#include "worker/timers.h"

/*
 * Answers that are kept.  Each name has one place by its hash, so an answer may
 * push out another one; that only costs a question.
 */
#define KEPT_MAX 256
#define KEPT_MAX_MS \
	((uint64_t)3600 * 1000) /* a change is seen within an hour */

const char *names_resolv_conf = "/etc/resolv.conf";
uint16_t names_port = 53;

/* A descriptor of c-ares that waits for something. */
struct waiting {
	LIST_ENTRY(waiting) link;
	struct event *event;
	int fd;
};

struct channel {
	ares_channel ares;
	LIST_HEAD(, waiting) waiting;
	struct timer timer;
	unsigned int queries; /* that are not answered */
};

struct name_query {
	struct channel *channel;
	char *host;
	void (*news)(void *arg); /* NULL: nobody waits for it */
	void *arg;
	bool asking; /* names_ask() has not returned */
	bool answered;
	struct name_answer answer;
};

struct kept {
	char *host;
	uint64_t until_ms;
	struct name_answer answer;
};

static struct channel *channel; /* the newest; older ones end by themselves */
static struct stat conf;	/* names_resolv_conf when it was read */
static bool library_ready;
static struct kept kept[KEPT_MAX];

static struct kept *
place_of(const char *host)
{
	uint64_t hash = HASH_BEGIN;

	for (; *host != '\0'; host++) {
		char lower = (char)(*host | 0x20);

		hash = hash_add(hash, &lower, 1);
	}
	return &kept[hash % KEPT_MAX];
}

static void
drop_kept(void)
{
	for (unsigned int i = 0; i < KEPT_MAX; i++)
		free(kept[i].host);
	memset(kept, 0, sizeof(kept));
}

static void
keep(const struct name_query *query, int64_t ttl_s)
{
	struct kept *place = place_of(query->host);
	uint64_t ms = (uint64_t)ttl_s * 1000;
	char *host;

	if (ttl_s <= 0 || (host = strdup(query->host)) == NULL)
		return;
	free(place->host);
	place->host = host;
	place->until_ms = engine_now() + (ms < KEPT_MAX_MS ? ms : KEPT_MAX_MS);
	place->answer = query->answer;
}

/* c-ares' sockets are the worker's as all others are. */
static ares_socket_t
open_socket(int family, int type, int protocol, void *arg)
{
	int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);

	(void)arg;
	if (fd != -1 && !accept_may_use(fd)) {
		close(fd);
		return fail(EMFILE);
	}
	if (fd != -1)
		ours_add(fd);
	return fd;
}

static int
close_socket(ares_socket_t fd, void *arg)
{
	(void)arg;
	ours_close(fd);
	return 0;
}

static int
connect_socket(ares_socket_t fd, const struct sockaddr *to, ares_socklen_t len,
    void *arg)
{
	(void)arg;
	return connect(fd, to, len);
}

static ares_ssize_t
receive(ares_socket_t fd, void *buf, size_t len, int flags,
    struct sockaddr *from, ares_socklen_t *from_len, void *arg)
{
	(void)arg;
	return recvfrom(fd, buf, len, flags, from, from_len);
}

static ares_ssize_t
send_pieces(ares_socket_t fd, const struct iovec *iov, int count, void *arg)
{
	const struct msghdr msg = {
		.msg_iov = (struct iovec *)iov,
		.msg_iovlen = (size_t)count,
	};

	(void)arg;
	return sendmsg(fd, &msg, MSG_NOSIGNAL);
}

static const struct ares_socket_functions socket_functions = {
	.asocket = open_socket,
	.aclose = close_socket,
	.aconnect = connect_socket,
	.arecvfrom = receive,
	.asendv = send_pieces,
};

static void
channel_free(struct channel *old)
{
	if (old == NULL)
		return;
	ares_destroy(old->ares);
	timers_detach(engine.timers, &old->timer);
	free(old);
}

/*
 * c-ares has done something: when does it want to run next?  A channel that was
 * replaced ends with its last query.  Not from inside of c-ares.
 */
static void
go_on(struct channel *on)
{
	struct timeval tv;

	if (on->queries == 0 && on != channel) {
		channel_free(on);
		return;
	}
	timers_cancel(engine.timers, &on->timer);
	if (on->queries > 0 && ares_timeout(on->ares, NULL, &tv) != NULL)
		timers_set(engine.timers, &on->timer,
		    engine_now() + (uint64_t)tv.tv_sec * 1000 +
			(uint64_t)tv.tv_usec / 1000 + 1);
}

static void
on_timeout(struct timer *timer)
{
	struct channel *on = container_of(timer, struct channel, timer);

	ares_process_fd(on->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	go_on(on);
}

static void
name_socket_cb(evutil_socket_t fd, short what, void *arg)
{
	struct channel *on = arg;

	ares_process_fd(on->ares, what & EV_READ ? fd : ARES_SOCKET_BAD,
	    what & EV_WRITE ? fd : ARES_SOCKET_BAD);
	go_on(on);
}

/* c-ares waits for other events of a socket. */
static void
on_socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct channel *on = arg;
	struct waiting *waiting;
	short wants = (short)((readable ? EV_READ : 0) |
	    (writable ? EV_WRITE : 0) | EV_PERSIST);

	LIST_FOREACH(waiting, &on->waiting, link)
		if (waiting->fd == fd)
			break;
	if (waiting == NULL && (waiting = calloc(1, sizeof(*waiting))) == NULL)
		return; /* the query times out */
	if (waiting->event != NULL) {
		event_free(waiting->event);
		LIST_REMOVE(waiting, link);
	}
	waiting->fd = fd;
	waiting->event = NULL;
	if (readable || writable)
		waiting->event =
		    event_new(engine.base, fd, wants, name_socket_cb, on);
	if (waiting->event == NULL) {
		free(waiting);
		return;
	}
	LIST_INSERT_HEAD(&on->waiting, waiting, link);
	event_add(waiting->event, NULL);
}

static struct channel *
channel_new(void)
{
	struct channel *new = calloc(1, sizeof(*new));
	struct ares_options options = {
		.sock_state_cb = on_socket_state,
		.sock_state_cb_data = new,
		.resolvconf_path = (char *)names_resolv_conf,
		.udp_port = names_port,
		.tcp_port = names_port,
	};

	if (new == NULL)
		return NULL;
	if (timers_attach(engine.timers, &new->timer, on_timeout) == -1) {
		free(new);
		return NULL;
	}
	if (ares_init_options(&new->ares, &options,
		ARES_OPT_SOCK_STATE_CB | ARES_OPT_RESOLVCONF |
		    ARES_OPT_UDP_PORT | ARES_OPT_TCP_PORT) != ARES_SUCCESS) {
		timers_detach(engine.timers, &new->timer);
		free(new);
		return NULL;
	}
	ares_set_socket_functions(new->ares, &socket_functions, NULL);
	return new;
}

/* Has somebody written another resolv.conf since it was read? */
static bool
conf_changed(struct stat *ret)
{
	memset(ret, 0, sizeof(*ret));
	stat(names_resolv_conf, ret); /* none is as good as an empty one */
	return ret->st_dev != conf.st_dev || ret->st_ino != conf.st_ino ||
	    ret->st_mtim.tv_sec != conf.st_mtim.tv_sec ||
	    ret->st_mtim.tv_nsec != conf.st_mtim.tv_nsec ||
	    ret->st_size != conf.st_size;
}

/* Use the resolvers that are configured now.  Returns 0, or -1: ENOMEM. */
static int
refresh(void)
{
	struct channel *old = channel, *new;
	struct stat now;

	if (!conf_changed(&now) && channel != NULL)
		return 0;
	if (!library_ready && ares_library_init(ARES_LIB_INIT_ALL) != 0)
		return fail(ENOMEM);
	library_ready = true;
	new = channel_new();
	if (new == NULL)
		return channel != NULL ? 0 : fail(ENOMEM);
	channel = new;
	conf = now;
	drop_kept();
	if (old != NULL)
		go_on(old);
	return 0;
}

/* As RFC 8305 asks for: families take turns, beginning with the best address. */
static void
take_turns(struct name_answer *answer)
{
	union name_address sorted[NAME_ADDRESSES_MAX];
	bool taken[NAME_ADDRESSES_MAX] = { false };
	unsigned int n = 0, i;

	for (; n < answer->count; n++) {
		unsigned int first = answer->count, other = answer->count;

		for (i = answer->count; i-- > 0;) {
			if (taken[i])
				continue;
			first = i;
			if (n > 0 &&
			    answer->addresses[i].sa.sa_family !=
				sorted[n - 1].sa.sa_family)
				other = i;
		}
		i = other < answer->count ? other : first;
		taken[i] = true;
		sorted[n] = answer->addresses[i];
	}
	memcpy(answer->addresses, sorted, n * sizeof(sorted[0]));
}

static void
query_free(struct name_query *query)
{
	free(query->host);
	free(query);
}

/* Copy the addresses.  Returns for how many seconds they hold. */
static int64_t
fill(struct name_answer *answer, const struct ares_addrinfo *info)
{
	const struct ares_addrinfo_node *node;
	int64_t ttl_s = INT32_MAX;

	for (node = info->nodes;
	     node != NULL && answer->count < NAME_ADDRESSES_MAX;
	     node = node->ai_next) {
		if ((size_t)node->ai_addrlen > sizeof(answer->addresses[0]))
			continue;
		memcpy(&answer->addresses[answer->count++], node->ai_addr,
		    node->ai_addrlen);
		if (node->ai_ttl < ttl_s)
			ttl_s = node->ai_ttl;
	}
	take_turns(answer);
	return ttl_s;
}

static void
on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
	struct name_query *query = arg;

	(void)timeouts;
	query->channel->queries--;
	query->answered = true;
	if (status == ARES_SUCCESS)
		keep(query, fill(&query->answer, info));
	else
		query->answer.error = ares_strerror(status);
	if (status == ARES_SUCCESS && query->answer.count == 0)
		query->answer.error = ares_strerror(ARES_ENODATA);
	if (info != NULL)
		ares_freeaddrinfo(info);
	if (query->asking)
		return; /* names_ask() sees it */
	if (query->news != NULL)
		query->news(query->arg);
	else
		query_free(query);
}

struct name_query *
names_ask(const char *host, void (*news)(void *arg), void *arg)
{
	const struct ares_addrinfo_hints hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = ARES_AI_NUMERICSERV,
	};
	struct name_query *query = calloc(1, sizeof(*query));
	const struct kept *place = place_of(host);

	if (query == NULL)
		return NULL;
	query->host = strdup(host);
	if (query->host == NULL || refresh() == -1) {
		query_free(query);
		return NULL;
	}
	query->news = news;
	query->arg = arg;
	if (place->host != NULL && strcasecmp(place->host, host) == 0 &&
	    place->until_ms > engine_now()) {
		query->answered = true;
		query->answer = place->answer;
		return query;
	}
	query->channel = channel;
	channel->queries++;
	query->asking = true;
	ares_getaddrinfo(channel->ares, host, NULL, &hints, on_answer, query);
	query->asking = false;
	go_on(channel);
	return query;
}

const struct name_answer *
names_answer(const struct name_query *query)
{
	return query->answered ? &query->answer : NULL;
}

void
names_forget(struct name_query *query)
{
	if (query == NULL)
		return;
	query->news = NULL;
	/* c-ares cannot call off a single query, so on_answer() frees it. */
	if (query->answered)
		query_free(query);
}

void
names_done(void)
{
	channel_free(channel);
	channel = NULL;
	drop_kept();
	if (library_ready)
		ares_library_cleanup();
	library_ready = false;
	memset(&conf, 0, sizeof(conf));
}
