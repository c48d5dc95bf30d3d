/*
 * conn_write.c: output, from the plugin to the queue, or past it: large writes
 * go to the kernel at once, from the caller's memory.
 */

#include "worker/conn.h"

#include <errno.h>

#include "base/fail.h"
#include "config/settings.h"
#include "worker/endpoint.h"

/*
 * A write of at least this many bytes goes to the kernel at once, straight from
 * the caller's memory and behind what is queued.  For a shorter one, a copy
 * into the queue costs less than a system call of its own.
 */
#define DIRECT_SEND_MIN 8192

/*
 * Lent bytes leave when this many have gathered.  By measurement, four calls of
 * 64 KiB take less time than one of 256 KiB, and less than sixteen of 16 KiB.
 */
#define LENT_SEND_MIN (64u << 10)

/*
 * Writes from the caller's memory go on until the kernel is full, since a short
 * write tells the plugin so.  But a fast peer could take bytes for ever, so these
 * writes end at DIRECT_BUDGET in a turn, which is more than a socket holds by
 * default, and one call sends at most DIRECT_SEND_MAX.
 */
#define DIRECT_BUDGET (8u << 20)
#define DIRECT_SEND_MAX (1u << 20)

/* What conn_lend() has lent.  len 0: nothing. */
static struct {
	const char *buf;
	size_t len;
	struct sl_conn
	    *borrower; /* NULL: no connection has written any of it */
} loan;

/*
 * Send the queue, and buf behind it, with one call, as far as one call may go.
 * Returns how much of buf was sent, or -1 when the output is broken.
 */
static ssize_t
send_direct(struct sl_conn *conn, const void *buf, size_t len)
{
	struct iovec iov[CONN_IOV_MAX];
	size_t queued = conn->queue.bytes;
	int count = queue_iov(&conn->queue, iov, CONN_IOV_MAX);
	ssize_t n;

	if (count == CONN_IOV_MAX || conn_spent(conn, DIRECT_BUDGET))
		return 0; /* the queue has to be flushed first */
	iov[count].iov_base = (void *)buf;
	iov[count].iov_len = len < DIRECT_SEND_MAX ? len : DIRECT_SEND_MAX;
	n = conn_offer_iov(conn, iov, count + 1);
	if (n == -1)
		return -1;
	queue_consume(&conn->queue, n);
	return (size_t)n > queued ? n - queued : 0;
}

/*
 * If these bytes are lent, let the queue refer to them instead of sending them
 * now.  Returns whether it does.
 */
static bool
borrow(struct sl_conn *conn, const char *buf, size_t len)
{
	size_t high = conn->endpoint->limits->write_buffer;

	if (loan.len == 0 || buf < loan.buf || len > loan.len ||
	    (size_t)(buf - loan.buf) > loan.len - len)
		return false;
	/* What the kernel does not take is copied: no more than sl_write() may. */
	if ((loan.borrower != NULL && loan.borrower != conn) ||
	    conn_unsent(conn) + len > high ||
	    queue_put_lent(&conn->queue, buf, len) == -1)
		return false;
	loan.borrower = conn;
	if (conn->queue.bytes >= LENT_SEND_MIN)
		conn_flush_up_to(conn, DIRECT_BUDGET);
	return true;
}

void
conn_lend(const void *buf, size_t len)
{
	loan.buf = buf;
	loan.len = len;
}

void
conn_end_loan(void)
{
	struct sl_conn *conn = loan.borrower;

	loan.len = 0;
	loan.borrower = NULL;
	if (conn == NULL || conn->queue.bytes == 0)
		return;
	conn_flush_up_to(conn, DIRECT_BUDGET);
	/* They count as taken: without memory the stream cannot go on. */
	if (queue_end_loan(&conn->queue) == -1)
		conn_fail(conn, SL_WHY_MEMORY, ENOMEM, SL_STAGE_WRITE);
}

ssize_t
conn_write(struct sl_conn *conn, const void *buf, size_t len)
{
	size_t high = conn->endpoint->limits->write_buffer;
	size_t unsent = conn_unsent(conn), room, take;
	ssize_t sent = 0;

	if (conn_marked(conn, MARK_UPGRADE)) { /* it would be plain text */
		conn_owe_drain(conn);
		return 0;
	}
	/* Most writes are small, and there is room. */
	if (len < DIRECT_SEND_MIN && unsent + len <= high)
		return queue_put(&conn->queue, buf, len) == -1 ? -1
							       : (ssize_t)len;
	if (len >= DIRECT_SEND_MIN && !conn_marked(conn, MARKS_NO_SEND)) {
		if (borrow(conn, buf, len))
			return len;
		sent = send_direct(conn, buf, len);
		if (sent == -1)
			return fail(EPIPE);
	}
	unsent = conn_unsent(conn);
	room = unsent < high ? high - unsent : 0;
	take = len - sent < room ? len - sent : room;
	if (take > 0 &&
	    queue_put(&conn->queue, (const char *)buf + sent, take) == -1) {
		if (sent == 0)
			return -1;
		take = 0;
	}
	if (sent + take < len)
		conn_owe_drain(conn);
	return sent + take;
}

