/* load_echo.c: the modes echo and idle. */

#include <sys/epoll.h>

#include <err.h>
#include <errno.h>

#include "load.h"

static uint64_t issued; /* messages asked to be sent, on all connections */
static bool stopping;	/* no further messages */

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
	uint64_t i, before = cl->received / opt.size, after, now;

	if (client_receive(cl, cl->sent) == 0)
		return;
	now = now_ns();
	after = cl->received / opt.size;
	for (i = before; i < after; i++)
		stretch_add(now, cl->begun[i % opt.depth]);
	if (after > before && !stopping)
		client_issue(cl, after - before, now);
}

static bool
all_answered(const struct client *clients)
{
	uint64_t answered = 0;

	for (unsigned int i = 0; i < opt.connections; i++)
		answered += clients[i].received / opt.size;
	return answered == issued;
}

static void
pass(void)
{
	struct epoll_event events[EVENTS_MAX];
	int n = epoll_wait(epfd, events, EVENTS_MAX, ANSWER_TIMEOUT_S * 1000);

	if (n == -1 && errno == EINTR)
		return;
	if (n <= 0)
		errx(1, "no echo for %d s", ANSWER_TIMEOUT_S);
	for (int k = 0; k < n; k++) {
		struct client *cl = events[k].data.ptr;

		if ((events[k].events & EPOLLOUT) != 0)
			client_flush(cl);
		if ((events[k].events & ~(uint32_t)EPOLLOUT) != 0)
			client_read(cl);
	}
}

void
run_echo(void)
{
	struct client *clients;

	clients = connect_all(opt.paused ? 1 : PACE_EVERY);
	if (opt.paused)
		wait_for_input();
	stretch_begin(now_ns());
	for (unsigned int i = 0; i < opt.connections; i++) {
		clients[i].events = EPOLLIN;
		watch(EPOLL_CTL_ADD, clients[i].fd, EPOLLIN, &clients[i]);
		client_issue(&clients[i], opt.depth, now_ns());
	}
	while (!stopping) {
		pass();
		stopping = stretch_over(now_ns());
	}
	/* Messages still in flight at the end must come back, too. */
	while (!all_answered(clients))
		pass();
	clients_end(clients);
}

void
run_idle(void)
{
	/* With a size of 0, nothing is ever sent on the connections. */
	connect_all(opt.size == 0 ? PACE_EVERY : 1);
	wait_for_input();
}
