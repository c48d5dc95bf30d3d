/*
 * packets.h: packets as a process would send them that was taken over, made
 * from a seed: mostly nearly right, since what is plainly wrong does not get
 * far.  Only for tests.
 */

#ifndef SLUICE_TESTS_PACKETS_H
#define SLUICE_TESTS_PACKETS_H

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/log.h"
#include "ipc/msg.h"

/* The same seven numbers that msg.c sends in front of a payload. */
struct packet {
	uint32_t type, generation, arg[4], length;
	char payload[MSG_PAYLOAD_MAX + 64];
};

static inline uint32_t
below(uint32_t n)
{
	return (uint32_t)random() % n;
}

static inline uint32_t
odd_number(void)
{
	static const uint32_t odd[] = { 0, 1, 2, 3, 4, 7, 63, 64, 1023, 1024,
		4095, 4096, 65536, INT32_MAX, (uint32_t)INT32_MIN,
		UINT32_MAX - 1, UINT32_MAX };

	return below(4) == 0 ? (uint32_t)random()
			     : odd[below(sizeof(odd) / sizeof(odd[0]))];
}

static inline size_t
odd_payload(char *payload, size_t room)
{
	static const char texts[][16] = { "", "echo", "a\0b", "x.conf\0no",
		"\n\n\r\033[2J", "%s%n%n%n", "../../etc" };
	const char *text = texts[below(sizeof(texts) / sizeof(texts[0]))];
	size_t i, length;

	switch (below(4)) {
	case 0:
		return 0;
	case 1: /* strings, with their NULs, as a rule */
		memcpy(payload, text, sizeof(texts[0]));
		return below(4) == 0 ? below(16) : 16;
	case 2:
		length = below(200);
		break;
	default:
		length = below((uint32_t)room + 1);
		break;
	}
	for (i = 0; i < length; i++)
		payload[i] = (char)(below(3) == 0 ? 0 : random());
	return length;
}

/* A message that the channel lets through.  fd stays -1. */
static inline void
odd_msg(struct msg *msg, uint32_t generation)
{
	unsigned int i;

	msg->type = 1 + below(MSG_TYPES - 1);
	msg->generation = below(4) == 0 ? odd_number() : generation;
	for (i = 0; i < 4; i++)
		msg->arg[i] = below(2) == 0 ? below(3) : odd_number();
	if (msg->type == MSG_PROBLEM && below(4) != 0)
		msg->arg[0] = LOG_LEVEL_ERROR + below(4);
	msg->length = (uint32_t)odd_payload(msg->payload, MSG_PAYLOAD_MAX);
	msg->fd = -1;
}

/*
 * Send a packet on fd, with some of the four descriptors.  One in `wild` or so
 * is no message at all.  false: nobody is there any more.
 */
static inline bool
send_odd_packet(int fd, uint32_t generation, const int fds[4], uint32_t wild)
{
	static struct packet packet;
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(16 * sizeof(int))];
	struct iovec iov = { &packet, 0 };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;
	struct msg *msg = malloc(sizeof(*msg));
	unsigned int count = below(3) == 0;
	size_t size;
	ssize_t sent;

	odd_msg(msg, generation);
	packet.type = msg->type;
	packet.generation = msg->generation;
	memcpy(packet.arg, msg->arg, sizeof(packet.arg));
	packet.length = msg->length;
	memcpy(packet.payload, msg->payload, msg->length);
	free(msg);
	size = offsetof(struct packet, payload) + packet.length;
	switch (below(5 * wild)) {
	case 0:
		packet.type = odd_number();
		break;
	case 1:
		packet.length = odd_number();
		break;
	case 2: /* half a message */
		size = below((uint32_t)size + 1);
		break;
	case 3:
		size += below(64);
		break;
	case 4:
		count = 2 + below(15);
		break;
	default:
		break;
	}
	iov.iov_len = size;
	if (count > 0) {
		memset(control, 0, sizeof(control));
		mh.msg_control = control;
		mh.msg_controllen = CMSG_SPACE(count * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&mh);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(count * sizeof(int));
		for (size_t i = 0; i < count; i++)
			memcpy(CMSG_DATA(cmsg) + i * sizeof(int),
			    &fds[below(4)], sizeof(int));
	}
	do
		sent = sendmsg(fd, &mh, MSG_NOSIGNAL);
	while (sent == -1 && errno == EINTR);
	return sent != -1;
}

#endif
