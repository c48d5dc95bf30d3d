/* check_conn_output.c: what a connection promises about output. */

#include "conn_plugin.h"

START_TEST(echo_is_exact_through_small_buffers)
{
	static char got[sizeof(bytes)];
	size_t sent = 0, received = 0;
	int fd;

	begin(&echo);
	worker_settings()->limits.write_buffer = 8192;
	worker_settings()->limits.read_buffer = 4096;
	fd = worker_connect();
	small_buffers(fd);
	while (received < sizeof(bytes)) {
		ssize_t n;

		n = send(fd, bytes + sent, sizeof(bytes) - sent, MSG_NOSIGNAL);
		if (n > 0 && (sent += n) == sizeof(bytes))
			shutdown(fd, SHUT_WR);
		worker_pass(false);
		ck_assert_uint_le(sl_queued(plugin.conn), 8192);
		n = sizeof(got) - received;
		n = recv(fd, got + received, n < 1000 ? n : 1000, 0);
		ck_assert_int_ne(n, 0);
		if (n > 0)
			received += n;
	}
	ck_assert_mem_eq(got, bytes, sizeof(bytes));
	ck_assert_int_eq(peer_read_to_end(fd, got, 1), 0);
	worker_idle();
	ck_assert_uint_eq(plugin.why, SL_WHY_PEER);
	close(fd);
	worker_end();
}
END_TEST

static void
write_five(struct sl_conn *c)
{
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(sl_write(c, &"abcde"[i], 1), 1);
	ck_assert_uint_eq(sl_bytes_written(c), 0); /* nothing left yet */
	ck_assert_uint_eq(sl_queued(c), 5);
}

START_TEST(small_writes_of_one_callback_leave_together)
{
	char buf[8];
	int fd;

	begin(&full);
	plugin.in_data = write_five;
	fd = worker_connect();
	peer_write(fd, "x", 1);
	ck_assert_uint_eq(sl_queued(plugin.conn), 0);
	ck_assert_int_eq(recv(fd, buf, sizeof(buf), 0), 5);
	ck_assert_mem_eq(buf, "abcde", 5);
	close(fd);
	worker_end();
}
END_TEST

static size_t taken;

static void
write_much(struct sl_conn *c)
{
	ssize_t n = sl_write(c, bytes + taken, sizeof(bytes) - taken);

	ck_assert_int_ge(n, 0);
	taken += n;
}

START_TEST(drain_comes_once_for_each_short_write)
{
	static char got[sizeof(bytes)];
	size_t at = 0;
	int fd, drains = 0;

	begin(&full);
	worker_settings()->limits.write_buffer = 16384;
	taken = 0;
	plugin.in_data = write_much;
	plugin.in_drain = write_much;
	fd = worker_connect();
	small_buffers(fd);
	peer_write(fd, "x", 1);
	ck_assert_uint_lt(taken, sizeof(bytes));
	/* The peer reads nothing, so no drain comes. */
	worker_idle();
	worker_idle();
	ck_assert_str_eq(plugin.calls, "od");
	while (at < sizeof(bytes)) {
		size_t before = taken, calls = strlen(plugin.calls);
		ssize_t n = recv(fd, got + at, sizeof(got) - at, 0);

		if (n > 0)
			at += n;
		worker_pass(false);
		/* Each drain call could write some more. */
		if (strlen(plugin.calls) > calls) {
			drains += strlen(plugin.calls) - calls;
			ck_assert(taken > before);
		}
	}
	ck_assert_int_gt(drains, 3);
	ck_assert_mem_eq(got, bytes, sizeof(bytes));
	/* The last write took everything, so no drain is owed. */
	worker_idle();
	ck_assert(!conn_marked(plugin.conn, MARK_DRAIN_OWED));
	close(fd);
	worker_end();
}
END_TEST

