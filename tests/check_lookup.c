/*
 * check_lookup.c: names_ask(): what is asked of the resolvers, and for how long
 * an answer is kept.
 */

#include <malloc.h>
#include <sys/resource.h>

#include "fake_resolver.h"
#include "fixture.h"
#include "worker/names.h"
#include "worker_fixture.h"

static int resolver;
static unsigned int told;

static void
begin(void)
{
	static const struct sl_handlers handlers = { .size = sizeof(handlers) };

	worker_begin(&handlers);
	resolver = begin_resolver();
	told = 0;
}

static void
end(void)
{
	end_resolver(resolver);
	worker_end();
}

static void
on_news(void *arg)
{
	(void)arg;
	told++;
}

static struct name_query *
ask(const char *host)
{
	struct name_query *query = names_ask(host, on_news, NULL);

	ck_assert_ptr_nonnull(query);
	return query;
}

/* Passes until it was asked so many questions, and what they lead to. */
static void
serve(unsigned int questions, const char *const *v4, const char *const *v6)
{
	for (questions += asked; asked < questions;) {
		worker_pass(false);
		answer(resolver, v4, v6);
	}
	worker_idle();
}

static unsigned int
count(const struct name_query *query, enum name_family family)
{
	ck_assert_ptr_nonnull(names_answer(query));
	return names_answer(query)->families[family].count;
}

/* Answer until all is known. */
static void
await(const struct name_query *query, const char *const *v4,
    const char *const *v6)
{
	while (names_answer(query) == NULL || !names_answer(query)->complete) {
		worker_pass(false);
		answer(resolver, v4, v6);
	}
}

/* Ask for a host.  Returns how many questions that took. */
static unsigned int
look_up(const char *host, const char *const *v4, const char *const *v6)
{
	struct name_query *query = ask(host);
	unsigned int before = asked;

	await(query, v4, v6);
	names_forget(query);
	return asked - before;
}

START_TEST(ipv4_waits_a_little_for_ipv6)
{
	struct name_query *query;

	begin();
	query = ask("both.test");
	serve(2, loopback, silent);
	ck_assert_ptr_null(names_answer(query));
	while (told == 0)
		worker_pass(true);
	ck_assert_uint_eq(count(query, NAME_V4), 1);
	ck_assert(!names_answer(query)->complete);
	answer_late(resolver, loopback6);
	worker_idle();
	ck_assert_uint_eq(told, 2);
	ck_assert_uint_eq(count(query, NAME_V6), 1);
	ck_assert(names_answer(query)->complete);
	names_forget(query);
	end();
}
END_TEST

START_TEST(ipv6_waits_for_nothing)
{
	struct name_query *query;

	begin();
	query = ask("both.test");
	serve(2, silent, loopback6);
	ck_assert_uint_eq(told, 1);
	ck_assert_uint_eq(count(query, NAME_V6), 1);
	ck_assert(!names_answer(query)->complete);
	names_forget(query);
	end();
}
END_TEST

START_TEST(half_an_answer_gets_too_old_as_well)
{
	struct name_query *first, *second;

	begin();
	reply.ttl_s = 0;
	first = ask("half.test");
	serve(2, silent, loopback6);
	ck_assert(!names_answer(first)->complete);
	second = ask("half.test");
	ck_assert_ptr_null(names_answer(second));
	serve(2, silent, loopback6);
	ck_assert_ptr_ne(names_answer(first), names_answer(second));
	names_forget(first);
	names_forget(second);
	end();
}
END_TEST

START_TEST(without_ipv6_there_is_nothing_to_wait_for)
{
	struct name_query *query;

	begin();
	query = ask("four.test");
	serve(2, loopback, none);
	ck_assert_uint_eq(count(query, NAME_V4), 1);
	ck_assert(names_answer(query)->complete);
	names_forget(query);
	query = ask("six.test");
	serve(2, none, loopback6);
	ck_assert_uint_eq(count(query, NAME_V6), 1);
	ck_assert(names_answer(query)->complete);
	names_forget(query);
	end();
}
END_TEST

START_TEST(all_who_ask_at_the_same_time_share_a_question)
{
	struct name_query *queries[3];

	begin();
	queries[0] = ask("same.test");
	queries[1] = ask("SAME.test");
	queries[2] = ask("same.test");
	names_forget(queries[0]);
	serve(2, loopback, none);
	ck_assert_uint_eq(told, 2);
	ck_assert_ptr_eq(names_answer(queries[1]), names_answer(queries[2]));
	names_forget(queries[1]);
	ck_assert_uint_eq(count(queries[2], NAME_V4), 1);
	names_forget(queries[2]);
	end();
}
END_TEST

START_TEST(an_answer_that_nobody_waits_for_is_kept)
{
	begin();
	names_forget(ask("late.test"));
	serve(2, loopback, none);
	ck_assert_uint_eq(told, 0);
	ck_assert_uint_eq(look_up("late.test", none, none), 0);
	end();
}
END_TEST

