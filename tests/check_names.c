/*
 * check_names.c: sl_connect() to a host: its name is looked up at a resolver of
 * the test, and its addresses are tried one after the other.
 */

#include "connect_fixture.h"
#include "fake_resolver.h"
#include "worker/connect_race.h"
#include "worker/transport_connect.h"

static int
begin_names(void)
{
	begin(&starts);
	return begin_resolver();
}

static void
end_names(int resolver)
{
	end_resolver(resolver);
	worker_end();
}

/* Passes, and answers, until the plugin was called. */
static void
await_answer(int resolver, const char *const *v4, const char *const *v6)
{
	while (plugin.calls[0] == '\0') {
		worker_pass(false);
		answer(resolver, v4, v6);
	}
	worker_idle();
}

START_TEST(a_name_is_looked_up_and_its_answer_kept)
{
	int resolver = begin_names();
	int fd = bind_loopback(SOCK_STREAM, "127.0.0.1", 0);
	char text[64];

	ck_assert_int_eq(listen(fd, 2), 0);
	for (int i = 0; i < 2; i++) {
		struct sl_conn *conn = connect_to("peer", port_of(fd));

		snprintf(text, sizeof(text), "peer:%u", port_of(fd));
		ck_assert_str_eq(sl_remote(conn)->text, text);
		ck_assert_int_eq(sl_write(conn, "x", 1), 1);
		plugin.calls[0] = '\0';
		await_answer(resolver, loopback, none);
		ck_assert_str_eq(plugin.calls, "o");
		snprintf(text, sizeof(text), "127.0.0.1:%u", port_of(fd));
		ck_assert_str_eq(sl_remote(conn)->text, text);
		ck_assert_uint_eq(sl_queued(conn), 0);
	}
	ck_assert_uint_eq(asked, 2); /* for IPv4 and for IPv6, once */
	close(fd);
	end_names(resolver);
}
END_TEST

START_TEST(a_name_without_an_address_says_so)
{
	int resolver = begin_names();

	connect_to("gone.test", 80);
	ck_assert_str_eq(plugin.calls, "");
	await_answer(resolver, none, none);
	ck_assert_str_eq(plugin.calls, "C");
	ck_assert_uint_eq(plugin.error_why, SL_WHY_RESOLVE);
	ck_assert_uint_eq(plugin.error_stage, SL_STAGE_RESOLVE);
	ck_assert_str_eq(plugin.error_text,
	    "gone.test:80: could not look up the name: Domain name not found");
	end_names(resolver);
}
END_TEST

START_TEST(an_address_that_refuses_is_followed_by_the_next)
{
	int resolver = begin_names();
	int fd = bind_loopback(SOCK_STREAM, "127.0.0.1", 0);

	ck_assert_int_eq(listen(fd, 1), 0);
	connect_to("both.test", port_of(fd));
	await_answer(resolver, loopback, loopback6);
	ck_assert_str_eq(plugin.calls, "o");
	ck_assert_uint_eq(worker_listener()->endpoint.connecting, 0);
	close(fd);
	end_names(resolver);
}
END_TEST

START_TEST(ipv6_is_tried_first)
{
	struct sockaddr_in6 addr = {
		.sin6_family = AF_INET6,
		.sin6_addr = IN6ADDR_LOOPBACK_INIT,
	};
	int resolver = begin_names();
	int fd = bind_loopback(SOCK_STREAM, "127.0.0.1", 0);
	int fd6 = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	addr.sin6_port = htons(port_of(fd));
	ck_assert_int_eq(listen(fd, 1), 0);
	if (fd6 != -1 && bind(fd6, (void *)&addr, sizeof(addr)) == 0) {
		ck_assert_int_eq(listen(fd6, 1), 0);
		connect_to("both.test", port_of(fd));
		await_answer(resolver, loopback, loopback6);
		ck_assert_str_eq(plugin.calls, "o");
		ck_assert_mem_eq(sl_remote(plugin.conn)->text, "[::1]:", 6);
	} /* else this kernel has no IPv6 */
	close(fd6);
	close(fd);
	end_names(resolver);
}
END_TEST

