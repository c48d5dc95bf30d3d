/*
 * stream.c: many connections to bench/stamped.c.  Each sends numbered messages
 * at a steady pace, whatever the server does.  Every message that comes back
 * must be the next one, must contain the number of messages before it, and says
 * which version of the code answered.
 *
 * Standard output, flushed line by line:
 *	ready
 *	version b at=SECONDS		version b has answered all connections
 *	stream name=value ...		at the end of standard input
 */

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SIZE 32 /* of a message, as in stamped.c */
#define NUMBER_AT 8
#define COUNT_AT 16
#define RING 4096 /* most messages in flight per connection */
#define EVENTS_MAX 512
#define TICK_NS 1000000ull
#define LAST_S 5 /* for messages still in flight at the end */
#define NS_PER_S 1000000000ull
#define BUCKETS 200000 /* of 1 us; longer times count in the last */

struct client {
	int fd; /* -1: to be connected again */
	uint64_t sent, received;
	unsigned char part[SIZE]; /* received of the next message */
	size_t part_len;
	char version; /* of the last answer; 0: none yet */
	uint64_t begun[RING];
};

static struct {
	uint64_t messages, lost, repeated, reordered, wrong;
	uint64_t resets, ended, refused, connects;
	uint64_t max_ns, late_ns, over_5ms, over_50ms;
	uint64_t histogram[BUCKETS];
} total;

static unsigned int connections = 200, interval_ms = 50;
static bool reconnect;
static struct client *clients;
static struct sockaddr_in server = { .sin_family = AF_INET };
static int epfd;
static char newest; /* version */
static unsigned int on_newest;

static uint64_t
now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* Returns false when it could not connect. */
static bool
connect_one(struct client *cl)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = cl };
	struct sockaddr_in from = { .sin_family = AF_INET };
	int fd, one = 1;

	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		err(1, "socket");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	/* One address has too few ports for all the new connections. */
	from.sin_addr.s_addr =
	    htonl(0x7f000101 + (uint32_t)(cl - clients) % 100);
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&from, sizeof(from)) == -1)
		err(1, "bind");
	total.connects++;
	if (connect(fd, (struct sockaddr *)&server, sizeof(server)) == -1) {
		if (errno != ECONNREFUSED && errno != ECONNRESET)
			err(1, "connect");
		total.refused++;
		close(fd);
		return false;
	}
	cl->fd = fd;
	cl->sent = cl->received = 0;
	cl->part_len = 0;
	if (epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev) == -1)
		err(1, "epoll_ctl");
	return true;
}

static void
lose(struct client *cl, bool reset)
{
	if (reset)
		total.resets++;
	else
		total.ended++;
	close(cl->fd);
	cl->fd = -1;
	if (cl->version == newest && newest != 0)
		on_newest--;
	cl->version = 0;
}

static void
send_one(struct client *cl)
{
	unsigned char message[SIZE] = "?";
	uint32_t id = (uint32_t)(cl - clients);
	ssize_t n;

	memcpy(message + 4, &id, sizeof(id));
	memcpy(message + NUMBER_AT, &cl->sent, sizeof(cl->sent));
	memset(message + COUNT_AT + 8, 'x', SIZE - COUNT_AT - 8);
	if (cl->sent - cl->received >= RING)
		return; /* the server is stuck; max_us shows it */
	cl->begun[cl->sent % RING] = now_ns(CLOCK_MONOTONIC);
	n = send(cl->fd, message, SIZE, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n == SIZE)
		cl->sent++;
	else if (n == -1 && errno != EAGAIN && reconnect)
		lose(cl, true);
	else if (n == -1 && errno != EAGAIN)
		err(1, "send");
	else if (n != -1)
		errx(1, "a message was sent in part");
}

static void
note_version(struct client *cl, char version)
{
	if (version == cl->version)
		return;
	/* A connection on the newest version has moved on: this is the newest. */
	if (version != newest && cl->version == newest && newest != 0) {
		on_newest = 0;
		newest = version;
	} else if (newest == 0) {
		newest = version;
	}
	cl->version = version;
	if (version == newest && ++on_newest == connections) {
		printf("version %c at=%.6f\n", version,
		    (double)now_ns(CLOCK_REALTIME) / 1e9);
		fflush(stdout);
	}
}

static void
check_message(struct client *cl, const unsigned char *message)
{
	uint64_t number, count, ns;
	uint32_t id;

	memcpy(&id, message + 4, sizeof(id));
	memcpy(&number, message + NUMBER_AT, sizeof(number));
	memcpy(&count, message + COUNT_AT, sizeof(count));
	total.messages++;
	if (id != (uint32_t)(cl - clients) || number >= cl->sent) {
		total.wrong++;
		return;
	}
	if (count != number + 1)
		total.reordered++; /* or its state was lost */
	if (number < cl->received) {
		total.repeated++;
		return;
	}
	total.lost += number - cl->received;
	cl->received = number + 1;
	ns = now_ns(CLOCK_MONOTONIC) - cl->begun[number % RING];
	total.histogram[ns / 1000 < BUCKETS ? ns / 1000 : BUCKETS - 1]++;
	if (ns > total.max_ns)
		total.max_ns = ns;
	total.over_5ms += ns > 5 * TICK_NS;
	total.over_50ms += ns > 50 * TICK_NS;
	note_version(cl, (char)message[0]);
}

static void
receive(struct client *cl)
{
	unsigned char input[SIZE * 256 + SIZE];
	size_t at = 0, have;
	ssize_t n;

	memcpy(input, cl->part, cl->part_len);
	n = recv(cl->fd, input + cl->part_len, SIZE * 256, MSG_DONTWAIT);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		if (!reconnect)
			errx(1,
			    n == 0 ? "the server closed a connection"
				   : "a connection was reset");
		lose(cl, n == -1);
		return;
	}
	have = cl->part_len + (size_t)n;
	for (; have - at >= SIZE; at += SIZE)
		check_message(cl, input + at);
	cl->part_len = have - at;
	memcpy(cl->part, input + at, cl->part_len);
}

