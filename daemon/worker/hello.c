/* hello.c: the first thing a child hears. */

#include "worker/hello.h"

#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "ipc/answers.h"
#include "ipc/msg.h"

int
hello_receive(struct hello *ret, int *ret_fd, struct answers **ret_answers)
{
	struct msg msg;
	int rc;

	*ret_answers = answers_open(CHILD_MEMORY_FD, CHILD_BELL_FD);
	rc = *ret_answers == NULL ? -1 : msg_recv(CHILD_CHANNEL_FD, &msg);
	if (rc == 0)
		return -1;
	if (rc == -1) {
		log_error("cannot hear the master; sluiced starts its "
			  "children itself");
		return -1;
	}
	if (msg.type != MSG_HELLO || msg.length < sizeof(*ret)) {
		log_errorx("the master said %s instead of hello",
		    msg_name(msg.type));
		if (msg.fd != -1)
			close(msg.fd);
		return -1;
	}
	memcpy(ret, msg.payload, sizeof(*ret));
	if (ret_fd != NULL)
		*ret_fd = msg.fd;
	else if (msg.fd != -1)
		close(msg.fd);
	return 0;
}
