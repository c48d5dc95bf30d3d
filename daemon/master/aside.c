/*
 * aside.c: closing in a thread.  Closing the last reference may take long, so a
 * thread does it and not the master.
 */

#include "master/aside.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/scm.h"

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83 /* Linux 6.16 */
#endif

/* Enough on a loaded machine; a close that takes longer was made slow. */
#define WAIT_MS 100

void
aside_refuse(int fd)
{
	const int off = 0;

	(void)setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof(off));
}

static bool
is_tcp(int fd)
{
	int domain = AF_UNSPEC;
	socklen_t size = sizeof(domain);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
	    (domain == AF_INET || domain == AF_INET6);
}

static void *
close_it(void *arg)
{
	close((int)(intptr_t)arg);
	return NULL;
}

static int
start_thread(pthread_t *ret, int fd)
{
	sigset_t all, before;
	int rc;

	/* Signals are for the main thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(ret, NULL, close_it, (void *)(intptr_t)fd);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc;
}

static void
close_in_thread(int fd, unsigned int wait_ms)
{
	struct timespec until;
	pthread_t thread;
	int rc = start_thread(&thread, fd);

	if (rc != 0) {
		/* Leaking a descriptor is better than hanging. */
		errno = rc;
		log_warn("a descriptor stays open: cannot start a thread to "
			 "close it");
		return;
	}
	/* Not the calendar: if that is set back, we would wait for longer. */
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += wait_ms * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	if (wait_ms == 0 ||
	    pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &until) != 0)
		pthread_detach(thread);
}

static void
close_aside(int fd, unsigned int wait_ms)
{
	static const struct linger none;

	/* A TCP socket can make us wait only by SO_LINGER: turn that off. */
	if (is_tcp(fd) &&
	    setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none)) == 0)
		close(fd);
	else
		close_in_thread(fd, wait_ms);
}

void
aside_close(int fd)
{
	close_aside(fd, WAIT_MS);
}

void
aside_drop(int fd)
{
	int on = 1;
	socklen_t size = sizeof(on);

	/* It cannot have received descriptors, so closing it is quick. */
	if (getsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &on, &size) == 0 && !on)
		close(fd);
	else
		close_aside(fd, 0);
}

ssize_t
aside_recv(int fd, void *buf, size_t room)
{
	union scm_room control;
	int fds[SCM_FDS_ROOM];
	struct iovec iov = { buf, room };
	struct msghdr mh = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t got = recvmsg(fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	unsigned int count = got == -1 ? 0 : scm_fds(&mh, fds), i;

	for (i = 0; i < count; i++)
		close_aside(fds[i], 0);
	return got;
}