START_TEST(an_answer_is_kept_for_as_long_as_it_says)
{
	begin();
	reply.ttl_s = 30;
	ck_assert_uint_eq(look_up("a.test", loopback, loopback6), 2);
	worker_skip_ms(29000);
	ck_assert_uint_eq(look_up("a.test", none, none), 0);
	worker_skip_ms(30001);
	ck_assert_uint_eq(look_up("a.test", loopback, loopback6), 2);
	reply.ttl_s = 0;
	ck_assert_uint_eq(look_up("b.test", loopback, loopback6), 2);
	ck_assert_uint_eq(look_up("b.test", loopback, loopback6), 2);
	end();
}
END_TEST

START_TEST(that_there_is_no_ipv6_is_kept_no_longer_than_it_says)
{
	begin();
	reply.ttl_s = 60;
	reply.soa_s = 10;
	ck_assert_uint_eq(look_up("a.test", loopback, none), 2);
	worker_skip_ms(10001);
	ck_assert_uint_eq(look_up("a.test", loopback, none), 2);
	end();
}
END_TEST

/* The name in the search domain as well. */
START_TEST(that_there_is_no_name_is_kept_as_long_as_the_zone_says)
{
	begin();
	reply.soa_s = 20;
	ck_assert_uint_eq(look_up("gone.test.", none, none), 2);
	ck_assert_uint_eq(look_up("gone", none, none), 4);
	worker_skip_ms(19000);
	ck_assert_uint_eq(look_up("gone.test.", none, none), 0);
	worker_skip_ms(19000);
	ck_assert_uint_eq(look_up("gone", none, none), 0);
	worker_skip_ms(20001);
	ck_assert_uint_eq(look_up("gone.test.", none, none), 2);
	reply.soa_s = 0;
	ck_assert_uint_eq(look_up("other.test.", none, none), 2);
	ck_assert_uint_eq(look_up("other.test.", none, none), 2);
	reply.soa_s = 200; /* longer than we keep it */
	ck_assert_uint_eq(look_up("new.test.", none, none), 2);
	worker_skip_ms(60001);
	ck_assert_uint_eq(look_up("new.test.", none, none), 2);
	end();
}
END_TEST

START_TEST(a_resolver_that_fails_is_asked_again)
{
	struct name_query *query;

	begin();
	reply.rcode = 2;
	query = ask("a");
	await(query, none, none);
	ck_assert_str_eq(names_answer(query)->error,
	    "no resolver has an answer");
	/* Only the next one may say that there is no a.test. */
	ck_assert_str_eq(asked_name, "\1a\4test");
	names_forget(query);
	reply.rcode = 0;
	ck_assert_uint_eq(look_up("a", loopback, none), 2);
	end();
}
END_TEST

START_TEST(too_few_descriptors_are_not_the_resolvers_fault)
{
	struct rlimit before;
	struct name_query *query;

	begin();
	look_up("first.test", loopback,
	    none); /* files that libraries keep open */
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	ck_assert_int_eq(
	    setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 3, before.rlim_max }),
	    0);
	query = ask("a.test");
	ck_assert(names_answer(query)->complete);
	ck_assert_str_eq(names_answer(query)->error, "Too many open files");
	names_forget(query);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	ck_assert_uint_eq(look_up("a.test", loopback, none), 2);
	end();
}
END_TEST

START_TEST(few_answers_are_kept_and_in_the_end_none)
{
	char host[32];
	size_t before;

	begin();
	before = mallinfo2().uordblks;
	for (int i = 0; i < 3000; i++) {
		snprintf(host, sizeof(host), "host%d.test.", i);
		look_up(host, loopback, none);
	}
	/* Sanitizers have an allocator of their own, which says 0. */
	ck_assert_uint_lt(mallinfo2().uordblks, before + (512 << 10));
	names_done();
	ck_assert_uint_lt(mallinfo2().uordblks, before + (64 << 10));
	end();
}
END_TEST

START_TEST(the_end_of_the_worker_ends_what_is_asked)
{
	struct name_query *query;

	begin();
	query = ask("a.test");
	names_done();
	ck_assert(names_answer(query)->complete);
	names_forget(query);
	end();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		ipv4_waits_a_little_for_ipv6,
		ipv6_waits_for_nothing,
		half_an_answer_gets_too_old_as_well,
		without_ipv6_there_is_nothing_to_wait_for,
		all_who_ask_at_the_same_time_share_a_question,
		an_answer_that_nobody_waits_for_is_kept,
		an_answer_is_kept_for_as_long_as_it_says,
		that_there_is_no_ipv6_is_kept_no_longer_than_it_says,
		that_there_is_no_name_is_kept_as_long_as_the_zone_says,
		a_resolver_that_fails_is_asked_again,
		too_few_descriptors_are_not_the_resolvers_fault,
		few_answers_are_kept_and_in_the_end_none,
		the_end_of_the_worker_ends_what_is_asked,
		NULL,
	};

	return fixture_run("lookup", tests);
}
