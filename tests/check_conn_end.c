/* check_conn_end.c: how a connection ends, and when. */

#include "conn_plugin.h"

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
		worker_pass(true); /* only the timer is left */
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
	ck_assert_int_eq(sl_close(c), 0); /* a second close is harmless */
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

START_TEST(idle_closes_without_a_timeout_callback)
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

START_TEST(unread_bytes_in_the_socket_prevent_idle)
{
	int fd;

	begin(&no_end);
	worker_settings()->timeouts.idle_ms = 1000;
	fd = worker_connect();
	send(fd, "x", 1, MSG_NOSIGNAL);
	worker_skip_ms(5000);
	/* The timer runs before the socket is read. */
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

START_TEST(an_error_from_data_does_not_hide_a_broken_write)
{
	int fd;

	begin(&echo);
	fd = worker_connect();
	send(fd, "last words", 10, MSG_NOSIGNAL);
	close(fd);
	sl_write(plugin.conn, "x", 1);
	sl_flush(plugin.conn);
	worker_idle(); /* the echo fails, so `data` returns -1 */
	ck_assert_str_eq(plugin.calls, "odxc");
	ck_assert_uint_eq(plugin.error_why, SL_WHY_RESET);
	ck_assert_uint_eq(plugin.why, SL_WHY_RESET);
	worker_end();
}
END_TEST

START_TEST(close_lingers_also_long_after_the_output_ended)
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

START_TEST(the_last_sl_unref_brings_an_after_pass)
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
		end_half_closes_and_goes_on_reading,
		lingering_has_an_end,
		close_delivers_what_was_accepted_despite_unread_input,
		without_an_end_callback_the_rest_is_flushed_first,
		half_open_until_the_plugin_ends,
		a_write_to_a_vanished_peer_is_an_error_then_close,
		input_ahead_of_a_broken_write_is_still_delivered,
		calls_on_a_closed_connection_fail_and_do_not_crash,
		idle_closes_without_a_timeout_callback,
		the_timeout_callback_comes_again_and_again,
		unread_bytes_in_the_socket_prevent_idle,
		a_peer_that_takes_nothing_is_given_up,
		any_callback_may_close_any_connection,
		an_error_from_data_does_not_hide_a_broken_write,
		close_lingers_also_long_after_the_output_ended,
		the_last_sl_unref_brings_an_after_pass,
		NULL,
	};

	return conn_run("conn_end", tests);
}
