/* check_conn.c: what a connection promises to a plugin and to its peer. */

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sluice.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fixture.h"
#include "settings.h"
#include "worker/conn.h"
#include "worker/engine.h"
#include "worker/listener.h"
#include "worker_fixture.h"

/* The plugin: notes what it was called with, and does as told. */
static struct {
	struct sl_conn *conn;
	char calls[4096]; /* names, one letter each */
	char input[1 << 20];
	size_t input_len;
	uint32_t why;
	uint32_t error_why;
	int error_errno;
	int depth;
	size_t consume_most; /* of each data call */
	ssize_t data_result; /* returned instead when not 0 */
	int open_result;
	void (*in_open)(struct sl_conn *c);
	void (*in_data)(struct sl_conn *c);
	void (*in_drain)(struct sl_conn *c);
	void (*in_end)(struct sl_conn *c);
	void (*in_close)(struct sl_conn *c);
	void (*in_timeout)(struct sl_conn *c);
} plugin;

static void
called(char letter)
{
	size_t n = strlen(plugin.calls);

	ck_assert_int_eq(plugin.depth, 0);
	if (n + 1 < sizeof(plugin.calls))
		plugin.calls[n] = letter;
}

static void
run(void (*fn)(struct sl_conn *c), struct sl_conn *c)
{
	plugin.depth++;
	if (fn != NULL)
		fn(c);
	plugin.depth--;
}

static int
on_open(struct sl_conn *c)
{
	called('o');
	plugin.conn = c;
	run(plugin.in_open, c);
	return plugin.open_result;
}

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	size_t n = len < plugin.consume_most ? len : plugin.consume_most;

	called('d');
	if (plugin.data_result != 0)
		return plugin.data_result;
	ck_assert_uint_le(plugin.input_len + n, sizeof(plugin.input));
	memcpy(plugin.input + plugin.input_len, buf, n);
	plugin.input_len += n;
	run(plugin.in_data, c);
	return n;
}

static ssize_t
echo_data(struct sl_conn *c, const void *buf, size_t len)
{
	called('d');
	return sl_write(c, buf, len);
}

static void
on_drain(struct sl_conn *c)
{
	called('r');
	run(plugin.in_drain, c);
}

static void
on_end(struct sl_conn *c)
{
	called('e');
	run(plugin.in_end, c);
}

static void
on_timeout(struct sl_conn *c)
{
	called('t');
	run(plugin.in_timeout, c);
}

static void
on_error(struct sl_conn *c, const struct sl_error *err)
{
	(void)c;
	called('x');
	plugin.error_why = err->why;
	plugin.error_errno = err->sys_errno;
	ck_assert_ptr_nonnull(err->text);
}

static void
on_close(struct sl_conn *c, const struct sl_error *why)
{
	called('c');
	plugin.why = why->why;
	run(plugin.in_close, c);
	plugin.conn = NULL;
}

static const struct sl_handlers full = {
	.size = sizeof(full),
	.open = on_open,
	.data = on_data,
	.drain = on_drain,
	.end = on_end,
	.timeout = on_timeout,
	.error = on_error,
	.close = on_close,
};
static const struct sl_handlers no_end = {
	.size = sizeof(no_end),
	.open = on_open,
	.data = on_data,
	.drain = on_drain,
	.error = on_error,
	.close = on_close,
};
static const struct sl_handlers echo = {
	.size = sizeof(echo),
	.open = on_open,
	.data = echo_data,
	.error = on_error,
	.close = on_close,
};

static void
begin(const struct sl_handlers *handlers)
{
	memset(&plugin, 0, sizeof(plugin));
	plugin.consume_most = SIZE_MAX;
	worker_begin(handlers);
	worker_settings()->timeouts.idle_ms = 0;
}

static char bytes[1 << 20];

static void
fill(void)
{
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = i * 31 + i / 253;
}

static void
small_buffers(int fd)
{
	int size = 4096;

	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	setsockopt(sl_fd(plugin.conn), SOL_SOCKET, SO_SNDBUF, &size,
	    sizeof(size));
}

