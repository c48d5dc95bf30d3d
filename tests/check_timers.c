/* check_timers.c: one heap of timers under one libevent timer. */

#include <check.h>
#include <event2/event.h>
#include <stdlib.h>

#include "fixture.h"
#include "worker/timers.h"

static uint64_t now_ms;
static struct event_base *base;
static struct timers *timers;

struct probe {
	struct timer timer;
	unsigned int expired;
	unsigned int order;
};

static unsigned int expired_count;

static uint64_t
fake_clock(void)
{
	return now_ms;
}

static void
on_expire(struct timer *timer)
{
	struct probe *probe = (struct probe *)timer;

	ck_assert_uint_eq(timer->index, 0);
	ck_assert_uint_le(timer->at_ms, now_ms);
	probe->expired++;
	probe->order = ++expired_count;
}

static void
setup(void)
{
	now_ms = 1000;
	expired_count = 0;
	base = event_base_new();
	timers = timers_new(base, fake_clock);
	ck_assert_ptr_nonnull(timers);
}

static void
teardown(void)
{
	timers_free(timers);
	event_base_free(base);
}

/* The clock jumps; libevent's timer is set for real time, so wait for it. */
static void
advance(uint64_t ms)
{
	now_ms += ms;
	event_base_loop(base, EVLOOP_ONCE);
}

START_TEST(timers_expire_in_order_of_time)
{
	enum { COUNT = 500 };
	static struct probe probes[COUNT];
	unsigned int seed = 7;

	setup();
	for (int i = 0; i < COUNT; i++) {
		probes[i] = (struct probe){ 0 };
		ck_assert_int_eq(
		    timers_attach(timers, &probes[i].timer, on_expire), 0);
		seed = seed * 1103515245 + 12345;
		timers_set(timers, &probes[i].timer,
		    now_ms + 1 + (seed >> 16) % 20);
	}
	/* Move some, cancel some. */
	for (int i = 0; i < COUNT; i += 3)
		timers_set(timers, &probes[i].timer, now_ms + 1 + i % 25);
	for (int i = 0; i < COUNT; i += 10)
		timers_cancel(timers, &probes[i].timer);
	advance(100);
	/* Not all expire in one pass, so that connections are served in between. */
	ck_assert_uint_ge(expired_count, 1);
	ck_assert_uint_lt(expired_count, COUNT - COUNT / 10);
	while (expired_count < COUNT - COUNT / 10)
		advance(0);
	for (int i = 0; i < COUNT; i++) {
		ck_assert_uint_eq(probes[i].expired, i % 10 != 0);
		for (int j = 0; j < COUNT; j++)
			if (i % 10 != 0 && j % 10 != 0 &&
			    probes[i].timer.at_ms < probes[j].timer.at_ms)
				ck_assert_uint_lt(probes[i].order,
				    probes[j].order);
		timers_detach(timers, &probes[i].timer);
	}
	teardown();
}
END_TEST

START_TEST(a_later_timer_does_not_expire_early)
{
	struct probe near = { 0 }, far = { 0 };

	setup();
	ck_assert_int_eq(timers_attach(timers, &near.timer, on_expire), 0);
	ck_assert_int_eq(timers_attach(timers, &far.timer, on_expire), 0);
	timers_set(timers, &near.timer, now_ms + 5);
	timers_set(timers, &far.timer, now_ms + 100000);
	advance(5);
	ck_assert_uint_eq(near.expired, 1);
	ck_assert_uint_eq(far.expired, 0);
	ck_assert_uint_ne(far.timer.index, 0);
	timers_detach(timers, &near.timer);
	timers_detach(timers, &far.timer);
	teardown();
}
END_TEST

START_TEST(cancel_and_detach_are_harmless_when_not_set)
{
	struct probe probe = { 0 };

	setup();
	timers_detach(timers, &probe.timer);
	ck_assert_int_eq(timers_attach(timers, &probe.timer, on_expire), 0);
	timers_cancel(timers, &probe.timer);
	timers_set(timers, &probe.timer, now_ms + 1);
	timers_cancel(timers, &probe.timer);
	timers_cancel(timers, &probe.timer);
	timers_detach(timers, &probe.timer);
	now_ms += 10;
	event_base_loop(base, EVLOOP_NONBLOCK);
	ck_assert_uint_eq(probe.expired, 0);
	teardown();
}
END_TEST

static struct probe again;
static unsigned int rounds;

static void
set_again(struct timer *timer)
{
	again.expired++;
	rounds++;
	timers_set(timers, timer, now_ms); /* due at once */
}

START_TEST(a_timer_that_sets_itself_again_does_not_hold_up_the_loop)
{
	setup();
	again = (struct probe){ 0 };
	rounds = 0;
	ck_assert_int_eq(timers_attach(timers, &again.timer, set_again), 0);
	timers_set(timers, &again.timer, now_ms + 1);
	advance(1);
	ck_assert_uint_eq(rounds, 1);
	timers_detach(timers, &again.timer);
	teardown();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		timers_expire_in_order_of_time,
		a_later_timer_does_not_expire_early,
		cancel_and_detach_are_harmless_when_not_set,
		a_timer_that_sets_itself_again_does_not_hold_up_the_loop,
		NULL,
	};

	return fixture_run("timers", tests);
}
