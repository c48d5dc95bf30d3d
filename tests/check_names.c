/*
 * check_names.c: sl_connect() to a host: its name is looked up at a resolver of
 * the test, and its addresses are tried one after the other.
 */

#include <arpa/inet.h>
#include <stdio.h>

#include "conn_plugin.h"
#include "worker/names.h"
#include "worker/service.h"
#include "worker/transport_connect.h"

static const struct sl_handlers starts = {
	.size = sizeof(starts),
	.open = on_open,
	.data = on_data,
	.connect_error = on_connect_error,
	.close = on_close,
};

static char conf_path[64];
static unsigned int asked; /* questions, of both types */

static int
bind_loopback(int type, const char *host, uint16_t port)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
	};
	int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	inet_pton(AF_INET, host, &addr.sin_addr);
	ck_assert_int_eq(bind(fd, (void *)&addr, sizeof(addr)), 0);
	return fd;
}

static uint16_t
port_of(int fd)
{
	struct sockaddr_in addr;
	socklen_t len = sizeof(addr);

	ck_assert_int_eq(getsockname(fd, (void *)&addr, &len), 0);
	return ntohs(addr.sin_port);
}

/* Write another resolv.conf, which names this resolver. */
static void
write_conf(int resolver)
{
	char new[80];
	FILE *file;

	snprintf(new, sizeof(new), "%s.new", conf_path);
	file = fopen(new, "w");
	ck_assert_ptr_nonnull(file);
	fprintf(file,
	    "nameserver 127.0.0.1\nsearch test\n"
	    "options timeout:1 attempts:2\n");
	names_port = port_of(resolver);
	fclose(file);
	ck_assert_int_eq(rename(new, conf_path), 0);
}

static int
begin_names(void)
{
	int resolver = bind_loopback(SOCK_DGRAM, "127.0.0.1", 0);

	snprintf(conf_path, sizeof(conf_path), "/tmp/sluice-names-%d",
	    getpid());
	names_resolv_conf = conf_path;
	begin(&starts);
	write_conf(resolver);
	asked = 0;
	return resolver;
}

static void
end_names(int resolver)
{
	close(resolver);
	unlink(conf_path);
	worker_end();
}

/* One resource record of an answer.  Returns its end. */
static unsigned char *
put_record(unsigned char *p, int family, const char *address)
{
	unsigned char head[12] = { 0xc0, 12, 0, family == AF_INET ? 1 : 28, 0,
		1, 0, 0, 0, 60, 0, family == AF_INET ? 4 : 16 };

	memcpy(p, head, sizeof(head));
	inet_pton(family, address, p + sizeof(head));
	return p + sizeof(head) + head[11];
}

/*
 * Answer a question if there is one.  Each list ends with NULL; if both are
 * empty there is no such name.
 */
static void
answer(int resolver, const char *const *v4, const char *const *v6)
{
	unsigned char packet[1024], *end, *p;
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	ssize_t n = recvfrom(resolver, packet, 512, 0, (void *)&from, &len);
	const char *const *list;
	int count = 0, family;

	if (n < 12)
		return;
	asked++;
	for (end = packet + 12; *end != 0;)
		end += *end + 1;
	family = end[2] == 28 ? AF_INET6 : AF_INET;
	list = family == AF_INET6 ? v6 : v4;
	p = end + 5; /* the root, the type and the class */
	for (; list[count] != NULL; count++)
		p = put_record(p, family, list[count]);
	packet[2] = 0x81;
	packet[3] = v4[0] == NULL && v6[0] == NULL ? 0x83 : 0x80;
	memset(packet + 4, 0, 8);
	packet[5] = 1;
	packet[7] = count;
	sendto(resolver, packet, p - packet, 0, (void *)&from, len);
}

static const char *const none[] = { NULL };
static const char *const loopback[] = { "127.0.0.1", NULL };
static const char *const loopback6[] = { "::1", NULL };

static struct sl_conn *
connect_to(const char *host, uint16_t port, uint64_t timeout_ms)
{
	const struct sl_connect_options options = {
		.size = sizeof(options),
		.host = host,
		.port = port,
		.timeout_ms = timeout_ms,
	};
	struct sl_conn *conn = sl_connect(worker_listener()->current, &options);

	ck_assert_ptr_nonnull(conn);
	return conn;
}

