/*
 * resolver.c: c-ares on the event loop.  It decides itself which resolver to ask,
 * and when to ask again.  A channel is its word for the settings of a resolv.conf
 * with the sockets and questions that use them.
 */

#include "worker/resolver.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
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
#include "base/standard.h"
#include "worker/accept.h"
#include "worker/dns_packet.h"
#include "worker/engine.h"
#include "worker/ours.h"
#include "worker/timers.h"

/*
 * How long to wait until the next resolver is asked, or the same one again; twice
 * as long after each round.  An answer that comes later still counts.  c-ares
 * 1.18 does not know what resolv.conf calls `timeout` and `attempts`.
 */
#define TIMEOUT_MS 2000
#define ROUNDS 3

const char *resolver_conf = "/etc/resolv.conf";
uint16_t resolver_port = 53;

/* A descriptor of c-ares that waits for something. */
struct waiting {
	LIST_ENTRY(waiting) link;
	struct event *event;
	int fd;
};

struct resolver {
	LIST_ENTRY(resolver) link;
	ares_channel ares;
	ares_channel files; /* asks no resolver */
	struct ares_options conf;
	int conf_mask;
	LIST_HEAD(, waiting) waiting;
	struct timer timer;
	unsigned int questions; /* that are not answered */
};

/* The files that answers depend on. */
struct state {
	struct stat conf, hosts;
};

struct question {
	struct resolver *resolver;
	enum name_family family;
	void (*answered)(void *arg, const struct resolution *resolution);
	void *arg;
};

static LIST_HEAD(, resolver) resolvers = LIST_HEAD_INITIALIZER(resolvers);
static struct resolver *newest; /* older ones end by themselves */
static struct state seen;	/* when the newest one was made */
static bool library_ready;
static int socket_error; /* why there was no socket for a question; or 0 */

/* c-ares' sockets are the worker's as all others are. */
static ares_socket_t
open_socket(int family, int type, int protocol, void *arg)
{
	int fd = standard_above(
	    socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));

	(void)arg;
	if (fd != -1 && !accept_may_use(fd)) {
		close(fd);
		fd = fail(EMFILE);
	}
	socket_error = fd == -1 ? errno : 0;
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

	ssize_t n = sendmsg(fd, &msg, MSG_NOSIGNAL);

	(void)arg;
	/*
	 * This tells of an earlier question, for which nobody listened, and is
	 * told once.  c-ares would take it for an error of this question, and
	 * wait for an answer to the other one.  So send this one as well: what
	 * becomes of it is seen when we read, and there it counts for all.
	 */
	if (n == -1 && errno == ECONNREFUSED)
		n = sendmsg(fd, &msg, MSG_NOSIGNAL);
	return n;
}

static const struct ares_socket_functions socket_functions = {
	.asocket = open_socket,
	.aclose = close_socket,
	.aconnect = connect_socket,
	.arecvfrom = receive,
	.asendv = send_pieces,
};

static void
resolver_free(struct resolver *resolver)
{
	if (resolver->ares != NULL)
		ares_destroy(resolver->ares);
	if (resolver->files != NULL)
		ares_destroy(resolver->files);
	ares_destroy_options(&resolver->conf);
	timers_detach(engine.timers, &resolver->timer);
	free(resolver);
}

static void
resolver_end(struct resolver *resolver)
{
	LIST_REMOVE(resolver, link);
	resolver_free(resolver);
}

/* c-ares has done something: when does it want to run next? */
void
resolver_go_on(struct resolver *resolver)
{
	struct timeval tv;

	if (resolver->questions == 0 && resolver != newest) {
		resolver_end(resolver);
		return;
	}
	timers_cancel(engine.timers, &resolver->timer);
	if (resolver->questions > 0 &&
	    ares_timeout(resolver->ares, NULL, &tv) != NULL)
		timers_set(engine.timers, &resolver->timer,
		    engine_now() + (uint64_t)tv.tv_sec * 1000 +
			(uint64_t)tv.tv_usec / 1000 + 1);
}

