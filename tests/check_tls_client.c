/* check_tls_client.c: TLS connections that a plugin makes, until they are open. */

#include <sys/un.h>

#include "ipc/counts.h"
#include "tls_client_fixture.h"

START_TEST(it_opens_and_bytes_flow)
{
	struct sl_tls_options tls;
	struct sl_conn *conn;
	char buf[8];

	begin_client();
	tls = trusting(NULL);
	conn = connect_tls(&tls);
	ck_assert_ptr_nonnull(conn);
	ck_assert_int_eq(sl_write(conn, "first", 5), 5);
	ck_assert_ptr_null(sl_tls_version(conn));
	ck_assert_int_eq(errno, ENODATA);
	accept_peer();
	ck_assert_int_eq(peer_shake(&fix.peer), 1);
	await_calls("ho");
	ck_assert_ptr_eq(plugin.conn, conn);
	ck_assert_str_eq(sl_tls_version(conn), "TLSv1.3");
	ck_assert_int_eq(sl_authorized(conn), 1);
	ck_assert_str_eq(sl_peer_certificate(conn)->subject, "CN=localhost");
	peer_hear(&fix.peer, buf, 5);
	ck_assert_mem_eq(buf, "first", 5);
	peer_say(&fix.peer, "second", 6);
	await_input(6);
	ck_assert_mem_eq(plugin.input, "second", 6);
	ck_assert_int_eq(SSL_shutdown(fix.peer.ssl), 0);
	await_calls("hode");
	ck_assert_int_eq(sl_shutdown(conn, SL_SHUT_WRITE), 0);
	conn_pend(conn);
	await_calls("hodec");
	ck_assert_uint_eq(plugin.why, SL_WHY_PEER);
	end_client();
}
END_TEST

/* The name, and how the failure is told. */
static const struct {
	const char *verify_name;
	bool unknown_ca;
	const char *text; /* NULL: it succeeds */
} names[] = {
	{ NULL, false, NULL }, /* the host: 127.0.0.1 */
	{ "127.0.0.1", false, NULL },
	{ "localhost", false, NULL },
	{ "LOCALHOST.", false, NULL },
	{ "localhost.example", false, "is not valid for localhost.example" },
	{ "127.0.0.2", false, "is not valid for 127.0.0.2" },
	{ "local*", false, NULL }, /* refused as an argument */
	{ NULL, true,
	    "certificate: unable to get local issuer certificate; "
	    "it comes from no CA that is trusted here, see the key ca" },
};

static void
verify(unsigned int i)
{
	const char *text = names[i].text;
	struct sl_tls_options tls;

	begin_client();
	tls = trusting(names[i].verify_name);
	if (names[i].unknown_ca)
		tls.ca = NULL;
	if (names[i].verify_name != NULL &&
	    strchr(names[i].verify_name, '*') != NULL) {
		ck_assert_ptr_null(connect_tls(&tls));
		ck_assert_int_eq(errno, EINVAL);
	} else if (text == NULL) {
		connect_and_shake(&tls, 1);
		await_calls("ho");
		both_close(plugin.conn);
	} else {
		/* With TLS 1.3 the server is through before it is refused. */
		SSL_CTX_set_max_proto_version(fix.peer.context, TLS1_2_VERSION);
		connect_and_shake(&tls, -1);
		await_calls("C");
		ck_assert_uint_eq(plugin.error_why, SL_WHY_HANDSHAKE);
		ck_assert_uint_eq(plugin.error_stage, SL_STAGE_TLS);
		ck_assert_msg(strstr(plugin.error_text, text) != NULL, "%s",
		    plugin.error_text);
		ck_assert_uint_eq(
		    worker_listener()
			->endpoint.counts->value[COUNT_HANDSHAKES_CERTIFICATE],
		    1);
	}
	end_client();
}

START_TEST(the_certificate_must_be_good_and_of_the_name)
{
	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		verify(i);
}
END_TEST

