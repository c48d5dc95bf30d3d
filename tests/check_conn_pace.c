/*
 * check_conn_pace.c: connections that may move only so many bytes a second.
 * The clock is the real one.  A machine that is slow makes nothing faster, so
 * the tests hold only against what is too fast.
 */

#include "base/clock.h"
#include "conn_plugin.h"
#include "ipc/counts.h"
#include "worker/pacer.h"

#define RATE 40000
#define MUCH 30000 /* a quarter of a second's worth, and half a second */

static uint64_t begun_ms;

static void
limit(uint64_t rate_in, uint64_t rate_out)
{
	struct limit_settings *limits = &worker_settings()->limits;

	limits->rate[PACE_IN] = rate_in;
	limits->rate[PACE_OUT] = rate_out;
	listener_configure(worker_listener(), worker_settings());
	begun_ms = engine_now(); /* no connection looks at an earlier time */
}

static void
limit_all(uint64_t rate_in, uint64_t rate_out)
{
	struct limit_settings *limits = &worker_settings()->limits;

	limits->listener_rate[PACE_IN] = rate_in;
	limits->listener_rate[PACE_OUT] = rate_out;
	limit(0, 0);
}

/* Could so many bytes have moved by now? */
static void
not_too_fast(uint64_t moved, uint64_t rate)
{
	uint64_t ms = clock_ms() - begun_ms + 1;

	ck_assert_uint_le(moved, rate / 4 + rate * ms / 1000 + 1);
}

static uint64_t
waits(enum pace direction, bool listener)
{
	return worker_listener()
	    ->endpoint.counts->value[count_pace(direction, listener)];
}

/* The peer reads len bytes, and checks how fast they come. */
static void
read_slowly(int fd, size_t at, size_t len, uint64_t rate)
{
	static char got[sizeof(bytes)];
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = recv(fd, got, len - done, 0);
		ck_assert_int_ne(n, 0);
		if (n == -1) {
			ck_assert_int_eq(errno, EAGAIN);
			worker_pass(true);
			continue;
		}
		ck_assert_mem_eq(got, bytes + at + done, n);
		done += n;
		not_too_fast(done, rate);
	}
}

static void
send_much(void)
{
	ck_assert_int_eq(sl_send(plugin.conn, bytes, MUCH), 0);
	conn_settle(plugin.conn);
}

/* The plugin has so much input, which came no faster than that. */
static void
await_input(size_t len, uint64_t rate)
{
	while (plugin.input_len < len) {
		worker_pass(true);
		not_too_fast(plugin.input_len, rate);
	}
	ck_assert_uint_eq(plugin.input_len, len);
	ck_assert_mem_eq(plugin.input, bytes, len);
}

START_TEST(output_leaves_at_its_rate)
{
	int fd;

	begin(&full);
	limit(0, RATE);
	fd = worker_connect();
	send_much();
	read_slowly(fd, 0, MUCH, RATE);
	ck_assert_uint_eq(sl_queued(plugin.conn), 0);
	ck_assert_str_eq(plugin.calls, "o");
	ck_assert_uint_gt(waits(PACE_OUT, false), 0);
	ck_assert_uint_eq(waits(PACE_IN, false), 0);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(input_is_read_at_its_rate)
{
	int fd;

	begin(&no_end);
	limit(RATE, 0);
	fd = worker_connect();
	peer_write(fd, bytes, MUCH);
	await_input(MUCH, RATE);
	ck_assert_uint_gt(waits(PACE_IN, false), 0);
	/* The end of the input comes behind all of it. */
	peer_write(fd, bytes, MUCH);
	close(fd);
	while (plugin.conn != NULL)
		worker_pass(true);
	ck_assert_uint_eq(plugin.input_len, 2 * MUCH);
	not_too_fast(2 * MUCH, RATE);
	ck_assert_uint_eq(plugin.why, SL_WHY_PEER);
	worker_end();
}
END_TEST

START_TEST(large_and_short_writes_go_on_with_drain)
{
	size_t taken;
	int fd;

	begin(&full);
	worker_settings()->limits.write_buffer = 8192;
	limit(0, RATE);
	fd = worker_connect();
	taken = sl_write(plugin.conn, bytes, sizeof(bytes));
	/* What the rate let through, and what the buffer holds. */
	ck_assert_uint_ge(taken, 8192);
	ck_assert_uint_le(taken, RATE / 4 + 8192);
	conn_settle(plugin.conn);
	read_slowly(fd, 0, taken, RATE);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "or");
	close(fd);
	worker_end();
}
END_TEST

