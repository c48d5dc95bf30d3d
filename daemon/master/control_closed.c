/* control_closed.c: one line for each client, which its socket has room for. */

#include "master/control_closed.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/json_text.h"
#include "master/aside.h"
#include "master/control_conn.h"

#define ACCEPTS_PER_PASS 64 /* then other events have their turn */

struct control_closed {
	struct event *readable;
	char *why;
};

void
control_reply_and_drop(int fd, json_t *reply)
{
	char *line = json_dumps(reply, JSON_COMPACT);
	size_t length;

	if (line != NULL) {
		length = strlen(line);
		line[length++] = '\n'; /* where the NUL was */
		send(fd, line, length, MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	free(line);
	json_decref(reply);
	aside_drop(fd);
}

void
control_tell_last(int fd, bool good, const char *reasons, const char *verdict)
{
	control_reply_and_drop(fd,
	    json_pack("{s:b, s:s, s:o, s:o}", "ok", good, "version",
		PACKAGE_VERSION, "problems",
		control_lines(reasons, strchr(reasons, '\0')), "verdict",
		json_text(verdict)));
}

static void
closed_accept_cb(evutil_socket_t listening, short what, void *arg)
{
	const struct control_closed *closed = arg;
	int fd;

	(void)what;
	for (unsigned int i = 0; i < ACCEPTS_PER_PASS; i++) {
		fd = accept4(listening, NULL, NULL,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd == -1) {
			/* Out of descriptors: they lose patience instead. */
			if (errno != EAGAIN && errno != EINTR &&
			    errno != ECONNABORTED)
				event_del(closed->readable);
			return;
		}
		control_reply_and_drop(fd,
		    json_pack("{s:b, s:o}", "ok", 0, "error",
			json_text(closed->why)));
	}
}

struct control_closed *
control_closed_new(struct event_base *base, int fd, const char *why)
{
	struct control_closed *closed = calloc(1, sizeof(*closed));

	if (closed == NULL)
		return NULL;
	closed->why = strdup(why);
	closed->readable =
	    event_new(base, fd, EV_READ | EV_PERSIST, closed_accept_cb, closed);
	if (closed->why != NULL && closed->readable != NULL &&
	    event_add(closed->readable, NULL) == 0)
		return closed;
	control_closed_free(closed);
	return NULL;
}

void
control_closed_free(struct control_closed *closed)
{
	if (closed == NULL)
		return;
	if (closed->readable != NULL)
		event_free(closed->readable);
	free(closed->why);
	free(closed);
}
