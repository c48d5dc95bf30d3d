/*
 * fuzz_msg.c: packets of any bytes, for libFuzzer: make fuzz, then
 * tests/fuzz/fuzz_msg CORPUS-DIRECTORY.  The first byte of the input says how
 * many descriptors come with the packet.
 */

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "msg.h"

#define FDS_MAX 12

static int pair[2] = { -1, -1 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
send_packet(const uint8_t *data, size_t size, unsigned int fds)
{
	struct iovec iov = { (void *)(uintptr_t)data, size };
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(FDS_MAX * sizeof(int))];
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;
	unsigned int i;

	if (fds > 0) {
		memset(control, 0, sizeof(control));
		mh.msg_control = control;
		mh.msg_controllen = CMSG_SPACE(fds * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&mh);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(fds * sizeof(int));
		for (i = 0; i < fds; i++)
			memcpy(CMSG_DATA(cmsg) + i * sizeof(int), &pair[0],
			    sizeof(int));
	}
	if (sendmsg(pair[0], &mh, MSG_NOSIGNAL) == -1 && errno != EMSGSIZE)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct msg msg;
	unsigned int i;
	int got;

	if (size < 2)
		return 0;
	if (pair[0] == -1 &&
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) == -1)
		abort();
	send_packet(data + 1, size - 1, data[0] % (FDS_MAX + 1));
	got = msg_recv(pair[1], &msg);
	if (got != 1)
		return 0;
	if (msg.type == MSG_NONE || msg.type >= MSG_TYPES ||
	    msg.length > MSG_PAYLOAD_MAX)
		abort();
	for (i = 0; i < 4; i++)
		if (strlen(msg_string(&msg, i)) > msg.length)
			abort();
	if (msg.fd != -1)
		close(msg.fd);
	return 0;
}
