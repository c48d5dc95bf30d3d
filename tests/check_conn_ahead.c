/*
 * check_conn_ahead.c: input is read ahead of `data`, which gets at most
 * read_buffer bytes a call.
 */

#include "conn_plugin.h"

#define AHEAD_MAX (4u << 20) /* for all connections together */
#define PAUSED_CONNS 40

static unsigned int recvs, sends;
static size_t longest; /* most bytes of one `data` call */

static ssize_t
counting_recv(struct stream *stream, void *buf, size_t len)
{
	recvs++;
	return transport_plain.recv(stream, buf, len);
}

static ssize_t
counting_send(struct stream *stream, const void *buf, size_t len)
{
	sends++;
	return transport_plain.send(stream, buf, len);
}

static ssize_t
counting_sendv(struct stream *stream, const struct iovec *iov, int count)
{
	sends++;
	return transport_plain.sendv(stream, iov, count);
}

static struct transport counting;

static ssize_t
measuring_data(struct sl_conn *c, const void *buf, size_t len)
{
	if (len > longest)
		longest = len;
	return on_data(c, buf, len);
}

static ssize_t
measuring_echo(struct sl_conn *c, const void *buf, size_t len)
{
	if (len > longest)
		longest = len;
	return sl_write(c, buf, len);
}

static int
begin_with(ssize_t (*data)(struct sl_conn *c, const void *buf, size_t len),
    size_t read_buffer)
{
	struct sl_handlers handlers = full;

	handlers.data = data;
	counting = transport_plain;
	counting.recv = counting_recv;
	counting.send = counting_send;
	counting.sendv = counting_sendv;
	begin(&handlers);
	worker_settings()->limits.read_buffer = read_buffer;
	longest = recvs = sends = 0;
	return worker_connect();
}

static void
expect_input(size_t len)
{
	ck_assert_uint_eq(plugin.input_len, len);
	ck_assert_mem_eq(plugin.input, bytes, len);
}

START_TEST(one_read_is_shown_in_slices_and_their_output_leaves_together)
{
	char got[20000];
	int fd = begin_with(measuring_echo, 1024);

	conn_under(plugin.conn, &counting);
	ck_assert_int_eq(send(fd, bytes, sizeof(got), 0), sizeof(got));
	worker_pass(true);
	if (worker_stream == stream_plain) {
		ck_assert_uint_eq(recvs, 1);
		ck_assert_uint_eq(sends, 1);
	}
	peer_read(fd, got, sizeof(got));
	ck_assert_mem_eq(got, bytes, sizeof(got));
	ck_assert_uint_eq(longest, 1024);
	close(fd);
	worker_idle();
	worker_end();
}
END_TEST

START_TEST(a_plugin_that_consumes_less_sees_the_rest_with_what_follows)
{
	int fd = begin_with(measuring_data, 1024);

	plugin.consume_most = 1000;
	peer_write(fd, bytes, 50000);
	worker_idle();
	ck_assert_uint_le(longest, 1024);
	ck_assert_uint_ge(plugin.input_len, 50000 - 1024);
	plugin.consume_most = SIZE_MAX;
	ck_assert_int_eq(sl_resume(plugin.conn), 0);
	worker_idle();
	expect_input(50000);
	ck_assert_ptr_null(plugin.conn->input);
	close(fd);
	worker_idle();
	worker_end();
}
END_TEST

START_TEST(a_frame_that_cannot_fit_still_ends_it)
{
	int fd = begin_with(measuring_data, 1024);

	plugin.consume_most = 0;
	ck_assert_int_eq(send(fd, bytes, 5000, 0), 5000);
	worker_idle();
	close(fd);
	worker_idle();
	ck_assert_uint_eq(plugin.error_why, SL_WHY_INPUT_LIMIT);
	worker_end();
}
END_TEST

START_TEST(a_pause_between_slices_keeps_the_rest_for_resume)
{
	int fd = begin_with(measuring_data, 1024);

	plugin.in_data = pause_it;
	ck_assert_int_eq(send(fd, bytes, 50000, 0), 50000);
	worker_idle();
	ck_assert_uint_eq(plugin.input_len, 1024);
	plugin.in_data = NULL;
	ck_assert_int_eq(sl_resume(plugin.conn), 0);
	worker_idle();
	expect_input(50000);
	ck_assert_uint_eq(longest, 1024);
	close(fd);
	worker_idle();
	worker_end();
}
END_TEST

