/* check_conn_deadline.c: the socket is read before a timeout ends anything. */

#include "conn_plugin.h"

#include "worker/engine.h"
#include "worker/listener.h"

#define LATE_MS 60000 /* longer than every timeout here */

/* The timer runs out before this pass has read the socket. */
static void
late_timer(void)
{
	struct timer *timer = &plugin.conn->timer;

	worker_skip_ms(LATE_MS);
	timer->on_expire(timer);
}

START_TEST(an_unread_end_of_file_prevents_idle)
{
	int fd;

	begin(&full);
	worker_settings()->timeouts.idle_ms = 1000;
	fd = worker_connect();
	shutdown(fd, SHUT_WR);
	late_timer();
	ck_assert_str_eq(plugin.calls, "oe");
	/* The idle time begins anew, so that an answer can be sent. */
	worker_idle();
	ck_assert_str_eq(plugin.calls, "oe");
	close(fd);
	worker_end();
}
END_TEST

START_TEST(an_end_without_a_callback_has_the_reason_peer)
{
	int fd;

	begin(&no_end);
	worker_settings()->timeouts.idle_ms = 1000;
	fd = worker_connect();
	send(fd, "bye", 3, MSG_NOSIGNAL);
	shutdown(fd, SHUT_WR);
	late_timer();
	worker_idle();
	ck_assert_str_eq(plugin.calls, "odc");
	ck_assert_uint_eq(plugin.why, SL_WHY_PEER);
	close(fd);
	worker_end();
}
END_TEST

/* The connection is so much older, and its timer runs out. */
static void
age(unsigned int ms)
{
	struct timer *timer = &plugin.conn->timer;

	plugin.conn->opened_ms -= ms;
	timer->on_expire(timer);
}

