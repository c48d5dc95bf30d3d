/*
 * check_tls_client_rules.c: by which name TLS clients verify, whose certificate
 * they show, and what they refuse.
 */

#include "tls_client_fixture.h"

/* To OpenSSL, a name with a dot in front is that of everything below it. */
START_TEST(a_name_is_one_host_and_not_a_domain)
{
	static const char *const names[] = { ".localhost", ".", "a..b", "-a" };
	struct sl_tls_options tls;
	struct sl_conn *conn;

	begin_client();
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		tls = trusting(names[i]);
		ck_assert_ptr_null(connect_tls(&tls));
		ck_assert_int_eq(errno, EINVAL);
		tls = trusting(NULL);
		tls.servername = names[i];
		ck_assert_ptr_null(connect_tls(&tls));
		ck_assert_int_eq(errno, EINVAL);
	}
	tls = trusting(NULL);
	conn = connect_tls(&tls);
	ck_assert_int_eq(sl_set_servername(conn, ".localhost"), -1);
	ck_assert_int_eq(errno, EINVAL);
	sl_terminate(conn);
	conn_pend(conn);
	worker_idle();
	end_client();
}
END_TEST

static char long_host[HOST_NAME_MAX_LEN + 1];

/* As if it had been connected to by this name. */
static void
upgrade_long_host(struct sl_conn *c)
{
	struct sl_tls_options tls = trusting(NULL);
	char target[sizeof(long_host) + sizeof(":65535")];

	snprintf(target, sizeof(target), "%s:%u", long_host, fix.port);
	free(c->extra->target);
	c->extra->target = strdup(target);
	ck_assert_int_eq(sl_upgrade_tls(c, SL_TLS_CLIENT, &tls), 0);
}

static int
on_long_name(SSL *ssl, int *alert, void *arg)
{
	(void)alert;
	(void)arg;
	ck_assert_str_eq(SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name),
	    long_host);
	return SSL_TLSEXT_ERR_OK;
}

START_TEST(an_upgrade_knows_the_longest_name_of_a_host)
{
	struct sl_connect_options options = {
		.size = sizeof(options),
		.host = "127.0.0.1",
	};

	begin_client();
	for (size_t i = 0; i < HOST_NAME_MAX_LEN; i++)
		long_host[i] = i % 50 == 49 ? '.' : 'a';
	SSL_CTX_set_tlsext_servername_callback(fix.peer.context, on_long_name);
	SSL_CTX_set_max_proto_version(fix.peer.context, TLS1_2_VERSION);
	plugin.in_open = upgrade_long_host;
	options.port = fix.port;
	ck_assert_ptr_nonnull(sl_connect(worker_listener()->current, &options));
	accept_peer();
	await_calls("o");
	ck_assert_int_eq(peer_shake(&fix.peer), -1);
	await_calls("oHxc");
	ck_assert_ptr_nonnull(
	    strstr(plugin.error_text, "is not valid for aaa"));
	end_client();
}
END_TEST

static bool asked_any;

static int
on_any_name(SSL *ssl, int *alert, void *arg)
{
	(void)alert;
	(void)arg;
	asked_any = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) != NULL;
	return SSL_TLSEXT_ERR_OK;
}

/* inet_aton() and its like know these. */
START_TEST(an_address_is_one_however_it_is_written)
{
	static const char *const hosts[] = { "127.1", "2130706433",
		"0x7f.0.0.1", "[::1]" };
	struct sl_tls_options tls;
	struct sl_connect_options options = {
		.size = sizeof(options),
		.flags = SL_CONNECT_TLS,
		.tls = &tls,
	};
	struct sl_conn *conn;

	begin_client();
	tls = trusting(NULL);
	SSL_CTX_set_tlsext_servername_callback(fix.peer.context, on_any_name);
	options.port = fix.port;
	for (size_t i = 0; i < 3; i++) {
		memset(plugin.calls, 0, sizeof(plugin.calls));
		options.host = hosts[i];
		asked_any = true;
		conn = sl_connect(worker_listener()->current, &options);
		ck_assert_ptr_nonnull(conn);
		accept_peer();
		ck_assert_int_eq(peer_shake(&fix.peer), 1);
		await_calls("ho");
		ck_assert(!asked_any);
		ck_assert_int_eq(sl_authorized(conn), 1);
		both_close(conn);
	}
	end_client();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_name_is_one_host_and_not_a_domain,
		an_upgrade_knows_the_longest_name_of_a_host,
		an_address_is_one_however_it_is_written,
		NULL,
	};

	return fixture_run("tls_client_rules", tests);
}
