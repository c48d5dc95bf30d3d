/*
 * conn_flush.c: output, from the queue to the transport.  What a callback writes
 * gathers in the queue and leaves when the callback has returned.
 */

#include "worker/conn.h"

#include <errno.h>

#include "base/log.h"
#include "base/log_limit.h"
#include "config/settings.h"
#include "ipc/counts.h"
#include "worker/endpoint.h"
#include "worker/engine.h"

#define STARVED_LOG_MAX 1 /* lines per second */

static bool
below_low_mark(const struct sl_conn *conn)
{
	return conn_unsent(conn) <= conn->endpoint->limits->write_buffer / 2;
}

bool
conn_drain_due(const struct sl_conn *conn)
{
	if (!conn_marked(conn, MARK_DRAIN_OWED))
		return false;
	return conn->drain_at_empty ? conn_unsent(conn) == 0
				    : below_low_mark(conn);
}

/*
 * A write came up short.  If the queue is below the low mark even so, `drain`
 * waits until the queue is empty: earlier the plugin would try the same write
 * again, and again in vain.
 */
void
conn_owe_drain(struct sl_conn *conn)
{
	if (!conn_marked(conn, MARK_DRAIN_OWED))
		conn->drain_at_empty = false;
	conn->marks |= MARK_DRAIN_OWED;
	if (below_low_mark(conn))
		conn->drain_at_empty = true;
}

static void
block(struct sl_conn *conn)
{
	conn->marks |= MARK_BLOCKED;
	conn->progress_ms = engine_now();
}

void __attribute__((cold))
conn_broke(struct sl_conn *conn, int error, enum sl_stage stage)
{
	struct ending by = conn_broken_by(conn, error, stage);

	conn_decide(conn, by.why, by.sys_errno, by.stage);
	conn->marks |= MARK_SALVAGE;
	conn->marks &= ~MARK_BLOCKED;
	conn_drop_output(conn);
	if (conn->out != HALF_CLOSED)
		conn_set_out(conn, HALF_CLOSED);
}

static void
sum_up_starved(struct log_limit *limit, uint32_t skipped)
{
	(void)limit;
	log_warnx("the kernel could not serve %u more times", skipped);
}

void __attribute__((cold))
conn_tell_starved(const struct sl_conn *conn, int error)
{
	static struct log_limit limit = { .sum_up = sum_up_starved };

	if (!log_limit(&limit, STARVED_LOG_MAX, NULL))
		return;
	conn_log(conn, LOG_LEVEL_WARN,
	    ": the kernel cannot serve it; trying again every %d ms: %s",
	    STARVED_RETRY_MS, error_text(error));
}

/* Nothing was sent.  Returns 0 if it may be later, -1 if output is broken. */
static ssize_t
refused(struct sl_conn *conn, int error)
{
	switch (error) {
	case ENOBUFS:
	case ENOMEM:
		conn->marks |= MARK_STARVED;
		conn_tell_starved(conn, error);
		/* FALLTHROUGH */
	case EAGAIN:
		block(conn);
		return 0;
	default:
		conn_broke(conn, error, SL_STAGE_WRITE);
		return -1;
	}
}

/*
 * The transport was offered `total` bytes and took n, or n is -1 and errno says
 * why.  Returns what it took: 0 when it is full, -1 when the output is broken.
 */
static inline ssize_t
account(struct sl_conn *conn, ssize_t n, size_t total)
{
	if (n == -1)
		return refused(conn, errno);
	conn->bytes_out += n;
	count_add(conn->endpoint->counts, COUNT_BYTES_OUT, n);
	conn->progress_ms = engine_now();
	if ((size_t)n < total)
		block(conn);
	return n;
}

/* The same of a connection with a rate. */
static ssize_t
account_paced(struct sl_conn *conn, ssize_t n, size_t total)
{
	n = account(conn, n, total);
	if (n > 0)
		conn_pace_add(conn, PACE_OUT, n);
	return n;
}

/*
 * offer() and offer_iov() of a connection with a rate: part of it, if that is
 * all that the rate lets through.
 */
static __attribute__((noinline)) ssize_t
offer_paced(struct sl_conn *conn, const void *buf, size_t len)
{
	ssize_t n;

	len = conn_pace_room(conn, PACE_OUT, len);
	if (len == 0)
		return 0;
	do
		n = conn->stream.transport->send(&conn->stream, buf, len);
	while (n == -1 && errno == EINTR);
	return account_paced(conn, n, len);
}

static __attribute__((noinline)) ssize_t
offer_iov_paced(struct sl_conn *conn, const struct iovec *iov, int count,
    size_t total)
{
	struct iovec part[CONN_IOV_MAX];
	size_t room = conn_pace_room(conn, PACE_OUT, total);
	ssize_t n;
	int i;

	total = room;
	for (i = 0; i < count && room > 0; i++) {
		part[i] = iov[i];
		if (part[i].iov_len > room)
			part[i].iov_len = room;
		room -= part[i].iov_len;
	}
	if (total == 0)
		return 0;
	do
		n = conn->stream.transport->sendv(&conn->stream, part, i);
	while (n == -1 && errno == EINTR);
	return account_paced(conn, n, total);
}