/* Parts of all sizes, in order, that together have `total` bytes of `bytes`. */
static int
parts(struct iovec *iov, size_t total)
{
	static const size_t sizes[] = { 1, 0, 64, 20000, 3, 9000, 0, 1 };
	size_t at = 0, i;
	int count = 0;

	for (i = 0; at < total; i = (i + 1) % 8) {
		iov[count].iov_base = bytes + at;
		iov[count].iov_len =
		    sizes[i] < total - at ? sizes[i] : total - at;
		at += iov[count++].iov_len;
	}
	return count;
}

static void
send_parts(struct sl_conn *c)
{
	struct iovec iov[64];

	ck_assert_uint_eq(sl_room(c), 110000);
	ck_assert_int_eq(sl_sendv(c, NULL, 0), 0);
	ck_assert_int_eq(sl_sendv(c, iov, parts(iov, 100000)), 0);
	ck_assert_uint_eq(sl_room(c), 110000 - sl_queued(c));
	errno = 0;
	ck_assert_int_eq(sl_sendv(c, iov, parts(iov, 110001)), -1);
	ck_assert_int_eq(errno, ENOBUFS);
	taken = 100000;
}

static void
fill_room(struct sl_conn *c)
{
	struct iovec iov[64];
	size_t room = sl_room(c);

	errno = 0;
	ck_assert_int_eq(sl_sendv(c, iov, parts(iov, room + 1)), -1);
	ck_assert_int_eq(errno, ENOBUFS);
	ck_assert_int_eq(sl_sendv(c, iov, parts(iov, room)), 0);
	taken = room;
}

START_TEST(a_message_in_parts_is_taken_whole_or_not)
{
	static char got[110000];
	int fd;

	begin(&full);
	worker_settings()->limits.write_buffer = 4096;
	worker_settings()->limits.write_queue = 110000;
	plugin.in_data = send_parts;
	fd = worker_connect();
	small_buffers(fd);
	for (int i = 0; i < 5; i++) {
		peer_write(fd, "x", 1);
		peer_read(fd, got, taken);
		ck_assert_mem_eq(got, bytes, taken);
		worker_idle();
		plugin.in_data = fill_room;
	}
	close(fd);
	worker_end();
}
END_TEST

static unsigned int asked;

static void
ask_for_room(struct sl_conn *c)
{
	asked++;
	if (sl_room(c) > 0 && asked == 1)
		ck_assert_int_eq(sl_send(c, bytes, sl_room(c)), 0);
	/* It is not consumed as long as there is no room for an answer. */
	plugin.consume_most = sl_room(c) < 50000 ? 0 : 1;
}

START_TEST(who_finds_no_room_is_called_when_there_is)
{
	static char got[100000];
	int fd;

	begin(&full);
	worker_settings()->limits.write_buffer = 4096;
	worker_settings()->limits.write_queue = 100000;
	plugin.in_data = ask_for_room;
	plugin.consume_most = 0;
	asked = 0;
	fd = worker_connect();
	small_buffers(fd);
	peer_write(fd, "x", 1);
	worker_idle();
	ck_assert_uint_eq(asked, 1);
	ck_assert_uint_eq(plugin.input_len, 0);
	peer_read(fd, got, sizeof(got));
	worker_idle();
	ck_assert_uint_ge(asked, 2);
	/* The last call found all of the room, so nothing more was promised. */
	ck_assert(!conn_marked(plugin.conn, MARK_DRAIN_OWED));
	ck_assert_uint_eq(sl_room(plugin.conn), 100000);
	ck_assert_int_eq(sl_shutdown(plugin.conn, SL_SHUT_WRITE), 0);
	ck_assert_uint_eq(sl_room(plugin.conn), 0);
	ck_assert_int_eq(sl_close(plugin.conn), 0);
	ck_assert_uint_eq(sl_room(plugin.conn), 0);
	ck_assert_uint_eq(sl_room(NULL), 0);
	close(fd);
	worker_end();
}
END_TEST

static void
send_two(struct sl_conn *c)
{
	ck_assert_int_eq(sl_send(c, bytes, 100000), 0);
	errno = 0;
	ck_assert_int_eq(sl_send(c, bytes, 100000), -1);
	ck_assert_int_eq(errno, ENOBUFS);
}