START_TEST(an_answer_that_comes_later_is_tried_as_well)
{
	static const char *const deaf[] = { "127.0.0.9", NULL };
	int resolver = begin_names();
	int fd = bind_loopback(SOCK_STREAM, "127.0.0.1", 0);

	/* Nobody listens at the IPv4 address, and the IPv6 one is not there. */
	connect_to("slow6.test", port_of(fd));
	while (asked < 2) {
		worker_pass(false);
		answer(resolver, deaf, silent);
	}
	while (TAILQ_FIRST(&worker_listener()->conns)->phase != PHASE_CONNECT)
		worker_pass(true);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "");
	answer_late(resolver, none);
	await_answer(resolver, none, none);
	ck_assert_str_eq(plugin.calls, "C");
	ck_assert_int_eq(plugin.error_errno, ECONNREFUSED);
	close(fd);
	end_names(resolver);
}
END_TEST

START_TEST(not_more_than_sixteen_addresses_are_tried)
{
	const char *many[20] = { NULL };
	char text[20][16], want[64];
	int resolver = begin_names();
	int fd = bind_loopback(SOCK_STREAM, "127.0.0.1", 0);

	for (int i = 0; i < 19; i++) {
		snprintf(text[i], sizeof(text[i]), "127.0.1.%d", i + 1);
		many[i] = text[i];
	}
	connect_to("many.test", port_of(fd));
	await_answer(resolver, many, loopback6);
	ck_assert_str_eq(plugin.calls, "C");
	/* One place is for ::1. */
	snprintf(want, sizeof(want), "127.0.1.15:%u: Connection refused",
	    port_of(fd));
	ck_assert_ptr_nonnull(strstr(plugin.error_text, want));
	close(fd);
	end_names(resolver);
}
END_TEST

START_TEST(that_ipv6_is_not_reached_does_not_hide_why_ipv4_failed)
{
	/* Of no family that the source has. */
	struct sl_connect_options options = {
		.size = sizeof(options),
		.host = "six.test",
		.source = "127.0.0.1",
	};
	static const char *const two6[] = { "::1", "::1", NULL };
	int resolver = begin_names();
	int fd = bind_loopback(SOCK_STREAM, "127.0.0.1", 0);

	options.port = port_of(fd);
	ck_assert_ptr_nonnull(sl_connect(service(), &options));
	await_answer(resolver, loopback, two6);
	ck_assert_int_eq(plugin.error_errno, ECONNREFUSED);
	options.host = "only6.test";
	plugin.calls[0] = '\0';
	ck_assert_ptr_nonnull(sl_connect(service(), &options));
	await_answer(resolver, none, two6);
	ck_assert_int_eq(plugin.error_errno, EAFNOSUPPORT);
	close(fd);
	end_names(resolver);
}
END_TEST

START_TEST(when_all_refuse_the_last_is_named)
{
	int resolver = begin_names();
	int fd = bind_loopback(SOCK_STREAM, "127.0.0.1", 0);
	char text[128];

	connect_to("one.test", port_of(fd));
	await_answer(resolver, loopback, none);
	ck_assert_str_eq(plugin.calls, "C");
	ck_assert_int_eq(plugin.error_errno, ECONNREFUSED);
	ck_assert_uint_eq(plugin.error_stage, SL_STAGE_CONNECT);
	snprintf(text, sizeof(text),
	    "one.test:%u: could not connect: 127.0.0.1:%u: Connection refused",
	    port_of(fd), port_of(fd));
	ck_assert_str_eq(plugin.error_text, text);
	close(fd);
	end_names(resolver);
}
END_TEST

START_TEST(an_address_that_is_silent_holds_up_the_next_a_little)
{
	static const char *const two[] = { "127.0.0.2", "127.0.0.1", NULL };
	int resolver = begin_names();
	int good = bind_loopback(SOCK_STREAM, "127.0.0.1", 0);
	int deaf = bind_loopback(SOCK_STREAM, "127.0.0.2", port_of(good));
	int queued = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in addr;
	socklen_t len = sizeof(addr);
	uint64_t began;

	ck_assert_int_eq(listen(good, 1), 0);
	ck_assert_int_eq(listen(deaf, 0), 0);
	getsockname(deaf, (void *)&addr, &len);
	ck_assert_int_eq(connect(queued, (void *)&addr, len), 0);
	connect_to("two.test", port_of(good));
	began = engine_read_clock();
	await_answer(resolver, two, none);
	ck_assert_str_eq(plugin.calls, "o");
	ck_assert_uint_ge(engine_read_clock(), began + CONNECT_STAGGER_MS);
	ck_assert_mem_eq(sl_remote(plugin.conn)->text, "127.0.0.1:", 10);
	close(queued);
	close(deaf);
	close(good);
	end_names(resolver);
}
END_TEST

static struct sl_conn *
connect_to_late(void)
{
	return connect_to("late.test", 80);
}

