/*
 * load.c: a load generator for echo servers.  One thread, epoll, plain TCP or
 * unix sockets.  Every byte that comes back is compared with what was sent.
 *
 * echo	  keep `depth` messages in flight on each connection; a message that
 *	  came back whole is timed and replaced by the next
 * idle	  open the connections, say so, hold them until standard input ends
 * accept connect, echo one byte, close; as often as it goes
 *
 * Results are one line of name=value on standard output.
 */

#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <err.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MAX 512	     /* per epoll_wait: more than a turn ever brings */
#define PATTERN_PERIOD 65521 /* bytes; a prime, so no message size divides it */
#define RUN_MAX (256 * 1024) /* bytes handed to one send or recv */
#define PACE_EVERY 500	     /* connections; far below any listen backlog */
#define ANSWER_TIMEOUT_S 10  /* an echo that takes longer is lost */
#define SOURCES 200	     /* addresses of 127.0.1.0/24: ports run out else */
#define NS_PER_S 1000000000ull

/* Log-linear histogram of nanoseconds: 128 steps per doubling, below 1 %. */
#define STEP_BITS 7
#define STEPS (1u << STEP_BITS)
#define BUCKETS (STEPS * (65 - STEP_BITS))

struct client {
	int fd;
	uint32_t events; /* what epoll watches for */
	uint64_t place;	 /* where in the pattern this connection began */
	uint64_t due;	 /* bytes asked to be sent; sent <= due */
	uint64_t sent;
	uint64_t received;
	uint64_t *begun; /* ring of `depth`: when each message was sent */
};

/* What one measured stretch gave. */
struct result {
	uint64_t messages;
	uint64_t begin_ns, end_ns;
	uint64_t max_ns;
	struct rusage usage; /* at its beginning */
	uint64_t histogram[BUCKETS];
};

static struct options {
	const char *mode;
	unsigned int connections;
	unsigned int depth;
	size_t size;
	double seconds, warm_up;
	uint64_t messages; /* instead of seconds, when not 0 */
	uint64_t slow_ns;  /* print every message slower than this */
} opt = { .mode = "echo",
	.connections = 50,
	.depth = 1,
	.size = 64,
	.seconds = 3,
	.warm_up = 0.5 };

static struct sockaddr_storage server;
static socklen_t server_len;
static int epfd;
static unsigned char pattern[PATTERN_PERIOD + RUN_MAX];
static unsigned char input[RUN_MAX];
static struct result result;
static uint64_t issued; /* messages asked to be sent, on all connections */
static bool stopping;	/* no further messages */

static uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static unsigned int
bucket_of(uint64_t ns)
{
	unsigned int shift;

	if (ns < 2 * STEPS)
		return (unsigned int)ns;
	shift = 63 - (unsigned int)__builtin_clzll(ns) - STEP_BITS;
	return shift * STEPS + (unsigned int)(ns >> shift);
}

/* The latency in microseconds that `share` of all messages did not exceed. */
static double
percentile(const struct result *res, double share)
{
	uint64_t seen = 0, want = (uint64_t)((double)res->messages * share);
	unsigned int i, shift;

	for (i = 0; i < BUCKETS; i++) {
		seen += res->histogram[i];
		if (seen > want)
			break;
	}
	if (i == BUCKETS)
		return (double)res->max_ns / 1e3;
	if (i < 2 * STEPS)
		return i / 1e3;
	shift = i / STEPS - 1;
	return (double)((uint64_t)(i - shift * STEPS) << shift) / 1e3;
}

static double
cpu_since(const struct rusage *then)
{
	struct rusage now;
	struct timeval user, sys;

	getrusage(RUSAGE_SELF, &now);
	timersub(&now.ru_utime, &then->ru_utime, &user);
	timersub(&now.ru_stime, &then->ru_stime, &sys);
	return (double)(user.tv_sec + sys.tv_sec) +
	    (double)(user.tv_usec + sys.tv_usec) / 1e6;
}

static void
result_begin(struct result *res, uint64_t now)
{
	memset(res, 0, sizeof(*res));
	res->begin_ns = now;
	getrusage(RUSAGE_SELF, &res->usage);
}

