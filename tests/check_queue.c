/*
 * check_queue.c: output that waits for the kernel.  The program is linked so
 * that malloc() fails on demand (-Wl,--wrap=malloc).
 */

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "worker/queue.h"

static unsigned char pattern[100000];

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

static int mallocs_left = -1; /* then malloc() fails; negative: never */

void *
__wrap_malloc(size_t size)
{
	if (mallocs_left == 0) {
		errno = ENOMEM;
		return NULL;
	}
	if (mallocs_left > 0)
		mallocs_left--;
	return __real_malloc(size);
}

static void
make_pattern(void)
{
	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = i * 7 + i / 251;
}

/* Take everything out in steps of `step` and compare. */
static void
drain_in_steps(struct queue *queue, size_t total, size_t step)
{
	struct iovec iov[8];
	size_t at = 0;

	while (queue->bytes > 0) {
		size_t n = step;
		int count = queue_iov(queue, iov, 8);

		ck_assert_int_gt(count, 0);
		if (n > iov[0].iov_len)
			n = iov[0].iov_len;
		ck_assert_mem_eq(iov[0].iov_base, pattern + at, n);
		queue_consume(queue, n);
		at += n;
	}
	ck_assert_uint_eq(at, total);
}

START_TEST(bytes_come_out_in_order_whatever_the_sizes)
{
	static const size_t sizes[] = { 1, 5, 64, 2000, 2048, 4096, 16384,
		40000 };
	struct queue queue = { 0 };
	size_t at = 0;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		ck_assert_int_eq(queue_put(&queue, pattern + at, sizes[i]), 0);
		at += sizes[i];
		ck_assert_uint_eq(queue.bytes, at);
	}
	drain_in_steps(&queue, at, 777);
	ck_assert_ptr_null(queue.head);
	ck_assert_ptr_null(queue.tail);
	queue_pool_done();
}
END_TEST

START_TEST(small_puts_share_a_chunk)
{
	struct queue queue = { 0 };
	struct iovec iov[4];

	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(queue_put(&queue, pattern + i, 1), 0);
	ck_assert_int_eq(queue_iov(&queue, iov, 4), 1);
	ck_assert_uint_eq(iov[0].iov_len, 5);
	queue_clear(&queue);
	ck_assert_uint_eq(queue.bytes, 0);
	queue_pool_done();
}
END_TEST

START_TEST(consume_more_than_there_is_empties_it)
{
	struct queue queue = { 0 };

	ck_assert_int_eq(queue_put(&queue, pattern, 3000), 0);
	queue_consume(&queue, 5000);
	ck_assert_uint_eq(queue.bytes, 0);
	ck_assert_ptr_null(queue.head);
	ck_assert_int_eq(queue_put(&queue, pattern, 10), 0);
	drain_in_steps(&queue, 10, 3);
	queue_pool_done();
}
END_TEST

START_TEST(iov_never_fills_more_than_asked)
{
	struct queue queue = { 0 };
	struct iovec iov[2];

	ck_assert_int_eq(queue_put(&queue, pattern, sizeof(pattern)), 0);
	ck_assert_int_eq(queue_iov(&queue, iov, 2), 2);
	queue_clear(&queue);
	queue_pool_done();
}
END_TEST

/* Many messages of one callback are sent in few pieces. */
START_TEST(later_chunks_have_room_for_several_messages)
{
	struct queue queue = { 0 };
	struct iovec iov[16];

	for (int i = 0; i < 300; i++)
		ck_assert_int_eq(queue_put(&queue, pattern + i * 64, 64), 0);
	ck_assert_int_lt(queue_iov(&queue, iov, 16), 16);
	drain_in_steps(&queue, 300 * 64, 1000);
	queue_pool_done();
}
END_TEST

