/*
 * control_conn.c: one client: a line in, a line out.  Nothing but its identity
 * is trusted: what it sends is limited, and so is the time it may take to send,
 * to read and to leave.  Only a wait for a verdict has no limit here, since a
 * reload has its own.
 */

#include "master/control_conn.h"

#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fail.h"
#include "base/json_text.h"
#include "base/log.h"
#include "master/aside.h"
#include "master/event_in.h"

#define READ_MS 5000   /* for the whole request */
#define WRITE_MS 10000 /* for the client to take the whole answer */
#define ENDING_MS 1000 /* for the client to close, once it has it all */
/*
 * Between two questions of the status process, so that one that was taken over
 * cannot keep us busy.
 */
#define REST_MS 100
#define GONE_MS 1000   /* how often to look whether a follower has left */
#define DROP_MAX 65536 /* bytes after the request; more is an attack */

static const char *const state_names[] = {
	[CONTROL_READING] = "reading",
	[CONTROL_WORKING] = "working",
	[CONTROL_WRITING] = "writing",
	[CONTROL_ENDING] = "ending",
	[CONTROL_RESTING] = "resting",
	[CONTROL_FOLLOWING] = "following",
};

/* ms 0: no limit. */
static void
set_state(struct control_conn *conn, enum control_state state, unsigned int ms)
{
	log_debug("control socket: process %d: %s -> %s", (int)conn->pid,
	    state_names[conn->state], state_names[state]);
	conn->state = state;
	if (ms > 0)
		event_in(conn->timer, ms);
	else
		event_del(conn->timer);
}

void
control_conn_free(struct control_conn *conn)
{
	if ((conn->state == CONTROL_WORKING ||
		conn->state == CONTROL_FOLLOWING) &&
	    conn->cancel != NULL)
		conn->cancel(conn);
	/* Send the answer that waits; it may say that sluiced stops. */
	if (conn->state == CONTROL_WRITING || conn->state == CONTROL_FOLLOWING)
		send(conn->fd, conn->reply + conn->reply_sent,
		    conn->reply_length - conn->reply_sent,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
	if (conn->readable != NULL)
		event_free(conn->readable);
	if (conn->writable != NULL)
		event_free(conn->writable);
	if (conn->timer != NULL)
		event_free(conn->timer);
	aside_drop(conn->fd);
	free(conn->reply);
	free(conn);
}

static void
gone(struct control_conn *conn)
{
	conn->on_gone(conn->arg, conn);
	control_conn_free(conn);
}

static bool
has_left(const struct control_conn *conn)
{
	struct pollfd poller = { .fd = conn->fd, .events = POLLOUT };

	return poll(&poller, 1, 0) == -1 ||
	    (poller.revents & (POLLHUP | POLLERR)) != 0;
}

static void
control_timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct control_conn *conn = arg;

	(void)fd;
	(void)what;
	/* After the end of its input no event says that it has left. */
	if (conn->state == CONTROL_FOLLOWING && !has_left(conn)) {
		event_in(conn->timer, GONE_MS);
		return;
	}
	if (conn->state != CONTROL_RESTING) {
		gone(conn);
		return;
	}
	set_state(conn, CONTROL_READING, 0);
	event_add(conn->readable, NULL);
}

static void
rest(struct control_conn *conn)
{
	event_del(conn->readable);
	free(conn->reply);
	conn->reply = NULL;
	conn->reply_length = conn->reply_sent = 0;
	conn->length = conn->dropped = 0;
	set_state(conn, CONTROL_RESTING, REST_MS);
}

void
control_wait(struct control_conn *conn,
    void (*cancel)(struct control_conn *conn))
{
	conn->cancel = cancel;
}

void
control_reply(struct control_conn *conn, json_t *reply)
{
	char *text = NULL;

	if (reply != NULL && json_object_get(reply, "ok") == NULL)
		json_object_set_new(reply, "ok", json_true());
	if (reply != NULL)
		text = json_dumps(reply, JSON_COMPACT);
	json_decref(reply);
	if (text != NULL && strlen(text) > CONTROL_REPLY_MAX) {
		free(text);
		control_fail(conn, "the answer would be longer than %u MiB",
		    CONTROL_REPLY_MAX >> 20);
		return;
	}
	if (text == NULL)
		text = strdup("{\"ok\":false,\"error\":\"sluiced is out of "
			      "memory\"}");
	conn->reply = text;
	conn->reply_length = text != NULL ? strlen(text) : 0;
	if (text != NULL)
		text[conn->reply_length++] = '\n'; /* where the NUL was */
	set_state(conn, CONTROL_WRITING, WRITE_MS);
	/* Written from the loop, since the caller may be deep in the stack. */
	event_add(conn->writable, NULL);
}

void
control_fail(struct control_conn *conn, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	control_reply(conn,
	    json_pack("{s:b, s:o}", "ok", 0, "error", json_text(text)));
}

