/*
 * floor.c: the least that a server on epoll can do: accept4, epoll_wait, recv
 * and send.  sluiced is measured against it.  It has no limits, no timers and
 * no log, and reads nothing while its output is blocked.
 *
 * echo	     sends its input back
 * broadcast sends its input to all other connections of the process
 *
 * With -n there are that many processes, each with its own listening socket,
 * like the workers of sluiced.
 */

#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EVENTS_MAX 512	       /* per epoll_wait: more than ever come at once */
#define INPUT_MAX (256 * 1024) /* bytes, like sluiced's receive buffer */
#define BACKLOG 4096	       /* like sluiced's default */
#define PEERS_MAX 65536	       /* in a broadcast */
#define PROCESSES_MAX 64

struct peer {
	int fd;
	unsigned int place; /* in peers */
	char *rest;	    /* what the kernel did not take, or NULL */
	size_t done, len;
};

static int epfd;
static char input[INPUT_MAX];
static bool broadcast;
static struct peer *peers[PEERS_MAX]; /* for broadcast only */
static unsigned int peer_count;

static void
watch(int op, int fd, uint32_t events, void *ptr)
{
	struct epoll_event ev = { .events = events, .data.ptr = ptr };

	if (epoll_ctl(epfd, op, fd, &ev) == -1)
		err(1, "epoll_ctl");
}

static void
peer_close(struct peer *peer)
{
	if (broadcast) {
		peers[peer->place] = peers[--peer_count];
		peers[peer->place]->place = peer->place;
	}
	close(peer->fd);
	free(peer->rest);
	free(peer);
}

static void
peer_keep(struct peer *peer, const char *buf, size_t len)
{
	bool watched = peer->rest != NULL;

	if (!watched)
		peer->done = peer->len = 0;
	if ((peer->rest = realloc(peer->rest, peer->len + len)) == NULL)
		err(1, NULL);
	memcpy(peer->rest + peer->len, buf, len);
	peer->len += len;
	if (!watched)
		watch(EPOLL_CTL_MOD, peer->fd, EPOLLOUT, peer);
}

static void
peer_write(struct peer *peer)
{
	ssize_t n;

	n = send(peer->fd, peer->rest + peer->done, peer->len - peer->done,
	    MSG_NOSIGNAL);
	if (n == -1 && errno == EAGAIN)
		return;
	if (n == -1) {
		peer_close(peer);
		return;
	}
	peer->done += (size_t)n;
	if (peer->done < peer->len)
		return;
	free(peer->rest);
	peer->rest = NULL;
	watch(EPOLL_CTL_MOD, peer->fd, EPOLLIN, peer);
}

/* Returns false when the connection is broken.  Inlined for speed. */
static inline __attribute__((always_inline)) bool
peer_send(struct peer *peer, const char *buf, size_t len)
{
	ssize_t n = 0;

	if (peer->rest == NULL) {
		n = send(peer->fd, buf, len, MSG_NOSIGNAL);
		if (n == (ssize_t)len)
			return true;
		if (n == -1 && errno != EAGAIN)
			return false;
		if (n == -1)
			n = 0;
	}
	peer_keep(peer, buf + n, len - (size_t)n);
	return true;
}

/* A broken connection is noticed later, when its end is read. */
static void
send_others(const struct peer *from, const char *buf, size_t len)
{
	for (unsigned int i = 0; i < peer_count; i++)
		if (peers[i] != from)
			peer_send(peers[i], buf, len);
}

static void
peer_read(struct peer *peer)
{
	ssize_t len;

	len = recv(peer->fd, input, sizeof(input), 0);
	if (len == -1 && errno == EAGAIN)
		return;
	if (len <= 0) {
		peer_close(peer);
		return;
	}
	if (broadcast)
		send_others(peer, input, (size_t)len);
	else if (!peer_send(peer, input, (size_t)len))
		peer_close(peer);
}