START_TEST(a_shared_message_is_copied_once)
{
	struct shared *shared = shared_new(pattern + 10, 40000);
	struct queue queues[3] = { 0 };
	struct iovec a[8], b[8];

	ck_assert_ptr_nonnull(shared);
	for (int i = 0; i < 3; i++) {
		/* The shared message lies between bytes of the queue's own. */
		ck_assert_int_eq(queue_put(&queues[i], pattern, 10), 0);
		ck_assert_int_eq(queue_put_shared(&queues[i], shared, 0), 0);
		ck_assert_int_eq(queue_put(&queues[i], pattern + 40010, 9), 0);
		ck_assert_uint_eq(queues[i].bytes, 40019);
	}
	queue_iov(&queues[0], a, 8);
	queue_iov(&queues[1], b, 8);
	ck_assert_ptr_ne(a[0].iov_base, b[0].iov_base);
	ck_assert_ptr_eq(a[1].iov_base, b[1].iov_base);
	shared_done(shared);
	drain_in_steps(&queues[0], 40019, 777);
	queue_clear(&queues[1]);
	drain_in_steps(&queues[2], 40019, 16384);
	queue_pool_done();
}
END_TEST

/* Otherwise one unread byte would keep the whole message. */
START_TEST(a_sent_part_of_a_shared_message_is_freed)
{
	struct shared *shared = shared_new(pattern, 40000);
	struct queue queue = { 0 };

	ck_assert_int_eq(queue_put_shared(&queue, shared, 0), 0);
	queue_consume(&queue, 39999);
	ck_assert_uint_eq(shared->refs, 1); /* ours alone */
	ck_assert_uint_eq(shared->next->refs, 1);
	ck_assert_uint_eq(shared->next->next->refs, 2);
	ck_assert_ptr_null(shared->next->next->next);
	shared_done(shared);
	queue_clear(&queue);
	queue_pool_done();
}
END_TEST

START_TEST(a_shared_message_may_be_put_in_part)
{
	static const size_t skips[] = { 1, 16000, 16384, 39000, 39999 };
	struct shared *shared = shared_new(pattern, 40000);

	for (size_t i = 0; i < sizeof(skips) / sizeof(skips[0]); i++) {
		size_t skip = skips[i], n = 40000 - skip, at = 0;
		struct queue queue = { 0 };
		struct iovec iov[4];

		ck_assert_int_eq(queue_put_shared(&queue, shared, skip), 0);
		ck_assert_uint_eq(queue.bytes, n);
		for (int k = 0, count = queue_iov(&queue, iov, 4); k < count;
		     k++) {
			ck_assert_mem_eq(iov[k].iov_base, pattern + skip + at,
			    iov[k].iov_len);
			at += iov[k].iov_len;
		}
		ck_assert_uint_eq(at, n);
		queue_clear(&queue);
	}
	shared_done(shared);
	queue_pool_done();
}
END_TEST

START_TEST(what_stands_behind_can_be_dropped_again)
{
	struct shared *shared = shared_new(pattern, 40000);
	struct queue queue = { 0 };

	ck_assert_ptr_nonnull(shared);
	for (size_t keep = 0; keep <= 60000; keep += keep < 2000 ? 1 : 997) {
		ck_assert_int_eq(queue_put_shared(&queue, shared, 0), 0);
		ck_assert_int_eq(queue_put(&queue, pattern + 40000, 9), 0);
		ck_assert_int_eq(queue_put(&queue, pattern + 40009, 19991), 0);
		queue_truncate(&queue, keep);
		ck_assert_uint_eq(queue.bytes, keep);
		/* What is put now stands behind it, and not in what is shared. */
		ck_assert_int_eq(queue_put(&queue, pattern + keep, 700), 0);
		drain_in_steps(&queue, keep + 700, 5000);
		ck_assert_ptr_null(queue.head);
	}
	shared_done(shared);
	queue_pool_done();
}
END_TEST

/* Whichever malloc() fails, the queue is unchanged and nothing is lost. */
START_TEST(without_memory_a_queue_stays_as_it_is)
{
	struct queue queue = { 0 };
	struct shared *shared;
	int tries = 0, rc;

	ck_assert_int_eq(queue_put(&queue, pattern, 5), 0);
	do {
		mallocs_left = tries++;
		shared = shared_new(pattern, 40000);
		rc = shared == NULL ? -1 : queue_put_shared(&queue, shared, 5);
		mallocs_left = -1;
		ck_assert(rc == 0 || errno == ENOMEM);
		ck_assert_uint_eq(queue.bytes, rc == 0 ? 40000 : 5);
		shared_done(shared);
	} while (rc == -1);
	ck_assert_int_eq(tries, 7); /* three pieces, three references */
	drain_in_steps(&queue, 40000, 1000);
	queue_pool_done();
}
END_TEST

