/* check_queue.c: output that waits for the kernel. */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "worker/queue.h"

static unsigned char pattern[100000];

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

START_TEST(queues_share_bytes_and_the_last_frees_them)
{
	struct queue a = { 0 }, b = { 0 };
	struct shared *shared = shared_new(pattern + 3000, 5000);
	struct iovec iov[4];

	ck_assert_ptr_nonnull(shared);
	ck_assert_int_eq(queue_put(&a, pattern, 3000), 0);
	ck_assert_int_eq(queue_put_shared(&a, shared, 0), 0);
	ck_assert_int_eq(queue_put(&a, pattern + 8000, 1000), 0);
	/* Half of it was sent already. */
	ck_assert_int_eq(queue_put_shared(&b, shared, 2500), 0);
	ck_assert_uint_eq(b.bytes, 2500);
	shared_unref(shared);
	ck_assert_uint_eq(shared->refs, 2);
	ck_assert_int_eq(queue_iov(&b, iov, 4), 1);
	ck_assert_mem_eq(iov[0].iov_base, pattern + 5500, 2500);
	queue_clear(&b);
	ck_assert_uint_eq(shared->refs, 1);
	drain_in_steps(&a, 9000, 700);
	queue_pool_done();
}
END_TEST

START_TEST(a_few_bytes_are_copied_rather_than_shared)
{
	struct queue queue = { 0 };
	struct shared *shared = shared_new(pattern + 10, 20);

	ck_assert_int_eq(queue_put(&queue, pattern, 10), 0);
	ck_assert_int_eq(queue_put_shared(&queue, shared, 0), 0);
	ck_assert_ptr_eq(queue.head, queue.tail);
	ck_assert_uint_eq(shared->refs, 1);
	shared_unref(shared);
	drain_in_steps(&queue, 30, 7);
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
		queues_share_bytes_and_the_last_frees_them,
		a_few_bytes_are_copied_rather_than_shared,
		NULL,
	};

	make_pattern();
	return fixture_run("queue", tests);
}
