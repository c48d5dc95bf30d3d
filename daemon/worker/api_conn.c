/*
 * api_conn.c: the functions of sluice.h that move a connection on: output, its
 * end, pauses and timeouts.  They check the state, note what the plugin wants,
 * and leave what follows from it to conn_settle().
 */

#include <errno.h>
#include <limits.h>

#include "base/fail.h"
#include "worker/callback.h"
#include "worker/conn.h"
#include "worker/listener.h"
#include "worker/own_thread.h"
#include "worker/service.h"

/* More than this is a mistake of the caller. */
#define LENGTH_MAX ((size_t)SSIZE_MAX)

/* Something was decided or queued: see that conn_settle() follows. */
static void
touch(struct sl_conn *conn)
{
	if (!callback_running_for(conn))
		conn_pend(conn);
}

/* May the plugin write this?  0, or -1 with errno. */
static inline __attribute__((always_inline)) int
check_output(const struct sl_conn *conn, const void *buf, size_t len)
{
	if (conn_gone(conn))
		return fail(ENOTCONN);
	if (len > LENGTH_MAX || (buf == NULL && len > 0))
		return fail(EINVAL);
	if (conn->out != HALF_OPEN)
		return fail(EPIPE);
	return 0;
}

ssize_t
sl_write(struct sl_conn *c, const void *buf, size_t len)
{
	ssize_t n;

	if (own_thread_is_other())
		return -1;
	if (check_output(c, buf, len) == -1)
		return -1;
	if (len == 0)
		return 0;
	n = conn_write(c, buf, len);
	touch(c);
	return n;
}

/* May the plugin write these parts?  Returns 0, or -1 with errno. */
static int
check_parts(const struct sl_conn *c, const struct iovec *iov, int count,
    size_t *ret_total)
{
	size_t total = 0;

	if (conn_gone(c))
		return fail(ENOTCONN);
	if (count < 0 || count > IOV_MAX || (iov == NULL && count > 0))
		return fail(EINVAL);
	for (int i = 0; i < count; i++) {
		if (iov[i].iov_len > LENGTH_MAX - total ||
		    (iov[i].iov_base == NULL && iov[i].iov_len > 0))
			return fail(EINVAL);
		total += iov[i].iov_len;
	}
	if (c->out != HALF_OPEN)
		return fail(EPIPE);
	*ret_total = total;
	return 0;
}

ssize_t
sl_writev(struct sl_conn *c, const struct iovec *iov, int count)
{
	size_t total, done = 0;

	if (own_thread_is_other() || check_parts(c, iov, count, &total) == -1)
		return -1;
	for (int i = 0; i < count; i++) {
		ssize_t n;

		if (iov[i].iov_len == 0)
			continue;
		n = conn_write(c, iov[i].iov_base, iov[i].iov_len);
		if (n == -1 && done == 0) {
			touch(c);
			return -1;
		}
		if (n == -1) {
			if (c->out == HALF_OPEN) /* out of memory */
				conn_owe_drain(c);
			break;
		}
		done += n;
		if ((size_t)n < iov[i].iov_len)
			break;
	}
	touch(c);
	return done;
}

int
sl_send(struct sl_conn *c, const void *buf, size_t len)
{
	int rc;

	if (own_thread_is_other())
		return -1;
	if (check_output(c, buf, len) == -1)
		return -1;
	if (len == 0)
		return 0;
	rc = conn_send(c, buf, len);
	touch(c);
	return rc;
}

int
sl_sendv(struct sl_conn *c, const struct iovec *iov, int count)
{
	size_t total;
	int rc;

	if (own_thread_is_other() || check_parts(c, iov, count, &total) == -1)
		return -1;
	if (total == 0)
		return 0;
	rc = conn_sendv(c, iov, count, total);
	touch(c);
	return rc;
}

size_t
sl_room(struct sl_conn *c)
{
	size_t room;

	if (own_thread_is_other() || conn_gone(c) || c->out != HALF_OPEN)
		return 0;
	room = conn_room(c);
	touch(c);
	return room;
}

/* Send it to one connection.  Returns whether that has taken it. */
static bool
tell_member(struct sl_conn *c, struct message *message)
{
	bool taken;

	if (c->out != HALF_OPEN)
		return false;
	taken = conn_send_message(c, message) == 0;
	if (conn_unsent(c) > 0 || c->out != HALF_OPEN)
		touch(c);
	return taken;
}

/*
 * Is it the first broadcast of the running callback?  Only that one is sent at
 * once.  Those that follow it gather in the queues, so that each connection
 * sends them with one system call.
 */
static bool
is_first_broadcast(void)
{
	static uint64_t before; /* in which callback the last one was */
	uint64_t number = callback_number();
	bool first = number == 0 || number != before;

	before = number;
	return first;
}