static inline __attribute__((always_inline)) ssize_t
offer(struct sl_conn *conn, const void *buf, size_t len)
{
	ssize_t n;

	if (conn_sends_paced(conn))
		return offer_paced(conn, buf, len);
	do
		n = conn->stream.transport->send(&conn->stream, buf, len);
	while (n == -1 && errno == EINTR);
	return account(conn, n, len);
}

ssize_t
conn_offer(struct sl_conn *conn, const void *buf, size_t len)
{
	return offer(conn, buf, len);
}

/* For a queue of one chunk, as most are. */
static ssize_t
offer_chunk(struct sl_conn *conn, const struct chunk *chunk)
{
	return offer(conn, chunk->data + chunk->start,
	    chunk->end - chunk->start);
}

ssize_t
conn_offer_iov(struct sl_conn *conn, const struct iovec *iov, int count)
{
	size_t total = 0;
	ssize_t n;

	for (int i = 0; i < count; i++)
		total += iov[i].iov_len;
	if (conn_sends_paced(conn))
		return offer_iov_paced(conn, iov, count, total);
	do
		n = conn->stream.transport->sendv(&conn->stream, iov, count);
	while (n == -1 && errno == EINTR);
	return account(conn, n, total);
}

__attribute__((noinline)) static ssize_t
offer_chunks(struct sl_conn *conn)
{
	struct iovec iov[CONN_IOV_MAX];

	return conn_offer_iov(conn, iov,
	    queue_iov(&conn->queue, iov, CONN_IOV_MAX));
}

static inline void
flush(struct sl_conn *conn, uint32_t budget)
{
	ssize_t n;

	while (!conn_marked(conn, MARKS_NO_SEND) && !conn_spent(conn, budget)) {
		n = conn->queue.head == conn->queue.tail
		    ? offer_chunk(conn, conn->queue.head)
		    : offer_chunks(conn);
		if (n <= 0)
			return;
		if ((size_t)n == conn->queue.bytes) {
			queue_clear(&conn->queue);
			return;
		}
		queue_consume(&conn->queue, n);
	}
}

void
conn_flush_queue(struct sl_conn *conn)
{
	flush(conn, CONN_WRITE_BUDGET);
}

void
conn_flush_up_to(struct sl_conn *conn, uint32_t budget)
{
	flush(conn, budget);
}

void
conn_flush_stream(struct sl_conn *conn)
{
	uint32_t before = conn->stream.unsent;
	int rc;

	if (conn_marked(conn, MARK_BLOCKED))
		return;
	do
		rc = conn->stream.transport->flush(&conn->stream);
	while (rc == -1 && errno == EINTR);
	if (conn->stream.unsent < before)
		conn->progress_ms = engine_now();
	if (rc == -1)
		refused(conn, errno);
}

void
conn_finish(struct sl_conn *conn)
{
	/* close() follows if the peer has finished and has all our output. */
	bool last;
	int rc;

	if (conn->out != HALF_DRAIN || conn_unsent(conn) > 0 ||
	    conn_marked(conn, MARK_BLOCKED | MARK_STARTING))
		return;
	last = conn->in == HALF_CLOSED && conn_ask_waiting(conn) == 0;
	do
		rc = conn->stream.transport->finish(&conn->stream, last);
	while (rc == -1 && errno == EINTR);
	if (rc == -1) {
		refused(conn, errno);
		return;
	}
	conn_set_out(conn, HALF_CLOSED);
	conn->progress_ms = engine_now();
	if (conn->in != HALF_CLOSED && conn->closing_ms != 0 &&
	    conn->endpoint->timeouts->linger_ms == 0) {
		conn_ask_waiting(conn);
		if (conn_undelivered(conn) == 0)
			conn_set_in(conn, HALF_CLOSED);
	}
}

/* Bytes of output that the kernel has taken. */
static uint64_t
passed_on(const struct sl_conn *conn)
{
	return conn->bytes_out - conn->stream.unsent;
}

void
conn_retry(struct sl_conn *conn)
{
	uint64_t since = conn->progress_ms, before = passed_on(conn);
	enum half out = conn->out;

	conn->marks &= ~(MARK_BLOCKED | MARK_STARVED);
	conn_begin_turn(conn);
	if (conn->stream.unsent > 0)
		conn_flush_stream(conn);
	conn_flush(conn);
	conn_finish(conn);
	/* If the kernel took nothing again, there was no progress. */
	if (passed_on(conn) == before && conn->out == out)
		conn->progress_ms = since;
}

void
conn_flush_all(struct sl_conn *conn)
{
	uint64_t before;

	do {
		before = passed_on(conn);
		conn_retry(conn);
	} while (passed_on(conn) != before);
}

void
conn_spliced(struct sl_conn *conn, size_t n, int error)
{
	if (conn_sends_paced(conn))
		account_paced(conn, n, n);
	else
		account(conn, n, n);
	if (error != 0)
		refused(conn, error);
	if (conn->stream.unsent == 0)
		return;
	conn_owe_drain(conn);
	conn->drain_at_empty =
	    true; /* or the next bytes could not be spliced */
}
