/* check_conn_pipe.c: what two piped connections promise. */

#include <sys/resource.h>

#include "conn_plugin.h"

static struct sl_conn *left, *right;
static int left_fd, right_fd; /* the peers' ends */

static struct sl_conn *
connect_one(int *ret_fd)
{
	*ret_fd = worker_connect();
	return plugin.conn;
}

static void
begin_two(const struct sl_handlers *handlers)
{
	begin(handlers);
	left = connect_one(&left_fd);
	right = connect_one(&right_fd);
}

static void
begin_pipe(const struct sl_handlers *handlers)
{
	begin_two(handlers);
	ck_assert_int_eq(sl_pipe(left, right), 0);
	memset(plugin.calls, 0, sizeof(plugin.calls));
}

static void
end_two(void)
{
	if (left_fd != -1)
		close(left_fd);
	if (right_fd != -1)
		close(right_fd);
	worker_idle();
	worker_end();
}

static void
expect(int fd, const char *text)
{
	char buf[64];

	peer_read(fd, buf, strlen(text));
	ck_assert_mem_eq(buf, text, strlen(text));
}

START_TEST(bytes_go_both_ways_and_no_callback_sees_them)
{
	begin_pipe(&full);
	peer_write(left_fd, "to the right", 12);
	expect(right_fd, "to the right");
	peer_write(right_fd, "to the left", 11);
	expect(left_fd, "to the left");
	ck_assert_str_eq(plugin.calls, "");
	ck_assert_uint_eq(sl_bytes_read(left), 12);
	ck_assert_uint_eq(sl_bytes_written(left), 11);
	ck_assert_uint_eq(sl_bytes_read(right), 11);
	ck_assert_uint_eq(sl_bytes_written(right), 12);
	end_two();
}
END_TEST

static void
pipe_it(struct sl_conn *c)
{
	plugin.in_data = NULL;
	if (c == left)
		sl_pipe(left, right);
}

START_TEST(input_that_was_not_consumed_goes_first)
{
	begin_two(&full);
	plugin.in_data = pipe_it;
	plugin.consume_most = 4; /* a command; the rest is for the other */
	ck_assert_int_eq(sl_send(right, "before ", 7), 0);
	peer_write(left_fd, "pipethe rest", 12);
	peer_write(left_fd, " and more", 9);
	expect(right_fd, "before the rest and more");
	ck_assert_uint_eq(plugin.input_len, 4);
	end_two();
}
END_TEST

START_TEST(kept_and_paused_input_is_moved)
{
	begin_two(&full);
	plugin.consume_most = 0;
	peer_write(left_fd, "kept", 4);
	sl_pause(left);
	peer_write(left_fd, " unread", 7);
	ck_assert_int_eq(sl_pipe(right, left), 0);
	expect(right_fd, "kept unread");
	ck_assert_int_eq(sl_pause(left), -1);
	ck_assert_int_eq(errno, EBUSY);
	ck_assert_int_eq(sl_resume(left), -1);
	ck_assert_int_eq(errno, EBUSY);
	end_two();
}
END_TEST

/* Write as much as is taken while nobody reads.  Returns how much. */
static size_t
stuff(int fd)
{
	size_t done = 0;
	ssize_t n;

	for (;;) {
		n = send(fd, bytes + done, sizeof(bytes) - done, MSG_NOSIGNAL);
		if (n > 0)
			done += n;
		worker_idle();
		if (n == -1 || done == sizeof(bytes))
			return done;
	}
}

START_TEST(a_slow_reader_holds_up_the_sender_and_nothing_is_lost)
{
	static char got[sizeof(bytes)];
	size_t sent, received = 0;

	begin_pipe(&full);
	worker_settings()->limits.read_buffer = 4096;
	worker_settings()->limits.write_buffer = 8192;
	small_buffers(left_fd);
	small_buffers(right_fd);
	sent = stuff(left_fd);
	ck_assert_uint_lt(sent, sizeof(bytes) / 2);
	ck_assert_uint_le(sl_queued(right), 8192);
	while (sent < sizeof(bytes)) {
		ssize_t n = write(left_fd, bytes + sent, sizeof(bytes) - sent);

		sent += n > 0 ? n : 0;
		worker_pass(false);
		n = read(right_fd, got + received, sizeof(got) - received);
		received += n > 0 ? n : 0;
	}
	peer_read(right_fd, got + received, sizeof(got) - received);
	ck_assert_mem_eq(got, bytes, sizeof(bytes));
	ck_assert_str_eq(plugin.calls, "");
	end_two();
}
END_TEST

