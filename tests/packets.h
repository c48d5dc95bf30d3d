/*
 * packets.h: packets as a process that was taken over would send them, made
 * from a seed.  Most are nearly right, since one that is plainly wrong is
 * refused early.  Only for tests.
 */

#ifndef SLUICE_TESTS_PACKETS_H
#define SLUICE_TESTS_PACKETS_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/error.h"
#include "base/log.h"
#include "ipc/msg.h"

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

static inline const char *
odd_text(void)
{
	static const char *const texts[] = { "", "echo", "x.conf",
		"\n\n\r\033[2J", "%s%n%n%n", "../../etc" };
	static char longer[2][512];
	static unsigned int turn;
	char *text = longer[turn = !turn];
	size_t length;

	if (below(4) != 0)
		return texts[below(sizeof(texts) / sizeof(texts[0]))];
	length = below(sizeof(longer[0]));
	for (size_t i = 0; i < length; i++)
		text[i] = (char)(1 + below(255));
	text[length] = '\0';
	return text;
}

static inline uint32_t
odd_small(void)
{
	return below(2) == 0 ? below(3) : odd_number();
}

/* Fill in the members of its type, with odd values. */
static inline void
odd_content(struct msg *msg)
{
	switch (msg->type) {
	case MSG_HELLO:
		msg->hello.worker = odd_small();
		msg->hello.place = odd_small();
		msg->hello.workers = odd_small();
		msg->hello.uid = msg->hello.gid = odd_number();
		msg->hello.master_pid = odd_number();
		msg->hello.config = odd_text();
		break;
	case MSG_IMAGE:
		msg->image.index = odd_small();
		break;
	case MSG_SECRET:
		msg->secret.index = odd_small();
		break;
	case MSG_SOCKET:
		msg->socket.listener = odd_small();
		msg->socket.address = odd_small();
		msg->socket.id = odd_small();
		msg->socket.slot = odd_small();
		break;
	case MSG_ENDPOINT:
		msg->endpoint.index = odd_small();
		msg->endpoint.slot = odd_small();
		break;
	case MSG_STOP:
		msg->stop.now = below(2) == 0;
		msg->stop.upgrade = below(2) == 0;
		break;
	case MSG_STOP_LISTENER:
		msg->stop_listener.close_active = below(2) == 0;
		msg->stop_listener.name = odd_text();
		msg->stop_listener.plugin = odd_text();
		break;
	case MSG_PROBLEM:
		msg->problem.level = LOG_LEVEL_ERROR + below(6);
		msg->problem.line = odd_number();
		msg->problem.file = odd_text();
		msg->problem.text = odd_text();
		break;
	case MSG_SLOW:
		msg->slow.callback = odd_small();
		msg->slow.ms = odd_number();
		msg->slow.listener = odd_text();
		msg->slow.plugin = odd_text();
		msg->slow.text = odd_text();
		break;
	case MSG_FACTS:
		msg->facts.image = odd_small();
		msg->facts.flags = odd_number();
		msg->facts.state_version = odd_number();
		msg->facts.name = odd_text();
		msg->facts.version = odd_text();
		break;
	case MSG_PROGRESS:
		msg->progress.step = odd_small();
		msg->progress.index = odd_small();
		break;
	case MSG_ROW:
		msg->row.worker = odd_small();
		msg->row.serial = odd_number();
		break;
	case MSG_SOURCE:
		msg->source.pattern = odd_text();
		break;
	case MSG_LOG_LEVEL:
		msg->log.level = LOG_LEVEL_ERROR + below(6);
		break;
	case MSG_OUTPUT:
		msg->output.what = below(3);
		break;
	case MSG_LOG_FORMAT:
		msg->log.format = odd_small();
		break;
	case MSG_FILE:
		msg->file.is_library = below(2) == 0;
		msg->file.name = odd_text();
		msg->file.path = odd_text();
		break;
	default:
		break;
	}
}

/* A message and its bytes, which msg_decode() may refuse.  fd stays -1. */
static inline void
odd_msg(struct msg *msg, uint32_t generation, struct packet *ret)
{
	do {
		memset(msg, 0, sizeof(*msg));
		msg->type = (enum msg_type)(1 + below(MSG_TYPES - 1));
		msg->generation = below(4) == 0 ? odd_number() : generation;
		odd_content(msg);
	} while (msg_encode(msg, ret) == -1);
	msg->fd = -1;
}

/* A message that msg_decode() accepts.  Its texts are in room; fd stays -1. */
static inline void
heard_msg(struct msg *msg, uint32_t generation, struct packet *room)
{
	struct error err;

	do {
		odd_msg(msg, generation, room);
	} while (msg_decode(room, msg_takes_fd(msg->type) ? MSG_FD_LOST : -1,
		     msg, &err) == -1);
}

/*
 * Send a packet on fd, with some of the four descriptors.  About one in `wild`
 * is not a message at all.  Returns false when the other end has closed.
 */
static inline bool
send_odd_packet(int fd, uint32_t generation, const int fds[4], uint32_t wild)
{
	static struct {
		struct packet packet;
		char more[64];
	} bytes;
	struct packet *packet = &bytes.packet;
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(16 * sizeof(int))];
	struct iovec iov = { &bytes, 0 };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;
	struct msg msg;
	unsigned int count;
	size_t size;
	ssize_t sent;

	odd_msg(&msg, generation, packet);
	count = msg_takes_fd(msg.type);
	size = msg_size(packet);
	switch (below(7 * wild)) {
	case 0:
		packet->head.type = odd_number();
		break;
	case 1:
		packet->head.length = odd_number();
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
	case 5:
		count = !count;
		break;
	case 6: /* a whole message, with any bytes in it */
		packet->head.length = below(200);
		for (size_t i = 0; i < packet->head.length; i++)
			packet->payload[i] =
			    (char)(below(3) == 0 ? 0 : random());
		size = msg_size(packet);
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
