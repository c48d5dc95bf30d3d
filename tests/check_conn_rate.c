/* check_conn_rate.c: when min_rate ends a connection, and when it does not. */

#include <netinet/tcp.h>
#include <poll.h>

#include "delivery_fixture.h"

START_TEST(a_peer_that_trickles_is_ended)
{
	int fd;

	begin_tcp(&full, &fd);
	worker_settings()->limits.min_rate = 1000;
	send_part();
	for (int i = 0; i < 3; i++) {
		peer_takes(fd, i * 20000, 20000);
		pass_ms(10100);
		ck_assert_int_eq(sl_state(plugin.conn), SL_STATE_OPEN);
	}
	peer_takes(fd, 60000, 2500);
	pass_ms(10100);
	ck_assert_str_eq(plugin.calls, "oxc");
	ck_assert_uint_eq(plugin.why, SL_WHY_WRITE_STALL);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(a_peer_that_has_taken_everything_is_not_too_slow)
{
	int fd;

	begin_tcp(&full, &fd);
	worker_settings()->limits.min_rate = 1000;
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(sl_write(plugin.conn, "x", 1), 1);
		conn_settle(plugin.conn);
		peer_takes(fd, 0, 1);
		pass_ms(10100);
	}
	ck_assert_str_eq(plugin.calls, "o");
	close(fd);
	worker_end();
}
END_TEST

START_TEST(late_acknowledgements_of_little_output_are_not_too_slow)
{
	int fd, off = 0;

	begin_tcp(&full, &fd);
	worker_settings()->limits.min_rate = 1000;
	for (int i = 0; i < 4; i++) {
		/* The acknowledgement comes late, as from far away. */
		setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &off, sizeof(off));
		ck_assert_int_eq(sl_write(plugin.conn, "x", 1), 1);
		conn_settle(plugin.conn);
		pass_ms(10100);
		ck_assert_int_eq(sl_state(plugin.conn), SL_STATE_OPEN);
		peer_takes(fd, 0, 1);
		while (plugin.conn->stream.transport->waiting(
			   &plugin.conn->stream) > 0)
			poll(NULL, 0, 1);
	}
	close(fd);
	worker_end();
}
END_TEST

/* A unix socket counts a message of one byte as several hundred. */
START_TEST(little_output_over_a_unix_socket_is_not_too_slow)
{
	int fd;

	skipped_ms = 0;
	begin(&full);
	worker_settings()->limits.min_rate = 1000;
	fd = worker_connect();
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(sl_write(plugin.conn, "x", 1), 1);
		conn_settle(plugin.conn);
		pass_ms(10100);
		ck_assert_int_eq(sl_state(plugin.conn), SL_STATE_OPEN);
		peer_takes(fd, 0, 1);
	}
	close(fd);
	worker_end();
}
END_TEST

/* Fill the socket, and queue more output. */
static void
begin_full(int *ret_fd)
{
	skipped_ms = 0;
	begin(&full);
	worker_settings()->limits.min_rate = 1000;
	worker_settings()->timeouts.write_ms = 0;
	*ret_fd = worker_connect();
	small_buffers(*ret_fd);
	ck_assert_int_eq(sl_send(plugin.conn, bytes, sizeof(bytes)), 0);
	worker_idle();
	ck_assert(conn_marked(plugin.conn, MARK_BLOCKED));
}

START_TEST(a_full_unix_socket_is_too_slow)
{
	int fd;

	begin_full(&fd);
	pass_ms(10100);
	ck_assert_int_eq(sl_state(plugin.conn), SL_STATE_OPEN);
	pass_ms(10100);
	ck_assert_uint_eq(plugin.why, SL_WHY_WRITE_STALL);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(time_when_the_worker_was_held_up_does_not_count)
{
	static char all[sizeof(bytes)];
	int fd;

	begin_full(&fd);
	pass_ms(10100);
	/* The peer empties the socket, and the worker is held up for a minute. */
	while (recv(fd, all, sizeof(all), 0) > 0)
		continue;
	pass_ms(60000);
	ck_assert_int_eq(sl_state(plugin.conn), SL_STATE_OPEN);
	/* From then on the peer has to take more. */
	pass_ms(10100);
	ck_assert_uint_eq(plugin.why, SL_WHY_WRITE_STALL);
	close(fd);
	worker_end();
}
END_TEST

static ssize_t
no_memory(struct stream *stream, const void *buf, size_t len)
{
	(void)stream;
	(void)buf;
	(void)len;
	errno = ENOBUFS;
	return -1;
}

START_TEST(time_when_the_kernel_has_no_memory_does_not_count)
{
	struct transport starved = transport_plain;
	int fd;

	begin_tcp(&full, &fd);
	worker_settings()->limits.min_rate = 1000;
	worker_settings()->timeouts.write_ms = 0;
	starved.send = no_memory;
	conn_under(plugin.conn, &starved);
	ck_assert_int_eq(sl_write(plugin.conn, "x", 1), 1);
	conn_settle(plugin.conn);
	ck_assert(conn_marked(plugin.conn, MARK_STARVED));
	for (int i = 0; i < 3; i++) {
		pass_ms(10100);
		ck_assert_int_eq(sl_state(plugin.conn), SL_STATE_OPEN);
	}
	conn_under(plugin.conn, &transport_plain);
	close(fd);
	worker_end();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_peer_that_trickles_is_ended,
		a_peer_that_has_taken_everything_is_not_too_slow,
		late_acknowledgements_of_little_output_are_not_too_slow,
		little_output_over_a_unix_socket_is_not_too_slow,
		a_full_unix_socket_is_too_slow,
		time_when_the_worker_was_held_up_does_not_count,
		time_when_the_kernel_has_no_memory_does_not_count,
		NULL,
	};

	return conn_run("conn_rate", tests);
}