/* Send on every connection whose turn has come since the last call. */
static void
send_due(uint64_t now, bool stopping)
{
	static uint64_t turn, begun;
	uint64_t until;

	if (begun == 0)
		begun = now;
	until = (now - begun) * connections / (interval_ms * TICK_NS);
	/* Note how late this program itself is. */
	if (turn < until &&
	    (until - turn) * interval_ms * TICK_NS / connections >
		total.late_ns &&
	    turn > 0)
		total.late_ns =
		    (until - turn) * interval_ms * TICK_NS / connections;
	for (; turn < until; turn++) {
		struct client *cl = &clients[turn % connections];

		if (stopping || (cl->fd == -1 && !connect_one(cl)))
			continue;
		send_one(cl);
	}
}

static double
percentile(double share)
{
	uint64_t seen = 0, all = 0;
	unsigned int i;

	for (i = 0; i < BUCKETS; i++)
		all += total.histogram[i];
	for (i = 0; i < BUCKETS - 1; i++)
		if ((seen += total.histogram[i]) > (double)all * share)
			break;
	return i;
}

static void
print_total(void)
{
	uint64_t missing = 0;

	for (unsigned int i = 0; i < connections; i++)
		if (clients[i].fd != -1)
			missing += clients[i].sent - clients[i].received;
	printf("stream messages=%llu missing=%llu lost=%llu repeated=%llu "
	       "reordered=%llu wrong=%llu resets=%llu ended=%llu connects=%llu "
	       "refused=%llu p50_us=%.0f p99_us=%.0f p999_us=%.0f max_us=%.0f "
	       "over_5ms=%llu over_50ms=%llu own_delay_us=%.0f\n",
	    (unsigned long long)total.messages, (unsigned long long)missing,
	    (unsigned long long)total.lost, (unsigned long long)total.repeated,
	    (unsigned long long)total.reordered,
	    (unsigned long long)total.wrong, (unsigned long long)total.resets,
	    (unsigned long long)total.ended, (unsigned long long)total.connects,
	    (unsigned long long)total.refused, percentile(0.5),
	    percentile(0.99), percentile(0.999), (double)total.max_ns / 1e3,
	    (unsigned long long)total.over_5ms,
	    (unsigned long long)total.over_50ms, (double)total.late_ns / 1e3);
}

static bool
all_back(void)
{
	for (unsigned int i = 0; i < connections; i++)
		if (clients[i].fd != -1 &&
		    clients[i].received != clients[i].sent)
			return false;
	return true;
}

static void
run(int ticker)
{
	struct epoll_event events[EVENTS_MAX];
	bool stopping = false;
	uint64_t now, stop_at = UINT64_MAX, ticks;
	char byte;
	int n;

	while (!(stopping && all_back()) &&
	    (now = now_ns(CLOCK_MONOTONIC)) < stop_at) {
		n = epoll_wait(epfd, events, EVENTS_MAX, 1000);
		if (n == -1 && errno != EINTR)
			err(1, "epoll_wait");
		for (int i = 0; i < n; i++) {
			struct client *cl = events[i].data.ptr;

			if (cl == NULL) {
				if (read(ticker, &ticks, sizeof(ticks)) == -1)
					err(1, "timer");
			} else if (cl == clients + connections) {
				if (read(STDIN_FILENO, &byte, 1) > 0)
					continue;
				stopping = true;
				stop_at = now + LAST_S * NS_PER_S;
				epoll_ctl(epfd, EPOLL_CTL_DEL, STDIN_FILENO,
				    NULL);
			} else if (cl->fd != -1) {
				receive(cl);
			}
		}
		send_due(now_ns(CLOCK_MONOTONIC), stopping);
	}
	print_total();
}

static void
begin(void)
{
	struct itimerspec every = { { 0, TICK_NS }, { 0, TICK_NS } };
	struct epoll_event ev = { .events = EPOLLIN };
	int ticker = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

	epfd = epoll_create1(EPOLL_CLOEXEC);
	clients = calloc(connections + 1, sizeof(*clients));
	if (ticker == -1 || epfd == -1 || clients == NULL ||
	    timerfd_settime(ticker, 0, &every, NULL) == -1 ||
	    epoll_ctl(epfd, EPOLL_CTL_ADD, ticker, &ev) == -1)
		err(1, "timer");
	ev.data.ptr = clients + connections;
	if (epoll_ctl(epfd, EPOLL_CTL_ADD, STDIN_FILENO, &ev) == -1)
		err(1, "standard input must be a pipe");
	for (unsigned int i = 0; i < connections; i++)
		if (!connect_one(&clients[i]))
			errx(1, "connect, after %u connections", i);
	puts("ready");
	fflush(stdout);
	run(ticker);
}

int
main(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "c:i:r")) != -1) {
		switch (option) {
		case 'c':
			connections = (unsigned int)atoi(optarg);
			break;
		case 'i':
			interval_ms = (unsigned int)atoi(optarg);
			break;
		case 'r':
			reconnect = true;
			break;
		default:
			goto usage;
		}
	}
	if (optind != argc - 1 || connections == 0 || interval_ms == 0)
		goto usage;
	server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server.sin_port = htons((uint16_t)atoi(argv[optind]));
	begin();
	return 0;
usage:
	fprintf(stderr,
	    "usage: stream [-c connections] [-i interval in ms] "
	    "[-r] port\n");
	return 2;
}