START_TEST(a_close_between_slices_shows_no_more)
{
	int fd = begin_with(measuring_data, 1024);

	plugin.in_data = close_it;
	ck_assert_int_eq(send(fd, bytes, 50000, 0), 50000);
	worker_idle();
	ck_assert_uint_eq(plugin.input_len, 1024);
	close(fd);
	worker_idle();
	worker_end();
}
END_TEST

START_TEST(a_short_write_between_slices_waits_for_the_drain)
{
	static char got[200000];
	int fd = begin_with(measuring_echo, 1024);

	worker_settings()->limits.write_buffer = 2048;
	small_buffers(fd);
	for (size_t sent = 0, done = 0; done < sizeof(got);) {
		ssize_t n = send(fd, bytes + sent, sizeof(got) - sent, 0);

		sent += n > 0 ? n : 0;
		worker_pass(false);
		ck_assert_uint_le(sl_queued(plugin.conn), 2048);
		n = recv(fd, got + done, sizeof(got) - done, 0);
		done += n > 0 ? n : 0;
	}
	ck_assert_mem_eq(got, bytes, sizeof(got));
	ck_assert_uint_le(longest, 1024);
	close(fd);
	worker_idle();
	worker_end();
}
END_TEST

/* As much in one read as the socket of the peer takes. */
#define BULK 100000

static void
send_bulk(int fd)
{
	int size = 4 * BULK;

	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	setsockopt(sl_fd(plugin.conn), SOL_SOCKET, SO_SNDBUF, &size,
	    sizeof(size));
	ck_assert_int_eq(send(fd, bytes, BULK, 0), BULK);
}

START_TEST(large_writes_of_shown_input_leave_64_kib_at_a_time)
{
	static char got[BULK];
	int fd = begin_with(measuring_echo, 16384);

	conn_under(plugin.conn, &counting);
	send_bulk(fd);
	worker_pass(true);
	if (worker_stream == stream_plain) {
		ck_assert_uint_eq(recvs, 1);
		ck_assert_uint_eq(sends, 2);
		ck_assert_uint_eq(sl_bytes_written(plugin.conn), BULK);
	}
	peer_read(fd, got, BULK);
	ck_assert_mem_eq(got, bytes, BULK);
	close(fd);
	worker_idle();
	worker_end();
}
END_TEST

/* The next read of any connection is into the same memory. */
static void
read_something_else(struct sl_conn *other, int other_fd)
{
	static char noise[2 * BULK];

	memset(noise, '!', sizeof(noise));
	sl_pause(other); /* so that nothing is read before it is all there */
	worker_idle();
	send(other_fd, noise, sizeof(noise), MSG_DONTWAIT);
	sl_resume(other);
	worker_idle();
	while (recv(other_fd, noise, sizeof(noise), MSG_DONTWAIT) > 0)
		worker_idle();
}

START_TEST(unsent_shown_input_outlives_the_next_read)
{
	static char got[BULK];
	int other_fd = begin_with(measuring_echo, 16384), fd;
	struct sl_conn *other = plugin.conn;

	fd = worker_connect();
	send_bulk(fd);
	small_buffers(fd);
	worker_pass(true);
	ck_assert_uint_gt(sl_queued(plugin.conn), 0);
	read_something_else(other, other_fd);
	peer_read(fd, got, BULK);
	ck_assert_mem_eq(got, bytes, BULK);
	close(fd);
	close(other_fd);
	worker_idle();
	worker_end();
}
END_TEST

static struct sl_conn *forward_to;

static ssize_t
forwarding(struct sl_conn *c, const void *buf, size_t len)
{
	if (c == forward_to)
		return (ssize_t)len;
	return sl_send(forward_to, buf, len) == 0 ? (ssize_t)len : -1;
}

/* Returns the peer of the one that gets all; the other one's in ret_fd. */
static int
begin_forwarding(
    ssize_t (*data)(struct sl_conn *c, const void *buf, size_t len),
    int *ret_fd)
{
	int to = begin_with(data, 16384);

	forward_to = plugin.conn;
	*ret_fd = worker_connect();
	return to;
}