/* Do len bytes fit under limits.write_queue?  0, or -1 with ENOBUFS. */
static int
check_room(struct sl_conn *conn, size_t len)
{
	size_t most = conn->endpoint->limits->write_queue;

	bool upgrades = conn_marked(conn, MARK_UPGRADE);

	if (len <= most && conn_unsent(conn) <= most - len && !upgrades)
		return 0;
	/* With nothing queued there is nothing to wait for. */
	if (conn_unsent(conn) > 0 || upgrades)
		conn_owe_drain(conn);
	return fail(ENOBUFS);
}

/* A part of a message was sent: the stream cannot go on.  Returns -1. */
static int
break_off(struct sl_conn *conn)
{
	conn_fail(conn, SL_WHY_MEMORY, ENOMEM, SL_STAGE_WRITE);
	return fail(ENOMEM);
}

/*
 * Send or queue all of it.  -1 with ENOMEM: a part of it may have been sent; with
 * EPIPE: the output is broken.
 */
static int
put(struct sl_conn *conn, const void *buf, size_t len)
{
	ssize_t sent = 0;

	if (len >= DIRECT_SEND_MIN && !conn_marked(conn, MARKS_NO_SEND)) {
		if (borrow(conn, buf, len))
			return 0;
		sent = send_direct(conn, buf, len);
		if (sent == -1)
			return fail(EPIPE);
	}
	if ((size_t)sent == len)
		return 0;
	return queue_put(&conn->queue, (const char *)buf + sent, len - sent);
}

/* put() has failed in a message that began at this byte of the output.  -1. */
static int
take_back(struct sl_conn *conn, uint64_t begin)
{
	if (errno != ENOMEM)
		return -1;
	if (conn->bytes_out > begin)
		return break_off(conn);
	queue_truncate(&conn->queue, begin - conn->bytes_out);
	return fail(ENOMEM);
}

int
conn_send(struct sl_conn *conn, const void *buf, size_t len)
{
	uint64_t begin = conn->bytes_out + conn->queue.bytes;

	if (check_room(conn, len) == -1)
		return -1;
	return put(conn, buf, len) == 0 ? 0 : take_back(conn, begin);
}

int
conn_sendv(struct sl_conn *conn, const struct iovec *iov, int count,
    size_t total)
{
	uint64_t begin = conn->bytes_out + conn->queue.bytes;

	if (check_room(conn, total) == -1)
		return -1;
	for (int i = 0; i < count; i++)
		if (iov[i].iov_len > 0 &&
		    put(conn, iov[i].iov_base, iov[i].iov_len) == -1)
			return take_back(conn, begin);
	return 0;
}

size_t
conn_room(struct sl_conn *conn)
{
	size_t most = conn->endpoint->limits->write_queue;
	size_t unsent = conn_unsent(conn);

	if (unsent == 0 && !conn_marked(conn, MARK_UPGRADE))
		return most;
	conn_owe_drain(conn);
	return conn_marked(conn, MARK_UPGRADE) || unsent > most ? 0
								: most - unsent;
}

/* Queue the message without its first `from` bytes.  0, or -1 with ENOMEM. */
static int
queue_message(struct queue *queue, struct message *message, size_t from)
{
	size_t len = message->len - from;

	if (len < SHARE_MIN)
		return queue_put(queue, (const char *)message->buf + from, len);
	if (message->shared == NULL)
		message->shared = shared_new(message->buf, message->len);
	if (message->shared == NULL)
		return -1;
	return queue_put_shared(queue, message->shared, from);
}

int
conn_send_message(struct sl_conn *conn, struct message *message)
{
	ssize_t sent = 0;

	if (check_room(conn, message->len) == -1)
		return -1;
	if (message->at_once && conn_unsent(conn) == 0 &&
	    !conn_marked(conn, MARKS_NO_SEND) &&
	    !conn_spent(conn, CONN_WRITE_BUDGET)) {
		sent = conn_offer(conn, message->buf, message->len);
		if (sent == -1)
			return fail(EPIPE);
		if ((size_t)sent == message->len)
			return 0;
	}
	if (queue_message(&conn->queue, message, sent) == -1)
		return sent > 0 ? break_off(conn) : fail(ENOMEM);
	return 0;
}
