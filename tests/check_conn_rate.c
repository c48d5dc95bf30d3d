/* check_conn_rate.c: what min_rate asks of a peer, and when it asks nothing. */

#include <netinet/tcp.h>
#include <poll.h>

#include "delivery_fixture.h"

START_TEST(a_minimum_rate_ends_a_trickle)
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

START_TEST(a_minimum_rate_asks_nothing_of_who_waits_for_us)
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

START_TEST(a_minimum_rate_spares_who_is_sent_little_and_often)
{
	int fd, off = 0;

	begin_tcp(&full, &fd);
	worker_settings()->limits.min_rate = 1000;
	for (int i = 0; i < 4; i++) {
		/* So it acknowledges late, as from afar. */
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

/* A unix socket counts some hundred bytes of memory for a message of one. */
START_TEST(a_minimum_rate_spares_who_is_sent_little_over_a_unix_socket)
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

/* More than it takes at once is queued, and its kernel is full. */
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

START_TEST(a_minimum_rate_ends_who_leaves_no_room_in_a_unix_socket)
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

START_TEST(a_minimum_rate_asks_nothing_while_the_worker_is_held_up)
{
	static char all[sizeof(bytes)];
	int fd;

	begin_full(&fd);
	pass_ms(10100);
	/* It takes what there is, and waits for a minute. */
	while (recv(fd, all, sizeof(all), 0) > 0)
		continue;
	pass_ms(60000);
	ck_assert_int_eq(sl_state(plugin.conn), SL_STATE_OPEN);
	/* From then on it has to take some again. */
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

START_TEST(a_minimum_rate_does_not_hold_for_a_kernel_without_memory)
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
		a_minimum_rate_ends_a_trickle,
		a_minimum_rate_asks_nothing_of_who_waits_for_us,
		a_minimum_rate_spares_who_is_sent_little_and_often,
		a_minimum_rate_spares_who_is_sent_little_over_a_unix_socket,
		a_minimum_rate_ends_who_leaves_no_room_in_a_unix_socket,
		a_minimum_rate_asks_nothing_while_the_worker_is_held_up,
		a_minimum_rate_does_not_hold_for_a_kernel_without_memory,
		NULL,
	};

	return conn_run("conn_rate", tests);
}