static void
peer_accept(int listener)
{
	struct peer *peer;
	int fd, one = 1;

	while ((fd = accept4(listener, NULL, NULL,
		    SOCK_NONBLOCK | SOCK_CLOEXEC)) != -1) {
		if ((peer = calloc(1, sizeof(*peer))) == NULL)
			err(1, NULL);
		peer->fd = fd;
		if (broadcast) {
			if (peer_count == PEERS_MAX)
				errx(1, "more than %d connections", PEERS_MAX);
			peer->place = peer_count;
			peers[peer_count++] = peer;
		}
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		watch(EPOLL_CTL_ADD, fd, EPOLLIN, peer);
	}
	if (errno != EAGAIN && errno != ECONNABORTED)
		err(1, "accept4");
}

/* Listen at *in; a port 0 is chosen.  shared: by several processes. */
static int
open_listener(struct sockaddr_in *in, bool shared)
{
	socklen_t len = sizeof(*in);
	int fd, one = 1;

	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1 ||
	    setsockopt(fd, SOL_SOCKET, shared ? SO_REUSEPORT : SO_REUSEADDR,
		&one, sizeof(one)) == -1 ||
	    bind(fd, (struct sockaddr *)in, sizeof(*in)) == -1 ||
	    listen(fd, BACKLOG) == -1 ||
	    getsockname(fd, (struct sockaddr *)in, &len) == -1)
		err(1, "listen");
	return fd;
}

static _Noreturn void
serve(int listener)
{
	struct epoll_event events[EVENTS_MAX];
	struct peer *peer;
	int n;

	if ((epfd = epoll_create1(EPOLL_CLOEXEC)) == -1)
		err(1, "epoll_create1");
	watch(EPOLL_CTL_ADD, listener, EPOLLIN, NULL);
	for (;;) {
		n = epoll_wait(epfd, events, EVENTS_MAX, -1);
		if (n == -1 && errno != EINTR)
			err(1, "epoll_wait");
		for (int i = 0; i < n; i++) {
			peer = events[i].data.ptr;
			if (peer == NULL)
				peer_accept(listener);
			else if (peer->rest != NULL)
				peer_write(peer);
			else
				peer_read(peer);
		}
	}
}

static void
fork_server(const int *listeners, unsigned int count, unsigned int own)
{
	pid_t parent = getpid();

	switch (fork()) {
	case -1:
		err(1, "fork");
	case 0:
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (getppid() != parent)
			exit(1);
		for (unsigned int i = 0; i < count; i++)
			if (i != own)
				close(listeners[i]);
		serve(listeners[own]);
	}
}

int
main(int argc, char **argv)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	int listeners[PROCESSES_MAX], option;
	unsigned int processes = 1;

	while ((option = getopt(argc, argv, "m:n:")) != -1) {
		if (option == 'm' && strcmp(optarg, "broadcast") == 0)
			broadcast = true;
		else if (option == 'n')
			processes = (unsigned int)atoi(optarg);
		else if (option != 'm' || strcmp(optarg, "echo") != 0)
			goto usage;
	}
	if (argc - optind > 1 || processes == 0 || processes > PROCESSES_MAX)
		goto usage;
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	in.sin_port = htons(optind < argc ? (uint16_t)atoi(argv[optind]) : 0);
	for (unsigned int i = 0; i < processes; i++)
		listeners[i] = open_listener(&in, processes > 1);
	if (processes > 1)
		for (unsigned int i = 0; i < processes; i++)
			fork_server(listeners, processes, i);
	printf("listening on 127.0.0.1:%u\n", ntohs(in.sin_port));
	fflush(stdout);
	if (processes == 1)
		serve(listeners[0]);
	for (unsigned int i = 0; i < processes; i++)
		close(listeners[i]);
	wait(NULL);
	errx(1, "a process has ended");
usage:
	errx(2, "usage: floor [-m echo|broadcast] [-n processes] [port]");
}
