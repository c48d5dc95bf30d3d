/* load_accept.c: short connections; the mode accept. */

#include <sys/epoll.h>

#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <unistd.h>

#include "load.h"

#define SOURCES 200 /* addresses of 127.0.1.0/24: one has too few ports */

static void
short_begin(struct client *cl)
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

void
short_end(struct client *cl)
{
	close(cl->fd);
	stretch_add(now_ns(), cl->begun[0]);
	short_begin(cl);
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
	short_end(cl);
}

void
run_short(client_step *step)
{
	struct epoll_event events[EVENTS_MAX];
	struct client *clients;
	int n;

	clients = calloc(opt.connections, sizeof(*clients));
	if (clients == NULL)
		err(1, NULL);
	if (opt.paused)
		wait_for_input();
	stretch_begin(now_ns());
	for (unsigned int i = 0; i < opt.connections; i++) {
		clients[i].begun = calloc(1, sizeof(*clients[i].begun));
		if (clients[i].begun == NULL)
			err(1, NULL);
		short_begin(&clients[i]);
	}
	do {
		n = epoll_wait(epfd, events, EVENTS_MAX,
		    ANSWER_TIMEOUT_S * 1000);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			errx(1, "nothing for %d s", ANSWER_TIMEOUT_S);
		for (int k = 0; k < n; k++)
			step(events[k].data.ptr, events[k].events);
	} while (!stretch_over(now_ns()));
}

void
run_accept(void)
{
	run_short(accept_step);
}