static void
on_timeout(struct timer *timer)
{
	struct resolver *resolver = container_of(timer, struct resolver, timer);

	ares_process_fd(resolver->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	resolver_go_on(resolver);
}

static void
resolver_socket_cb(evutil_socket_t fd, short what, void *arg)
{
	struct resolver *resolver = arg;

	ares_process_fd(resolver->ares, what & EV_READ ? fd : ARES_SOCKET_BAD,
	    what & EV_WRITE ? fd : ARES_SOCKET_BAD);
	resolver_go_on(resolver);
}

/* c-ares waits for other events of a socket. */
static void
on_socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct resolver *resolver = arg;
	struct waiting *waiting;
	short wants = (short)((readable ? EV_READ : 0) |
	    (writable ? EV_WRITE : 0) | EV_PERSIST);

	LIST_FOREACH(waiting, &resolver->waiting, link)
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
		waiting->event = event_new(engine.base, fd, wants,
		    resolver_socket_cb, resolver);
	if (waiting->event == NULL) {
		free(waiting);
		return;
	}
	LIST_INSERT_HEAD(&resolver->waiting, waiting, link);
	event_add(waiting->event, NULL);
}

/*
 * c-ares looks at these, and a plugin may have set them for a library of its own.
 * They are taken away meanwhile; without memory they stay.
 */
static const char *const variables[] = { "LOCALDOMAIN", "RES_OPTIONS" };
#define VARIABLES (sizeof(variables) / sizeof(variables[0]))

static void
hide_variables(char *values[VARIABLES])
{
	for (size_t i = 0; i < VARIABLES; i++) {
		values[i] = getenv(variables[i]);
		if (values[i] != NULL)
			values[i] = strdup(values[i]);
		if (values[i] != NULL)
			unsetenv(variables[i]);
	}
}

static void
show_variables(char *values[VARIABLES])
{
	for (size_t i = 0; i < VARIABLES; i++) {
		if (values[i] != NULL)
			setenv(variables[i], values[i], 1);
		free(values[i]);
	}
}

/* Returns ARES_SUCCESS, or why there is no channel. */
static int
open_channels(struct resolver *resolver)
{
	const int mask = ARES_OPT_SOCK_STATE_CB | ARES_OPT_RESOLVCONF |
	    ARES_OPT_UDP_PORT | ARES_OPT_TCP_PORT | ARES_OPT_TIMEOUTMS |
	    ARES_OPT_TRIES;
	struct ares_options options = {
		.sock_state_cb = on_socket_state,
		.sock_state_cb_data = resolver,
		.resolvconf_path = (char *)resolver_conf,
		.udp_port = resolver_port,
		.tcp_port = resolver_port,
		.timeout = TIMEOUT_MS,
		.tries = ROUNDS,
		.lookups = (char *)"f",
	};
	char *values[VARIABLES];
	int status;

	hide_variables(values);
	status = ares_init_options(&resolver->ares, &options, mask);
	if (status == ARES_SUCCESS)
		status = ares_init_options(&resolver->files, &options,
		    mask | ARES_OPT_LOOKUPS);
	show_variables(values);
	if (status != ARES_SUCCESS)
		return status;
	ares_set_socket_functions(resolver->ares, &socket_functions, NULL);
	/* It has the search domains, which we have to try ourselves. */
	return ares_save_options(resolver->ares, &resolver->conf,
	    &resolver->conf_mask);
}

static struct resolver *
resolver_new(void)
{
	struct resolver *new = calloc(1, sizeof(*new));

	if (new == NULL)
		return NULL;
	if (timers_attach(engine.timers, &new->timer, on_timeout) == -1 ||
	    open_channels(new) != ARES_SUCCESS) {
		resolver_free(new);
		return NULL;
	}
	LIST_INSERT_HEAD(&resolvers, new, link);
	return new;
}

static void
look_at(const char *path, struct stat *ret)
{
	memset(ret, 0, sizeof(*ret));
	stat(path, ret); /* none is as good as an empty one */
}

