/*
 * check_conn_transport_in.c: what a transport may do with input that a plain
 * socket does not.  "At hand" is what the transport has read ahead from the
 * kernel.  All tests run over the cruel transport.
 */

#include <event2/event.h>

#include "conn_plugin.h"
#include "worker/plugin.h"

#define RECORD 16384

/* The kernel has nothing left: all that is still to come is at hand. */
static void
check_nothing_in_kernel(const struct sl_conn *conn)
{
	char byte;

	ck_assert_int_eq(recv(sl_fd(conn), &byte, 1, MSG_PEEK | MSG_DONTWAIT),
	    -1);
	ck_assert_int_eq(errno, EAGAIN);
}

static void
resume_it(struct sl_conn *c)
{
	ck_assert_int_eq(sl_resume(c), 0);
}

START_TEST(what_is_at_hand_is_read_after_a_pause)
{
	int fd;

	fd = begin_cruel(&full);
	plugin.in_data = pause_it;
	peer_write(fd, bytes, 2 * RECORD);
	ck_assert_str_eq(plugin.calls, "od");
	check_nothing_in_kernel(plugin.conn);
	plugin.in_data = NULL;
	resume_it(plugin.conn);
	worker_idle();
	ck_assert_uint_eq(plugin.input_len, 2 * RECORD);
	ck_assert_mem_eq(plugin.input, bytes, 2 * RECORD);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(an_end_at_hand_is_told_after_a_pause)
{
	int fd;

	fd = begin_cruel(&no_end);
	cruelty.hoard = RECORD;
	plugin.in_data = pause_it;
	send(fd, bytes, 100, MSG_NOSIGNAL);
	shutdown(fd, SHUT_WR);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "od");
	plugin.in_data = NULL;
	resume_it(plugin.conn);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "odc");
	ck_assert_uint_eq(plugin.why, SL_WHY_PEER);
	close(fd);
	worker_end();
}
END_TEST