static void
result_print(const struct result *res)
{
	double seconds = (double)(res->end_ns - res->begin_ns) / 1e9;

	printf("load mode=%s connections=%u size=%zu depth=%u messages=%llu "
	       "seconds=%.3f rate=%.0f p50_us=%.1f p99_us=%.1f p999_us=%.1f "
	       "max_us=%.1f cpu_s=%.3f\n",
	    opt.mode, opt.connections, opt.size, opt.depth,
	    (unsigned long long)res->messages, seconds,
	    (double)res->messages / seconds, percentile(res, 0.5),
	    percentile(res, 0.99), percentile(res, 0.999),
	    (double)res->max_ns / 1e3, cpu_since(&res->usage));
}

static void
result_add(struct result *res, uint64_t now, uint64_t begun)
{
	uint64_t ns = now - begun;

	res->messages++;
	res->histogram[bucket_of(ns)]++;
	if (ns > res->max_ns)
		res->max_ns = ns;
	if (opt.slow_ns != 0 && ns > opt.slow_ns)
		printf("slow begun_s=%.6f us=%.1f\n", (double)begun / 1e9,
		    (double)ns / 1e3);
}

/* "HOST:PORT", "[HOST]:PORT" or "unix:/path". */
static void
server_set(const char *text)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;
	struct sockaddr_un *un = (struct sockaddr_un *)&server;
	char host[256];
	const char *colon = strrchr(text, ':');
	size_t len;
	int error;

	if (strncmp(text, "unix:", 5) == 0) {
		un->sun_family = AF_UNIX;
		if (strlen(text + 5) >= sizeof(un->sun_path))
			errx(2, "%s: path too long", text);
		strcpy(un->sun_path, text + 5);
		server_len = sizeof(*un);
		return;
	}
	if (colon == NULL || (len = (size_t)(colon - text)) >= sizeof(host))
		errx(2, "%s: not an address", text);
	memcpy(host, text, len);
	host[len] = '\0';
	if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
		host[len - 1] = '\0';
		memmove(host, host + 1, len - 1);
	}
	if ((error = getaddrinfo(host, colon + 1, &hints, &found)) != 0)
		errx(2, "%s: %s", text, gai_strerror(error));
	memcpy(&server, found->ai_addr, found->ai_addrlen);
	server_len = found->ai_addrlen;
	freeaddrinfo(found);
}

static int
open_socket(int flags)
{
	int fd, one = 1;

	fd = socket(server.ss_family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
	if (fd == -1)
		err(1, "socket");
	if (server.ss_family != AF_UNIX &&
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == -1)
		err(1, "TCP_NODELAY");
	return fd;
}

static void
watch(int op, int fd, uint32_t events, void *ptr)
{
	struct epoll_event ev = { .events = events, .data.ptr = ptr };

	if (epoll_ctl(epfd, op, fd, &ev) == -1)
		err(1, "epoll_ctl");
}

/* One byte there and back: everything accepted earlier is accepted then. */
static void
exchange(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	char byte = 'x';

	if (send(fd, &byte, 1, MSG_NOSIGNAL) != 1)
		err(1, "send");
	if (poll(&pfd, 1, ANSWER_TIMEOUT_S * 1000) != 1)
		errx(1, "no echo for %d s", ANSWER_TIMEOUT_S);
	if (recv(fd, &byte, 1, 0) != 1 || byte != 'x')
		errx(1, "wrong echo");
}

/* Open all connections; every talk_every'th and the last exchange a byte. */
static struct client *
connect_all(unsigned int talk_every)
{
	struct client *clients, *cl;
	unsigned int i;

	clients = calloc(opt.connections, sizeof(*clients));
	if (clients == NULL)
		err(1, NULL);
	for (i = 0; i < opt.connections; i++) {
		cl = &clients[i];
		cl->place = (uint64_t)i * 7919 % PATTERN_PERIOD;
		cl->begun = calloc(opt.depth, sizeof(*cl->begun));
		if (cl->begun == NULL)
			err(1, NULL);
		cl->fd = open_socket(0);
		if (connect(cl->fd, (struct sockaddr *)&server, server_len) == -1)
			err(1, "connect, after %u connections", i);
		if (i % talk_every == talk_every - 1 || i == opt.connections - 1)
			exchange(cl->fd);
	}
	return clients;
}

static void
client_flush(struct client *cl)
{
	uint32_t events = EPOLLIN;
	ssize_t n;
	size_t len;

	while (cl->sent < cl->due) {
		len = cl->due - cl->sent;
		if (len > RUN_MAX)
			len = RUN_MAX;
		n = send(cl->fd,
		    pattern + (cl->place + cl->sent) % PATTERN_PERIOD, len,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n == -1 && (errno == EAGAIN || errno == EINTR)) {
			events |= EPOLLOUT;
			break;
		}
		if (n == -1)
			err(1, "send");
		cl->sent += (uint64_t)n;
	}
	if (events != cl->events) {
		watch(EPOLL_CTL_MOD, cl->fd, events, cl);
		cl->events = events;
	}
}

static void
client_issue(struct client *cl, uint64_t count, uint64_t now)
{
	uint64_t i, first = cl->due / opt.size;

	if (opt.messages != 0 && issued + count > opt.messages)
		count = opt.messages - issued;
	for (i = first; i < first + count; i++)
		cl->begun[i % opt.depth] = now;
	issued += count;
	cl->due += count * opt.size;
	client_flush(cl);
}

static void
client_read(struct client *cl)
{
	uint64_t i, before, after, now;
	ssize_t n;

	n = recv(cl->fd, input, sizeof(input), MSG_DONTWAIT);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == -1)
		err(1, "recv");
	if (n == 0)
		errx(1, "the server closed a connection");
	now = now_ns();
	if (cl->received + (uint64_t)n > cl->sent ||
	    memcmp(input, pattern + (cl->place + cl->received) % PATTERN_PERIOD,
		(size_t)n) != 0)
		errx(1, "wrong echo after %llu bytes",
		    (unsigned long long)cl->received);
	before = cl->received / opt.size;
	cl->received += (uint64_t)n;
	after = cl->received / opt.size;
	for (i = before; i < after; i++)
		result_add(&result, now, cl->begun[i % opt.depth]);
	if (after > before && !stopping)
		client_issue(cl, after - before, now);
}

