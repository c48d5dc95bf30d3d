/*
 * check_tls_client_rules.c: by which name TLS clients verify, whose certificate
 * they show, and what they refuse.
 */

#include "tls_client_fixture.h"
#include "worker/listener.h"
#include "worker/material.h"

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

/* The operator's certificate for all that this listener connects to. */
static void
operator_shows(const struct tls_fixture *shown)
{
	int secret = peer_secret(shown, NULL);
	struct material material = { .secrets = &secret, .secret_count = 1 };
	struct tls_settings settings = {
		.identity = { .verify = TLS_VERIFY_REQUIRE },
		.max_send_fragment = SSL3_RT_MAX_PLAIN_LENGTH,
	};
	struct error err;

	worker_listener()->tls_client =
	    tls_client_new(&settings, &material, &err);
	ck_assert_ptr_nonnull(worker_listener()->tls_client);
	close(secret);
}

static int
accept_any(int ok, X509_STORE_CTX *store)
{
	(void)ok;
	(void)store;
	return 1;
}

static void
plugin_shows(const char *sigalgs, const struct tls_fixture *theirs)
{
	struct sl_tls_options tls = trusting(NULL);
	char cert[8192], key[8192];
	struct sl_conn *conn;
	X509 *shown;

	SSL_CTX_set1_client_sigalgs_list(fix.peer.context, sigalgs);
	read_text(theirs->cert_file, cert);
	read_text(theirs->key_file, key);
	tls.cert = cert;
	tls.key = key;
	conn = connect_and_shake(&tls, 1);
	shown = SSL_get1_peer_certificate(fix.peer.ssl);
	ck_assert_int_eq(X509_cmp(shown, theirs->cert), 0);
	X509_free(shown);
	both_close(conn);
}

START_TEST(a_certificate_of_the_plugin_goes_before_the_operators)
{
	const struct tls_fixture *ec, *rsa;

	begin_client();
	ec = tls_fixture_make(fixture_dir, "ec",
	    &(struct tls_fixture_options){ 0 });
	rsa = tls_fixture_make(fixture_dir, "rsa",
	    &(struct tls_fixture_options){ .kind = TLS_FIXTURE_RSA });
	SSL_CTX_set_verify(fix.peer.context, SSL_VERIFY_PEER, accept_any);
	operator_shows(ec);
	plugin_shows("ECDSA+SHA256:RSA-PSS+SHA256", rsa);
	plugin_shows("RSA-PSS+SHA256:ECDSA+SHA256", rsa);
	plugin_shows("ECDSA+SHA256:RSA-PSS+SHA256", ec);
	end_client();
}
END_TEST

/* OpenSSL does not take it: no reason to try for ever. */
START_TEST(a_weak_certificate_ends_the_handshake)
{
	const struct tls_fixture *weak;
	struct sl_tls_options tls;
	char cert[8192], key[8192];

	begin_client();
	weak = tls_fixture_make(fixture_dir, "weak",
	    &(struct tls_fixture_options){ .kind = TLS_FIXTURE_RSA,
		.rsa_bits = 1024 });
	read_text(weak->cert_file, cert);
	read_text(weak->key_file, key);
	tls = trusting(NULL);
	tls.cert = cert;
	tls.key = key;
	ck_assert_ptr_nonnull(connect_tls(&tls));
	accept_peer();
	await_calls("C");
	ck_assert_uint_eq(plugin.error_why, SL_WHY_HANDSHAKE);
	ck_assert_ptr_nonnull(strstr(plugin.error_text, "key too small"));
	end_client();
}
END_TEST

static int
choose_other(SSL *ssl, const unsigned char **out, unsigned char *out_len,
    const unsigned char *in, unsigned int in_len, void *arg)
{
	(void)ssl;
	(void)in;
	(void)in_len;
	(void)arg;
	*out = (const unsigned char *)"two";
	*out_len = 3;
	return SSL_TLSEXT_ERR_OK;
}

START_TEST(a_protocol_that_was_not_offered_ends_the_handshake)
{
	const char *const protocols[] = { "h2", "one" };
	struct sl_tls_options tls;

	begin_client();
	SSL_CTX_set_alpn_select_cb(fix.peer.context, choose_other, NULL);
	SSL_CTX_set_max_proto_version(fix.peer.context, TLS1_2_VERSION);
	tls = trusting(NULL);
	tls.alpn = protocols;
	tls.alpn_count = 2;
	connect_and_shake(&tls, -1);
	await_calls("C");
	ck_assert_uint_eq(plugin.error_why, SL_WHY_HANDSHAKE);
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
		a_certificate_of_the_plugin_goes_before_the_operators,
		a_weak_certificate_ends_the_handshake,
		a_protocol_that_was_not_offered_ends_the_handshake,
		NULL,
	};

	return fixture_run("tls_client_rules", tests);
}