START_TEST(every_callback_may_end_what_is_looked_up)
{
	int resolver = begin_names();

	check_every_callback_may_end(connect_to_late);
	end_names(resolver);
}
END_TEST

START_TEST(an_answer_for_what_is_gone_is_harmless)
{
	int resolver = begin_names();
	struct sl_conn *conn = connect_to("late.test", 80);

	worker_idle();
	ck_assert_int_eq(sl_close(conn), 0);
	worker_idle();
	ck_assert_uint_eq(conn_count(), 0);
	while (asked < 2) {
		answer(resolver, loopback, none);
		worker_pass(false);
	}
	worker_idle();
	connect_to("later.test", 80); /* and this one is never answered */
	worker_idle();
	ck_assert_str_eq(plugin.calls, "");
	end_names(resolver);
	ck_assert_str_eq(plugin.calls, "C"); /* by the end of the worker */
}
END_TEST

START_TEST(another_resolv_conf_is_used_at_once)
{
	int resolver = begin_names(), other;

	connect_to("gone.test", 80);
	await_answer(resolver, none, none);
	connect_to("late.test", 80); /* still asks the first resolver */
	worker_idle();
	other = bind_loopback(SOCK_DGRAM, "127.0.0.1", 0);
	write_conf(other);
	connect_to("gone.test", 80);
	plugin.calls[0] = '\0';
	await_answer(other, none, none);
	ck_assert_str_eq(plugin.calls, "C");
	plugin.calls[0] = '\0';
	await_answer(resolver, none, none);
	ck_assert_str_eq(plugin.calls, "C");
	close(other);
	end_names(resolver);
}
END_TEST

START_TEST(variables_that_a_plugin_sets_change_no_question)
{
	int resolver = begin_names();

	setenv("LOCALDOMAIN", "elsewhere", 1);
	setenv("RES_OPTIONS", "ndots:9", 1);
	connect_to("peer", 80);
	asked = 0;
	while (asked == 0) {
		worker_pass(false);
		answer(resolver, none, none);
	}
	ck_assert_str_eq(asked_name, "\4peer\4test");
	await_answer(resolver, none, none);
	/* They are still there, for whoever they were set for. */
	ck_assert_str_eq(getenv("LOCALDOMAIN"), "elsewhere");
	ck_assert_str_eq(getenv("RES_OPTIONS"), "ndots:9");
	end_names(resolver);
}
END_TEST

START_TEST(no_resolver_is_asked_for_localhost)
{
	static const char *const names[] = { "localhost", "localhost.",
		"LocalHost", "a.b.localhost", "a.LOCALHOST." };
	int resolver, fd;

	if (!fixture_localhost())
		return;
	resolver = begin_names();
	fd = bind_loopback(SOCK_STREAM, "127.0.0.1", 0);
	ck_assert_int_eq(listen(fd, 8), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		plugin.calls[0] = '\0';
		connect_to(names[i], port_of(fd));
		await_answer(resolver, none, none);
		ck_assert_str_eq(plugin.calls, "o");
	}
	ck_assert_uint_eq(asked, 0);
	close(fd);
	end_names(resolver);
}
END_TEST

START_TEST(a_silent_resolver_takes_the_time_of_the_connection)
{
	int resolver = begin_names();

	connect_in("slow.test", 80, 100);
	while (plugin.calls[0] == '\0')
		worker_pass(true);
	ck_assert_str_eq(plugin.calls, "C");
	ck_assert_uint_eq(plugin.error_why, SL_WHY_RESOLVE);
	ck_assert_uint_eq(plugin.error_stage, SL_STAGE_TIMEOUT);
	ck_assert_int_eq(plugin.error_errno, ETIMEDOUT);
	end_names(resolver);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_name_is_looked_up_and_its_answer_kept,
		a_name_without_an_address_says_so,
		an_address_that_refuses_is_followed_by_the_next,
		ipv6_is_tried_first,
		an_answer_that_comes_later_is_tried_as_well,
		not_more_than_sixteen_addresses_are_tried,
		that_ipv6_is_not_reached_does_not_hide_why_ipv4_failed,
		when_all_refuse_the_last_is_named,
		an_address_that_is_silent_holds_up_the_next_a_little,
		every_callback_may_end_what_is_looked_up,
		an_answer_for_what_is_gone_is_harmless,
		another_resolv_conf_is_used_at_once,
		variables_that_a_plugin_sets_change_no_question,
		no_resolver_is_asked_for_localhost,
		a_silent_resolver_takes_the_time_of_the_connection,
		NULL,
	};

	fill();
	return fixture_run("names", tests);
}