static bool
has_changed(const struct stat *now, const struct stat *before)
{
	return now->st_dev != before->st_dev || now->st_ino != before->st_ino ||
	    now->st_mtim.tv_sec != before->st_mtim.tv_sec ||
	    now->st_mtim.tv_nsec != before->st_mtim.tv_nsec ||
	    now->st_size != before->st_size;
}

struct resolver *
resolver_now(bool *ret_changed)
{
	struct resolver *old = newest, *new;
	struct state now;

	*ret_changed = false;
	look_at(resolver_conf, &now.conf);
	look_at("/etc/hosts", &now.hosts);
	if (newest != NULL && !has_changed(&now.conf, &seen.conf) &&
	    !has_changed(&now.hosts, &seen.hosts))
		return newest;
	if (!library_ready && ares_library_init(ARES_LIB_INIT_ALL) != 0)
		return NULL;
	library_ready = true;
	new = resolver_new();
	if (new == NULL)
		return newest; /* and the next question tries again */
	newest = new;
	seen = now;
	*ret_changed = true;
	if (old != NULL)
		resolver_go_on(old);
	return newest;
}

static unsigned int
count_dots(const char *text)
{
	unsigned int n = 0;

	for (; *text != '\0'; text++)
		n += *text == '.';
	return n;
}

bool
resolver_name(const struct resolver *resolver, const char *host,
    unsigned int number, char ret[RESOLVER_NAME_MAX])
{
	const struct ares_options *options = &resolver->conf;
	unsigned int domains = (unsigned int)options->ndomains;
	bool is_whole = host[strlen(host) - 1] == '.';
	/* Is the host as it is tried first, or last? */
	bool first =
	    is_whole || count_dots(host) >= (unsigned int)options->ndots;
	const char *domain;

	if (number > (is_whole ? 0 : domains))
		return false;
	if (number == (first ? 0 : domains)) {
		snprintf(ret, RESOLVER_NAME_MAX, "%s", host);
		return true;
	}
	domain = options->domains[first ? number - 1 : number];
	/* The root is written as ".". */
	snprintf(ret, RESOLVER_NAME_MAX, "%s.%s", host,
	    strcmp(domain, ".") == 0 ? "" : domain);
	return true;
}

static int
read_v4(const unsigned char *packet, int len, struct resolution *ret)
{
	struct ares_addrttl found[NAME_ADDRESSES_MAX];
	int n = NAME_ADDRESSES_MAX;
	int status = ares_parse_a_reply(packet, len, NULL, found, &n);

	if (status != ARES_SUCCESS)
		return status;
	for (int i = 0; i < n; i++) {
		struct sockaddr_in *in = &ret->addresses.list[i].in;

		in->sin_family = AF_INET;
		in->sin_addr = found[i].ipaddr;
	}
	ret->addresses.count = (unsigned int)n;
	return n > 0 ? ARES_SUCCESS : ARES_ENODATA;
}

static int
read_v6(const unsigned char *packet, int len, struct resolution *ret)
{
	struct ares_addr6ttl found[NAME_ADDRESSES_MAX];
	int n = NAME_ADDRESSES_MAX;
	int status = ares_parse_aaaa_reply(packet, len, NULL, found, &n);

	if (status != ARES_SUCCESS)
		return status;
	for (int i = 0; i < n; i++) {
		struct sockaddr_in6 *in6 = &ret->addresses.list[i].in6;

		in6->sin6_family = AF_INET6;
		memcpy(&in6->sin6_addr, &found[i].ip6addr,
		    sizeof(in6->sin6_addr));
	}
	ret->addresses.count = (unsigned int)n;
	return n > 0 ? ARES_SUCCESS : ARES_ENODATA;
}

/* Did a resolver say which addresses there are, or that there are none? */
static bool
has_decided(int status)
{
	return status == ARES_SUCCESS || status == ARES_ENOTFOUND ||
	    status == ARES_ENODATA;
}