START_TEST(without_verification_it_goes_on_and_is_not_authorized)
{
	struct sl_tls_options tls = {
		.size = sizeof(tls),
		.flags = SL_TLS_NO_VERIFY,
	};
	struct sl_conn *conn;

	begin_client();
	conn = connect_and_shake(&tls, 1);
	await_calls("ho");
	ck_assert_int_eq(sl_authorized(conn), 0);
	ck_assert_str_eq(sl_authorization_error(conn),
	    "unable to get local issuer certificate");
	both_close(conn);
	/* A good one, but of another name than was asked for. */
	tls.ca = fix.ca_text;
	tls.verify_name = "example.org";
	conn = connect_and_shake(&tls, 1);
	ck_assert_int_eq(sl_authorized(conn), 0);
	ck_assert_str_eq(sl_authorization_error(conn), "hostname mismatch");
	both_close(conn);
	end_client();
}
END_TEST

static char asked_name[256];

static int
on_name(SSL *ssl, int *alert, void *arg)
{
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	(void)alert;
	(void)arg;
	snprintf(asked_name, sizeof(asked_name), "%s",
	    name != NULL ? name : "(none)");
	return SSL_TLSEXT_ERR_OK;
}

static void
expect_name(const struct sl_tls_options *tls, const char *name)
{
	struct sl_conn *conn = connect_and_shake(tls, 1);

	ck_assert_str_eq(asked_name, name);
	both_close(conn);
}

START_TEST(the_name_is_asked_for)
{
	struct sl_tls_options tls;
	struct sl_conn *conn;

	begin_client();
	SSL_CTX_set_tlsext_servername_callback(fix.peer.context, on_name);
	tls = trusting(NULL);
	expect_name(&tls, "(none)"); /* the host is an address */
	tls.servername = "localhost";
	expect_name(&tls, "localhost");
	tls.servername = "";
	expect_name(&tls, "(none)");
	tls = trusting("127.0.0.1");
	tls.servername = "other.example";
	expect_name(&tls, "other.example");
	conn = connect_tls(&tls);
	ck_assert_int_eq(sl_set_servername(conn, "Late.example."), 0);
	ck_assert_int_eq(sl_set_servername(conn, "127.0.0.1"), -1);
	ck_assert_int_eq(errno, EINVAL);
	accept_peer();
	ck_assert_int_eq(peer_shake(&fix.peer), 1);
	ck_assert_str_eq(asked_name, "late.example");
	ck_assert_str_eq(sl_servername(conn), "late.example");
	ck_assert_int_eq(sl_set_servername(conn, "late.example"), -1);
	ck_assert_int_eq(errno, EALREADY);
	both_close(conn);
	end_client();
}
END_TEST

static int
on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
    const unsigned char *in, unsigned int in_len, void *arg)
{
	(void)ssl;
	(void)arg;
	ck_assert_uint_eq(in_len, 7);
	ck_assert_mem_eq(in, "\2h2\3one", 7);
	*out = in + 4;
	*out_len = 3;
	return SSL_TLSEXT_ERR_OK;
}

START_TEST(protocols_and_a_certificate_are_offered)
{
	const char *const protocols[] = { "h2", "one" };
	struct sl_tls_options tls;
	struct sl_conn *conn;
	X509 *shown;

	begin_client();
	SSL_CTX_set_alpn_select_cb(fix.peer.context, on_alpn, NULL);
	tls = trusting(NULL);
	tls.alpn = protocols;
	tls.alpn_count = 2;
	conn = connect_and_shake(&tls, 1);
	ck_assert_str_eq(sl_alpn(conn), "one");
	ck_assert_ptr_null(sl_certificate(conn));
	both_close(conn);
	SSL_CTX_set_alpn_select_cb(fix.peer.context, NULL, NULL);
	SSL_CTX_load_verify_locations(fix.peer.context, fix.leaf->cert_file,
	    NULL);
	SSL_CTX_set_verify(fix.peer.context,
	    SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(fix.peer.context),
	    X509_V_FLAG_PARTIAL_CHAIN);
	tls.alpn_count = 0;
	tls.cert = fix.cert_text;
	tls.key = fix.key_text;
	conn = connect_and_shake(&tls, 1);
	shown = SSL_get1_peer_certificate(fix.peer.ssl);
	ck_assert_int_eq(X509_cmp(shown, fix.leaf->cert), 0);
	X509_free(shown);
	ck_assert_str_eq(sl_certificate(conn)->subject, "CN=localhost");
	both_close(conn);
	end_client();
}
END_TEST

