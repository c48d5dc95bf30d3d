/*
 * msg.c: messages between the master and its children.  A packet is a fixed
 * head and a payload; whatever is not exactly that is refused, and so are
 * descriptors beyond the first.
 */

#include "ipc/msg.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/scm.h"

static const char *const names[MSG_TYPES] = {
	[MSG_NONE] = "none",
	[MSG_HELLO] = "hello",
	[MSG_BUNDLE] = "bundle",
	[MSG_IMAGE] = "image",
	[MSG_SECRET] = "secret",
	[MSG_SOCKET] = "socket",
	[MSG_PREPARE] = "prepare",
	[MSG_COMMIT] = "commit",
	[MSG_ABORT] = "abort",
	[MSG_STOP] = "stop",
	[MSG_STOP_LISTENER] = "stop-listener",
	[MSG_SOURCE] = "source",
	[MSG_PROBLEM] = "problem",
	[MSG_FACTS] = "facts",
	[MSG_PREPARED] = "prepared",
	[MSG_REFUSED] = "refused",
	[MSG_COMMITTED] = "committed",
	[MSG_RELOAD] = "reload",
	[MSG_PROGRESS] = "progress",
	[MSG_ROW] = "row",
	[MSG_DONE] = "done",
};

const char *
msg_name(uint32_t type)
{
	if (type >= MSG_TYPES || names[type] == NULL)
		return "unknown";
	return names[type];
}

int
msg_write_head(struct msg_head *head, uint32_t type, uint32_t generation,
    const uint32_t arg[4], size_t length)
{
	if (length > MSG_PAYLOAD_MAX) {
		errno = EMSGSIZE;
		return -1;
	}
	memset(head, 0, sizeof(*head));
	head->type = type;
	head->generation = generation;
	if (arg != NULL)
		memcpy(head->arg, arg, sizeof(head->arg));
	head->length = (uint32_t)length;
	return 0;
}

int
msg_read_head(const struct msg_head *head, struct msg *ret)
{
	if (head->type == MSG_NONE || head->type >= MSG_TYPES ||
	    head->length > MSG_PAYLOAD_MAX) {
		errno = EBADMSG;
		return -1;
	}
	ret->type = head->type;
	ret->generation = head->generation;
	memcpy(ret->arg, head->arg, sizeof(ret->arg));
	ret->length = head->length;
	ret->fd = -1;
	return 0;
}

int
msg_send(int channel, uint32_t type, uint32_t generation, const uint32_t arg[4],
    const void *payload, size_t length, int fd)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct cmsghdr *cmsg;
	struct msghdr mh;
	struct iovec iov[2];
	struct msg_head head;
	ssize_t sent;

	if (msg_write_head(&head, type, generation, arg, length) == -1)
		return -1;
	iov[0].iov_base = &head;
	iov[0].iov_len = sizeof(head);
	iov[1].iov_base = (void *)(uintptr_t)payload;
	iov[1].iov_len = length;
	memset(&mh, 0, sizeof(mh));
	mh.msg_iov = iov;
	mh.msg_iovlen = length > 0 ? 2 : 1;
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

/* Keep the first descriptor.  Returns how many there were. */
static unsigned int
take_fds(struct msghdr *mh, int *ret_fd)
{
	int fds[SCM_FDS_ROOM];
	unsigned int count = scm_fds(mh, fds), i;

	if (count > 0)
		*ret_fd = fds[0];
	for (i = 1; i < count; i++)
		close(fds[i]);
	return count;
}

int
msg_recv(int channel, struct msg *ret)
{
	union scm_room control;
	struct msghdr mh;
	struct iovec iov[2];
	struct msg_head head;
	unsigned int fds;
	ssize_t got;
	int fd = -1;

	iov[0].iov_base = &head;
	iov[0].iov_len = sizeof(head);
	iov[1].iov_base = ret->payload;
	iov[1].iov_len = sizeof(ret->payload);
	memset(&mh, 0, sizeof(mh));
	mh.msg_iov = iov;
	mh.msg_iovlen = 2;
	mh.msg_control = &control;
	mh.msg_controllen = sizeof(control);
	/*
	 * A peer that left with unread messages makes one ECONNRESET, in
	 * front of what it sent before: its last words are still there.
	 */
	do
		got = recvmsg(channel, &mh, MSG_CMSG_CLOEXEC);
	while (got == -1 && (errno == EINTR || errno == ECONNRESET));
	if (got == -1)
		return -1;
	fds = take_fds(&mh, &fd);
	if (got == 0 && fds == 0)
		return 0;
	if ((size_t)got < sizeof(head) || fds > 1 ||
	    (mh.msg_flags & MSG_TRUNC) != 0 ||
	    head.length != (size_t)got - sizeof(head) ||
	    msg_read_head(&head, ret) == -1) {
		if (fd != -1)
			close(fd);
		errno = EBADMSG;
		return -1;
	}
	ret->fd = fd;
	return 1;
}

size_t
msg_problem(char payload[MSG_PAYLOAD_MAX], const char *file, const char *text)
{
	size_t file_length, text_length;

	if (file == NULL)
		file = "";
	file_length = strnlen(file, MSG_PAYLOAD_MAX / 2 - 1);
	text_length = strnlen(text, MSG_PAYLOAD_MAX - file_length - 2);
	memcpy(payload, file, file_length);
	payload[file_length] = '\0';
	memcpy(payload + file_length + 1, text, text_length);
	payload[file_length + 1 + text_length] = '\0';
	return file_length + text_length + 2;
}

const char *
msg_string(const struct msg *msg, unsigned int index)
{
	const char *at = msg->payload, *nul;
	size_t left = msg->length;

	for (;;) {
		nul = left == 0 ? NULL : memchr(at, '\0', left);
		if (nul == NULL)
			return "";
		if (index-- == 0)
			return at;
		left -= (size_t)(nul - at) + 1;
		at = nul + 1;
	}
}
