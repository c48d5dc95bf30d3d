/* check_bucket.c: how many bytes a rate lets through, by a clock of the test. */

#include <check.h>

#include "config/settings.h"
#include "fixture.h"
#include "worker/bucket.h"

START_TEST(a_quarter_of_a_second_may_go_at_once)
{
	struct bucket bucket = { 0 };

	bucket_leak(&bucket, 1000, 5000);
	ck_assert_uint_eq(bucket_room(&bucket, 1000), 250);
	bucket_add(&bucket, 1000, 250);
	ck_assert_uint_eq(bucket_room(&bucket, 1000), 0);
	bucket_leak(&bucket, 1000, 5001);
	ck_assert_uint_eq(bucket_room(&bucket, 1000), 1);
	bucket_leak(&bucket, 1000, 9000);
	ck_assert_uint_eq(bucket_room(&bucket, 1000), 250);
}
END_TEST

/* Take all there is, wait as it says, and again.  Returns bytes in `ms`. */
static uint64_t
moved_in(uint64_t rate, uint64_t ms)
{
	struct bucket bucket = { 0 };
	uint64_t now = 1000, end = now + ms, moved = 0, room;

	while (now < end) {
		bucket_leak(&bucket, rate, now);
		room = bucket_room(&bucket, rate);
		ck_assert_uint_gt(room, 0); /* it did not wait in vain */
		bucket_add(&bucket, rate, room);
		moved += room;
		now += bucket_wait_ms(&bucket, rate);
	}
	return moved;
}

START_TEST(over_time_it_is_the_rate)
{
	static const uint64_t rates[] = { 1, 3, 7, 100, 999, 65536, 1000000,
		PACE_RATE_MAX };
	uint64_t rate, moved;

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		rate = rates[i];
		moved = moved_in(rate, 100000);
		/* The first quarter of a second is a gift. */
		ck_assert_uint_le(moved, rate * 100 + rate / 4 + 1);
		ck_assert_uint_ge(moved + rate / 4 + 1, rate * 100);
	}
}
END_TEST

START_TEST(waits_are_few)
{
	struct bucket bucket = { 0 };

	bucket_leak(&bucket, 1000000, 1000);
	bucket_add(&bucket, 1000000, 250000);
	ck_assert_uint_eq(bucket_wait_ms(&bucket, 1000000), 125);
	bucket_leak(&bucket, 1000000, 1125);
	ck_assert_uint_eq(bucket_room(&bucket, 1000000), 125000);
	ck_assert_uint_eq(bucket_wait_ms(&bucket, 1000000), 1);
}
END_TEST

START_TEST(what_others_pour_in_is_a_debt_with_an_end)
{
	struct bucket bucket = { 0 };

	bucket_leak(&bucket, 1000, 1000);
	bucket_add(&bucket, 1000, 2000);
	ck_assert_uint_eq(bucket_room(&bucket, 1000), 0);
	bucket_leak(&bucket, 1000, 2000);
	ck_assert_uint_eq(bucket_room(&bucket, 1000), 0);
	bucket_leak(&bucket, 1000, 3000);
	ck_assert_uint_eq(bucket_room(&bucket, 1000), 250);
	bucket_add(&bucket, 1000, UINT64_MAX);
	bucket_add(&bucket, 1000, UINT64_MAX);
	ck_assert_uint_le(bucket_wait_ms(&bucket, 1000), 11000);
	bucket_leak(&bucket, 1000, 3000 + 11000);
	ck_assert_uint_gt(bucket_room(&bucket, 1000), 0);
}
END_TEST

START_TEST(a_rate_that_falls_holds_at_once)
{
	struct bucket bucket = { 0 };

	bucket_leak(&bucket, PACE_RATE_MAX, 1000);
	bucket_add(&bucket, PACE_RATE_MAX, PACE_RATE_MAX / 4);
	bucket_leak(&bucket, 1, 1001);
	ck_assert_uint_eq(bucket_room(&bucket, 1), 0);
	ck_assert_uint_le(bucket_wait_ms(&bucket, 1), 11000);
}
END_TEST

START_TEST(a_clock_that_stands_or_goes_back_lets_nothing_through)
{
	struct bucket bucket = { 0 };

	bucket_leak(&bucket, 1000, 1000);
	bucket_add(&bucket, 1000, 250);
	bucket_leak(&bucket, 1000, 1000);
	bucket_leak(&bucket, 1000, 10);
	ck_assert_uint_eq(bucket_room(&bucket, 1000), 0);
	bucket_leak(&bucket, 1000, UINT64_MAX);
	ck_assert_uint_eq(bucket_room(&bucket, 1000), 250);
}
END_TEST

START_TEST(two_that_tell_each_other_are_equally_full)
{
	struct bucket one = { 0 }, other = { 0 };
	uint64_t rate = 100000, until;

	bucket_leak(&one, rate, 1000);
	bucket_add(&one, rate, 20000);
	until = bucket_until_us(&one, rate);
	ck_assert_uint_eq(until, 1200000);
	bucket_leak(&other, rate, 1100);
	bucket_fill_until_us(&other, rate, until);
	ck_assert_uint_eq(bucket_room(&other, rate), 15000);
	/* One that is fuller stays so, and old news changes nothing. */
	bucket_add(&other, rate, 1000);
	bucket_fill_until_us(&other, rate, until);
	bucket_fill_until_us(&other, rate, 0);
	ck_assert_uint_eq(bucket_room(&other, rate), 14000);
	bucket_fill_until_us(&other, rate, UINT64_MAX);
	ck_assert_uint_le(bucket_wait_ms(&other, rate), 4000);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_quarter_of_a_second_may_go_at_once,
		over_time_it_is_the_rate,
		waits_are_few,
		what_others_pour_in_is_a_debt_with_an_end,
		a_rate_that_falls_holds_at_once,
		a_clock_that_stands_or_goes_back_lets_nothing_through,
		two_that_tell_each_other_are_equally_full,
		NULL,
	};

	return fixture_run("bucket", tests);
}
