/*
 * check_conn_transport_out.c: what a transport may do with output, and at the
 * end, that a plain socket does not.  All tests run over the cruel transport.
 */

#include <event2/event.h>

#include "conn_plugin.h"

#define RECORD 16384

/* Begin with a peer that reads nothing, and small socket buffers. */
static int
begin_slow(const struct sl_handlers *handlers)
{
	int fd;

	fd = begin_cruel(handlers);
	worker_settings()->timeouts.close_ms = 1000;
	small_buffers(fd);
	return fd;
}

START_TEST(what_the_transport_still_holds_counts_as_queued)
{
	static char got[20000];
	struct sl_conn *conn;
	int fd;

	fd = begin_slow(&full);
	conn = plugin.conn;
	worker_settings()->limits.write_buffer = 16384;
	ck_assert_int_eq(sl_write(conn, bytes, 7000), 7000);
	worker_idle();
	ck_assert_int_eq(sl_write(conn, bytes + 7000, 13000), 13000);
	worker_idle();
	ck_assert_uint_eq(conn->queue.bytes, 0);
	ck_assert_uint_gt(conn->stream.unsent, 8192); /* the low mark */
	ck_assert_uint_eq(sl_queued(conn), conn->stream.unsent);
	conn->marks |= MARK_DRAIN_OWED; /* as after a short write */
	conn_pend(conn);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "o");
	peer_read(fd, got, sizeof(got));
	worker_idle();
	ck_assert_str_eq(plugin.calls, "or");
	ck_assert_mem_eq(got, bytes, sizeof(got));
	close(fd);
	worker_end();
}
END_TEST

START_TEST(what_the_transport_still_holds_at_the_end_is_lost)
{
	int fd;

	fd = begin_slow(&full);
	ck_assert_int_eq(sl_write(plugin.conn, bytes, RECORD), RECORD);
	ck_assert_int_eq(sl_close(plugin.conn), 0);
	worker_idle();
	ck_assert_uint_gt(plugin.conn->stream.unsent, 0);
	ck_assert_uint_eq(cruelty.finished, 0);
	worker_skip_ms(60000);
	plugin.conn->timer.on_expire(&plugin.conn->timer);
	ck_assert_str_eq(plugin.calls, "oxc");
	ck_assert_uint_eq(plugin.why, SL_WHY_UNDELIVERED);
	ck_assert_uint_gt(plugin.lost, 0);
	ck_assert_uint_lt(plugin.lost, RECORD);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(output_of_the_transport_itself_is_flushed)
{
	static char got[2 * RECORD];
	size_t sent = 0;
	int fd;

	fd = begin_slow(&full);
	while (sl_queued(plugin.conn) == 0) {
		ck_assert_int_eq(sl_write(plugin.conn, bytes, 1000), 1000);
		sent += 1000;
		worker_idle();
	}
	ck_assert_uint_lt(sent, RECORD);
	peer_read(fd, got,
	    sent); /* there is room now, but not for RECORD bytes */
	worker_idle();
	cruelty.answer = RECORD;
	send(fd, "x", 1, MSG_NOSIGNAL);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "od");
	ck_assert_uint_gt(sl_queued(plugin.conn), 0);
	peer_read(fd, got, RECORD);
	ck_assert_int_eq(got[RECORD - 1], '!');
	worker_idle();
	ck_assert_uint_eq(plugin.conn->wants, EV_READ);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(a_finish_that_says_again_is_called_again)
{
	char byte;
	int fd;

	fd = begin_cruel(&full);
	cruelty.again = 3;
	ck_assert_int_eq(sl_end(plugin.conn, NULL, 0), 0);
	worker_pass(false);
	ck_assert_int_eq(plugin.conn->out, HALF_DRAIN);
	ck_assert_int_eq(recv(fd, &byte, 1, 0), -1);
	worker_idle();
	ck_assert_uint_eq(cruelty.finished, 1);
	ck_assert(!cruelty.last);
	ck_assert_int_eq(plugin.conn->out, HALF_CLOSED);
	ck_assert_int_eq(recv(fd, &byte, 1, 0), 0);
	send(fd, "x", 1, MSG_NOSIGNAL); /* input goes on */
	shutdown(fd, SHUT_WR);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "odec");
	close(fd);
	worker_end();
}
END_TEST

START_TEST(finish_is_called_also_when_the_peer_ended_first)
{
	int fd;

	fd = begin_cruel(&no_end);
	cruelty.again = 2;
	shutdown(fd, SHUT_WR);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "oc");
	ck_assert_uint_eq(cruelty.finished, 1);
	ck_assert(cruelty.last);
	ck_assert(!cruelty.hard);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(a_finish_that_never_comes_is_given_up)
{
	int fd;

	fd = begin_cruel(&full);
	worker_settings()->timeouts.write_ms = 1000;
	cruelty.again = 1000;
	cruelty.again_needs = EV_READ;
	ck_assert_int_eq(sl_end(plugin.conn, NULL, 0), 0);
	worker_idle();
	for (int i = 1; i < 4 && plugin.conn != NULL; i++) {
		worker_skip_ms(700 * i);
		plugin.conn->timer.on_expire(&plugin.conn->timer);
	}
	ck_assert_ptr_null(plugin.conn);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(terminate_closes_hard)
{
	int fd;

	fd = begin_cruel(&full);
	ck_assert_int_eq(sl_terminate(plugin.conn), 0);
	worker_idle();
	ck_assert(cruelty.hard);
	ck_assert_uint_eq(cruelty.finished, 0);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(a_truncated_end_is_an_error_after_all_data)
{
	static char got[50000];
	int fd, size = 4096;

	fd = begin_cruel(&echo);
	worker_settings()->limits.write_buffer = 8192;
	cruelty.truncate = true;
	setsockopt(sl_fd(plugin.conn), SOL_SOCKET, SO_SNDBUF, &size,
	    sizeof(size));
	peer_write(fd, bytes, sizeof(got)); /* the echo waits for us */
	ck_assert(conn_marked(plugin.conn, MARK_DRAIN_OWED));
	shutdown(fd, SHUT_WR);
	ck_assert_int_eq(peer_read_to_end(fd, got, sizeof(got)), sizeof(got));
	ck_assert_mem_eq(got, bytes, sizeof(got));
	worker_idle();
	ck_assert_uint_eq(plugin.error_why, SL_WHY_TRUNCATED);
	ck_assert_uint_eq(plugin.why, SL_WHY_TRUNCATED);
	ck_assert_ptr_null(strchr(plugin.calls, 'e'));
	close(fd);
	worker_end();
}
END_TEST

START_TEST(a_truncated_end_after_our_own_end_is_no_error)
{
	int fd;

	fd = begin_cruel(&full);
	cruelty.truncate = true;
	ck_assert_int_eq(sl_close(plugin.conn), 0);
	worker_idle();
	shutdown(fd, SHUT_WR);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "oc");
	ck_assert_uint_eq(plugin.why, SL_WHY_LOCAL);
	close(fd);
	worker_end();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		what_the_transport_still_holds_counts_as_queued,
		what_the_transport_still_holds_at_the_end_is_lost,
		output_of_the_transport_itself_is_flushed,
		a_finish_that_says_again_is_called_again,
		finish_is_called_also_when_the_peer_ended_first,
		a_finish_that_never_comes_is_given_up,
		terminate_closes_hard,
		a_truncated_end_is_an_error_after_all_data,
		a_truncated_end_after_our_own_end_is_no_error,
		NULL,
	};

	fill();
	return fixture_run("conn_transport_out", tests);
}