static void
pause_it(struct sl_conn *c)
{
	ck_assert_int_eq(sl_pause(c), 0);
}

static void
close_it(struct sl_conn *c)
{
	ck_assert_int_eq(sl_close(c), 0);
}

/* -- input -- */

START_TEST(data_comes_after_open_and_close_comes_last)
{
	int fd;

	begin(&no_end);
	fd = worker_connect();
	peer_write(fd, "hello", 5);
	close(fd);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "odc");
	ck_assert_uint_eq(plugin.why, SL_WHY_PEER);
	ck_assert_mem_eq(plugin.input, "hello", 5);
	worker_end();
}
END_TEST

START_TEST(a_refusing_open_gets_no_close)
{
	char byte;
	int fd;

	begin(&full);
	plugin.open_result = -1;
	fd = worker_connect();
	ck_assert_int_eq(peer_read_to_end(fd, &byte, 1), 0);
	close(fd);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "o");
	worker_end();
}
END_TEST

START_TEST(what_is_not_consumed_comes_again_in_front_of_what_follows)
{
	int fd;

	begin(&full);
	fd = worker_connect();
	plugin.consume_most = 0;
	peer_write(fd, "abc", 3);
	peer_write(fd, "def", 3);
	ck_assert_str_eq(plugin.calls, "odd");
	plugin.consume_most = 4;
	peer_write(fd, "g", 1);
	ck_assert_mem_eq(plugin.input, "abcd", 4);
	plugin.consume_most = SIZE_MAX;
	peer_write(fd, "h", 1);
	ck_assert_uint_eq(plugin.input_len, 8);
	ck_assert_mem_eq(plugin.input, "abcdefgh", 8);
	ck_assert_ptr_null(plugin.conn->input); /* idle: nothing is kept */
	close(fd);
	worker_end();
}
END_TEST

