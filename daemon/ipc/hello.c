/* hello.c: the first message that a child gets from the master. */

#include "ipc/hello.h"

#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "ipc/answers.h"
#include "ipc/msg.h"
#include "ipc/packet.h"

/* 0, or -1: the same as hello_receive(). */
static int
receive(struct msg *ret)
{
	struct packet room;
	struct error err;
	int rc = packet_recv(CHILD_CHANNEL_FD, &room, ret, &err);

	if (rc == 0)
		return -1;
	if (rc == -1) {
		log_errorx("the master sent %s; only sluiced itself may start "
			   "this process",
		    err.text);
		return -1;
	}
	if (ret->type == MSG_HELLO)
		return 0;
	log_errorx("the master said %s instead of hello", msg_name(ret->type));
	if (ret->fd != -1)
		close(ret->fd);
	return -1;
}

int
hello_receive(struct hello *ret, int *ret_fd, struct answers **ret_answers)
{
	struct msg msg;

	*ret_answers = answers_open(CHILD_MEMORY_FD, CHILD_BELL_FD);
	if (*ret_answers == NULL) {
		log_error("cannot answer the master; only sluiced itself may "
			  "start this process");
		return -1;
	}
	if (receive(&msg) == -1)
		return -1;
	*ret = msg.hello;
	ret->config = ""; /* for the reader alone; it was in the packet */
	if (ret_fd != NULL)
		*ret_fd = msg.fd;
	else if (msg.fd != -1)
		close(msg.fd);
	return 0;
}
