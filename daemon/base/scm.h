/* scm.h: the descriptors that came with a message of a unix socket. */

#ifndef SLUICE_SCM_H
#define SLUICE_SCM_H

#include <string.h>
#include <sys/socket.h>

#define SCM_FDS_ROOM 253 /* as many as one message can bring */

/*
 * For msg_control.  It has room for as many as can come: the kernel would close
 * those without room, and that may take long.
 */
union scm_room {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int) * SCM_FDS_ROOM)];
};

/*
 * The descriptors of one recvmsg() with such a room, owned by the caller.
 * Returns their number.
 */
static inline unsigned int
scm_fds(struct msghdr *mh, int ret_fds[SCM_FDS_ROOM])
{
	struct cmsghdr *cmsg;
	unsigned int count = 0;
	size_t size;

	for (cmsg = CMSG_FIRSTHDR(mh); cmsg != NULL;
	     cmsg = CMSG_NXTHDR(mh, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET ||
		    cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		size = cmsg->cmsg_len - CMSG_LEN(0);
		memcpy(ret_fds + count, CMSG_DATA(cmsg), size);
		count += (unsigned int)(size / sizeof(int));
	}
	return count;
}

#endif
