/* check_conn_input.c: what a connection promises about input. */

#include "conn_plugin.h"

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
	ck_assert_ptr_null(
	    plugin.conn->input); /* no memory is kept while idle */
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

static void
answer_error(struct sl_conn *c)
{
	ck_assert_int_eq(sl_send(c, "too long", 8), 0);
}

/* Also to a peer that goes on sending: unread input would cause a reset. */
START_TEST(error_can_answer_input_that_does_not_fit)
{
	char answer[16];
	int fd;

	begin(&full);
	worker_settings()->limits.read_buffer = 1024;
	fd = worker_connect();
	plugin.consume_most = 0;
	plugin.in_error = answer_error;
	peer_write(fd, bytes, 1024);
	ck_assert_str_eq(plugin.calls, "odx");
	peer_write(fd, bytes, 5000);
	shutdown(fd, SHUT_WR);
	ck_assert_int_eq(peer_read_to_end(fd, answer, sizeof(answer)), 8);
	ck_assert_mem_eq(answer, "too long", 8);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "odxc");
	ck_assert_uint_eq(plugin.why, SL_WHY_INPUT_LIMIT);
	close(fd);
	worker_end();
}
END_TEST

static void
terminate(struct sl_conn *c)
{
	sl_terminate(c);
}

START_TEST(error_can_end_it_at_once)
{
	int fd;

	begin(&full);
	worker_settings()->limits.read_buffer = 1024;
	fd = worker_connect();
	plugin.consume_most = 0;
	plugin.in_error = terminate;
	peer_write(fd, bytes, 1024);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "odxc");
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

START_TEST(resume_presents_what_was_kept_also_without_a_pause)
{
	int fd;

	begin(&full);
	fd = worker_connect();
	plugin.consume_most = 0;
	peer_write(fd, "abc", 3);
	ck_assert_str_eq(plugin.calls, "od");
	plugin.consume_most = SIZE_MAX;
	ck_assert_int_eq(sl_resume(plugin.conn), 0);
	ck_assert_str_eq(plugin.calls,
	    "od"); /* `data` is not called inside sl_resume() */
	worker_idle();
	ck_assert_str_eq(plugin.calls, "odd");
	ck_assert_mem_eq(plugin.input, "abc", 3);
	/* With nothing kept there is nothing to present. */
	ck_assert_int_eq(sl_resume(plugin.conn), 0);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "odd");
	close(fd);
	worker_end();
}
END_TEST

static void
resume_it(struct sl_conn *c)
{
	ck_assert_int_eq(sl_resume(c), 0);
	plugin.in_data = NULL;
}

START_TEST(resume_inside_data_presents_the_rest_after_it)
{
	int fd;

	begin(&full);
	fd = worker_connect();
	plugin.in_data = resume_it;
	plugin.consume_most = 2;
	peer_write(fd, "abc", 3);
	ck_assert_str_eq(plugin.calls, "odd");
	ck_assert_mem_eq(plugin.input, "abc", 3);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(a_pause_holds_also_when_the_output_breaks)
{
	int fd;

	begin(&full);
	fd = worker_connect();
	sl_pause(plugin.conn);
	worker_idle();
	send(fd, "last words", 10, MSG_NOSIGNAL);
	close(fd);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "o");
	sl_write(plugin.conn, "x", 1);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "oxc");
	ck_assert_uint_eq(plugin.error_why, SL_WHY_RESET);
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

int
main(void)
{
	const TTest *const tests[] = {
		data_comes_after_open_and_close_comes_last,
		a_refusing_open_gets_no_close,
		what_is_not_consumed_comes_again_in_front_of_what_follows,
		input_one_byte_at_a_time_arrives_whole,
		a_frame_that_cannot_fit_ends_it_with_input_limit,
		error_can_answer_input_that_does_not_fit,
		error_can_end_it_at_once,
		pause_keeps_input_back_and_resume_brings_it,
		resume_presents_what_was_kept_also_without_a_pause,
		resume_inside_data_presents_the_rest_after_it,
		a_pause_holds_also_when_the_output_breaks,
		end_of_file_waits_while_paused,
		more_consumed_than_shown_ends_it,
		a_lowered_read_buffer_ends_a_frame_that_no_longer_fits,
		NULL,
	};

	return conn_run("conn_input", tests);
}