START_TEST(an_end_is_carried_over_behind_all_input)
{
	static char got[sizeof(bytes)];
	size_t sent;

	begin_pipe(&full);
	worker_settings()->limits.write_buffer = 8192;
	sent = stuff(left_fd);
	shutdown(left_fd, SHUT_WR);
	worker_idle();
	ck_assert_int_eq(peer_read_to_end(right_fd, got, sizeof(got)),
	    (ssize_t)sent);
	ck_assert_mem_eq(got, bytes, sent);
	/* The other direction is still open. */
	peer_write(right_fd, "answer", 6);
	expect(left_fd, "answer");
	ck_assert_str_eq(plugin.calls, "");
	shutdown(right_fd, SHUT_WR);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "cc");
	end_two();
}
END_TEST

START_TEST(an_end_from_before_is_carried_over)
{
	char byte;

	begin_two(&full);
	shutdown(left_fd, SHUT_WR);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "ooe");
	ck_assert_int_eq(sl_pipe(left, right), 0);
	ck_assert_int_eq(peer_read_to_end(right_fd, &byte, 1), 0);
	peer_write(right_fd, "answer", 6);
	expect(left_fd, "answer");
	end_two();
}
END_TEST

START_TEST(closing_one_closes_the_other_when_it_has_sent_everything)
{
	static char got[sizeof(bytes)];
	size_t sent;

	begin_pipe(&full);
	worker_settings()->limits.write_buffer = 8192;
	sent = stuff(left_fd);
	ck_assert_uint_gt(sl_queued(right), 0);
	sent = right->bytes_out + right->queue.bytes;
	sl_terminate(left);
	conn_pend(left);
	worker_idle();
	ck_assert_int_eq(peer_read_to_end(right_fd, got, sizeof(got)),
	    (ssize_t)sent);
	ck_assert_mem_eq(got, bytes, sent);
	ck_assert_str_eq(plugin.calls, "c");
	ck_assert_int_eq(sl_state(right), SL_STATE_CLOSING);
	end_two();
}
END_TEST

START_TEST(a_write_that_fails_ends_both)
{
	begin_pipe(&full);
	close(right_fd);
	right_fd = -1;
	worker_idle();
	/* A unix peer that is gone looks like a half-close until we write. */
	peer_write(left_fd, "lost", 4);
	ck_assert_str_eq(plugin.calls, "xc");
	ck_assert_int_eq(sl_state(left), SL_STATE_CLOSING);
	close(left_fd);
	left_fd = -1;
	worker_idle();
	ck_assert_str_eq(plugin.calls, "xcc");
	end_two();
}
END_TEST

static void
unpipe_it(struct sl_conn *c)
{
	ck_assert_int_eq(sl_unpipe(c), -1); /* it has been undone already */
	ck_assert_int_eq(errno, ENOTCONN);
}

START_TEST(in_close_the_other_is_free)
{
	begin_pipe(&full);
	plugin.in_close = unpipe_it;
	shutdown(left_fd, SHUT_WR);
	shutdown(right_fd, SHUT_WR);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "cc");
	end_two();
}
END_TEST

START_TEST(it_can_be_undone)
{
	size_t sent, moved;

	begin_pipe(&full);
	worker_settings()->limits.write_buffer = 8192;
	worker_settings()->limits.read_buffer = 8192;
	sent = stuff(left_fd);
	plugin.in_data = NULL;
	ck_assert_int_eq(sl_unpipe(right), 0);
	do
		worker_pass(false);
	while (left->stream.transport->unread(&left->stream) > 0);
	/* What was not moved is presented to the plugin. */
	moved = right->bytes_out + right->queue.bytes;
	ck_assert_uint_eq(moved + plugin.input_len, sent);
	ck_assert_mem_eq(plugin.input, bytes + moved, plugin.input_len);
	ck_assert_int_eq(sl_unpipe(right), -1);
	ck_assert_int_eq(errno, EINVAL);
	sent = plugin.input_len;
	peer_write(right_fd, "x", 1);
	ck_assert_uint_eq(plugin.input_len, sent + 1);
	end_two();
}
END_TEST