static void
echo_it(struct sl_conn *conn)
{
	ck_assert_int_eq(sl_send(conn, plugin.input, plugin.input_len), 0);
	plugin.input_len = 0;
}

START_TEST(kept_input_and_pauses_go_with_a_rate)
{
	int fd;

	begin(&full);
	worker_settings()->limits.read_buffer = 5000;
	plugin.consume_most = 100;
	limit(RATE, 0);
	fd = worker_connect();
	plugin.in_data = pause_it;
	peer_write(fd, bytes, MUCH);
	while (plugin.input_len < MUCH) {
		ck_assert_int_eq(sl_resume(plugin.conn), 0);
		conn_settle(plugin.conn);
		worker_pass(false);
		not_too_fast(plugin.input_len, RATE);
	}
	ck_assert_mem_eq(plugin.input, bytes, MUCH);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(both_ways_at_once)
{
	int fd;

	begin(&full);
	plugin.in_data = echo_it;
	limit(RATE, RATE / 2);
	fd = worker_connect();
	peer_write(fd, bytes, MUCH);
	read_slowly(fd, 0, MUCH, RATE / 2);
	ck_assert_uint_gt(waits(PACE_IN, false), 0);
	ck_assert_uint_gt(waits(PACE_OUT, false), 0);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(a_wait_of_ours_is_neither_idle_nor_a_stall)
{
	int fd;

	begin(&full);
	worker_settings()->timeouts.write_ms = 20;
	worker_settings()->timeouts.idle_ms = 20;
	limit(1000, 1000);
	fd = worker_connect();
	ck_assert_int_eq(sl_send(plugin.conn, bytes, 600), 0);
	conn_settle(plugin.conn);
	read_slowly(fd, 0, 600, 1000);
	plugin.calls[0] = '\0';
	peer_write(fd, bytes, 600);
	while (plugin.input_len < 600)
		worker_pass(true);
	ck_assert_ptr_null(strpbrk(plugin.calls, "txc"));
	close(fd);
	worker_end();
}
END_TEST

START_TEST(a_polite_end_has_the_time_that_its_rate_takes)
{
	int fd;

	begin(&full);
	worker_settings()->timeouts.close_ms = 50;
	worker_settings()->timeouts.linger_ms = 0;
	limit(0, 1000);
	fd = worker_connect();
	ck_assert_int_eq(sl_send(plugin.conn, bytes, 900), 0);
	ck_assert_int_eq(sl_close(plugin.conn), 0);
	conn_settle(plugin.conn);
	read_slowly(fd, 0, 900, 1000);
	close(fd);
	while (plugin.conn != NULL)
		worker_pass(true);
	ck_assert_uint_eq(plugin.why, SL_WHY_LOCAL);
	ck_assert_uint_eq(plugin.lost, 0);
	worker_end();
}
END_TEST

START_TEST(what_came_before_a_reset_is_read_at_once)
{
	struct linger now = { .l_onoff = 1 };
	int fd;

	begin(&full);
	limit(1000, 0);
	fd = worker_connect_tcp();
	peer_write(fd, bytes, 4000);
	ck_assert_uint_lt(plugin.input_len, 4000);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
	/* Linux forgets what was not read; nobody waits for it. */
	while (plugin.conn != NULL)
		worker_pass(true);
	ck_assert_uint_eq(plugin.why, SL_WHY_RESET);
	worker_end();
}
END_TEST

START_TEST(a_rate_that_is_taken_away_holds_no_longer)
{
	int fd;

	begin(&full);
	limit_all(0, 4);
	fd = worker_connect();
	send_much();
	ck_assert(conn_marked(plugin.conn, MARK_PACED_OUT));
	limit_all(0, 0);
	begun_ms = 0;
	read_slowly(fd, 0, MUCH, RATE);
	close(fd);
	worker_end();
}
END_TEST

#define MANY 5

START_TEST(connections_share_the_rate_of_their_listener)
{
	struct sl_conn *conns[MANY];
	int fds[MANY];
	size_t done[MANY] = { 0 }, sum = 0;
	ssize_t n;

	begin(&full);
	limit_all(0, RATE);
	for (int i = 0; i < MANY; i++) {
		fds[i] = worker_connect();
		conns[i] = plugin.conn;
		send_much();
	}
	while (sum < RATE) {
		worker_pass(true);
		for (int i = 0; i < MANY; i++) {
			n = recv(fds[i], plugin.input, sizeof(plugin.input), 0);
			if (n <= 0)
				continue;
			ck_assert_mem_eq(plugin.input, bytes + done[i], n);
			done[i] += n;
			sum += n;
		}
		not_too_fast(sum, RATE);
	}
	/* The first ones found the bucket empty; then each has its turn. */
	for (int i = 0; i < MANY; i++)
		ck_assert_uint_gt(done[i], 2000);
	ck_assert_uint_gt(waits(PACE_OUT, true), MANY);
	for (int i = 0; i < MANY; i++) {
		ck_assert_uint_gt(conns[i]->bytes_out, 0);
		close(fds[i]);
	}
	worker_end();
}
END_TEST

START_TEST(input_shares_the_rate_of_its_listener)
{
	int fds[MANY];

	begin(&full);
	limit_all(RATE, 0);
	for (int i = 0; i < MANY; i++) {
		fds[i] = worker_connect();
		peer_write(fds[i], bytes, 8000);
	}
	while (plugin.input_len < MANY * 8000) {
		worker_pass(true);
		not_too_fast(plugin.input_len, RATE);
	}
	for (int i = 0; i < MANY; i++)
		close(fds[i]);
	worker_end();
}
END_TEST

START_TEST(one_that_waits_may_end)
{
	struct sl_conn *first;
	int fds[3];

	begin(&full);
	limit_all(0, 4000);
	fds[0] = worker_connect();
	first = plugin.conn;
	send_much();
	fds[1] = worker_connect();
	send_much();
	sl_terminate(plugin.conn);
	worker_idle();
	fds[2] = worker_connect();
	send_much();
	ck_assert(conn_marked(first, MARK_PACED_OUT));
	ck_assert(conn_marked(plugin.conn, MARK_PACED_OUT));
	ck_assert_uint_eq(worker_listener()->endpoint.pacer[PACE_OUT].waiting,
	    2);
	sl_terminate(first);
	worker_idle();
	read_slowly(fds[2], 0, 1500, 4000);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	worker_end();
}
END_TEST

static struct sl_conn *left;

static void
pipe_them(struct sl_conn *right)
{
	if (left == NULL)
		left = right;
	else
		ck_assert_int_eq(sl_pipe(left, right), 0);
}

START_TEST(a_pipe_keeps_both_rates)
{
	int from, to;

	begin(&full);
	left = NULL;
	plugin.in_open = pipe_them;
	worker_settings()->limits.write_buffer = 8192;
	limit(RATE, RATE / 2);
	from = worker_connect();
	to = worker_connect();
	peer_write(from, bytes, MUCH);
	read_slowly(to, 0, MUCH, RATE / 2);
	close(from);
	close(to);
	worker_end();
}
END_TEST

START_TEST(the_other_end_of_a_pipe_is_not_idle)
{
	int from, to;

	begin(&full);
	left = NULL;
	plugin.in_open = pipe_them;
	worker_settings()->timeouts.idle_ms = 200;
	worker_settings()->limits.write_buffer = 1024;
	limit(0, 2000);
	from = worker_connect();
	to = worker_connect();
	plugin.calls[0] = '\0';
	peer_write(from, bytes, 4000);
	read_slowly(to, 0, 4000, 2000);
	ck_assert_str_eq(plugin.calls, "");
	close(from);
	close(to);
	worker_end();
}
END_TEST

START_TEST(what_is_dropped_is_not_charged_to_the_listener)
{
	const struct pacer *pacer;
	int fd;

	begin(&full);
	limit_all(1000000, 0);
	pacer = &worker_listener()->endpoint.pacer[PACE_IN];
	fd = worker_connect();
	ck_assert_int_eq(sl_shutdown(plugin.conn, SL_SHUT_READ), 0);
	worker_idle();
	peer_write(fd, bytes, sizeof(bytes));
	while (plugin.conn->bytes_in < sizeof(bytes))
		worker_pass(true);
	ck_assert_uint_eq(pacer->bucket.level, 0);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(an_end_waits_for_input_that_we_hold_back)
{
	int fd;

	begin(&no_end);
	worker_settings()->timeouts.linger_ms = 50;
	worker_settings()->timeouts.close_ms = 50;
	limit(10000, 0);
	fd = worker_connect();
	peer_write(fd, bytes, 6000);
	ck_assert_int_eq(sl_end(plugin.conn, NULL, 0), 0);
	while (plugin.conn != NULL)
		worker_pass(true);
	ck_assert_uint_eq(plugin.input_len, 6000);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(one_whose_time_is_over_is_not_excused)
{
	int fd;

	begin(&full);
	worker_settings()->timeouts.close_ms = 50;
	limit(0, 10);
	fd = worker_connect();
	send_much();
	conn_expire(plugin.conn, SL_WHY_RELOAD);
	while (plugin.conn != NULL) /* and not for 50 minutes */
		worker_pass(true);
	ck_assert_uint_eq(plugin.why, SL_WHY_UNDELIVERED);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(min_rate_does_not_judge_what_we_held_back)
{
	uint64_t window;
	int fd;

	begin(&full);
	worker_settings()->limits.min_rate = 1000;
	limit(0, 2000);
	fd = worker_connect();
	send_much();
	ck_assert(conn_marked(plugin.conn, MARK_PACED_OUT));
	window = plugin.conn->extra->rate_ms;
	ck_assert_uint_gt(window, 0);
	read_slowly(fd, 0, 1000, 2000);
	ck_assert_uint_gt(plugin.conn->extra->rate_ms, window);
	close(fd);
	worker_end();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		output_leaves_at_its_rate,
		input_is_read_at_its_rate,
		large_and_short_writes_go_on_with_drain,
		kept_input_and_pauses_go_with_a_rate,
		both_ways_at_once,
		a_wait_of_ours_is_neither_idle_nor_a_stall,
		a_polite_end_has_the_time_that_its_rate_takes,
		what_came_before_a_reset_is_read_at_once,
		a_rate_that_is_taken_away_holds_no_longer,
		connections_share_the_rate_of_their_listener,
		input_shares_the_rate_of_its_listener,
		one_that_waits_may_end,
		a_pipe_keeps_both_rates,
		the_other_end_of_a_pipe_is_not_idle,
		what_is_dropped_is_not_charged_to_the_listener,
		an_end_waits_for_input_that_we_hold_back,
		one_whose_time_is_over_is_not_excused,
		min_rate_does_not_judge_what_we_held_back,
		NULL,
	};

	return conn_run("conn_pace", tests);
}
