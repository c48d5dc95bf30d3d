/* check_conn_delivery.c: bytes have arrived when the peer acknowledges them. */

#include "delivery_fixture.h"

START_TEST(a_peer_that_takes_what_was_sent_is_not_idle)
{
	int fd;

	begin_tcp(&no_end, &fd);
	worker_settings()->timeouts.idle_ms = 1000;
	send_part();
	for (int i = 0; i < 4; i++) {
		peer_takes(fd, i * 20000, 20000);
		pass_ms(1100);
		ck_assert_int_eq(sl_state(plugin.conn), SL_STATE_OPEN);
	}
	pass_ms(2200); /* from now on it takes nothing */
	ck_assert_int_eq(sl_state(plugin.conn), SL_STATE_CLOSING);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(a_write_that_the_peer_does_not_take_is_not_traffic)
{
	int fd;

	begin_tcp(&no_end, &fd);
	worker_settings()->timeouts.idle_ms = 1000;
	send_part();
	pass_ms(1100); /* its kernel took some */
	for (int i = 0; i < 2; i++) {
		worker_skip_ms(skipped_ms + 300);
		ck_assert_int_eq(sl_write(plugin.conn, "tick", 4), 4);
		conn_settle(plugin.conn);
		pass_ms(600);
	}
	ck_assert_int_eq(sl_state(plugin.conn), SL_STATE_CLOSING);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(a_message_on_its_way_is_traffic)
{
	int fd;

	begin_tcp(&no_end, &fd);
	worker_settings()->timeouts.idle_ms = 1000;
	worker_skip_ms(900);
	ck_assert_int_eq(sl_write(plugin.conn, "tick", 4), 4);
	conn_settle(plugin.conn);
	pass_ms(1100);
	ck_assert_int_eq(sl_state(plugin.conn), SL_STATE_OPEN);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(input_is_traffic_also_while_paused)
{
	int fd;

	begin_tcp(&full, &fd);
	worker_settings()->timeouts.idle_ms = 1000;
	sl_pause(plugin.conn);
	worker_idle();
	ck_assert_int_eq(send(fd, "x", 1, 0), 1);
	pass_ms(1100);
	ck_assert_str_eq(plugin.calls, "o");
	pass_ms(1100);
	ck_assert_str_eq(plugin.calls, "ot");
	close(fd);
	sl_resume(plugin.conn);
	worker_end();
}
END_TEST

START_TEST(linger_begins_anew_with_what_the_peer_takes)
{
	int fd;

	begin_tcp(&full, &fd);
	worker_settings()->timeouts.linger_ms = 1000;
	send_part();
	ck_assert_int_eq(sl_close(plugin.conn), 0);
	worker_idle();
	for (int i = 0; i < 10; i++) {
		pass_ms(1100);
		ck_assert_ptr_nonnull(plugin.conn);
		peer_takes(fd, i * PART / 10, PART / 10);
	}
	ck_assert_mem_eq(got, bytes, PART);
	/* It has everything, and the linger time to close. */
	pass_ms(500);
	ck_assert_ptr_nonnull(plugin.conn);
	close(fd);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "oc");
	ck_assert_uint_eq(plugin.why, SL_WHY_LOCAL);
	worker_end();
}
END_TEST

START_TEST(an_end_that_leaves_output_behind_is_undelivered)
{
	int fd;

	begin_tcp(&full, &fd);
	worker_settings()->timeouts.linger_ms = 1000;
	worker_settings()->timeouts.write_ms = 5000;
	send_part();
	ck_assert_int_eq(sl_close(plugin.conn), 0);
	worker_idle();
	pass_ms(1100); /* its kernel took some */
	pass_ms(4000);
	ck_assert_ptr_nonnull(plugin.conn);
	pass_ms(2000);
	ck_assert_str_eq(plugin.calls, "oxc");
	ck_assert_uint_eq(plugin.error_why, SL_WHY_UNDELIVERED);
	ck_assert_int_eq(plugin.error_errno, ETIMEDOUT);
	ck_assert_uint_eq(plugin.why, SL_WHY_UNDELIVERED);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(without_a_linger_time_the_output_still_arrives)
{
	int fd;

	begin_tcp(&full, &fd);
	worker_settings()->timeouts.linger_ms = 0;
	send_part();
	ck_assert_int_eq(sl_close(plugin.conn), 0);
	worker_idle();
	ck_assert_ptr_nonnull(plugin.conn);
	peer_takes(fd, 0, PART);
	ck_assert_mem_eq(got, bytes, PART);
	while (plugin.conn != NULL)
		worker_pass(true);
	ck_assert_uint_eq(plugin.why, SL_WHY_LOCAL);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(output_to_a_peer_that_finished_first_arrives_too)
{
	int fd;

	begin_tcp(&full, &fd);
	send_part();
	plugin.in_end = close_it;
	shutdown(fd, SHUT_WR);
	while (strchr(plugin.calls, 'e') == NULL)
		worker_pass(true);
	worker_idle();
	ck_assert_ptr_nonnull(plugin.conn);
	peer_takes(fd, 0, PART);
	ck_assert_mem_eq(got, bytes, PART);
	while (plugin.conn != NULL)
		worker_pass(true);
	ck_assert_uint_eq(plugin.why, SL_WHY_PEER);
	close(fd);
	worker_end();
}
END_TEST

static void
reset(int fd)
{
	struct linger hard = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(fd);
}

START_TEST(a_reset_before_everything_arrived_is_undelivered)
{
	int fd;

	begin_tcp(&full, &fd);
	send_part();
	ck_assert_int_eq(sl_close(plugin.conn), 0);
	worker_idle();
	reset(fd);
	while (plugin.conn != NULL)
		worker_pass(true);
	ck_assert_str_eq(plugin.calls, "oxc");
	ck_assert_uint_eq(plugin.error_why, SL_WHY_RESET);
	ck_assert_uint_eq(plugin.why, SL_WHY_UNDELIVERED);
	worker_end();
}
END_TEST

START_TEST(a_reset_after_everything_arrived_is_a_normal_end)
{
	int fd;

	begin_tcp(&full, &fd);
	send_part();
	ck_assert_int_eq(sl_close(plugin.conn), 0);
	worker_idle();
	peer_takes(fd, 0, PART);
	/* The peer's kernel acknowledges, and no event tells. */
	while (conn_ask_waiting(plugin.conn) > 0)
		usleep(1000);
	reset(fd);
	while (plugin.conn != NULL)
		worker_pass(true);
	ck_assert_str_eq(plugin.calls, "oc");
	ck_assert_uint_eq(plugin.why, SL_WHY_LOCAL);
	worker_end();
}
END_TEST

START_TEST(closing_ends_after_the_close_timeout)
{
	int fd;

	begin_tcp(&full, &fd);
	worker_settings()->timeouts.linger_ms = 1000;
	worker_settings()->timeouts.close_ms = 4000;
	send_part();
	ck_assert_int_eq(sl_close(plugin.conn), 0);
	worker_idle();
	for (int i = 0; i < 4; i++) {
		ck_assert_ptr_nonnull(plugin.conn);
		peer_takes(fd, i * 10000, 10000);
		pass_ms(1100);
	}
	ck_assert_ptr_null(plugin.conn);
	ck_assert_uint_eq(plugin.why, SL_WHY_UNDELIVERED);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(the_close_timeout_holds_also_with_output_queued)
{
	int fd;

	begin_tcp(&full, &fd);
	small_buffers(fd);
	worker_settings()->timeouts.close_ms = 4000;
	ck_assert_int_eq(sl_send(plugin.conn, bytes, sizeof(bytes)), 0);
	ck_assert_int_eq(sl_end(plugin.conn, NULL, 0), 0);
	worker_idle();
	for (int i = 0; i < 4; i++) {
		ck_assert_ptr_nonnull(plugin.conn);
		peer_read(fd, got, 10000);
		pass_ms(1100);
	}
	ck_assert_ptr_null(plugin.conn);
	ck_assert_uint_eq(plugin.why, SL_WHY_UNDELIVERED);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(a_slow_reader_of_a_unix_socket_is_not_idle)
{
	int fd;

	skipped_ms = 0;
	begin(&no_end);
	worker_settings()->timeouts.idle_ms = 1000;
	fd = worker_connect();
	send_part();
	for (int i = 0; i < 2; i++) { /* the kernel counts in large pieces */
		peer_takes(fd, i * 50000, 50000);
		pass_ms(1100);
		ck_assert_int_eq(sl_state(plugin.conn), SL_STATE_OPEN);
	}
	pass_ms(2200);
	ck_assert_int_eq(sl_state(plugin.conn), SL_STATE_CLOSING);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(a_reader_of_a_unix_socket_that_is_a_little_behind_is_not_idle)
{
	int fd;

	skipped_ms = 0;
	begin(&no_end);
	worker_settings()->timeouts.idle_ms = 1000;
	fd = worker_connect();
	for (int behind = 1; behind < 8; behind++) {
		/* Of eleven bytes it takes ten, so that one more is left each time. */
		worker_skip_ms(skipped_ms + 600);
		for (int i = 0; i < 11; i++) {
			ck_assert_int_eq(sl_write(plugin.conn, "x", 1), 1);
			conn_settle(plugin.conn);
			if (i < 10)
				peer_takes(fd, 0, 1);
		}
		pass_ms(1100);
		ck_assert_int_eq(sl_state(plugin.conn), SL_STATE_OPEN);
	}
	close(fd);
	worker_end();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_peer_that_takes_what_was_sent_is_not_idle,
		a_write_that_the_peer_does_not_take_is_not_traffic,
		a_message_on_its_way_is_traffic,
		input_is_traffic_also_while_paused,
		linger_begins_anew_with_what_the_peer_takes,
		an_end_that_leaves_output_behind_is_undelivered,
		without_a_linger_time_the_output_still_arrives,
		output_to_a_peer_that_finished_first_arrives_too,
		a_reset_before_everything_arrived_is_undelivered,
		a_reset_after_everything_arrived_is_a_normal_end,
		closing_ends_after_the_close_timeout,
		the_close_timeout_holds_also_with_output_queued,
		a_slow_reader_of_a_unix_socket_is_not_idle,
		a_reader_of_a_unix_socket_that_is_a_little_behind_is_not_idle,
		NULL,
	};

	return conn_run("conn_delivery", tests);
}
