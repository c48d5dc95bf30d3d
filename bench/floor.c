/*
 * floor.c: the least an echo server on epoll can do: accept4, epoll_wait, recv,
 * send, and no promises.  It is what sluiced is measured against, so it has no
 * limits, no timers, no log, and reads nothing while its output is blocked.
 */

#include <sys/epoll.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EVENTS_MAX 512 /* per epoll_wait: more than a turn ever brings */
#define INPUT_MAX (256 * 1024) /* bytes; as sluiced's receive buffer */
#define BACKLOG 4096	       /* as sluiced's default */

struct peer {
	int fd;
	char *rest; /* what the kernel did not take, or NULL */
	size_t done, len;
};

static int epfd;
static char input[INPUT_MAX];

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
	close(peer->fd);
	free(peer->rest);
	free(peer);
}

static void
peer_keep(struct peer *peer, const char *buf, size_t len)
{
	if ((peer->rest = malloc(len)) == NULL)
		err(1, NULL);
	memcpy(peer->rest, buf, len);
	peer->done = 0;
	peer->len = len;
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

static void
peer_read(struct peer *peer)
{
	ssize_t len, n;

	len = recv(peer->fd, input, sizeof(input), 0);
	if (len == -1 && errno == EAGAIN)
		return;
	if (len <= 0) {
		peer_close(peer);
		return;
	}
	n = send(peer->fd, input, (size_t)len, MSG_NOSIGNAL);
	if (n == len)
		return;
	if (n == -1 && errno != EAGAIN) {
		peer_close(peer);
		return;
	}
	if (n == -1)
		n = 0;
	peer_keep(peer, input + n, (size_t)(len - n));
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
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		watch(EPOLL_CTL_ADD, fd, EPOLLIN, peer);
	}
	if (errno != EAGAIN && errno != ECONNABORTED)
		err(1, "accept4");
}

int
main(int argc, char **argv)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t in_len = sizeof(in);
	struct epoll_event events[EVENTS_MAX];
	struct peer *peer;
	int listener, one = 1, n, i;

	if (argc > 2)
		errx(2, "usage: floor [port]");
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	in.sin_port = htons(argc == 2 ? (uint16_t)atoi(argv[1]) : 0);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (listener == -1 ||
	    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ==
		-1 ||
	    bind(listener, (struct sockaddr *)&in, sizeof(in)) == -1 ||
	    listen(listener, BACKLOG) == -1 ||
	    getsockname(listener, (struct sockaddr *)&in, &in_len) == -1)
		err(1, "listen");
	if ((epfd = epoll_create1(EPOLL_CLOEXEC)) == -1)
		err(1, "epoll_create1");
	watch(EPOLL_CTL_ADD, listener, EPOLLIN, NULL);
	printf("listening on 127.0.0.1:%u\n", ntohs(in.sin_port));
	fflush(stdout);

	for (;;) {
		n = epoll_wait(epfd, events, EVENTS_MAX, -1);
		if (n == -1 && errno != EINTR)
			err(1, "epoll_wait");
		for (i = 0; i < n; i++) {
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
