/* check_broadcast.c: one message to all connections of a service. */

#include "conn_plugin.h"

#define MEMBERS 4

static struct sl_conn *member[MEMBERS];
static int peer[MEMBERS];

static struct sl_service *
service(void)
{
	return worker_listener()->current;
}

static void
begin_with_members(void)
{
	begin(&full);
	for (int i = 0; i < MEMBERS; i++) {
		peer[i] = worker_connect();
		member[i] = plugin.conn;
	}
}

static void
hears(int i, const char *what)
{
	char buf[64];

	peer_read(peer[i], buf, strlen(what));
	ck_assert_mem_eq(buf, what, strlen(what));
	ck_assert_int_eq(recv(peer[i], buf, 1, MSG_DONTWAIT), -1);
}

static void
end(void)
{
	for (int i = 0; i < MEMBERS; i++)
		close(peer[i]);
	worker_idle();
	worker_end();
}

START_TEST(all_get_it_except_the_one_named)
{
	begin_with_members();
	ck_assert_int_eq(sl_broadcast(service(), "hello", 5, member[1]), 3);
	hears(0, "hello");
	hears(1, "");
	hears(3, "hello");
	ck_assert_int_eq(sl_broadcast(service(), "all", 3, NULL), 4);
	hears(1, "all");
	end();
}
END_TEST

/* Over the plain transport it has left before the loop runs again. */
START_TEST(it_is_sent_at_once_where_nothing_is_queued)
{
	begin_with_members();
	ck_assert_int_eq(sl_broadcast(service(), "now", 3, NULL), 4);
	for (int i = 0; i < MEMBERS; i++)
		ck_assert_uint_eq(sl_queued(member[i]), 0);
	ck_assert_uint_eq(sl_bytes_written(member[0]), 3);
	end();
}
END_TEST

static void
write_around(struct sl_conn *c)
{
	ck_assert_int_eq(sl_write(c, "a", 1), 1);
	ck_assert_int_eq(sl_broadcast(sl_service(c), "b", 1, NULL), MEMBERS);
	ck_assert_int_eq(sl_write(c, "c", 1), 1);
	sl_write(member[1], "d", 1);
	ck_assert_int_eq(sl_broadcast(sl_service(c), "e", 1, NULL), MEMBERS);
}

START_TEST(the_order_is_that_of_the_calls)
{
	begin_with_members();
	plugin.in_data = write_around;
	peer_write(peer[0], "x", 1);
	worker_idle();
	hears(0, "abce");
	hears(1, "bde");
	hears(2, "be");
	end();
}
END_TEST

static unsigned int sends;

static ssize_t
counting_send(struct stream *stream, const void *buf, size_t len)
{
	sends++;
	return transport_plain.send(stream, buf, len);
}

static void
broadcast_three(struct sl_conn *c)
{
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(sl_broadcast(sl_service(c), &"abc"[i], 1, c),
		    MEMBERS - 1);
	ck_assert_uint_eq(sl_queued(member[2]), 2);
	ck_assert_uint_eq(sl_bytes_written(member[2]) % 3, 1);
}

START_TEST(only_the_first_one_of_a_callback_is_sent_at_once)
{
	struct transport counting = transport_plain;

	begin_with_members();
	counting.send = counting_send;
	conn_under(member[2], &counting);
	plugin.in_data = broadcast_three;
	sends = 0;
	for (unsigned int times = 1; times <= 2; times++) {
		peer_write(peer[0], "x", 1);
		worker_idle();
		hears(0, "");
		hears(2, "abc");
		hears(3, "abc");
		/* The cruel transport counts those of all members. */
		if (worker_stream == stream_plain)
			ck_assert_uint_eq(sends, 2 * times);
	}
	end();
}
END_TEST

/* The peer reads nothing: fill the kernel, and queue one message more. */
static void
fall_behind(int i)
{
	plugin.conn = member[i];
	small_buffers(peer[i]);
	while (sl_queued(member[i]) == 0) {
		ck_assert_int_gt(sl_write(member[i], bytes, 4096), 0);
		worker_idle();
	}
}