START_TEST(input_one_byte_at_a_time_arrives_whole)
{
	int fd;

	begin(&full);
	fd = worker_connect();
	plugin.consume_most = 0;
	for (int i = 0; i < 2000; i++)
		peer_write(fd, bytes + i, 1);
	plugin.consume_most = SIZE_MAX;
	peer_write(fd, bytes + 2000, 1);
	ck_assert_uint_eq(plugin.input_len, 2001);
	ck_assert_mem_eq(plugin.input, bytes, 2001);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(a_frame_that_cannot_fit_ends_it_with_input_limit)
{
	int fd;

	begin(&full);
	worker_settings()->limits.read_buffer = 1024;
	worker_settings()->timeouts.linger_ms = 0;
	fd = worker_connect();
	plugin.consume_most = 0;
	peer_write(fd, bytes, 1023);
	ck_assert_ptr_nonnull(plugin.conn);
	peer_write(fd, bytes, 1);
	worker_idle();
	ck_assert_uint_eq(plugin.error_why, SL_WHY_INPUT_LIMIT);
	ck_assert_uint_eq(plugin.why, SL_WHY_INPUT_LIMIT);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(pause_keeps_input_back_and_resume_brings_it)
{
	int fd;

	begin(&full);
	fd = worker_connect();
	plugin.in_data = pause_it;
	plugin.consume_most = 2;
	peer_write(fd, "abcd", 4);
	peer_write(fd, "ef", 2);
	ck_assert_str_eq(plugin.calls, "od");
	plugin.in_data = NULL;
	plugin.consume_most = SIZE_MAX;
	ck_assert_int_eq(sl_resume(plugin.conn), 0);
	worker_idle();
	ck_assert_mem_eq(plugin.input, "abcdef", 6);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(end_of_file_waits_while_paused)
{
	int fd;

	begin(&full);
	fd = worker_connect();
	plugin.in_data = pause_it;
	peer_write(fd, "abcd", 4);
	close(fd);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "od");
	sl_resume(plugin.conn);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "ode");
	worker_end();
}
END_TEST

START_TEST(more_consumed_than_shown_ends_it)
{
	int fd;

	begin(&full);
	fd = worker_connect();
	plugin.data_result = 100;
	peer_write(fd, "abcd", 4);
	ck_assert_uint_eq(plugin.why, SL_WHY_PLUGIN);
	close(fd);
	worker_end();
}
END_TEST

/* -- output -- */

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
		ck_assert_int_eq(sl_write(c, "abcde" + i, 1), 1);
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
	/* Nothing is read: no drain, however often the loop turns. */
	worker_idle();
	worker_idle();
	ck_assert_str_eq(plugin.calls, "od");
	while (at < sizeof(bytes)) {
		size_t before = taken, calls = strlen(plugin.calls);
		ssize_t n = recv(fd, got + at, sizeof(got) - at, 0);

		if (n > 0)
			at += n;
		worker_pass(false);
		/* A drain call writes unless everything was taken before. */
		if (strlen(plugin.calls) > calls) {
			drains += strlen(plugin.calls) - calls;
			ck_assert(taken > before);
		}
	}
	ck_assert_int_gt(drains, 3);
	ck_assert_mem_eq(got, bytes, sizeof(bytes));
	/* The last write was whole: nothing more is owed. */
	worker_idle();
	ck_assert(!plugin.conn->drain_owed);
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

/* -- ending -- */

static void
end_with_text(struct sl_conn *c)
{
	ck_assert_int_eq(sl_end(c, "bye", 3), 0);
	errno = 0;
	ck_assert_int_eq(sl_write(c, "x", 1), -1);
	ck_assert_int_eq(errno, EPIPE);
}

START_TEST(end_half_closes_and_goes_on_reading)
{
	char buf[8];
	int fd;

	begin(&full);
	plugin.in_data = end_with_text;
	fd = worker_connect();
	peer_write(fd, "a", 1);
	ck_assert_int_eq(peer_read_to_end(fd, buf, sizeof(buf)), 3);
	ck_assert_int_eq(sl_state(plugin.conn), SL_STATE_WRITE_CLOSED);
	plugin.in_data = NULL;
	peer_write(fd, "bc", 2);
	ck_assert_mem_eq(plugin.input, "abc", 3);
	shutdown(fd, SHUT_WR);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "oddec");
	ck_assert_uint_eq(plugin.why, SL_WHY_LOCAL);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(lingering_has_an_end)
{
	char buf[8];
	int fd;

	begin(&full);
	worker_settings()->timeouts.linger_ms = 50;
	plugin.in_data = end_with_text;
	fd = worker_connect();
	peer_write(fd, "a", 1);
	ck_assert_int_eq(peer_read_to_end(fd, buf, sizeof(buf)), 3);
	while (plugin.conn != NULL)
		worker_pass(true); /* the timer is all there is */
	ck_assert_uint_eq(plugin.why, SL_WHY_LOCAL);
	close(fd);
	worker_end();
}
END_TEST

static void
write_and_close(struct sl_conn *c)
{
	ck_assert_int_eq(sl_send(c, bytes, 500000), 0);
	ck_assert_int_eq(sl_close(c), 0);
	ck_assert_int_eq(sl_state(c), SL_STATE_CLOSING);
	ck_assert_int_eq(sl_close(c), 0); /* a second one is harmless */
}

START_TEST(close_delivers_what_was_accepted_despite_unread_input)
{
	static char got[600000];
	int fd;

	begin(&full);
	plugin.in_data = write_and_close;
	fd = worker_connect();
	small_buffers(fd);
	send(fd, bytes, 100000, MSG_NOSIGNAL);
	worker_pass(true);
	ck_assert_int_eq(peer_read_to_end(fd, got, sizeof(got)), 500000);
	ck_assert_mem_eq(got, bytes, 500000);
	close(fd);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "odc");
	worker_end();
}
END_TEST

