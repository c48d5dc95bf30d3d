/*
 * packet.c: messages over a socket.  A packet is a head and a payload; anything
 * else is refused, and so is more than one descriptor.
 */

#include "ipc/packet.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fail.h"
#include "base/scm.h"
#include "ipc/msg.h"

int
packet_put(int channel, const struct packet *packet, int fd)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { (void *)(uintptr_t)packet, msg_size(packet) };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;
	ssize_t sent;

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
	/*
	 * ECONNRESET comes once, when the peer left with unread messages; then
	 * EPIPE.
	 */
	do
		sent = sendmsg(channel, &mh, MSG_NOSIGNAL);
	while (sent == -1 && (errno == EINTR || errno == ECONNRESET));
	return sent == -1 ? -1 : 0;
}

int
packet_send(int channel, const struct msg *msg)
{
	struct packet packet;

	if (msg_encode(msg, &packet) == -1)
		return -1;
	return packet_put(channel, &packet,
	    msg_takes_fd(msg->type) ? msg->fd : -1);
}

/*
 * The descriptor that came along; -1: none, or MSG_FD_LOST.  Returns -1 for
 * more than one, and then closes all of them.
 */
static int
take_fd(struct msghdr *mh, int *ret_fd)
{
	int fds[SCM_FDS_ROOM];
	unsigned int count = scm_fds(mh, fds);

	*ret_fd = -1;
	if (count == 1)
		*ret_fd = fds[0];
	else if (count == 0 && (mh->msg_flags & MSG_CTRUNC) != 0)
		*ret_fd = MSG_FD_LOST;
	for (unsigned int i = 0; count > 1 && i < count; i++)
		close(fds[i]);
	return count > 1 ? -1 : 0;
}

/* Is it a head, followed by as many bytes as that says? */
static int
check_size(const struct packet *packet, const struct msghdr *mh, size_t got,
    struct error *err)
{
	if (got < sizeof(packet->head))
		return error_set(err, "what is not a message (%zu bytes)", got);
	if ((mh->msg_flags & MSG_TRUNC) != 0 || got != msg_size(packet))
		return error_set(err,
		    "a message that is not as long as it says");
	return 0;
}

int
packet_recv(int channel, struct packet *room, struct msg *ret,
    struct error *err)
{
	union scm_room control;
	struct iovec iov = { room, sizeof(*room) };
	struct msghdr mh = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t got;
	int fd, result;

	/*
	 * A peer that left with unread messages makes one ECONNRESET, in front
	 * of what it sent before: those messages are still there.
	 */
	do
		got = recvmsg(channel, &mh, MSG_CMSG_CLOEXEC);
	while (got == -1 && (errno == EINTR || errno == ECONNRESET));
	if (got == -1)
		return error_sys(err, "a message that cannot be received");
	result = take_fd(&mh, &fd);
	if (got == 0 && result == 0 && fd == -1)
		return 0;
	if (result == -1)
		error_set(err, "a message with several descriptors");
	else
		result = check_size(room, &mh, (size_t)got, err);
	if (result == 0)
		result = msg_decode(room, fd, ret, err);
	if (result == 0)
		return 1;
	if (fd >= 0)
		close(fd);
	return fail(EBADMSG);
}
