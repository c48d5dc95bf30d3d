/*
 * liar.c: speaks to the master behind the worker's back, on the worker's end
 * of their channel, as no worker ever would.  Each line is one lie; the answer
 * is "ok".
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sluice.h>

#define CHANNEL 3	/* CHILD_CHANNEL_FD */
#define PROBLEM 10	/* MSG_PROBLEM */
#define STOP_LISTENER 9 /* MSG_STOP_LISTENER */

/* As daemon/msg.c has it. */
struct packet {
	uint32_t type, generation, arg[4], length;
	char payload[64];
};

/* extra: how much more the head promises than there is. */
static void
say(uint32_t type, const char *payload, size_t length, uint32_t extra, int fd)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct packet packet = { .type = type, .generation = 1 };
	struct iovec iov = { &packet, sizeof(packet) - 64 + length };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;

	packet.arg[0] = 3;
	packet.length = (uint32_t)length + extra;
	memcpy(packet.payload, payload, length);
	if (fd != -1) {
		memset(&control, 0, sizeof(control));
		mh.msg_control = &control;
		mh.msg_controllen = sizeof(control.room);
		cmsg = CMSG_FIRSTHDR(&mh);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	}
	sendmsg(CHANNEL, &mh, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Packets of any type, length and content, each perhaps with a descriptor. */
static void
babble(unsigned int seed, int count)
{
	char text[40];
	size_t i;

	srandom(seed);
	while (count-- > 0) {
		for (i = 0; i < sizeof(text); i++)
			text[i] = (char)(random() % 3 == 0 ? 0 : random());
		say((uint32_t)random() % 26, text, (size_t)random() % 40,
		    random() % 20 == 0 ? (uint32_t)random() : 0,
		    random() % 20 == 0 ? STDERR_FILENO : -1);
	}
}

/* Have the worker read from somewhere else, and keep its end open. */
static void
go_deaf(void)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) == -1 ||
	    dup(CHANNEL) == -1)
		return;
	dup2(pair[0], CHANNEL);
}

static void
lie(const char *what)
{
	int i, type, seed;

	if (strcmp(what, "garbage") == 0)
		send(CHANNEL, "xyz", 3, MSG_NOSIGNAL);
	else if (strcmp(what, "empty") == 0)
		send(CHANNEL, "", 0, MSG_NOSIGNAL);
	else if (strncmp(what, "type ", 5) == 0)
		say((uint32_t)atoi(what + 5), "x", 2, 0, -1);
	else if (strcmp(what, "length") == 0)
		say(PROBLEM, "a\0b", 4, 7, -1);
	else if (strcmp(what, "descriptor") == 0)
		say(PROBLEM, "a\0b", 4, 0, STDERR_FILENO);
	else if (strcmp(what, "unfinished") == 0)
		say(STOP_LISTENER, "aaaa", 4, 0, -1);
	else if (strcmp(what, "silence") == 0)
		shutdown(CHANNEL, SHUT_WR);
	else if (strcmp(what, "half") == 0)
		send(CHANNEL, "\12\0\0\0\1\0\0\0\3\0", 10, MSG_NOSIGNAL);
	else if (strcmp(what, "deaf") == 0)
		go_deaf();
	else if (sscanf(what, "babble %d", &seed) == 1)
		babble((unsigned int)seed, 1000);
	else if (sscanf(what, "flood %d", &type) == 1)
		for (i = 0; i < 100000; i++)
			say((uint32_t)type, "nobody", 7, 0, -1);
	else if (strcmp(what, "flood") == 0)
		for (i = 0; i < 100000; i++)
			say(PROBLEM, "f\0flood", 8, 0, -1);
}

static ssize_t
liar_data(struct sl_conn *c, const void *buf, size_t len)
{
	const char *newline = memchr(buf, '\n', len);
	char what[32];
	size_t length;

	if (newline == NULL)
		return 0;
	length = (size_t)(newline - (const char *)buf);
	if (length >= sizeof(what))
		return -1;
	memcpy(what, buf, length);
	what[length] = '\0';
	lie(what);
	sl_send(c, "ok\n", 3);
	return (ssize_t)length + 1;
}

SL_PLUGIN(.name = "liar", .version = "1", .flags = SL_MANY_WORKERS,
    .server = SL_HANDLERS(.data = liar_data));
