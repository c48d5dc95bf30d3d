/*
 * check_conn_start.c: a connection from conn_new() to open, over a transport
 * with phases before PHASE_OPEN.
 */

#include "conn_plugin.h"

static const struct sl_handlers starts = {
	.size = sizeof(starts),
	.open = on_open,
	.data = on_data,
	.handshake = on_handshake,
	.connect_error = on_connect_error,
	.error = on_error,
	.close = on_close,
};

/* Begin with the phase `from`; each phase reads `hello` bytes. */
static int
begin_start(enum phase from, size_t hello, struct sl_conn **ret_conn)
{
	over_cruel();
	begin(&starts);
	cruelty.from = from;
	cruelty.hello = hello;
	return worker_begin_connect(ret_conn);
}

START_TEST(open_comes_when_all_phases_are_over)
{
	struct sl_conn *conn;
	int fd;

	fd = begin_start(PHASE_RESOLVE, 1, &conn);
	for (enum phase at = PHASE_RESOLVE; at < PHASE_OPEN; at++) {
		worker_idle();
		ck_assert_int_eq(conn->phase, at);
		ck_assert_str_eq(plugin.calls, "");
		ck_assert_int_eq(sl_state(conn),
		    at < PHASE_PREAMBLE ? SL_STATE_CONNECTING
					: SL_STATE_HANDSHAKE);
		ck_assert_ptr_null(sl_first(worker_listener()->current));
		send(fd, "h", 1, MSG_NOSIGNAL);
	}
	worker_idle();
	ck_assert_str_eq(plugin.calls, "ho");
	ck_assert_int_eq(sl_state(conn), SL_STATE_OPEN);
	ck_assert_ptr_eq(sl_first(worker_listener()->current), conn);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(what_follows_the_start_is_data)
{
	struct sl_conn *conn;
	int fd;

	fd = begin_start(PHASE_PREAMBLE, 3, &conn);
	peer_write(fd, "abcdefdata", 10);
	ck_assert_str_eq(plugin.calls, "hod");
	ck_assert_uint_eq(plugin.input_len, 4);
	ck_assert_mem_eq(plugin.input, "data", 4);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(what_is_written_before_it_is_open_waits)
{
	char got[10001];
	struct sl_conn *conn;
	int fd;

	fd = begin_start(PHASE_HANDSHAKE, 1, &conn);
	ck_assert_int_eq(sl_write(conn, bytes, 10000), 10000);
	ck_assert_int_eq(sl_flush(conn), 0);
	ck_assert_int_eq(sl_end(conn, NULL, 0), 0);
	worker_idle();
	ck_assert_uint_eq(sl_queued(conn), 10000);
	ck_assert_str_eq(plugin.calls, "");
	peer_write(fd, "h", 1);
	ck_assert_str_eq(plugin.calls, "ho");
	ck_assert_int_eq(peer_read_to_end(fd, got, sizeof(got)), 10000);
	ck_assert_mem_eq(got, bytes, 10000);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(a_stream_may_have_no_socket_at_first)
{
	struct sl_conn *conn;
	int fd;

	over_cruel();
	begin(&starts);
	cruelty.from = PHASE_RESOLVE;
	cruelty.no_socket = true;
	fd = worker_begin_connect(&conn);
	conn_pend(conn); /* there is news, but no socket yet */
	worker_idle();
	ck_assert_int_eq(sl_fd(conn), -1);
	ck_assert_str_eq(plugin.calls, "");
	cruelty.no_socket = false;
	conn_pend(conn);
	worker_idle();
	ck_assert_int_ne(sl_fd(conn), -1);
	while (plugin.calls[0] == '\0')
		worker_pass(true);
	worker_idle();
	peer_write(fd, "x", 1);
	ck_assert_str_eq(plugin.calls, "hod");
	close(fd);
	worker_end();
}
END_TEST

START_TEST(what_has_no_socket_can_be_closed)
{
	struct sl_conn *conn;
	int fd;

	over_cruel();
	begin(&starts);
	cruelty.from = PHASE_RESOLVE;
	cruelty.no_socket = true;
	fd = worker_begin_connect(&conn);
	ck_assert_int_eq(sl_close(conn), 0);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "");
	ck_assert_uint_eq(conn_count(), 0);
	close(fd);
	worker_end();
}
END_TEST

/* Move the clock, and let the peer send a byte of its hello. */
static void
drip(struct sl_conn *conn, int fd, unsigned int at_ms)
{
	engine.now_ms = 0;
	worker_skip_ms(at_ms);
	send(fd, "h", 1, MSG_NOSIGNAL);
	conn->timer.on_expire(&conn->timer);
	engine.now_ms = 0;
}

START_TEST(the_handshake_timeout_is_for_the_whole_start)
{
	struct sl_conn *conn;
	int fd;

	fd = begin_start(PHASE_HANDSHAKE, 100, &conn);
	worker_settings()->timeouts.handshake_ms = 1000;
	worker_settings()->timeouts.idle_ms = 100;
	worker_idle();
	drip(conn, fd, 400);
	drip(conn, fd, 900);
	ck_assert_str_eq(plugin.calls, "");
	drip(conn, fd, 1100);
	ck_assert_str_eq(plugin.calls, "H");
	ck_assert_uint_eq(plugin.error_why, SL_WHY_HANDSHAKE);
	ck_assert_int_eq(plugin.error_errno, ETIMEDOUT);
	ck_assert_uint_eq(plugin.error_stage, SL_STAGE_TIMEOUT);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(a_deadline_reads_the_socket_first)
{
	struct sl_conn *conn;
	int fd;

	fd = begin_start(PHASE_HANDSHAKE, 1, &conn);
	worker_settings()->timeouts.handshake_ms = 1000;
	worker_idle();
	drip(conn, fd, 1100);
	ck_assert_str_eq(plugin.calls, "ho");
	close(fd);
	worker_end();
}
END_TEST

START_TEST(each_phase_fails_with_its_own_callback_and_reason)
{
	static const struct {
		enum phase phase;
		bool is_client;
		const char *calls;
		uint32_t why, stage;
	} cases[] = {
		{ PHASE_RESOLVE, true, "C", SL_WHY_RESOLVE, SL_STAGE_RESOLVE },
		{ PHASE_CONNECT, true, "C", SL_WHY_CONNECT, SL_STAGE_CONNECT },
		{ PHASE_HANDSHAKE, true, "C", SL_WHY_HANDSHAKE, SL_STAGE_TLS },
		{ PHASE_HANDSHAKE, false, "H", SL_WHY_HANDSHAKE, SL_STAGE_TLS },
		{ PHASE_PREAMBLE, false, "", 0, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_conn *conn;
		int fd = begin_start(cases[i].phase, 1, &conn);

		conn->is_client = cases[i].is_client;
		cruelty.fails_in = cases[i].phase;
		cruelty.fails_with = ECONNREFUSED;
		peer_write(fd, "h", 1);
		ck_assert_str_eq(plugin.calls, cases[i].calls);
		ck_assert_uint_eq(plugin.error_why, cases[i].why);
		ck_assert_uint_eq(plugin.error_stage, cases[i].stage);
		ck_assert_uint_eq(conn_count(), 0);
		close(fd);
		worker_end();
	}
}
END_TEST

START_TEST(a_failed_handshake_says_what_the_transport_says)
{
	struct sl_conn *conn;
	int fd;

	fd = begin_start(PHASE_HANDSHAKE, 1, &conn);
	cruelty.fails_in = PHASE_HANDSHAKE;
	cruelty.fails_with = EPROTO;
	cruelty.alert = "no shared cipher";
	peer_write(fd, "h", 1);
	ck_assert_str_eq(plugin.calls, "H");
	ck_assert_str_eq(plugin.error_text, "a TLS error: no shared cipher");
	close(fd);
	worker_end();
}
END_TEST

START_TEST(closing_a_starting_connection_calls_nothing)
{
	struct sl_conn *conn;
	int fd;

	fd = begin_start(PHASE_CONNECT, 1, &conn);
	conn->is_client = true;
	ck_assert_int_eq(sl_write(conn, "x", 1), 1);
	ck_assert_int_eq(sl_close(conn), 0);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "");
	ck_assert_uint_eq(conn_count(), 0);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(after_a_close_in_handshake_comes_no_open)
{
	struct sl_conn *conn;
	int fd;

	fd = begin_start(PHASE_HANDSHAKE, 1, &conn);
	plugin.in_handshake = close_it;
	peer_write(fd, "h", 1);
	shutdown(fd, SHUT_WR);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "h");
	ck_assert_uint_eq(conn_count(), 0);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(a_worker_that_ends_does_not_wait_for_starts)
{
	struct sl_conn *conn;
	int fd;

	fd = begin_start(PHASE_HANDSHAKE, 1, &conn);
	listener_close_all(worker_listener(), SL_WHY_SHUTDOWN);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "");
	ck_assert_uint_eq(conn_count(), 0);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(an_outgoing_start_that_others_end_is_told)
{
	struct sl_conn *conn;
	int fd;

	fd = begin_start(PHASE_CONNECT, 1, &conn);
	conn->is_client = true;
	listener_close_all(worker_listener(), SL_WHY_SHUTDOWN);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "C");
	ck_assert_uint_eq(plugin.error_why, SL_WHY_SHUTDOWN);
	ck_assert_str_eq(plugin.error_text, "unix: the daemon is ending");
	close(fd);
	worker_end();
}
END_TEST

START_TEST(a_peer_without_room_is_asked_again)
{
	struct sl_conn *conn;
	int fd;

	fd = begin_start(PHASE_HANDSHAKE, 1, &conn);
	cruelty.fails_in = PHASE_HANDSHAKE;
	cruelty.fails_with = EBUSY;
	peer_write(fd, "h", 1);
	ck_assert_str_eq(plugin.calls, "");
	cruelty.fails_in = PHASE_NEW;
	while (plugin.calls[0] == '\0')
		worker_pass(true);
	ck_assert_str_eq(plugin.calls, "ho");
	close(fd);
	worker_end();
}
END_TEST

static struct sl_conn *made;
static int made_fd;

static void
make_another(struct sl_conn *c)
{
	int pair[2];

	(void)c;
	plugin.in_data = NULL;
	ck_assert_int_eq(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	made_fd = pair[1];
	made = conn_new(&worker_listener()->endpoint,
	    worker_listener()->current, stream_plain(pair[0], true), SEAT_NONE);
	conn_pend(made);
	ck_assert_int_eq(sl_write(made, "hello", 5), 5);
}

START_TEST(a_callback_may_make_a_connection)
{
	char got[8];
	int fd;

	fd = begin_cruel(&full);
	plugin.in_data = make_another;
	peer_write(fd, "x", 1);
	ck_assert_str_eq(plugin.calls, "odo");
	ck_assert_ptr_eq(plugin.conn, made);
	ck_assert_int_eq(recv(made_fd, got, sizeof(got), 0), 5);
	close(made_fd);
	close(fd);
	worker_end();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		open_comes_when_all_phases_are_over,
		what_follows_the_start_is_data,
		what_is_written_before_it_is_open_waits,
		a_stream_may_have_no_socket_at_first,
		what_has_no_socket_can_be_closed,
		the_handshake_timeout_is_for_the_whole_start,
		a_deadline_reads_the_socket_first,
		each_phase_fails_with_its_own_callback_and_reason,
		a_failed_handshake_says_what_the_transport_says,
		closing_a_starting_connection_calls_nothing,
		after_a_close_in_handshake_comes_no_open,
		a_worker_that_ends_does_not_wait_for_starts,
		an_outgoing_start_that_others_end_is_told,
		a_peer_without_room_is_asked_again,
		a_callback_may_make_a_connection,
		NULL,
	};

	fill();
	return fixture_run("conn_start", tests);
}