/* More is at hand than there is room for, until the peer takes the output. */
START_TEST(what_is_at_hand_is_read_when_there_is_room_after_drain)
{
	static char got[sizeof(bytes)];
	int fd, size = 4096;

	fd = begin_cruel(&echo);
	worker_settings()->limits.write_buffer = 8192;
	worker_settings()->limits.read_buffer = 8192;
	setsockopt(sl_fd(plugin.conn), SOL_SOCKET, SO_SNDBUF, &size,
	    sizeof(size));
	cruelty.hoard = sizeof(bytes);
	ck_assert_int_eq(sl_send(plugin.conn, bytes, 100000), 0);
	worker_idle();
	peer_write(fd, bytes, 50000);
	ck_assert(conn_marked(plugin.conn, MARK_DRAIN_OWED));
	check_nothing_in_kernel(plugin.conn);
	peer_read(fd, got, 150000);
	ck_assert_mem_eq(got + 100000, bytes, 50000);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(what_is_at_hand_is_read_in_shares)
{
	size_t before = 0;
	int fd;

	fd = begin_cruel(&full);
	cruelty.hoard = sizeof(bytes);
	cruelty.gather = true;
	peer_write(fd, bytes, 700000);
	ck_assert_str_eq(plugin.calls, "o");
	check_nothing_in_kernel(plugin.conn);
	cruelty.gather = false;
	send(fd, "x", 1, MSG_NOSIGNAL);
	while (plugin.input_len < 700001) {
		worker_pass(false);
		ck_assert_uint_gt(plugin.input_len, before);
		/* One share in the event, and one in the after-pass. */
		ck_assert_uint_le(plugin.input_len - before,
		    2 * ((256u << 10) + RECORD));
		before = plugin.input_len;
	}
	close(fd);
	worker_end();
}
END_TEST

START_TEST(what_is_at_hand_is_read_when_a_write_has_broken)
{
	int fd;

	fd = begin_cruel(&full);
	cruelty.hoard = sizeof(bytes);
	cruelty.gather = true;
	peer_write(fd, bytes, 700000);
	cruelty.gather = false;
	close(fd);
	ck_assert_int_eq(sl_write(plugin.conn, "x", 1), 1);
	conn_settle(plugin.conn);
	worker_idle();
	ck_assert_uint_eq(plugin.input_len, 700000);
	ck_assert_mem_eq(plugin.input, bytes, 700000);
	ck_assert_uint_eq(plugin.error_why, SL_WHY_RESET);
	ck_assert_uint_eq(plugin.why, SL_WHY_RESET);
	worker_end();
}
END_TEST

START_TEST(input_one_byte_at_a_time_is_read_to_its_end)
{
	int fd;

	fd = begin_cruel(&full);
	cruelty.record = 1;
	peer_write(fd, "abcdef", 6);
	ck_assert_str_eq(plugin.calls, "odddddd");
	ck_assert_mem_eq(plugin.input, "abcdef", 6);
	close(fd);
	worker_end();
}
END_TEST

/* The transport has to write before it can read. */
START_TEST(a_read_that_wants_to_write_waits_for_that)
{
	int fd;

	fd = begin_cruel(&full);
	plugin.conn->stream.recv_needs = EV_WRITE;
	conn_settle(plugin.conn);
	ck_assert_uint_eq(plugin.conn->wants, EV_WRITE);
	worker_pass(true);
	ck_assert_uint_eq(plugin.conn->wants, EV_READ);
	peer_write(fd, "x", 1);
	ck_assert_str_eq(plugin.calls, "od");
	close(fd);
	worker_end();
}
END_TEST

START_TEST(a_read_may_wait_for_another_direction_each_time)
{
	int fd;

	fd = begin_cruel(&full);
	worker_idle();
	ck_assert_uint_eq(plugin.conn->wants, EV_READ);
	event_active(&plugin.conn->event, EV_READ, 0);
	worker_pass(false);
	ck_assert_uint_eq(plugin.conn->wants, EV_WRITE);
	worker_pass(false);
	ck_assert_uint_eq(plugin.conn->wants, EV_READ);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(a_write_that_wants_to_read_waits_for_that)
{
	char buf[8];
	int fd;

	fd = begin_cruel(&full);
	sl_pause(plugin.conn);
	worker_idle();
	ck_assert_uint_eq(plugin.conn->wants, 0);
	cruelty.send_wants_read = true;
	ck_assert_int_eq(sl_write(plugin.conn, "abc", 3), 3);
	worker_idle();
	ck_assert_uint_eq(plugin.conn->wants, EV_READ);
	ck_assert_int_eq(recv(fd, buf, sizeof(buf), 0), -1);
	/* The transport reads this byte; the plugin has paused. */
	send(fd, "x", 1, MSG_NOSIGNAL);
	worker_pass(true);
	ck_assert_int_eq(recv(fd, buf, sizeof(buf), 0), 3);
	ck_assert_str_eq(plugin.calls, "o");
	ck_assert_uint_eq(plugin.conn->wants, 0);
	close(fd);
	sl_resume(plugin.conn);
	worker_end();
}
END_TEST

static unsigned int in_new_code;

static ssize_t
new_data(struct sl_conn *c, const void *buf, size_t len)
{
	in_new_code += len;
	return on_data(c, buf, len);
}

START_TEST(what_is_at_hand_is_shown_to_new_code)
{
	static struct plugin next;
	struct sl_service *service;
	int fd;

	fd = begin_cruel(&full);
	in_new_code = 0;
	plugin.in_data = pause_it;
	peer_write(fd, bytes, 2 * RECORD);
	ck_assert_uint_eq(plugin.input_len, RECORD);
	next = *worker_plugin();
	next.refs = 2;
	next.server.data = new_data;
	service = service_new(worker_listener(), &next, NULL, 2,
	    worker_listener()->current, ON_RELOAD_AUTO, NULL);
	ck_assert_ptr_nonnull(service);
	service_commit(worker_listener(), service);
	plugin.in_data = NULL;
	resume_it(plugin.conn);
	worker_idle();
	ck_assert_uint_eq(in_new_code, RECORD);
	ck_assert_mem_eq(plugin.input, bytes, 2 * RECORD);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(a_deadline_reads_what_is_at_hand)
{
	int fd;

	fd = begin_cruel(&full);
	worker_settings()->timeouts.idle_ms = 1000;
	plugin.in_data = pause_it;
	peer_write(fd, bytes, 2 * RECORD);
	ck_assert_uint_eq(plugin.input_len, RECORD);
	plugin.in_data = NULL;
	plugin.conn->marks &= ~MARK_PAUSED; /* so that the deadline reads */
	worker_skip_ms(60000);
	plugin.conn->timer.on_expire(&plugin.conn->timer);
	ck_assert_str_eq(plugin.calls, "odd"); /* no timeout */
	ck_assert_uint_eq(plugin.input_len, 2 * RECORD);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(a_broken_transport_says_why_in_its_own_words)
{
	int fd;

	fd = begin_cruel(&full);
	cruelty.alert = "unknown ca";
	send(fd, "data", 4, MSG_NOSIGNAL);
	shutdown(fd, SHUT_WR);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "odxc"); /* the data comes first */
	ck_assert_uint_eq(plugin.error_why, SL_WHY_TLS);
	ck_assert_int_eq(plugin.error_errno, EPROTO);
	ck_assert_str_eq(plugin.error_text, "a TLS error: unknown ca");
	close(fd);
	worker_end();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		what_is_at_hand_is_read_after_a_pause,
		an_end_at_hand_is_told_after_a_pause,
		what_is_at_hand_is_read_when_there_is_room_after_drain,
		what_is_at_hand_is_read_in_shares,
		what_is_at_hand_is_read_when_a_write_has_broken,
		input_one_byte_at_a_time_is_read_to_its_end,
		a_read_that_wants_to_write_waits_for_that,
		a_read_may_wait_for_another_direction_each_time,
		a_write_that_wants_to_read_waits_for_that,
		what_is_at_hand_is_shown_to_new_code,
		a_deadline_reads_what_is_at_hand,
		a_broken_transport_says_why_in_its_own_words,
		NULL,
	};

	fill();
	return fixture_run("conn_transport_in", tests);
}