static void
control_write_cb(evutil_socket_t fd, short what, void *arg)
{
	struct control_conn *conn = arg;
	ssize_t sent;

	(void)what;
	sent = send(fd, conn->reply + conn->reply_sent,
	    conn->reply_length - conn->reply_sent, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent == -1 && errno != EAGAIN && errno != EINTR) {
		gone(conn);
		return;
	}
	if (sent > 0)
		conn->reply_sent += (size_t)sent;
	if (!control_has_sent(conn)) {
		if (event_add(conn->writable, NULL) == -1)
			gone(conn);
		return;
	}
	if (conn->state == CONTROL_FOLLOWING) {
		conn->on_sent(conn);
		return;
	}
	if (conn->on_question != NULL) {
		rest(conn);
		return;
	}
	/*
	 * Read and drop what it still sends: closing with unread input would
	 * reset the connection, and the client could lose our answer.
	 */
	shutdown(fd, SHUT_WR);
	set_state(conn, CONTROL_ENDING, ENDING_MS);
}

void
control_follow(struct control_conn *conn,
    void (*cancel)(struct control_conn *conn),
    void (*on_sent)(struct control_conn *conn))
{
	conn->cancel = cancel;
	conn->on_sent = on_sent;
	set_state(conn, CONTROL_FOLLOWING, conn->input_ended ? GONE_MS : 0);
}

/* Drop what was sent, and make room for so many bytes more.  0 or -1. */
static int
make_room(struct control_conn *conn, size_t length)
{
	size_t waits = conn->reply_length - conn->reply_sent;
	size_t room = conn->reply_room != 0 ? conn->reply_room : 4096;
	char *larger;

	if (length > CONTROL_FOLLOW_MAX - waits)
		return fail(ENOBUFS);
	if (conn->reply_sent > 0)
		memmove(conn->reply, conn->reply + conn->reply_sent, waits);
	conn->reply_sent = 0;
	conn->reply_length = waits;
	while (room < waits + length)
		room *= 2;
	if (room == conn->reply_room)
		return 0;
	larger = realloc(conn->reply, room);
	if (larger == NULL)
		return -1;
	conn->reply = larger;
	conn->reply_room = room;
	return 0;
}

int
control_push(struct control_conn *conn, const char *line, size_t length)
{
	if (make_room(conn, length) == -1 ||
	    event_add(conn->writable, NULL) == -1)
		return -1;
	memcpy(conn->reply + conn->reply_length, line, length);
	conn->reply_length += length;
	return 0;
}

bool
control_has_sent(const struct control_conn *conn)
{
	return conn->reply_sent == conn->reply_length;
}

static void
run(struct control_conn *conn, size_t length)
{
	set_state(conn, CONTROL_WORKING, 0);
	if (conn->on_question != NULL)
		conn->on_question(conn->arg);
	control_run(conn, conn->request, length);
}

/* There may be a whole line now. */
static void
take_request(struct control_conn *conn, size_t got)
{
	char *newline = memchr(conn->request + conn->length, '\n', got);

	conn->length += got;
	if (newline != NULL) {
		run(conn, (size_t)(newline - conn->request));
	} else if (conn->length >= CONTROL_REQUEST_MAX) {
		set_state(conn, CONTROL_WORKING, 0);
		control_fail(conn, "the request is longer than %d bytes",
		    CONTROL_REQUEST_MAX);
	}
}

/* End of input: the client has left, or only waits for its answer. */
static void
end_of_input(struct control_conn *conn)
{
	event_del(conn->readable);
	conn->input_ended = true;
	if (conn->state == CONTROL_READING && conn->length > 0)
		run(conn, conn->length); /* a line without its end */
	else if (conn->state == CONTROL_READING ||
	    conn->state == CONTROL_ENDING || has_left(conn))
		gone(conn);
	else if (conn->state == CONTROL_FOLLOWING)
		event_in(conn->timer, GONE_MS);
}

static void
control_read_cb(evutil_socket_t fd, short what, void *arg)
{
	struct control_conn *conn = arg;
	char away[CONTROL_REQUEST_MAX], *to = away;
	size_t room = sizeof(away);
	ssize_t got;

	(void)what;
	if (conn->state == CONTROL_READING) {
		to = conn->request + conn->length;
		room = CONTROL_REQUEST_MAX - conn->length;
	}
	got = aside_recv(fd, to, room);
	if (got == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got == -1) {
		gone(conn);
	} else if (got == 0) {
		end_of_input(conn);
	} else if (conn->state == CONTROL_READING) {
		take_request(conn, (size_t)got);
	} else {
		conn->dropped += (size_t)got;
		if (conn->dropped > DROP_MAX)
			gone(conn);
	}
}

struct control_conn *
control_conn_new(struct event_base *base, int fd,
    const struct control_subject *subject,
    void (*on_gone)(void *arg, struct control_conn *conn), void *arg)
{
	struct control_conn *conn = calloc(1, sizeof(*conn));

	if (conn == NULL) {
		aside_drop(fd);
		return NULL;
	}
	conn->subject = subject;
	conn->on_gone = on_gone;
	conn->arg = arg;
	conn->fd = fd;
	conn->readable =
	    event_new(base, fd, EV_READ | EV_PERSIST, control_read_cb, conn);
	conn->writable = event_new(base, fd, EV_WRITE, control_write_cb, conn);
	conn->timer = event_new(base, -1, 0, control_timer_cb, conn);
	if (conn->readable == NULL || conn->writable == NULL ||
	    conn->timer == NULL || event_add(conn->readable, NULL) == -1) {
		control_conn_free(conn);
		return NULL;
	}
	set_state(conn, CONTROL_READING, READ_MS);
	return conn;
}

void
control_conn_stay(struct control_conn *conn, void (*on_question)(void *arg))
{
	conn->on_question = on_question;
	set_state(conn, CONTROL_READING, 0);
}
