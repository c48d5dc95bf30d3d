/*
 * load_broadcast.c: the last connection sends messages, and all others must
 * receive them.  One delivery, of a whole message to one member, counts as a
 * message.
 */

#include <sys/epoll.h>

#include <err.h>
#include <errno.h>
#include <stdlib.h>

#include "load.h"

struct message {
	uint64_t begun;
	unsigned int missing; /* members that have not received it yet */
};

static struct message *under_way; /* ring of `depth` */
static struct client *sender;
static unsigned int members;
static uint64_t said, heard; /* broadcasts sent, and received by all */
static bool stopping;

static void
say(uint64_t now)
{
	if (opt.messages != 0 && said * members >= opt.messages)
		return;
	under_way[said % opt.depth].begun = now;
	under_way[said % opt.depth].missing = members;
	said++;
	sender->due += opt.size;
	client_flush(sender);
}

static void
member_read(struct client *cl)
{
	uint64_t i, before = cl->received / opt.size, after, now;

	if (client_receive(cl, cl == sender ? 0 : sender->sent) == 0)
		return;
	now = now_ns();
	after = cl->received / opt.size;
	for (i = before; i < after; i++) {
		stretch_add(now, under_way[i % opt.depth].begun);
		if (--under_way[i % opt.depth].missing > 0)
			continue;
		heard++;
		if (!stopping)
			say(now);
	}
}

static void
pass(void)
{
	struct epoll_event events[EVENTS_MAX];
	int n = epoll_wait(epfd, events, EVENTS_MAX, ANSWER_TIMEOUT_S * 1000);

	if (n == -1 && errno == EINTR)
		return;
	if (n <= 0)
		errx(1, "somebody has not heard a message for %d s",
		    ANSWER_TIMEOUT_S);
	for (int k = 0; k < n; k++) {
		struct client *cl = events[k].data.ptr;

		if ((events[k].events & EPOLLOUT) != 0)
			client_flush(cl);
		if ((events[k].events & ~(uint32_t)EPOLLOUT) != 0)
			member_read(cl);
	}
}

void
run_broadcast(void)
{
	struct client *clients;

	if (opt.connections < 2)
		errx(2, "a broadcast takes two connections at least");
	/* Members do not answer, but the last to connect is accepted last. */
	clients = connect_all(0);
	members = opt.connections - 1;
	sender = &clients[members];
	under_way = calloc(opt.depth, sizeof(*under_way));
	if (under_way == NULL)
		err(1, NULL);
	for (unsigned int i = 0; i < opt.connections; i++) {
		clients[i].place = 0; /* all receive the same bytes */
		clients[i].events = EPOLLIN;
		watch(EPOLL_CTL_ADD, clients[i].fd, EPOLLIN, &clients[i]);
	}
	if (opt.paused)
		wait_for_input();
	stretch_begin(now_ns());
	for (unsigned int i = 0; i < opt.depth; i++)
		say(now_ns());
	while (!stopping) {
		pass();
		stopping = stretch_over(now_ns());
	}
	while (heard < said)
		pass();
	clients_end(clients);
}