START_TEST(connections_that_are_behind_share_one_copy)
{
	static char got[sizeof(bytes)];
	size_t before[2];
	ssize_t n;

	begin_with_members();
	worker_settings()->limits.write_queue = 4 << 20;
	for (int i = 0; i < 2; i++) {
		fall_behind(i);
		before[i] = sl_queued(member[i]);
	}
	ck_assert_int_eq(sl_broadcast(service(), bytes, 100000, member[2]), 3);
	for (int i = 0; i < 2; i++)
		ck_assert_uint_eq(sl_queued(member[i]), before[i] + 100000);
	ck_assert_ptr_ne(member[0]->queue.tail, member[1]->queue.tail);
	ck_assert_ptr_eq(member[0]->queue.tail->data,
	    member[1]->queue.tail->data);
	sl_end(member[0], "!", 1);
	n = peer_read_to_end(peer[0], got, sizeof(got));
	ck_assert_int_gt(n, 100001);
	ck_assert_mem_eq(got + n - 100001, bytes, 100000);
	ck_assert_int_eq(got[n - 1], '!');
	end();
}
END_TEST

/* Otherwise a queue of one-byte messages would use far more than its limit. */
START_TEST(short_messages_share_a_chunk_of_the_queue)
{
	struct iovec iov[4];

	begin_with_members();
	member[0]->marks |= MARK_BLOCKED;
	for (int i = 0; i < 200; i++)
		ck_assert_int_eq(sl_broadcast(service(), "x", 1, NULL), 4);
	ck_assert_uint_eq(sl_queued(member[0]), 200);
	ck_assert_int_eq(queue_iov(&member[0]->queue, iov, 4), 1);
	end();
}
END_TEST

START_TEST(a_full_queue_misses_the_message_and_gets_drain)
{
	static char got[4096];

	begin_with_members();
	fall_behind(0);
	worker_settings()->limits.write_queue = sl_queued(member[0]) + 10;
	ck_assert_int_eq(sl_broadcast(service(), "0123456789", 10, NULL), 4);
	memset(plugin.calls, 0, sizeof(plugin.calls));
	ck_assert_int_eq(sl_broadcast(service(), "x", 1, NULL), 3);
	while (strchr(plugin.calls, 'r') == NULL) {
		while (recv(peer[0], got, sizeof(got), MSG_DONTWAIT) > 0)
			continue;
		worker_pass(false);
	}
	ck_assert_int_eq(sl_broadcast(service(), "y", 1, NULL), 4);
	end();
}
END_TEST

START_TEST(a_connection_that_has_ended_harms_no_other)
{
	begin_with_members();
	close(peer[1]);
	peer[1] = dup(peer[0]);
	sl_broadcast(service(), "x", 1, NULL);
	worker_idle();
	hears(0, "x");
	hears(2, "x");
	hears(3, "x");
	ck_assert_int_eq(sl_broadcast(service(), "y", 1, NULL), 3);
	end();
}
END_TEST

START_TEST(a_connection_that_ended_its_output_is_left_out)
{
	begin_with_members();
	sl_end(member[2], NULL, 0);
	ck_assert_int_eq(sl_broadcast(service(), "x", 1, NULL), 3);
	worker_idle();
	hears(3, "x");
	end();
}
END_TEST

START_TEST(nonsense_is_refused)
{
	begin_with_members();
	errno = 0;
	ck_assert_int_eq(sl_broadcast(NULL, "x", 1, NULL), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(sl_broadcast(service(), NULL, 1, NULL), -1);
	ck_assert_int_eq(sl_broadcast(service(), "x", SIZE_MAX, NULL), -1);
	ck_assert_int_eq(sl_broadcast(service(), NULL, 0, NULL), 0);
	end();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		all_get_it_except_the_one_named,
		it_is_sent_at_once_where_nothing_is_queued,
		the_order_is_that_of_the_calls,
		only_the_first_one_of_a_callback_is_sent_at_once,
		connections_that_are_behind_share_one_copy,
		short_messages_share_a_chunk_of_the_queue,
		a_full_queue_misses_the_message_and_gets_drain,
		a_connection_that_has_ended_harms_no_other,
		a_connection_that_ended_its_output_is_left_out,
		nonsense_is_refused,
		NULL,
	};

	return conn_run("broadcast", tests);
}