static void
run_echo(void)
{
	struct epoll_event events[EVENTS_MAX];
	struct client *clients, *cl;
	uint64_t now, measure_at, stop_at, answered = 0;
	bool warm = false;
	unsigned int i;
	int n, k;

	clients = connect_all(PACE_EVERY);
	now = now_ns();
	result_begin(&result, now);
	measure_at = now;
	if (opt.messages == 0)
		measure_at += (uint64_t)(opt.warm_up * 1e9);
	stop_at = measure_at + (uint64_t)(opt.seconds * 1e9);
	for (i = 0; i < opt.connections; i++) {
		cl = &clients[i];
		cl->events = EPOLLIN;
		watch(EPOLL_CTL_ADD, cl->fd, EPOLLIN, cl);
		client_issue(cl, opt.depth, now_ns());
	}
	/* When it is over, what is still under way must come back too. */
	while (!stopping || answered < issued) {
		n = epoll_wait(epfd, events, EVENTS_MAX, ANSWER_TIMEOUT_S * 1000);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			errx(1, "no echo for %d s", ANSWER_TIMEOUT_S);
		for (k = 0; k < n; k++) {
			cl = events[k].data.ptr;
			if ((events[k].events & EPOLLOUT) != 0)
				client_flush(cl);
			if ((events[k].events & ~(uint32_t)EPOLLOUT) != 0)
				client_read(cl);
		}
		now = now_ns();
		if (opt.messages != 0) {
			answered = result.messages;
			stopping = answered >= opt.messages;
		} else if (stopping) {
			for (i = 0, answered = 0; i < opt.connections; i++)
				answered += clients[i].received / opt.size;
			continue;
		} else if (!warm && now >= measure_at) {
			result_begin(&result, now);
			warm = true;
		} else
			stopping = now >= stop_at;
		result.end_ns = now;
		if (stopping)
			result_print(&result);
	}
}

static void
run_idle(void)
{
	char byte;

	/* A size of 0: connections on which nothing was ever said. */
	connect_all(opt.size == 0 ? PACE_EVERY : 1);
	printf("load mode=idle connections=%u ready\n", opt.connections);
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
}

static void
accept_begin(struct client *cl)
{
	static unsigned int turn;
	struct sockaddr_in *in = (struct sockaddr_in *)&server, from = { 0 };
	int one = 1;

	cl->fd = open_socket(SOCK_NONBLOCK);
	cl->sent = 0;
	if (server.ss_family == AF_INET &&
	    ntohl(in->sin_addr.s_addr) >> 24 == 127) {
		from.sin_family = AF_INET;
		from.sin_addr.s_addr = htonl(0x7f000101 + turn++ % SOURCES);
		setsockopt(cl->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one,
		    sizeof(one));
		if (bind(cl->fd, (struct sockaddr *)&from, sizeof(from)) == -1)
			err(1, "bind");
	}
	if (connect(cl->fd, (struct sockaddr *)&server, server_len) == -1 &&
	    errno != EINPROGRESS)
		err(1, "connect");
	cl->begun[0] = now_ns();
	watch(EPOLL_CTL_ADD, cl->fd, EPOLLIN | EPOLLOUT, cl);
}

