/* check_aside.c: the master does not wait for a close(2) that takes an hour. */

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "fixture.h"
#include "master/aside.h"

#define SOON_MS 5000 /* a close that waited would take an hour */

static unsigned long
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (unsigned long)now.tv_sec * 1000 +
	    (unsigned long)now.tv_nsec / 1000000;
}

static void
connect_pair(int pair[2])
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t length = sizeof(in);
	int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(listening, (struct sockaddr *)&in, length), 0);
	ck_assert_int_eq(listen(listening, 1), 0);
	ck_assert_int_eq(
	    getsockname(listening, (struct sockaddr *)&in, &length), 0);
	pair[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(connect(pair[0], (struct sockaddr *)&in, length), 0);
	pair[1] = accept(listening, NULL, NULL);
	ck_assert_int_ne(pair[1], -1);
	close(listening);
}

/* Returns a descriptor whose last close() would wait; *ret_peer is not read. */
static int
slow_to_close(int *ret_peer)
{
	static const char bytes[65536];
	const struct linger linger = { 1, 3600 };
	int pair[2];

	connect_pair(pair);
	while (send(pair[0], bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		continue;
	ck_assert_int_eq(
	    setsockopt(pair[0], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)),
	    0);
	*ret_peer = pair[1];
	return pair[0];
}

/*
 * Send fd and close it here, so that only the message holds it.  Returns what
 * sendmsg(2) returned.
 */
static ssize_t
send_fd(int to, int fd)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	char text[] = "hello";
	struct iovec iov = { text, 5 };
	struct msghdr mh = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control.room),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&mh);
	static const struct linger none;
	ssize_t sent;
	int saved;

	memset(&control, 0, sizeof(control));
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	sent = sendmsg(to, &mh, MSG_NOSIGNAL);
	saved = errno;
	if (sent == -1)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	close(fd);
	errno = saved;
	return sent;
}

START_TEST(a_socket_that_lingers_is_closed_at_once)
{
	unsigned long begun = now_ms();
	int peer, fd = slow_to_close(&peer);

	aside_close(fd);
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1); /* no thread was needed */
	ck_assert_uint_lt(now_ms() - begun, SOON_MS);
	close(peer);
}
END_TEST

START_TEST(unread_descriptors_are_closed_by_a_thread)
{
	unsigned long begun = now_ms();
	int peer, pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	ck_assert_int_eq(send_fd(pair[1], slow_to_close(&peer)), 5);
	aside_close(pair[0]);
	ck_assert_uint_lt(now_ms() - begun, SOON_MS);
	close(pair[1]);
	close(peer);
}
END_TEST

START_TEST(a_client_that_was_never_accepted_is_closed_by_a_thread)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	socklen_t length = sizeof(un);
	unsigned long begun = now_ms();
	int peer, client, listening = socket(AF_UNIX, SOCK_STREAM, 0);

	/* The kernel chooses an abstract name. */
	ck_assert_int_eq(
	    bind(listening, (struct sockaddr *)&un, sizeof(un.sun_family)), 0);
	ck_assert_int_eq(listen(listening, 5), 0);
	ck_assert_int_eq(
	    getsockname(listening, (struct sockaddr *)&un, &length), 0);
	client = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_eq(connect(client, (struct sockaddr *)&un, length), 0);
	ck_assert_int_eq(send_fd(client, slow_to_close(&peer)), 5);
	aside_close(listening);
	ck_assert_uint_lt(now_ms() - begun, SOON_MS);
	close(client);
	close(peer);
}
END_TEST

START_TEST(bytes_are_received_and_descriptors_are_dropped)
{
	unsigned long begun = now_ms();
	int peer, before, pair[2];
	char text[16];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	ck_assert_int_eq(aside_recv(pair[0], text, sizeof(text)), -1);
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_int_eq(send_fd(pair[1], slow_to_close(&peer)), 5);
	ck_assert_int_eq(send_fd(pair[1], open("/dev/null", O_RDONLY)), 5);
	before = open("/dev/null", O_RDONLY);
	close(before);
	ck_assert_int_eq(aside_recv(pair[0], text, sizeof(text)), 5);
	ck_assert_mem_eq(text, "hello", 5);
	ck_assert_int_eq(aside_recv(pair[0], text, sizeof(text)), 5);
	ck_assert_uint_lt(now_ms() - begun, SOON_MS);
	/* In the end the threads have closed all that was received. */
	while (fcntl(before, F_GETFD) != -1)
		poll(NULL, 0, 1);
	ck_assert_int_eq(close(pair[1]), 0);
	ck_assert_int_eq(aside_recv(pair[0], text, sizeof(text)), 0);
	close(pair[0]);
	close(peer);
}
END_TEST

START_TEST(an_ordinary_descriptor_is_closed_too)
{
	int i, pair[2];
	char byte;

	for (i = 0; i < 100; i++) {
		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
		aside_close(pair[0]);
		ck_assert_int_eq(recv(pair[1], &byte, 1, 0), 0);
		close(pair[1]);
	}
}
END_TEST

START_TEST(the_kernel_refuses_descriptors_where_it_can)
{
	int pair[2], name = 83 /* SO_PASSRIGHTS */, value;
	socklen_t size = sizeof(value);

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	aside_refuse(pair[0]);
	if (getsockopt(pair[0], SOL_SOCKET, name, &value, &size) == 0) {
		ck_assert_int_eq(send_fd(pair[1], open("/dev/null", O_RDONLY)),
		    -1);
		ck_assert_int_eq(errno, EPERM);
	}
	ck_assert_int_eq(write(pair[1], "x", 1), 1);
	close(pair[0]);
	close(pair[1]);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_socket_that_lingers_is_closed_at_once,
		unread_descriptors_are_closed_by_a_thread,
		a_client_that_was_never_accepted_is_closed_by_a_thread,
		bytes_are_received_and_descriptors_are_dropped,
		an_ordinary_descriptor_is_closed_too,
		the_kernel_refuses_descriptors_where_it_can,
		NULL,
	};

	return fixture_run("aside", tests);
}