START_TEST(shown_input_may_be_written_to_another_connection)
{
	static char got[BULK];
	int fd, size = 4096, to = begin_forwarding(forwarding, &fd);

	conn_under(forward_to, &counting);
	setsockopt(sl_fd(forward_to), SOL_SOCKET, SO_SNDBUF, &size,
	    sizeof(size));
	send_bulk(fd);
	worker_pass(true);
	read_something_else(plugin.conn, fd);
	peer_read(to, got, BULK);
	ck_assert_mem_eq(got, bytes, BULK);
	close(fd);
	close(to);
	worker_idle();
	worker_end();
}
END_TEST

static ssize_t
forwarding_twice(struct sl_conn *c, const void *buf, size_t len)
{
	ssize_t n = (ssize_t)len;

	if (c == plugin.conn && forward_to != NULL)
		n = forwarding(c, buf, len);
	if (++plugin.input_len == 2) {
		sl_terminate(forward_to);
		forward_to = NULL; /* not ours after this pass */
	}
	return n;
}

START_TEST(a_reset_drops_shown_input_that_was_written)
{
	int fd, to = begin_forwarding(forwarding_twice, &fd);

	send_bulk(fd);
	worker_pass(true);
	worker_idle();
	ck_assert_ptr_null(strchr(plugin.calls, 'x'));
	close(fd);
	close(to);
	worker_idle();
	worker_end();
}
END_TEST

static ssize_t
framing(struct sl_conn *c, const void *buf, size_t len)
{
	ck_assert_int_eq(sl_write(c, "<", 1), 1);
	ck_assert_int_eq(sl_write(c, buf, len), (ssize_t)len);
	ck_assert_int_eq(sl_write(c, ">", 1), 1);
	return (ssize_t)len;
}

START_TEST(shown_input_keeps_its_place_among_other_writes)
{
	static char got[BULK + 14];
	size_t at = 0;
	int fd = begin_with(framing, 16384);

	send_bulk(fd);
	worker_idle();
	peer_read(fd, got, 2); /* frames of the cruel transport are others */
	if (worker_stream == stream_plain) {
		peer_read(fd, got + 2, sizeof(got) - 2);
		for (size_t left = BULK; left > 0;) {
			size_t n = left < 16384 ? left : 16384;

			ck_assert_int_eq(got[at], '<');
			ck_assert_mem_eq(got + at + 1, bytes + BULK - left, n);
			ck_assert_int_eq(got[at + 1 + n], '>');
			at += n + 2;
			left -= n;
		}
	}
	close(fd);
	worker_idle();
	worker_end();
}
END_TEST

START_TEST(what_is_read_ahead_in_all_is_bounded)
{
	static struct sl_conn *conns[PAUSED_CONNS];
	int size = 1 << 20, fds[PAUSED_CONNS];
	size_t above = 0;

	fds[0] = begin_with(measuring_data, 1024);
	plugin.in_data = pause_it;
	for (int i = 0; i < PAUSED_CONNS; i++) {
		if (i > 0)
			fds[i] = worker_connect();
		conns[i] = plugin.conn;
		setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
		/* Fill the socket before the next pass. */
		while (send(fds[i], bytes, 65536, MSG_DONTWAIT) > 0)
			;
		worker_idle();
		ck_assert_uint_le(longest, 1024);
		above += input_bytes(conns[i]->input) > 1024
		    ? input_bytes(conns[i]->input) - 1024
		    : 0;
		ck_assert_uint_le(above, AHEAD_MAX);
	}
	/* Once AHEAD_MAX is used up, nothing is read ahead. */
	if (worker_stream == stream_plain)
		ck_assert_uint_le(input_bytes(conns[PAUSED_CONNS - 1]->input),
		    1024);
	for (int i = 0; i < PAUSED_CONNS; i++) {
		ck_assert_int_eq(sl_terminate(conns[i]), 0);
		close(fds[i]);
	}
	worker_idle();
	worker_end();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		one_read_is_shown_in_slices_and_their_output_leaves_together,
		a_plugin_that_consumes_less_sees_the_rest_with_what_follows,
		a_frame_that_cannot_fit_still_ends_it,
		a_pause_between_slices_keeps_the_rest_for_resume,
		a_close_between_slices_shows_no_more,
		a_short_write_between_slices_waits_for_the_drain,
		large_writes_of_shown_input_leave_64_kib_at_a_time,
		unsent_shown_input_outlives_the_next_read,
		shown_input_may_be_written_to_another_connection,
		a_reset_drops_shown_input_that_was_written,
		shown_input_keeps_its_place_among_other_writes,
		what_is_read_ahead_in_all_is_bounded,
		NULL,
	};

	return conn_run("conn_ahead", tests);
}
