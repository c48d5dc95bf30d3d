/*
 * poison.c: makes a descriptor whose close() takes an hour: a TCP connection to
 * PORT, where nothing is read, with a full send queue and SO_LINGER.  It sends
 * that over every unix socket of this process, in messages in the format of
 * daemon/ipc/msg.c: while it is loaded, or for each line of a client, which is
 * answered with the number of sockets that took it.  The line "leave" also ends
 * the process.  "listening" instead turns the listening sockets into such
 * connections.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sluice.h>

#include "../../daemon/ipc/msg.h"

#ifndef PORT
#define PORT 0
#endif

#define TIMES 20 /* more than the master reads before it refuses the first */

static int
fill(int fd)
{
	static const char bytes[65536];
	const struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(PORT),
		.sin_addr = { htonl(INADDR_LOOPBACK) },
	};
	struct linger linger = { 1, 3600 };
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };

	if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) == -1 &&
	    errno != EINPROGRESS)
		return -1;
	poll(&pfd, 1, -1);
	while (send(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		continue;
	return setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

static int
slow_to_close(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return fd != -1 && fill(fd) == 0 ? fd : -1;
}

static int
pass(int to, uint32_t type, int fd)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct {
		struct msg_head head;
		uint32_t level, line;
		char texts[2]; /* both empty */
	} __attribute__((packed)) packet = {
		.head = { .type = type, .generation = 1, .length = 10 },
		.level = 3,
	};
	struct iovec iov = { &packet, sizeof(packet) };
	struct msghdr mh = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control.room),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&mh);

	memset(&control, 0, sizeof(control));
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	return sendmsg(to, &mh, MSG_NOSIGNAL | MSG_DONTWAIT) > 0;
}

/*
 * The master has the same listening sockets: turn each TCP one into such a
 * connection.  Returns how many.
 */
static int
poison_listening(void)
{
	int fd, listening, domain, count = 0;
	socklen_t size = sizeof(int);

	for (fd = 0; fd < 256; fd++)
		if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening,
			&size) == 0 &&
		    getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) ==
			0 &&
		    listening && domain == AF_INET) {
			shutdown(fd, SHUT_RDWR);
			count += fill(fd) == 0;
		}
	return count;
}

/* Other sockets would take the bytes and drop the descriptor. */
static int
is_unix(int fd)
{
	int domain = 0;
	socklen_t size = sizeof(domain);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
	    domain == AF_UNIX;
}

static int
poison(void)
{
	int fd = slow_to_close(), to, i, taken = 0;

	if (fd == -1)
		return -1;
	for (to = 0; to < 256; to++)
		for (i = 0; is_unix(to) && i < TIMES; i++)
			taken +=
			    pass(to, i == 0 ? MSG_PROBLEM : MSG_PREPARED, fd);
	/* Ours stays open: if it were the last, close() would make us wait. */
	return taken;
}

#ifdef CONSTRUCTOR
static void __attribute__((constructor)) constructor(void)
{
	if (poison() == -1)
		perror("poison");
	if (strcmp(CONSTRUCTOR, "leave") == 0)
		_exit(3);
}
#endif

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	char text[32];
	int taken;

	if (memchr(buf, '\n', len) == NULL)
		return 0;
	taken = len >= 9 && memcmp(buf, "listening", 9) == 0
	    ? poison_listening()
	    : poison();
	if (len >= 5 && memcmp(buf, "leave", 5) == 0)
		_exit(3);
	snprintf(text, sizeof(text), "%d\n", taken);
	sl_send(c, text, strlen(text));
	return (ssize_t)len;
}

SL_PLUGIN(.name = "poison", .version = "1", .flags = SL_MANY_WORKERS,
    .server = SL_HANDLERS(.data = on_data));