START_TEST(without_an_end_callback_the_rest_is_flushed_first)
{
	static char got[sizeof(bytes)];
	size_t sent = 0;
	ssize_t n;
	int fd;

	begin(&echo);
	fd = worker_connect();
	small_buffers(fd);
	/* The peer reads nothing until everything is full, then ends. */
	while ((n = send(fd, bytes + sent, sizeof(bytes) - sent,
		    MSG_NOSIGNAL)) > 0) {
		sent += n;
		worker_idle();
	}
	ck_assert_uint_gt(sl_queued(plugin.conn), 0);
	shutdown(fd, SHUT_WR);
	ck_assert_int_eq(peer_read_to_end(fd, got, sizeof(got)), sent);
	ck_assert_mem_eq(got, bytes, sent);
	worker_idle();
	ck_assert_uint_eq(plugin.why, SL_WHY_PEER);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(half_open_until_the_plugin_ends)
{
	char buf[8];
	int fd;

	begin(&full);
	fd = worker_connect();
	shutdown(fd, SHUT_WR);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "oe");
	ck_assert_int_eq(sl_state(plugin.conn), SL_STATE_READ_CLOSED);
	ck_assert_int_eq(sl_write(plugin.conn, "late", 4), 4);
	sl_end(plugin.conn, " bye", 4);
	worker_idle();
	ck_assert_int_eq(peer_read_to_end(fd, buf, sizeof(buf)), 8);
	ck_assert_uint_eq(plugin.why, SL_WHY_PEER);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(a_write_to_a_vanished_peer_is_an_error_then_close)
{
	int fd;

	begin(&full);
	fd = worker_connect();
	plugin.in_end = NULL;
	close(fd);
	sl_write(plugin.conn, "x", 1);
	worker_idle();
	ck_assert_uint_eq(plugin.error_why, SL_WHY_RESET);
	ck_assert_int_eq(plugin.error_errno, EPIPE);
	ck_assert_ptr_null(plugin.conn);
	worker_end();
}
END_TEST

START_TEST(input_ahead_of_a_broken_write_is_still_delivered)
{
	int fd;

	begin(&full);
	fd = worker_connect();
	send(fd, "last words", 10, MSG_NOSIGNAL);
	close(fd);
	sl_write(plugin.conn, "x", 1);
	sl_flush(plugin.conn); /* EPIPE before the loop reads */
	worker_idle();
	ck_assert_uint_eq(plugin.input_len, 10);
	ck_assert_ptr_null(plugin.conn);
	worker_end();
}
END_TEST

START_TEST(calls_on_a_closed_connection_fail_and_do_not_crash)
{
	struct sl_conn *c;
	int fd;

	begin(&full);
	fd = worker_connect();
	c = plugin.conn;
	sl_terminate(c);
	conn_settle(c); /* ended; freed only after the pass */
	ck_assert_str_eq(plugin.calls, "oc");
	ck_assert_int_eq(sl_write(c, "x", 1), -1);
	ck_assert_int_eq(errno, ENOTCONN);
	ck_assert_int_eq(sl_send(c, "x", 1), -1);
	ck_assert_int_eq(sl_end(c, NULL, 0), -1);
	ck_assert_int_eq(sl_close(c), -1);
	ck_assert_int_eq(sl_terminate(c), -1);
	ck_assert_int_eq(sl_pause(c), -1);
	ck_assert_int_eq(sl_resume(c), -1);
	ck_assert_int_eq(sl_timeout(c, 1), -1);
	ck_assert_int_eq(sl_fd(c), -1);
	ck_assert_int_eq(sl_state(c), SL_STATE_CLOSED);
	ck_assert_int_eq(sl_write(NULL, "x", 1), -1);
	ck_assert_int_eq(errno, ENOTCONN);
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

/* -- time -- */

START_TEST(idle_closes_unless_the_plugin_decides)
{
	int fd;

	begin(&no_end);
	worker_settings()->timeouts.idle_ms = 30;
	worker_settings()->timeouts.linger_ms = 0;
	fd = worker_connect();
	while (plugin.conn != NULL)
		worker_pass(true);
	ck_assert_uint_eq(plugin.why, SL_WHY_IDLE);
	ck_assert_str_eq(plugin.calls, "oc"); /* no error */
	close(fd);
	worker_end();
}
END_TEST

START_TEST(the_timeout_callback_comes_again_and_again)
{
	int fd;

	begin(&full);
	fd = worker_connect();
	sl_timeout(plugin.conn, 20);
	worker_idle();
	while (strcmp(plugin.calls, "ottt") != 0)
		worker_pass(true);
	sl_timeout(plugin.conn, 0);
	worker_idle();
	ck_assert_uint_eq(plugin.conn->timer.index, 0);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(bytes_that_wait_in_the_socket_still_count_against_idle)
{
	int fd;

	begin(&no_end);
	worker_settings()->timeouts.idle_ms = 1000;
	fd = worker_connect();
	send(fd, "x", 1, MSG_NOSIGNAL);
	worker_skip_ms(5000);
	/* The timer runs before the socket is looked at. */
	plugin.conn->timer.on_expire(&plugin.conn->timer);
	ck_assert_str_eq(plugin.calls, "od");
	ck_assert_ptr_nonnull(plugin.conn);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(a_peer_that_takes_nothing_is_given_up)
{
	int fd;

	begin(&full);
	worker_settings()->timeouts.write_ms = 30;
	fd = worker_connect();
	small_buffers(fd);
	ck_assert_int_eq(sl_send(plugin.conn, bytes, sizeof(bytes)), 0);
	while (plugin.conn != NULL)
		worker_pass(true);
	ck_assert_uint_eq(plugin.error_why, SL_WHY_WRITE_STALL);
	ck_assert_uint_eq(plugin.why, SL_WHY_WRITE_STALL);
	close(fd);
	worker_end();
}
END_TEST

/* -- several -- */

START_TEST(an_idle_connection_is_small)
{
	/* malloc's own 16, libevent's map entry and our id bucket as well */
	ck_assert_uint_le(sizeof(struct sl_conn) + 16 + 48 + 16, 512);
}
END_TEST

static struct sl_conn *others[3];

static int
open_others(struct sl_conn *c)
{
	for (int i = 0; i < 3; i++) {
		if (others[i] == NULL) {
			others[i] = c;
			break;
		}
	}
	return 0;
}

static ssize_t
close_others(struct sl_conn *c, const void *buf, size_t len)
{
	struct sl_conn *other;
	int n = 0;

	(void)buf;
	for (other = sl_first(sl_service(c)); other != NULL;
	     other = sl_next(other)) {
		sl_terminate(other);
		n++;
	}
	ck_assert_int_eq(n, 3);
	ck_assert_ptr_null(sl_first(sl_service(c)));
	ck_assert_ptr_null(sl_find(sl_service(c), sl_id(others[1])));
	return len;
}

START_TEST(any_callback_may_close_any_connection)
{
	static const struct sl_handlers handlers = {
		.size = sizeof(handlers),
		.open = open_others,
		.data = close_others,
	};
	int fds[3];
	char byte;

	begin(&handlers);
	memset(others, 0, sizeof(others));
	for (int i = 0; i < 3; i++)
		fds[i] = worker_connect();
	ck_assert_ptr_eq(sl_find(sl_service(others[0]), sl_id(others[2])),
	    others[2]);
	peer_write(fds[1], "x", 1);
	for (int i = 0; i < 3; i++) {
		peer_read_to_end(fds[i], &byte, 1);
		close(fds[i]);
	}
	ck_assert_uint_eq(conn_count(), 0);
	worker_end();
}
END_TEST

/* -- what must not hang, spin or mislead -- */

static void
write_short_then_shut(struct sl_conn *c)
{
	while (sl_write(c, bytes, sizeof(bytes)) == sizeof(bytes))
		;
	ck_assert_int_eq(sl_shutdown(c, SL_SHUT_WRITE), 0);
	plugin.in_data = NULL;
}

START_TEST(a_drain_that_cannot_come_does_not_hold_up_the_end)
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

START_TEST(a_refused_send_is_not_asked_for_again_until_it_fits)
{
	static char got[100000];
	int fd;

	begin(&full);
	worker_settings()->limits.write_buffer = 400000;
	worker_settings()->limits.write_queue = 160000;
	plugin.in_drain = send_too_much;
	fd = worker_connect();
	small_buffers(fd);
	/* Below the low mark, and yet too much for the next message. */
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

START_TEST(a_lowered_read_buffer_ends_a_frame_that_no_longer_fits)
{
	int fd;

	begin(&full);
	worker_settings()->timeouts.linger_ms = 0;
	plugin.consume_most = 0;
	fd = worker_connect();
	peer_write(fd, bytes, 10000);
	worker_settings()->limits.read_buffer = 8192;
	listener_begin_sweep(worker_listener());
	listener_sweep(worker_listener(), 1);
	worker_idle();
	ck_assert_uint_eq(plugin.why, SL_WHY_INPUT_LIMIT);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(giving_up_on_a_broken_connection_does_not_hide_why_it_broke)
{
	int fd;

	begin(&echo);
	fd = worker_connect();
	send(fd, "last words", 10, MSG_NOSIGNAL);
	close(fd);
	sl_write(plugin.conn, "x", 1);
	sl_flush(plugin.conn);
	worker_idle(); /* the echo fails, and so does its `data` */
	ck_assert_str_eq(plugin.calls, "odxc");
	ck_assert_uint_eq(plugin.error_why, SL_WHY_RESET);
	ck_assert_uint_eq(plugin.why, SL_WHY_RESET);
	worker_end();
}
END_TEST

START_TEST(close_lingers_however_long_ago_the_output_ended)
{
	char byte;
	int fd;

	begin(&full);
	worker_settings()->timeouts.linger_ms = 1000;
	fd = worker_connect();
	sl_shutdown(plugin.conn, SL_SHUT_WRITE);
	worker_idle();
	worker_skip_ms(60000);
	ck_assert_int_eq(sl_close(plugin.conn), 0);
	conn_settle(plugin.conn);
	plugin.conn->timer.on_expire(&plugin.conn->timer);
	ck_assert_ptr_nonnull(plugin.conn);
	ck_assert_int_eq(peer_read_to_end(fd, &byte, 1), 0);
	close(fd);
	worker_idle();
	ck_assert_ptr_null(plugin.conn);
	worker_end();
}
END_TEST

START_TEST(the_end_of_a_drain_is_looked_for_when_nothing_holds_it_up)
{
	int fd;

	begin(&full);
	fd = worker_connect();
	worker_idle();
	engine.after_pass_due = false;
	sl_unref(plugin.conn);
	ck_assert(engine.after_pass_due);
	ck_assert_uint_eq(conn_holding(), 0);
	close(fd);
	worker_end();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		data_comes_after_open_and_close_comes_last,
		a_refusing_open_gets_no_close,
		what_is_not_consumed_comes_again_in_front_of_what_follows,
		input_one_byte_at_a_time_arrives_whole,
		a_frame_that_cannot_fit_ends_it_with_input_limit,
		pause_keeps_input_back_and_resume_brings_it,
		end_of_file_waits_while_paused,
		more_consumed_than_shown_ends_it,
		echo_is_exact_through_small_buffers,
		small_writes_of_one_callback_leave_together,
		drain_comes_once_for_each_short_write,
		send_takes_all_or_nothing,
		end_half_closes_and_goes_on_reading,
		lingering_has_an_end,
		close_delivers_what_was_accepted_despite_unread_input,
		without_an_end_callback_the_rest_is_flushed_first,
		half_open_until_the_plugin_ends,
		a_write_to_a_vanished_peer_is_an_error_then_close,
		input_ahead_of_a_broken_write_is_still_delivered,
		calls_on_a_closed_connection_fail_and_do_not_crash,
		absurd_lengths_are_refused,
		idle_closes_unless_the_plugin_decides,
		the_timeout_callback_comes_again_and_again,
		bytes_that_wait_in_the_socket_still_count_against_idle,
		a_peer_that_takes_nothing_is_given_up,
		an_idle_connection_is_small,
		any_callback_may_close_any_connection,
		a_drain_that_cannot_come_does_not_hold_up_the_end,
		a_refused_send_is_not_asked_for_again_until_it_fits,
		a_lowered_read_buffer_ends_a_frame_that_no_longer_fits,
		giving_up_on_a_broken_connection_does_not_hide_why_it_broke,
		close_lingers_however_long_ago_the_output_ended,
		the_end_of_a_drain_is_looked_for_when_nothing_holds_it_up,
		NULL,
	};

	fill();
	return fixture_run("conn", tests);
}