/* What is lent is pattern[at..at + len), and stands behind all before it. */
static void
put_lent(struct queue *queue, const unsigned char *from, size_t at, size_t len)
{
	ck_assert_int_eq(queue_put_lent(queue, from + at, len), 0);
	ck_assert_uint_eq(queue->bytes, at + len);
}

START_TEST(lent_bytes_are_copied_once_the_loan_ends)
{
	static unsigned char lent[sizeof(pattern)];
	struct queue queue = { 0 };
	struct iovec iov[8];

	memcpy(lent, pattern, sizeof(pattern));
	put_lent(&queue, lent, 0, 20000);
	put_lent(&queue, lent, 20000, 20000);
	ck_assert_int_eq(queue_iov(&queue, iov, 8), 1);
	ck_assert_ptr_eq(iov[0].iov_base, lent);
	ck_assert_int_eq(queue_put(&queue, pattern + 40000, 10), 0);
	put_lent(&queue, lent, 40010, 30000);
	queue_consume(&queue, 5);
	ck_assert_int_eq(queue_end_loan(&queue), 0);
	memset(lent, 0, sizeof(lent));
	ck_assert_uint_eq(queue.bytes, 70005);
	ck_assert_int_eq(queue_put(&queue, pattern + 70010, 10), 0);
	for (size_t at = 5; at < 70020;) {
		queue_iov(&queue, iov, 8);
		ck_assert_mem_eq(iov[0].iov_base, pattern + at, iov[0].iov_len);
		at += iov[0].iov_len;
		queue_consume(&queue, iov[0].iov_len);
	}
	ck_assert_ptr_null(queue.tail);
	queue_pool_done();
}
END_TEST

START_TEST(without_lent_bytes_the_end_of_a_loan_changes_nothing)
{
	struct queue queue = { 0 };
	struct chunk *head;

	ck_assert_int_eq(queue_end_loan(&queue), 0);
	ck_assert_int_eq(queue_put(&queue, pattern, 40000), 0);
	head = queue.head;
	ck_assert_int_eq(queue_end_loan(&queue), 0);
	ck_assert_ptr_eq(queue.head, head);
	drain_in_steps(&queue, 40000, 777);
	queue_pool_done();
}
END_TEST

START_TEST(without_memory_a_loan_is_refused_and_does_not_end)
{
	struct queue queue = { 0 };
	int rc, error;

	ck_assert_int_eq(queue_put(&queue, pattern, 10), 0);
	put_lent(&queue, pattern, 10, 40000);
	mallocs_left = 2;
	rc = queue_end_loan(&queue);
	error = errno;
	mallocs_left = -1;
	ck_assert_int_eq(rc, -1);
	ck_assert_int_eq(error, ENOMEM);
	drain_in_steps(&queue, 40010, 777);
	mallocs_left = 0;
	rc = queue_put_lent(&queue, pattern, 9000);
	mallocs_left = -1;
	ck_assert_int_eq(rc, -1);
	ck_assert_uint_eq(queue.bytes, 0);
	queue_pool_done();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		bytes_come_out_in_order_whatever_the_sizes,
		small_puts_share_a_chunk,
		consume_more_than_there_is_empties_it,
		iov_never_fills_more_than_asked,
		later_chunks_have_room_for_several_messages,
		a_shared_message_is_copied_once,
		a_sent_part_of_a_shared_message_is_freed,
		a_shared_message_may_be_put_in_part,
		what_stands_behind_can_be_dropped_again,
		without_memory_a_queue_stays_as_it_is,
		lent_bytes_are_copied_once_the_loan_ends,
		without_lent_bytes_the_end_of_a_loan_changes_nothing,
		without_memory_a_loan_is_refused_and_does_not_end,
		NULL,
	};

	make_pattern();
	return fixture_run("queue", tests);
}