START_TEST(send_takes_all_or_nothing)
{
	static char got[200000];
	int fd;

	begin(&full);
	worker_settings()->limits.write_buffer = 4096;
	worker_settings()->limits.write_queue = 110000;
	plugin.in_data = send_two;
	fd = worker_connect();
	small_buffers(fd);
	peer_write(fd, "x", 1);
	shutdown(fd, SHUT_WR);
	plugin.in_end = close_it;
	ck_assert_int_eq(peer_read_to_end(fd, got, sizeof(got)), 100000);
	ck_assert_mem_eq(got, bytes, 100000);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(absurd_lengths_are_refused)
{
	struct iovec iov[2] = { { bytes, SIZE_MAX }, { bytes, 5 } };
	int fd;

	begin(&full);
	fd = worker_connect();
	errno = 0;
	ck_assert_int_eq(sl_write(plugin.conn, bytes, SIZE_MAX), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(sl_send(plugin.conn, NULL, 5), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(sl_writev(plugin.conn, iov, 2), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(sl_writev(plugin.conn, iov, -1), -1);
	ck_assert_int_eq(sl_shutdown(plugin.conn, 7), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(sl_write(plugin.conn, NULL, 0), 0);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(an_idle_connection_is_small)
{
	/* bench/run checks for at most 512 bytes with what malloc and libevent add. */
	ck_assert_uint_le(sizeof(struct sl_conn), 440);
}
END_TEST

static void
write_short_then_shut(struct sl_conn *c)
{
	while (sl_write(c, bytes, sizeof(bytes)) == sizeof(bytes))
		;
	ck_assert_int_eq(sl_shutdown(c, SL_SHUT_WRITE), 0);
	plugin.in_data = NULL;
}

START_TEST(end_comes_also_when_a_drain_is_owed_after_shutdown)
{
	static char got[2 * sizeof(bytes)];
	int fd;

	begin(&full);
	plugin.in_data = write_short_then_shut;
	plugin.consume_most = 1;
	fd = worker_connect();
	small_buffers(fd);
	peer_write(fd, "xy", 2);
	ck_assert_int_gt(peer_read_to_end(fd, got, sizeof(got)), 0);
	plugin.consume_most = 0;
	shutdown(fd, SHUT_WR);
	worker_idle();
	ck_assert_ptr_null(strchr(plugin.calls, 'r'));
	ck_assert_ptr_nonnull(strchr(plugin.calls, 'e'));
	ck_assert_ptr_null(plugin.conn);
	close(fd);
	worker_end();
}
END_TEST

static void
send_too_much(struct sl_conn *c)
{
	ck_assert_int_eq(sl_send(c, bytes, 150000), -1);
	ck_assert_int_eq(errno, ENOBUFS);
}

START_TEST(drain_after_a_refused_send_waits_until_it_fits)
{
	static char got[100000];
	int fd;

	begin(&full);
	worker_settings()->limits.write_buffer = 400000;
	worker_settings()->limits.write_queue = 160000;
	plugin.in_drain = send_too_much;
	fd = worker_connect();
	small_buffers(fd);
	/* Below the low mark, but without room for the next message. */
	ck_assert_int_eq(sl_send(plugin.conn, bytes, sizeof(got)), 0);
	send_too_much(plugin.conn);
	for (int i = 0; i < 50; i++)
		worker_pass(false);
	ck_assert_str_eq(plugin.calls, "o");
	plugin.in_drain = NULL;
	peer_read(fd, got, sizeof(got));
	worker_idle();
	ck_assert_str_eq(plugin.calls, "or");
	close(fd);
	worker_end();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		echo_is_exact_through_small_buffers,
		small_writes_of_one_callback_leave_together,
		drain_comes_once_for_each_short_write,
		a_message_in_parts_is_taken_whole_or_not,
		who_finds_no_room_is_called_when_there_is,
		send_takes_all_or_nothing,
		absurd_lengths_are_refused,
		an_idle_connection_is_small,
		end_comes_also_when_a_drain_is_owed_after_shutdown,
		drain_after_a_refused_send_waits_until_it_fits,
		NULL,
	};

	return conn_run("conn_output", tests);
}