START_TEST(a_connection_has_a_lifetime)
{
	int fd;

	begin(&full);
	worker_settings()->timeouts.max_lifetime_ms = 5000000;
	fd = worker_connect();
	for (int i = 0; i < 4; i++) { /* traffic does not prolong it */
		send(fd, "x", 1, MSG_NOSIGNAL);
		worker_idle();
		age(1000000);
	}
	ck_assert_str_eq(plugin.calls, "odddd");
	send(fd, "x", 1, MSG_NOSIGNAL); /* what has come is shown first */
	age(1000000);
	ck_assert_str_eq(plugin.calls, "oddddd");
	ck_assert_int_eq(sl_write(plugin.conn, "x", 1), -1);
	shutdown(fd, SHUT_WR); /* it was closed politely */
	worker_idle();
	ck_assert_str_eq(plugin.calls, "odddddc");
	ck_assert_uint_eq(plugin.why, SL_WHY_LIFETIME);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(a_shorter_lifetime_applies_at_once)
{
	int fd;

	begin(&full);
	fd = worker_connect();
	plugin.conn->opened_ms -= 60000;
	worker_settings()->timeouts.max_lifetime_ms = 5000;
	listener_begin_sweep(worker_listener()); /* as a COMMIT does */
	listener_sweep(worker_listener(), 1);
	ck_assert_uint_le(plugin.conn->timer.at_ms, engine_read_clock());
	age(0);
	shutdown(fd, SHUT_WR);
	worker_idle();
	ck_assert_uint_eq(plugin.why, SL_WHY_LIFETIME);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(data_in_the_socket_prevents_the_timeout_callback)
{
	int fd;

	begin(&full);
	fd = worker_connect();
	sl_timeout(plugin.conn, 1000);
	worker_idle();
	send(fd, "x", 1, MSG_NOSIGNAL);
	late_timer();
	ck_assert_str_eq(plugin.calls, "od");
	close(fd);
	worker_end();
}
END_TEST

START_TEST(what_came_while_lingering_is_delivered_first)
{
	char byte;
	int fd;

	begin(&full);
	worker_settings()->timeouts.linger_ms = 1000;
	fd = worker_connect();
	ck_assert_int_eq(sl_end(plugin.conn, NULL, 0), 0);
	worker_idle();
	ck_assert_int_eq(peer_read_to_end(fd, &byte, 1), 0);
	send(fd, "late", 4, MSG_NOSIGNAL);
	shutdown(fd, SHUT_WR);
	late_timer();
	worker_idle();
	ck_assert_str_eq(plugin.calls, "odec");
	ck_assert_mem_eq(plugin.input, "late", 4);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(a_peer_that_has_read_everything_is_not_stalled)
{
	static char got[sizeof(bytes)];
	size_t at = 0;
	ssize_t n;
	int fd;

	begin(&full);
	worker_settings()->timeouts.write_ms = 1000;
	fd = worker_connect();
	small_buffers(fd);
	ck_assert_int_eq(sl_send(plugin.conn, bytes, sizeof(bytes)), 0);
	worker_idle();
	ck_assert(conn_marked(plugin.conn, MARK_BLOCKED));
	while ((n = recv(fd, got, sizeof(got), 0)) > 0)
		at += n;
	late_timer();
	ck_assert_ptr_nonnull(plugin.conn);
	ck_assert_str_eq(plugin.calls, "o");
	peer_read(fd, got + at, sizeof(got) - at);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(a_write_that_is_refused_again_is_not_progress)
{
	int fd;

	begin(&full);
	worker_settings()->timeouts.write_ms = 1000;
	fd = worker_connect();
	small_buffers(fd);
	ck_assert_int_eq(sl_send(plugin.conn, bytes, sizeof(bytes)), 0);
	worker_idle();
	ck_assert(conn_marked(plugin.conn, MARK_BLOCKED));
	late_timer();
	ck_assert_str_eq(plugin.calls, "oxc");
	ck_assert_uint_eq(plugin.error_why, SL_WHY_WRITE_STALL);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(the_end_of_a_draining_listener_reads_the_socket_first)
{
	char buf[8];
	int fd;

	begin(&full);
	worker_settings()->timeouts.linger_ms = 0;
	plugin.in_end = close_it;
	fd = worker_connect();
	send(fd, "last", 4, MSG_NOSIGNAL);
	shutdown(fd, SHUT_WR);
	listener_close_all(worker_listener(), SL_WHY_SHUTDOWN);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "odec");
	ck_assert_uint_eq(plugin.why, SL_WHY_PEER);
	ck_assert_int_eq(peer_read_to_end(fd, buf, sizeof(buf)), 0);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(a_timer_that_has_moved_settles_what_was_queued)
{
	char byte;
	int fd;

	begin(&full);
	worker_settings()->timeouts.idle_ms = 1000;
	fd = worker_connect();
	ck_assert_int_eq(conn_write(plugin.conn, "m", 1), 1);
	plugin.conn->timer.on_expire(&plugin.conn->timer);
	ck_assert_int_eq(recv(fd, &byte, 1, 0), 1);
	close(fd);
	worker_end();
}
END_TEST

/*
 * Fill the write queue, so that a drain is owed, and the input buffer, and
 * leave `unread` bytes in the socket.
 */
static void
fill_both(int fd, size_t unread)
{
	plugin.consume_most = 0;
	while (sl_write(plugin.conn, bytes, 8192) == 8192)
		continue;
	worker_idle();
	ck_assert_int_eq(send(fd, bytes, 100 + unread, MSG_NOSIGNAL),
	    100 + unread);
	worker_idle();
	ck_assert_uint_eq(input_bytes(plugin.conn->input), 100);
}

START_TEST(input_that_waits_for_a_drain_is_traffic_when_it_arrives)
{
	static char all[sizeof(bytes)];
	int fd;

	begin(&full);
	worker_settings()->timeouts.idle_ms = LATE_MS;
	worker_settings()->timeouts.write_ms = 0;
	worker_settings()->limits.read_buffer = 100;
	worker_settings()->limits.write_buffer = 8192;
	fd = worker_connect();
	small_buffers(fd);
	fill_both(fd, 200);
	late_timer();
	ck_assert_ptr_null(strchr(plugin.calls, 't'));
	plugin.consume_most = SIZE_MAX;
	while (plugin.input_len < 300) {
		while (recv(fd, all, sizeof(all), 0) > 0)
			continue;
		worker_idle();
	}
	late_timer(); /* the peer has taken output: traffic */
	/* Fewer bytes wait than last time, but they are new ones. */
	fill_both(fd, 50);
	late_timer();
	ck_assert_ptr_null(strchr(plugin.calls, 't'));
	/* Nothing has arrived since. */
	worker_skip_ms(2 * LATE_MS + 1000);
	plugin.conn->timer.on_expire(&plugin.conn->timer);
	ck_assert_ptr_nonnull(strchr(plugin.calls, 't'));
	close(fd);
	worker_end();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		an_unread_end_of_file_prevents_idle,
		an_end_without_a_callback_has_the_reason_peer,
		a_connection_has_a_lifetime,
		a_shorter_lifetime_applies_at_once,
		data_in_the_socket_prevents_the_timeout_callback,
		what_came_while_lingering_is_delivered_first,
		a_peer_that_has_read_everything_is_not_stalled,
		a_write_that_is_refused_again_is_not_progress,
		the_end_of_a_draining_listener_reads_the_socket_first,
		a_timer_that_has_moved_settles_what_was_queued,
		input_that_waits_for_a_drain_is_traffic_when_it_arrives,
		NULL,
	};

	return conn_run("conn_deadline", tests);
}