START_TEST(mistakes_are_refused_at_once)
{
	const char *const empty[] = { "" };
	struct sl_tls_options tls, good;

	begin_client();
	good = trusting(NULL);
#define REFUSED(member, value)                         \
	do {                                           \
		tls = good;                            \
		tls.member = value;                    \
		ck_assert_ptr_null(connect_tls(&tls)); \
		ck_assert_int_eq(errno, EINVAL);       \
	} while (0)
	REFUSED(size, 2);
	REFUSED(flags, 0x80);
	REFUSED(ca, "");
	REFUSED(ca, "nonsense");
	REFUSED(cert, fix.cert_text);
	REFUSED(key, fix.key_text);
	REFUSED(servername, "::1");
	REFUSED(servername, "a b");
	REFUSED(verify_name, "");
	REFUSED(alpn_count, 1);
	REFUSED(session_len, 1);
	tls = good;
	tls.alpn = empty;
	tls.alpn_count = 1;
	ck_assert_ptr_null(connect_tls(&tls));
	tls = good;
	tls.cert = fix.ca_text;
	tls.key = fix.key_text;
	ck_assert_ptr_null(connect_tls(&tls));
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_uint_eq(worker_listener()->endpoint.connecting, 0);
	end_client();
}
END_TEST

START_TEST(a_peer_that_goes_away_ends_the_handshake)
{
	begin_client();
	connect_tls(NULL);
	accept_peer();
	worker_idle();
	shutdown(fix.peer.fd, SHUT_WR);
	await_calls("C");
	ck_assert_uint_eq(plugin.error_stage, SL_STAGE_TLS);
	end_client();
}
END_TEST

START_TEST(a_peer_that_says_nothing_is_given_up)
{
	char hello[5];

	begin_client();
	worker_settings()->timeouts.handshake_ms = 1000;
	connect_tls(NULL);
	accept_peer();
	peer_read(fix.peer.fd, hello, 5); /* it has begun */
	worker_skip_ms(1001);
	await_calls("C");
	ck_assert_uint_eq(plugin.error_stage, SL_STAGE_TIMEOUT);
	end_client();
}
END_TEST

START_TEST(it_is_closed_at_any_moment)
{
	struct sl_tls_options tls;
	struct sl_conn *conn;

	begin_client();
	tls = trusting(NULL);
	/* Before it is connected, and while the handshake runs: silently. */
	conn = connect_tls(&tls);
	ck_assert_int_eq(sl_close(conn), 0);
	conn_pend(conn);
	worker_idle();
	conn = connect_tls(&tls);
	accept_peer();
	worker_idle();
	ck_assert_int_eq(sl_terminate(conn), 0);
	conn_pend(conn);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "");
	/* In `handshake`: as told, and `open` is not called. */
	plugin.in_handshake = close_it;
	conn = connect_tls(&tls);
	accept_peer();
	peer_shake(&fix.peer);
	await_calls("h");
	end_client();
}
END_TEST

START_TEST(over_unix_a_name_is_needed)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct sl_connect_options options = {
		.size = sizeof(options),
		.flags = SL_CONNECT_TLS,
		.unix_path = addr.sun_path,
	};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	begin_client();
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/tls.sock",
	    fixture_dir);
	ck_assert_int_eq(bind(fd, (void *)&addr, sizeof(addr)), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	ck_assert_ptr_nonnull(sl_connect(worker_listener()->current, &options));
	await_calls("C");
	ck_assert_ptr_nonnull(strstr(plugin.error_text, "set verify_name"));
	close(fd);
	end_client();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		it_opens_and_bytes_flow,
		the_certificate_must_be_good_and_of_the_name,
		without_verification_it_goes_on_and_is_not_authorized,
		the_name_is_asked_for,
		protocols_and_a_certificate_are_offered,
		mistakes_are_refused_at_once,
		a_peer_that_goes_away_ends_the_handshake,
		a_peer_that_says_nothing_is_given_up,
		it_is_closed_at_any_moment,
		over_unix_a_name_is_needed,
		NULL,
	};

	return fixture_run("tls_client", tests);
}
