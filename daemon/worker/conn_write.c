/*
 * conn_write.c: output, from the plugin to the socket.  What is written under
 * a callback gathers in the queue and leaves when the callback has returned.
 */

#include <errno.h>

#include "conn.h"
#include "engine.h"
#include "listener.h"
#include "service.h"

/*
 * From this many bytes on a write goes to the kernel straight from the
 * caller's memory, together with what is queued; below it, copying into the
 * queue costs less than a system call of its own.
 */
#define DIRECT_SEND_MIN 8192
#define SEND_IOV_MAX 64 /* chunks offered to the kernel at once */

static const struct limit_settings *
limits_of(const struct sl_conn *conn)
{
	return &conn->service->listener->settings->limits;
}

bool
conn_below_low_mark(const struct sl_conn *conn)
{
	return conn->queue.bytes <= limits_of(conn)->write_buffer / 2;
}

static void
block(struct sl_conn *conn)
{
	conn->blocked = true;
	conn->progress_ms = engine_now();
}

/*
 * Offer iov, which begins with the queue.  Returns what the kernel took of it:
 * 0 when it is full, -1 when the output is broken.
 */
static ssize_t
offer(struct sl_conn *conn, const struct iovec *iov, int count, size_t total)
{
	ssize_t n;

	do
		n = conn->stream.transport->sendv(&conn->stream, iov, count);
	while (n == -1 && errno == EINTR);
	if (n == -1) {
		if (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM) {
			block(conn);
			return 0;
		}
		/*
		 * What the peer sent before it broke is still to be read:
		 * conn_settle() sees to that, then ends the connection.
		 */
		conn->fault = conn->fault.why != SL_WHY_NONE ? conn->fault :
		    (struct ending){ SL_WHY_RESET, errno, SL_STAGE_WRITE };
		conn->salvage = true;
		conn->blocked = false;
		queue_clear(&conn->queue);
		if (conn->out != HALF_CLOSED)
			conn_set_out(conn, HALF_CLOSED);
		return -1;
	}
	conn->bytes_out += n;
	conn->active_ms = conn->progress_ms = engine_now();
	if ((size_t)n < total)
		block(conn);
	return n;
}

void
conn_flush(struct sl_conn *conn)
{
	struct iovec iov[SEND_IOV_MAX];

	while (conn->queue.bytes > 0 && !conn->blocked) {
		int count = queue_iov(&conn->queue, iov, SEND_IOV_MAX);
		size_t total = 0;
		ssize_t n;

		for (int i = 0; i < count; i++)
			total += iov[i].iov_len;
		n = offer(conn, iov, count, total);
		if (n <= 0)
			return;
		queue_consume(&conn->queue, n);
	}
}

/*
 * Send the queue and buf behind it in one call.  Returns how much of buf is
 * gone, or -1 when the output is broken.
 */
static ssize_t
send_direct(struct sl_conn *conn, const void *buf, size_t len)
{
	struct iovec iov[SEND_IOV_MAX];
	size_t queued = conn->queue.bytes;
	int count = queue_iov(&conn->queue, iov, SEND_IOV_MAX);
	ssize_t n;

	if (count == SEND_IOV_MAX)
		return 0; /* no place for buf; the flush comes first */
	iov[count].iov_base = (void *)buf;
	iov[count].iov_len = len;
	n = offer(conn, iov, count + 1, queued + len);
	if (n == -1)
		return -1;
	queue_consume(&conn->queue, n);
	return (size_t)n > queued ? n - queued : 0;
}

static int
fail(int error)
{
	errno = error;
	return -1;
}

ssize_t
conn_write(struct sl_conn *conn, const void *buf, size_t len)
{
	size_t high = limits_of(conn)->write_buffer, room, take;
	ssize_t sent = 0;

	if (len >= DIRECT_SEND_MIN && !conn->blocked) {
		sent = send_direct(conn, buf, len);
		if (sent == -1)
			return fail(EPIPE);
	}
	room = conn->queue.bytes < high ? high - conn->queue.bytes : 0;
	take = len - sent < room ? len - sent : room;
	if (take > 0 &&
	    queue_put(&conn->queue, (const char *)buf + sent, take) == -1) {
		if (sent == 0)
			return -1;
		take = 0;
	}
	if (sent + take < len)
		conn->drain_owed = true;
	return sent + take;
}

int
conn_send(struct sl_conn *conn, const void *buf, size_t len)
{
	size_t most = limits_of(conn)->write_queue;
	ssize_t sent = 0;

	if (len > most || conn->queue.bytes > most - len) {
		conn->drain_owed = true;
		return fail(ENOBUFS);
	}
	if (len >= DIRECT_SEND_MIN && !conn->blocked) {
		sent = send_direct(conn, buf, len);
		if (sent == -1)
			return fail(EPIPE);
	}
	if ((size_t)sent < len && queue_put(&conn->queue,
	    (const char *)buf + sent, len - sent) == -1) {
		/* Half a message is gone: the stream cannot go on. */
		if (sent > 0)
			conn_fail(conn, SL_WHY_MEMORY, ENOMEM, SL_STAGE_WRITE);
		return fail(ENOMEM);
	}
	return 0;
}
