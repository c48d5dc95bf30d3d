/* load_socket.c: the connections of the load generator. */

#include <sys/epoll.h>
#include <sys/un.h>

#include <err.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "load.h"

static unsigned char input[RUN_MAX];

void
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

int
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

void
watch(int op, int fd, uint32_t events, void *ptr)
{
	struct epoll_event ev = { .events = events, .data.ptr = ptr };

	if (epoll_ctl(epfd, op, fd, &ev) == -1)
		err(1, "epoll_ctl");
}

static ssize_t
client_send(struct client *cl, const void *buf, size_t len)
{
	if (cl->ssl != NULL)
		return tls_send(cl, buf, len);
	return send(cl->fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static ssize_t
client_recv(struct client *cl, void *buf, size_t len)
{
	if (cl->ssl != NULL)
		return tls_recv(cl, buf, len);
	return recv(cl->fd, buf, len, MSG_DONTWAIT);
}

/* Echo one byte.  Then all earlier connections have been accepted, too. */
static void
exchange(struct client *cl)
{
	struct pollfd pfd = { .fd = cl->fd, .events = POLLIN };
	char byte = 'x';
	ssize_t n;

	if (client_send(cl, &byte, 1) != 1)
		err(1, "send");
	do { /* with TLS, a ticket may come before it */
		if (poll(&pfd, 1, ANSWER_TIMEOUT_S * 1000) != 1)
			errx(1, "no echo for %d s", ANSWER_TIMEOUT_S);
		n = client_recv(cl, &byte, 1);
	} while (n == -1 && errno == EAGAIN);
	if (n != 1 || byte != 'x')
		errx(1, "wrong echo");
}

struct client *
connect_all(unsigned int talk_every)
{
	struct client *clients, *cl;

	clients = calloc(opt.connections, sizeof(*clients));
	if (clients == NULL)
		err(1, NULL);
	for (unsigned int i = 0; i < opt.connections; i++) {
		cl = &clients[i];
		cl->place = (uint64_t)i * 7919 % PATTERN_PERIOD;
		cl->begun = calloc(opt.depth, sizeof(*cl->begun));
		if (cl->begun == NULL)
			err(1, NULL);
		cl->fd = open_socket(0);
		if (connect(cl->fd, (struct sockaddr *)&server, server_len) ==
		    -1)
			err(1, "connect, after %u connections", i);
		if (opt.tls)
			tls_connect(cl);
		if (talk_every != 0 &&
		    (i % talk_every == talk_every - 1 ||
			i == opt.connections - 1))
			exchange(cl);
	}
	return clients;
}

void
client_flush(struct client *cl)
{
	uint32_t events = EPOLLIN;
	ssize_t n;
	size_t len;

	while (cl->sent < cl->due) {
		len = cl->due - cl->sent;
		if (len > RUN_MAX)
			len = RUN_MAX;
		n = client_send(cl,
		    pattern + (cl->place + cl->sent) % PATTERN_PERIOD, len);
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

size_t
client_receive(struct client *cl, uint64_t sent)
{
	ssize_t n;

	n = client_recv(cl, input, sizeof(input));
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n == -1)
		err(1, "recv");
	if (n == 0)
		errx(1, "the server closed a connection");
	if (cl->received + (uint64_t)n > sent ||
	    memcmp(input, pattern + (cl->place + cl->received) % PATTERN_PERIOD,
		(size_t)n) != 0)
		errx(1, "wrong bytes after %llu",
		    (unsigned long long)cl->received);
	cl->received += (uint64_t)n;
	return (size_t)n;
}

void
wait_for_input(void)
{
	char byte;

	printf("load mode=%s connections=%u ready\n", opt.mode,
	    opt.connections);
	fflush(stdout);
	if (read(STDIN_FILENO, &byte, 1) == -1)
		err(1, "standard input");
}

static unsigned int
own_port(const struct client *cl)
{
	struct sockaddr_storage own = { 0 };
	socklen_t len = sizeof(own);

	if (getsockname(cl->fd, (struct sockaddr *)&own, &len) == -1)
		err(1, "getsockname");
	/* The port of an IPv6 address stands at the same place. */
	return own.ss_family == AF_UNIX
	    ? 0
	    : ntohs(((struct sockaddr_in *)&own)->sin_port);
}

void
clients_end(const struct client *clients)
{
	char byte;

	if (!opt.paused)
		return;
	for (unsigned int i = 0; i < opt.connections; i++)
		printf("connection port=%u messages=%llu\n",
		    own_port(&clients[i]),
		    (unsigned long long)(clients[i].received / opt.size));
	fflush(stdout);
	if (read(STDIN_FILENO, &byte, 1) == -1)
		err(1, "standard input");
}
