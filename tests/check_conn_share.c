/*
 * check_conn_share.c: one connection does not keep the loop from the others:
 * neither when a fast peer takes a long queue, nor when the kernel has no
 * memory.
 */

#include <event2/event.h>

#include "conn_plugin.h"

#define SHARE_MAX (512u << 10) /* two calls of 256 KiB */
#define DIRECT_MAX (9u << 20)  /* 8 MiB, and one call */

/* The plain transport with our own send functions. */
static struct transport fake;
static uint64_t taken; /* bytes; the peer takes everything */
static int error;      /* errno that every call fails with; 0: none */
static unsigned int calls_made;

static ssize_t
take(size_t len)
{
	calls_made++;
	if (error != 0) {
		errno = error;
		return -1;
	}
	taken += len;
	return len;
}

static ssize_t
fake_send(struct stream *stream, const void *buf, size_t len)
{
	(void)stream;
	(void)buf;
	return take(len);
}

static ssize_t
fake_sendv(struct stream *stream, const struct iovec *iov, int count)
{
	size_t len = 0;

	(void)stream;
	for (int i = 0; i < count; i++)
		len += iov[i].iov_len;
	return take(len);
}

static ssize_t
fake_recv(struct stream *stream, void *buf, size_t len)
{
	if (error != 0)
		return take(0);
	return transport_plain.recv(stream, buf, len);
}

static int
begin_fake(const struct sl_handlers *handlers)
{
	int fd;

	taken = 0;
	error = 0;
	calls_made = 0;
	fake = transport_plain;
	begin(handlers);
	worker_settings()->limits.write_queue = 64 << 20;
	worker_settings()->limits.write_buffer = 64 << 20;
	fd = worker_connect();
	fake.send = fake_send;
	fake.sendv = fake_sendv;
	conn_under(plugin.conn, &fake);
	return fd;
}

START_TEST(a_long_queue_leaves_in_shares)
{
	uint64_t before;
	int fd, passes = 0;

	fd = begin_fake(&full);
	plugin.conn->marks |= MARK_BLOCKED; /* so that output is queued */
	for (int i = 0; i < 8; i++)
		ck_assert_int_eq(sl_send(plugin.conn, bytes, sizeof(bytes)), 0);
	plugin.conn->marks &= ~MARK_BLOCKED;
	conn_pend(plugin.conn);
	while (sl_queued(plugin.conn) > 0) {
		before = taken;
		worker_pass(false);
		ck_assert_uint_le(taken - before, SHARE_MAX);
		ck_assert_uint_gt(taken, before); /* each pass makes progress */
		passes++;
	}
	ck_assert_uint_eq(taken, 8 * sizeof(bytes));
	ck_assert_int_ge(passes, 16);
	close(fd);
	worker_end();
}
END_TEST

static void
write_as_long_as_it_is_taken(struct sl_conn *c)
{
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(sl_write(c, bytes, 200000), 200000);
	/* The rest waits in the queue. */
	ck_assert_uint_le(taken, DIRECT_MAX);
}

START_TEST(one_callback_sends_no_more_than_its_share)
{
	int fd;

	fd = begin_fake(&full);
	plugin.in_data = write_as_long_as_it_is_taken;
	ck_assert_int_eq(send(fd, "x", 1, 0), 1);
	worker_pass(true);
	ck_assert_uint_le(taken, DIRECT_MAX + SHARE_MAX);
	worker_idle();
	ck_assert_uint_eq(taken, 100 * 200000);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(one_large_write_is_cut)
{
	char *large = calloc(5, 1 << 20);
	int fd;

	fd = begin_fake(&full);
	ck_assert_ptr_nonnull(large);
	ck_assert_int_eq(sl_send(plugin.conn, large, 5 << 20), 0);
	ck_assert_uint_le(taken, 1 << 20);
	worker_idle();
	ck_assert_uint_eq(taken, 5 << 20);
	free(large);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(the_end_of_the_worker_sends_the_whole_queue_once)
{
	int fd;

	fd = begin_fake(&full);
	plugin.conn->marks |= MARK_BLOCKED;
	ck_assert_int_eq(sl_send(plugin.conn, bytes, sizeof(bytes)), 0);
	listener_kill_all(worker_listener(), SL_WHY_SHUTDOWN);
	ck_assert_uint_eq(taken, sizeof(bytes));
	ck_assert_uint_eq(plugin.why, SL_WHY_SHUTDOWN);
	close(fd);
	worker_end();
}
END_TEST

/* No event is set on the socket, and each pass waits for the timer. */
static void
no_spin(int number)
{
	error = number;
	calls_made = 0;
	for (int i = 0; i < 5; i++) {
		ck_assert_uint_eq(plugin.conn->wants, 0);
		worker_pass(true);
		ck_assert_uint_le(calls_made, 2u * (i + 1));
	}
}

START_TEST(a_send_without_memory_is_tried_again_by_timer)
{
	static const int numbers[] = { ENOBUFS, ENOMEM };

	for (int i = 0; i < 2; i++) {
		int fd = begin_fake(&full);

		sl_pause(plugin.conn);
		worker_idle();
		error = numbers[i];
		ck_assert_int_eq(sl_write(plugin.conn, "x", 1), 1);
		conn_settle(plugin.conn);
		no_spin(numbers[i]);
		error = 0;
		while (sl_queued(plugin.conn) > 0)
			worker_pass(true);
		ck_assert_uint_eq(taken, 1);
		ck_assert_str_eq(plugin.calls, "o");
		close(fd);
		sl_resume(plugin.conn);
		worker_end();
	}
}
END_TEST

START_TEST(a_recv_without_memory_is_tried_again_by_timer)
{
	int fd;

	fd = begin_fake(&full);
	fake.recv = fake_recv;
	ck_assert_int_eq(send(fd, "x", 1, 0), 1);
	error = ENOBUFS;
	worker_pass(true);
	no_spin(ENOBUFS);
	error = 0;
	while (plugin.input_len == 0)
		worker_pass(true);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(no_memory_is_not_progress)
{
	int fd;

	fd = begin_fake(&full);
	worker_settings()->timeouts.write_ms = 300;
	error = ENOBUFS;
	ck_assert_int_eq(sl_write(plugin.conn, "x", 1), 1);
	conn_settle(plugin.conn);
	for (int i = 0; i < 20 && plugin.conn != NULL; i++)
		worker_pass(true);
	ck_assert_str_eq(plugin.calls, "oxc");
	ck_assert_uint_eq(plugin.why, SL_WHY_WRITE_STALL);
	close(fd);
	worker_end();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_long_queue_leaves_in_shares,
		one_callback_sends_no_more_than_its_share,
		one_large_write_is_cut,
		the_end_of_the_worker_sends_the_whole_queue_once,
		a_send_without_memory_is_tried_again_by_timer,
		a_recv_without_memory_is_tried_again_by_timer,
		no_memory_is_not_progress,
		NULL,
	};

	return conn_run("conn_share", tests);
}
