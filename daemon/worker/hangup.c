/*
 * hangup.c: tells which connections break while they wait for no event: paused
 * ones, those whose peer has finished and waits for an answer, and those whose
 * end waits for the peer's acknowledgement.
 *
 * libevent cannot report errors alone; it would report a peer's FIN in every
 * pass.  So there is a second epoll descriptor.  It is edge-triggered and asks
 * for no events, so it gets only those that the kernel always reports, EPOLLERR
 * and EPOLLHUP.  A connection that was added stays until it ends: it costs
 * nothing and is reported at most twice.
 */

#include "worker/hangup.h"

#include <event2/event.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "worker/engine.h"
#include "worker/ours.h"

#define EVENTS_MAX 64 /* at once; more wait for the next pass */

static int epoll_fd = -1;
static struct event *event;
static void (*on_broken)(void *arg);

static void
hangup_cb(evutil_socket_t fd, short what, void *arg)
{
	struct epoll_event events[EVENTS_MAX];
	int n = epoll_wait(fd, events, EVENTS_MAX, 0);

	(void)what;
	(void)arg;
	/* Connections that end in this loop are freed only after the pass. */
	for (int i = 0; i < n; i++)
		on_broken(events[i].data.ptr);
}

int
hangup_init(void (*broken)(void *arg))
{
	on_broken = broken;
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd == -1)
		return -1;
	ours_add(epoll_fd);
	event = event_new(engine.base, epoll_fd, EV_READ | EV_PERSIST,
	    hangup_cb, NULL);
	if (event == NULL || event_add(event, NULL) == -1) {
		hangup_done();
		return -1;
	}
	return 0;
}

void
hangup_done(void)
{
	if (event != NULL)
		event_free(event);
	event = NULL;
	if (epoll_fd != -1)
		ours_close(epoll_fd);
	epoll_fd = -1;
}

int
hangup_watch(int fd, void *arg)
{
	struct epoll_event only_errors = {
		.events = EPOLLET,
		.data.ptr = arg,
	};

	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &only_errors);
}

void
hangup_forget(int fd)
{
	/* close() does not remove it if a plugin has a duplicate. */
	epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}