int
sl_broadcast(struct sl_service *service, const void *buf, size_t len,
    const struct sl_conn *except)
{
	struct message message = { .buf = buf, .len = len };
	struct sl_conn *c;
	int taken = 0;

	if (own_thread_is_other())
		return -1;
	if (service == NULL || len > LENGTH_MAX || (buf == NULL && len > 0))
		return fail(EINVAL);
	if (len == 0)
		return 0;
	message.at_once = is_first_broadcast();
	for (c = sl_first(service); c != NULL; c = sl_next(c)) {
		conn_prefetch(TAILQ_NEXT(c, link));
		if (c != except && tell_member(c, &message))
			taken++;
	}
	shared_done(message.shared);
	return taken;
}

int
sl_flush(struct sl_conn *c)
{
	if (own_thread_is_other())
		return -1;
	if (conn_gone(c))
		return fail(ENOTCONN);
	conn_flush(c);
	touch(c);
	return 0;
}

int
sl_end(struct sl_conn *c, const void *buf, size_t len)
{
	if (own_thread_is_other())
		return -1;
	if (check_output(c, buf, len) == -1)
		return -1;
	if (len > 0 && conn_send(c, buf, len) == -1) {
		touch(c);
		return -1;
	}
	/* A failed send may have ended the output already. */
	if (c->out == HALF_OPEN)
		conn_set_out(c, HALF_DRAIN);
	conn_begin_closing(c);
	c->local_first = !conn_marked(c, MARK_EOF);
	touch(c);
	return 0;
}

int
sl_close(struct sl_conn *c)
{
	if (own_thread_is_other())
		return -1;
	if (conn_gone(c))
		return fail(ENOTCONN);
	conn_close(c, SL_WHY_LOCAL);
	touch(c);
	return 0;
}

int
sl_terminate(struct sl_conn *c)
{
	if (own_thread_is_other())
		return -1;
	if (conn_gone(c))
		return fail(ENOTCONN);
	c->reset = true;
	conn_fail(c, SL_WHY_LOCAL, 0, SL_STAGE_NONE);
	touch(c);
	return 0;
}

int
sl_shutdown(struct sl_conn *c, unsigned int how)
{
	if (own_thread_is_other())
		return -1;
	if (conn_gone(c))
		return fail(ENOTCONN);
	if (how == 0 || (how & ~(SL_SHUT_READ | SL_SHUT_WRITE)) != 0)
		return fail(EINVAL);
	if ((how & SL_SHUT_READ) && c->in == HALF_OPEN)
		conn_set_in(c,
		    conn_marked(c, MARK_EOF) ? HALF_CLOSED : HALF_DRAIN);
	if ((how & SL_SHUT_WRITE) && c->out == HALF_OPEN) {
		conn_set_out(c, HALF_DRAIN);
		c->local_first = !conn_marked(c, MARK_EOF);
	}
	/* With both halves shut, this is a close. */
	if (c->in != HALF_OPEN && c->out != HALF_OPEN)
		conn_close(c, SL_WHY_LOCAL);
	touch(c);
	return 0;
}

int
sl_pause(struct sl_conn *c)
{
	if (own_thread_is_other())
		return -1;
	if (conn_gone(c))
		return fail(ENOTCONN);
	if (c->piped)
		return fail(EBUSY);
	c->marks |= MARK_PAUSED;
	touch(c);
	return 0;
}

int
sl_resume(struct sl_conn *c)
{
	if (own_thread_is_other())
		return -1;
	if (conn_gone(c))
		return fail(ENOTCONN);
	if (c->piped)
		return fail(EBUSY);
	c->marks &= ~MARK_PAUSED;
	c->unread = 0;
	c->marks |= MARK_REPRESENT;
	touch(c);
	return 0;
}

int
sl_pipe(struct sl_conn *a, struct sl_conn *b)
{
	if (own_thread_is_other())
		return -1;
	if (conn_gone(a) || conn_gone(b))
		return fail(ENOTCONN);
	if (a == b)
		return fail(EINVAL);
	if (conn_pipe(a, b) == -1)
		return -1;
	touch(a);
	touch(b);
	return 0;
}

int
sl_unpipe(struct sl_conn *c)
{
	struct sl_conn *other;

	if (own_thread_is_other())
		return -1;
	if (conn_gone(c))
		return fail(ENOTCONN);
	if (!c->piped)
		return fail(EINVAL);
	other = c->extra->pipe;
	conn_unpipe(c);
	touch(c);
	touch(other);
	return 0;
}

int
sl_timeout(struct sl_conn *c, uint64_t ms)
{
	if (own_thread_is_other())
		return -1;
	if (conn_gone(c))
		return fail(ENOTCONN);
	c->own_idle = true;
	c->idle_ms = ms;
	conn_restart_idle(c);
	c->marks |= MARK_DEADLINE;
	conn_pend(c); /* only conn_settle() sets the timer */
	return 0;
}