START_TEST(what_cannot_be_piped_is_refused)
{
	begin_two(&full);
	ck_assert_int_eq(sl_pipe(left, left), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(sl_pipe(left, NULL), -1);
	ck_assert_int_eq(errno, ENOTCONN);
	ck_assert_int_eq(sl_unpipe(left), -1);
	ck_assert_int_eq(errno, EINVAL);
	sl_pipe(left, right);
	ck_assert_int_eq(sl_pipe(right, left), -1);
	ck_assert_int_eq(errno, EBUSY);
	sl_unpipe(left);
	sl_shutdown(right, SL_SHUT_WRITE);
	ck_assert_int_eq(sl_pipe(left, right), -1);
	ck_assert_int_eq(errno, EPIPE);
	end_two();
}
END_TEST

/* -- Without a copy -- */

/*
 * Left has sent a lot, and right's peer has read none of it.  Over a plain
 * socket the first 16 KiB and more have made a bulk of it, and the rest waits
 * in a pipe.  Returns how much left has sent.
 */
static size_t
begin_bulk(void)
{
	size_t sent;

	begin_pipe(&full);
	/* As much as one read takes: then it never has to be kept. */
	worker_settings()->limits.read_buffer = 64 << 10;
	worker_settings()->limits.write_buffer = 128 << 10;
	sent = stuff(left_fd);
	if (left->stream.transport == &transport_plain) {
		ck_assert_str_eq(right->stream.transport->name, "spliced");
		ck_assert_uint_gt(right->stream.unsent, 0);
		ck_assert_uint_ge(sl_queued(right), right->stream.unsent);
	}
	return sent;
}

START_TEST(a_bulk_is_moved_to_its_last_byte)
{
	static const size_t sizes[] = { 1, 1, 7, 4095, 1, 65537 };
	static char got[sizeof(bytes)];
	size_t sent = begin_bulk(), received = 0;

	/* The peer reads little at a time. */
	for (int i = 0; received < 200000; i++) {
		peer_read(right_fd, got + received, sizes[i % 6]);
		received += sizes[i % 6];
	}
	while (sent < sizeof(bytes)) {
		ssize_t n = write(left_fd, bytes + sent, sizeof(bytes) - sent);

		sent += n > 0 ? n : 0;
		worker_pass(false);
		n = read(right_fd, got + received, 5000);
		received += n > 0 ? n : 0;
	}
	shutdown(left_fd, SHUT_WR);
	ck_assert_int_eq(
	    peer_read_to_end(right_fd, got + received, sizeof(got) - received),
	    (ssize_t)(sizeof(bytes) - received));
	ck_assert_mem_eq(got, bytes, sizeof(bytes));
	if (left->stream.transport == &transport_plain)
		ck_assert_ptr_eq(right->stream.transport, &transport_plain);
	ck_assert_uint_eq(sl_bytes_read(left), sizeof(bytes));
	ck_assert_uint_eq(sl_bytes_written(right), sizeof(bytes));
	end_two();
}
END_TEST

START_TEST(what_the_plugin_writes_goes_behind_a_bulk)
{
	static char got[sizeof(bytes) + 8];
	size_t moved, total;

	begin_bulk();
	sl_unpipe(left);
	sl_pause(left);
	moved = right->bytes_out + right->queue.bytes;
	ck_assert_int_eq(sl_end(right, "the end", 7), 0);
	worker_idle();
	total = peer_read_to_end(right_fd, got, sizeof(got));
	ck_assert_uint_eq(total, moved + 7);
	ck_assert_mem_eq(got, bytes, moved);
	ck_assert_mem_eq(got + moved, "the end", 7);
	end_two();
}
END_TEST

START_TEST(a_bulk_that_is_given_up_is_lost_and_no_more_is_sent)
{
	static char got[sizeof(bytes)];
	size_t moved;
	ssize_t n;

	begin_bulk();
	moved = right->bytes_out + right->queue.bytes;
	sl_unpipe(right);
	sl_pause(left);
	ck_assert_int_eq(sl_close(right), 0);
	worker_idle();
	ck_assert_uint_gt(conn_unsent(right), 0);
	conn_give_up(right);
	conn_pend(right);
	worker_idle();
	ck_assert_int_ge(strspn(plugin.calls, "dxc"), 2);
	ck_assert_uint_gt(plugin.lost, 0);
	n = peer_read_to_end(right_fd, got, sizeof(got));
	if (n >= 0)
		ck_assert_uint_eq(n + plugin.lost, moved);
	end_two();
}
END_TEST

START_TEST(without_descriptors_bytes_are_copied)
{
	static char got[sizeof(bytes)];
	struct rlimit before, none;
	size_t sent, received = 0;

	begin_pipe(&full);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 3; /* all numbers below are taken */
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	sent = stuff(left_fd);
	ck_assert_uint_gt(sent, 100000);
	while (received < sent) {
		ssize_t n =
		    read(right_fd, got + received, sizeof(got) - received);

		received += n > 0 ? n : 0;
		worker_pass(false);
	}
	ck_assert_mem_eq(got, bytes, sent);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	ck_assert_ptr_ne(left->stream.transport, NULL);
	end_two();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		bytes_go_both_ways_and_no_callback_sees_them,
		input_that_was_not_consumed_goes_first,
		kept_and_paused_input_is_moved,
		a_slow_reader_holds_up_the_sender_and_nothing_is_lost,
		an_end_is_carried_over_behind_all_input,
		an_end_from_before_is_carried_over,
		closing_one_closes_the_other_when_it_has_sent_everything,
		a_write_that_fails_ends_both,
		in_close_the_other_is_free,
		it_can_be_undone,
		what_cannot_be_piped_is_refused,
		a_bulk_is_moved_to_its_last_byte,
		what_the_plugin_writes_goes_behind_a_bulk,
		a_bulk_that_is_given_up_is_lost_and_no_more_is_sent,
		without_descriptors_bytes_are_copied,
		NULL,
	};

	return conn_run("conn_pipe", tests);
}
