/*
 * conn_write.c: output, from the plugin to the socket.  What a callback writes
 * gathers in the queue and leaves when the callback has returned.
 */

#include "worker/conn.h"

#include <errno.h>

#include "base/fail.h"
#include "base/log.h"
#include "base/log_limit.h"
#include "config/settings.h"
#include "ipc/counts.h"
#include "worker/endpoint.h"
#include "worker/engine.h"

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

#define SEND_IOV_MAX 16 /* chunks offered to the kernel at once: 256 KiB */

/*
 * What a connection may send in a turn, so that the others get theirs:
 * WRITE_BUDGET from the queue, as for reading.  Writes from the caller's memory
 * go on until the kernel is full, since a short write tells the plugin so.  But
 * a fast peer could take bytes for ever, so these writes end at DIRECT_BUDGET,
 * which is more than a socket holds by default, and one call sends at most
 * DIRECT_SEND_MAX.
 */
#define WRITE_BUDGET (256u << 10)
#define DIRECT_BUDGET (8u << 20)
#define DIRECT_SEND_MAX (1u << 20)

#define STARVED_LOG_MAX 1 /* lines per second */

/* What conn_lend() has lent.  len 0: nothing. */
static struct {
	const char *buf;
	size_t len;
	struct sl_conn
	    *borrower; /* NULL: no connection has written any of it */
} loan;

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
	struct iovec part[SEND_IOV_MAX];
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

/* For a queue of one chunk, as most are. */
static ssize_t
offer_chunk(struct sl_conn *conn, const struct chunk *chunk)
{
	return offer(conn, chunk->data + chunk->start,
	    chunk->end - chunk->start);
}

static ssize_t
offer_iov(struct sl_conn *conn, const struct iovec *iov, int count)
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
	struct iovec iov[SEND_IOV_MAX];

	return offer_iov(conn, iov, queue_iov(&conn->queue, iov, SEND_IOV_MAX));
}

/* Has the connection used up its share of this turn? */
static inline bool
spent(const struct sl_conn *conn, uint32_t budget)
{
	return (uint32_t)conn->bytes_out - conn->turn >= budget;
}

static inline void
flush(struct sl_conn *conn, uint32_t budget)
{
	ssize_t n;

	while (!conn_marked(conn, MARKS_NO_SEND) && !spent(conn, budget)) {
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
	flush(conn, WRITE_BUDGET);
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

/*
 * Send the queue, and buf behind it, with one call, as far as one call may go.
 * Returns how much of buf was sent, or -1 when the output is broken.
 */
static ssize_t
send_direct(struct sl_conn *conn, const void *buf, size_t len)
{
	struct iovec iov[SEND_IOV_MAX];
	size_t queued = conn->queue.bytes;
	int count = queue_iov(&conn->queue, iov, SEND_IOV_MAX);
	ssize_t n;

	if (count == SEND_IOV_MAX || spent(conn, DIRECT_BUDGET))
		return 0; /* the queue has to be flushed first */
	iov[count].iov_base = (void *)buf;
	iov[count].iov_len = len < DIRECT_SEND_MAX ? len : DIRECT_SEND_MAX;
	n = offer_iov(conn, iov, count + 1);
	if (n == -1)
		return -1;
	queue_consume(&conn->queue, n);
	return (size_t)n > queued ? n - queued : 0;
}

/* Up to the budget of a direct send, which this replaces. */
__attribute__((noinline)) static void
flush_lent(struct sl_conn *conn)
{
	flush(conn, DIRECT_BUDGET);
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
		flush_lent(conn);
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
	flush_lent(conn);
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
	    !conn_marked(conn, MARKS_NO_SEND) && !spent(conn, WRITE_BUDGET)) {
		sent = offer(conn, message->buf, message->len);
		if (sent == -1)
			return fail(EPIPE);
		if ((size_t)sent == message->len)
			return 0;
	}
	if (queue_message(&conn->queue, message, sent) == -1)
		return sent > 0 ? break_off(conn) : fail(ENOMEM);
	return 0;
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
