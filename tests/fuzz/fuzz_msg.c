/*
 * fuzz_msg.c: decodes any bytes as packets and answers, for libFuzzer: make
 * fuzz, then tests/fuzz/fuzz_msg CORPUS-DIRECTORY.  The first byte of the input
 * says how many descriptors come with the packet.
 */

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/error.h"
#include "ipc/answers.h"
#include "ipc/msg.h"
#include "ipc/packet.h"

/* The same layout as in daemon/ipc/answers.c. */
struct ring {
	volatile uint32_t put, got;
	char bytes[65536];
};

#define FDS_MAX 12

static int pair[2] = { -1, -1 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
send_packet(const uint8_t *data, size_t size, unsigned int fds)
{
	struct iovec iov = { (void *)(uintptr_t)data, size };
	_Alignas(
	    struct cmsghdr) char control[CMSG_SPACE(FDS_MAX * sizeof(int))];
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;

	if (fds > 0) {
		memset(control, 0, sizeof(control));
		mh.msg_control = control;
		mh.msg_controllen = CMSG_SPACE(fds * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&mh);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(fds * sizeof(int));
		for (unsigned int i = 0; i < fds; i++)
			memcpy(CMSG_DATA(cmsg) + i * sizeof(int), &pair[0],
			    sizeof(int));
	}
	if (sendmsg(pair[0], &mh, MSG_NOSIGNAL) == -1 && errno != EMSGSIZE)
		abort();
}

/* A message that was decoded encodes to the same bytes again. */
static void
check(const struct packet *packet, const struct msg *msg)
{
	static struct packet again;

	if (msg_takes_fd(msg->type) && msg->fd == -1)
		return;
	if (msg_encode(msg, &again) == -1 ||
	    memcmp(&again, packet, msg_size(packet)) != 0)
		abort();
}

/* Read the same bytes as if a child had put them in its ring. */
static void
answer(const uint8_t *data, size_t size)
{
	struct answers *answers = answers_new();
	static struct packet room;
	struct ring *ring;
	struct error err;
	struct msg msg;
	int memory;

	if (answers == NULL)
		abort();
	memory = answers_take_memory(answers);
	ring = mmap(NULL, sizeof(*ring), PROT_READ | PROT_WRITE, MAP_SHARED,
	    memory, 0);
	close(memory);
	if (ring == MAP_FAILED)
		abort();
	if (size > sizeof(ring->bytes))
		size = sizeof(ring->bytes);
	memcpy(ring->bytes, data, size);
	ring->put = (uint32_t)size;
	while (answers_get(answers, &room, &msg, &err) == 1)
		check(&room, &msg);
	munmap(ring, sizeof(*ring));
	answers_free(answers);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct packet room;
	struct error err;
	struct msg msg;

	if (size < 2)
		return 0;
	if (pair[0] == -1 &&
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) == -1)
		abort();
	send_packet(data + 1, size - 1, data[0] % (FDS_MAX + 1));
	answer(data + 1, size - 1);
	if (packet_recv(pair[1], &room, &msg, &err) != 1)
		return 0;
	check(&room, &msg);
	if (msg.fd != -1)
		close(msg.fd);
	return 0;
}