/* Passes, and answers, until the plugin was called. */
static void
await_call(int resolver, const char *const *v4, const char *const *v6)
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
		struct sl_conn *conn = connect_to("peer", port_of(fd), 0);

		snprintf(text, sizeof(text), "peer:%u", port_of(fd));
		ck_assert_str_eq(sl_remote(conn)->text, text);
		ck_assert_int_eq(sl_write(conn, "x", 1), 1);
		plugin.calls[0] = '\0';
		await_call(resolver, loopback, none);
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

	connect_to("gone.test", 80, 0);
	ck_assert_str_eq(plugin.calls, "");
	await_call(resolver, none, none);
	ck_assert_str_eq(plugin.calls, "C");
	ck_assert_uint_eq(plugin.error_why, SL_WHY_RESOLVE);
	ck_assert_uint_eq(plugin.error_stage, SL_STAGE_RESOLVE);
	ck_assert_str_eq(plugin.error_text,
	    "gone.test:80: the name has no address: Domain name not found");
	end_names(resolver);
}
END_TEST

START_TEST(an_address_that_refuses_is_followed_by_the_next)
{
	int resolver = begin_names();
	int fd = bind_loopback(SOCK_STREAM, "127.0.0.1", 0);

	ck_assert_int_eq(listen(fd, 1), 0);
	connect_to("both.test", port_of(fd), 0);
	await_call(resolver, loopback, loopback6);
	ck_assert_str_eq(plugin.calls, "o");
	ck_assert_uint_eq(worker_listener()->endpoint.connecting, 0);
	close(fd);
	end_names(resolver);
}
END_TEST

START_TEST(when_all_refuse_the_last_is_named)
{
	int resolver = begin_names();
	int fd = bind_loopback(SOCK_STREAM, "127.0.0.1", 0);
	char text[128];

	connect_to("one.test", port_of(fd), 0);
	await_call(resolver, loopback, none);
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
	connect_to("two.test", port_of(good), 0);
	began = engine_read_clock();
	await_call(resolver, two, none);
	ck_assert_str_eq(plugin.calls, "o");
	ck_assert_uint_ge(engine_read_clock(), began + CONNECT_STAGGER_MS);
	ck_assert_mem_eq(sl_remote(plugin.conn)->text, "127.0.0.1:", 10);
	close(queued);
	close(deaf);
	close(good);
	end_names(resolver);
}
END_TEST

START_TEST(an_answer_for_what_is_gone_is_harmless)
{
	int resolver = begin_names();
	struct sl_conn *conn = connect_to("late.test", 80, 0);

	worker_idle();
	ck_assert_int_eq(sl_close(conn), 0);
	worker_idle();
	ck_assert_uint_eq(conn_count(), 0);
	while (asked < 2) {
		answer(resolver, loopback, none);
		worker_pass(false);
	}
	worker_idle();
	connect_to("later.test", 80, 0); /* and this one is never answered */
	worker_idle();
	ck_assert_str_eq(plugin.calls, "");
	end_names(resolver);
	ck_assert_str_eq(plugin.calls, "C"); /* by the end of the worker */
}
END_TEST

START_TEST(another_resolv_conf_is_used_at_once)
{
	int resolver = begin_names(), other;

	connect_to("gone.test", 80, 0);
	await_call(resolver, none, none);
	connect_to("late.test", 80, 0); /* still asks the first resolver */
	worker_idle();
	other = bind_loopback(SOCK_DGRAM, "127.0.0.1", 0);
	write_conf(other);
	connect_to("gone.test", 80, 0);
	plugin.calls[0] = '\0';
	await_call(other, none, none);
	ck_assert_str_eq(plugin.calls, "C");
	plugin.calls[0] = '\0';
	await_call(resolver, none, none);
	ck_assert_str_eq(plugin.calls, "C");
	close(other);
	end_names(resolver);
}
END_TEST

START_TEST(no_resolver_is_asked_for_localhost)
{
	int resolver = begin_names();
	int fd = bind_loopback(SOCK_STREAM, "127.0.0.1", 0);

	ck_assert_int_eq(listen(fd, 1), 0);
	connect_to("localhost", port_of(fd), 0);
	await_call(resolver, none, none);
	ck_assert_str_eq(plugin.calls, "o");
	ck_assert_uint_eq(asked, 0);
	close(fd);
	end_names(resolver);
}
END_TEST

START_TEST(a_silent_resolver_takes_the_time_of_the_connection)
{
	int resolver = begin_names();

	connect_to("slow.test", 80, 100);
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
		when_all_refuse_the_last_is_named,
		an_address_that_is_silent_holds_up_the_next_a_little,
		an_answer_for_what_is_gone_is_harmless,
		another_resolv_conf_is_used_at_once,
		no_resolver_is_asked_for_localhost,
		a_silent_resolver_takes_the_time_of_the_connection,
		NULL,
	};

	fill();
	return fixture_run("names", tests);
}