/* For people.  Valid for ever. */
static const char *
failure_text(int status)
{
	if (status != ARES_ECONNREFUSED)
		return ares_strerror(status);
	/* That is also what c-ares says if it could not ask. */
	return socket_error != 0 ? strerrordesc_np(socket_error)
				 : "no resolver has an answer";
}

static void
on_packet(void *arg, int status, int timeouts, unsigned char *packet, int len)
{
	struct question *question = arg;
	struct resolution resolution = { .ttl_s = 0 };

	(void)timeouts;
	question->resolver->questions--;
	if (status == ARES_SUCCESS)
		status = question->family == NAME_V6
		    ? read_v6(packet, len, &resolution)
		    : read_v4(packet, len, &resolution);
	if (status != ARES_SUCCESS) {
		resolution.error = failure_text(status);
		resolution.try_next = has_decided(status) ||
		    status == ARES_ESERVFAIL || status == ARES_EBADNAME;
	}
	if (packet != NULL && has_decided(status))
		resolution.ttl_s =
		    dns_ttl_s(packet, (size_t)len, status == ARES_SUCCESS);
	question->answered(question->arg, &resolution);
	free(question);
}

void
resolver_ask(struct resolver *resolver, const char *name,
    enum name_family family,
    void (*answered)(void *arg, const struct resolution *resolution), void *arg)
{
	const struct resolution failed = {
		.error = ares_strerror(ARES_ENOMEM),
	};
	struct question *question = calloc(1, sizeof(*question));

	if (question == NULL) {
		answered(arg, &failed);
		return;
	}
	*question = (struct question){ resolver, family, answered, arg };
	resolver->questions++;
	socket_error = 0;
	ares_query(resolver->ares, name, ns_c_in,
	    family == NAME_V6 ? ns_t_aaaa : ns_t_a, on_packet, question);
}

/* c-ares reads the file at once. */
static void
on_hosts(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
	struct name_addresses *ret = arg;
	const struct ares_addrinfo_node *node =
	    info != NULL ? info->nodes : NULL;

	(void)status;
	(void)timeouts;
	for (; node != NULL; node = node->ai_next) {
		struct name_addresses *to =
		    &ret[node->ai_family == AF_INET6 ? NAME_V6 : NAME_V4];

		if (to->count < NAME_ADDRESSES_MAX &&
		    (size_t)node->ai_addrlen <= sizeof(to->list[0]))
			memcpy(&to->list[to->count++], node->ai_addr,
			    node->ai_addrlen);
	}
	if (info != NULL)
		ares_freeaddrinfo(info);
}

/*
 * The name as it stands in the file.  RFC 6761: what is below localhost is this
 * machine as well, and no resolver may be asked for it.
 */
static void
name_in_file(const char *host, char ret[RESOLVER_NAME_MAX])
{
	static const char below[] = ".localhost";
	size_t len;

	snprintf(ret, RESOLVER_NAME_MAX, "%s", host);
	len = strlen(ret);
	if (len > 1 && ret[len - 1] == '.')
		ret[--len] = '\0';
	if (len > strlen(below) &&
	    strcasecmp(ret + len - strlen(below), below) == 0)
		snprintf(ret, RESOLVER_NAME_MAX, "%s", below + 1);
}

bool
resolver_hosts(struct resolver *resolver, const char *host,
    struct name_addresses ret[NAME_FAMILIES])
{
	const struct ares_addrinfo_hints hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
	};
	char name[RESOLVER_NAME_MAX];

	name_in_file(host, name);
	ares_getaddrinfo(resolver->files, name, NULL, &hints, on_hosts, ret);
	return ret[NAME_V6].count + ret[NAME_V4].count > 0;
}

void
resolver_done(void)
{
	newest = NULL;
	while (!LIST_EMPTY(&resolvers))
		resolver_end(LIST_FIRST(&resolvers));
	if (library_ready)
		ares_library_cleanup();
	library_ready = false;
}