static void
accept_step(struct client *cl, uint32_t events)
{
	char byte = 'x';

	if (cl->sent == 0 && (events & EPOLLOUT) != 0) {
		if (send(cl->fd, &byte, 1, MSG_NOSIGNAL) != 1)
			err(1, "send");
		cl->sent = 1;
		watch(EPOLL_CTL_MOD, cl->fd, EPOLLIN, cl);
		return;
	}
	if (recv(cl->fd, &byte, 1, 0) != 1 || byte != 'x')
		errx(1, "wrong echo");
	close(cl->fd);
	result_add(&result, now_ns(), cl->begun[0]);
	accept_begin(cl);
}

static void
run_accept(void)
{
	struct epoll_event events[EVENTS_MAX];
	struct client *clients;
	uint64_t now = now_ns(), measure_at, stop_at;
	bool warm = false;
	unsigned int i;
	int n, k;

	clients = calloc(opt.connections, sizeof(*clients));
	if (clients == NULL)
		err(1, NULL);
	measure_at = now + (uint64_t)(opt.warm_up * 1e9);
	stop_at = measure_at + (uint64_t)(opt.seconds * 1e9);
	result_begin(&result, now);
	for (i = 0; i < opt.connections; i++) {
		clients[i].begun = calloc(1, sizeof(*clients[i].begun));
		if (clients[i].begun == NULL)
			err(1, NULL);
		accept_begin(&clients[i]);
	}
	do {
		n = epoll_wait(epfd, events, EVENTS_MAX, ANSWER_TIMEOUT_S * 1000);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			errx(1, "nothing for %d s", ANSWER_TIMEOUT_S);
		for (k = 0; k < n; k++)
			accept_step(events[k].data.ptr, events[k].events);
		now = now_ns();
		if (!warm && now >= measure_at) {
			result_begin(&result, now);
			warm = true;
		}
	} while (
	    opt.messages != 0 ? result.messages < opt.messages : now < stop_at);
	result.end_ns = now;
	result_print(&result);
}

static _Noreturn void
usage(void)
{
	fprintf(stderr,
	    "usage: load [-m echo|idle|accept] [-c connections] [-s bytes]\n"
	    "            [-d depth] [-t seconds | -n messages] [-w warm-up "
	    "seconds]\n"
	    "            [-l microseconds] host:port | unix:/path\n");
	exit(2);
}

int
main(int argc, char **argv)
{
	uint32_t random = 1;
	size_t i;
	int ch;

	while ((ch = getopt(argc, argv, "c:d:l:m:n:s:t:w:")) != -1) {
		switch (ch) {
		case 'c':
			opt.connections = (unsigned int)atoi(optarg);
			break;
		case 'd':
			opt.depth = (unsigned int)atoi(optarg);
			break;
		case 'l':
			opt.slow_ns = strtoull(optarg, NULL, 10) * 1000;
			break;
		case 'm':
			opt.mode = optarg;
			break;
		case 'n':
			opt.messages = strtoull(optarg, NULL, 10);
			opt.warm_up = 0;
			break;
		case 's':
			opt.size = strtoull(optarg, NULL, 10);
			break;
		case 't':
			opt.seconds = atof(optarg);
			break;
		case 'w':
			opt.warm_up = atof(optarg);
			break;
		default:
			usage();
		}
	}
	if (optind != argc - 1 || opt.connections == 0 || opt.depth == 0)
		usage();
	server_set(argv[optind]);
	if ((epfd = epoll_create1(EPOLL_CLOEXEC)) == -1)
		err(1, "epoll_create1");
	for (i = 0; i < PATTERN_PERIOD; i++) {
		random = random * 1664525 + 1013904223;
		pattern[i] = (unsigned char)(random >> 24);
	}
	for (; i < sizeof(pattern); i++)
		pattern[i] = pattern[i - PATTERN_PERIOD];

	if (strcmp(opt.mode, "idle") == 0)
		run_idle();
	else if (strcmp(opt.mode, "accept") == 0)
		run_accept();
	else if (strcmp(opt.mode, "echo") == 0 && opt.size > 0)
		run_echo();
	else
		usage();
	return 0;
}
