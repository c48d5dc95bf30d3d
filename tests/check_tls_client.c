/* check_tls_client.c: connections that a plugin makes with TLS. */

#include <signal.h>
#include <sys/un.h>

#include "conn_plugin.h"
#include "ipc/counts.h"
#include "tls_peer.h"
#include "worker/service.h"
#include "worker/tls_client.h"

static const struct sl_handlers talks = {
	.size = sizeof(talks),
	.handshake = on_handshake,
	.open = on_open,
	.data = on_data,
	.drain = on_drain,
	.end = on_end,
	.connect_error = on_connect_error,
	.error = on_error,
	.close = on_close,
};

static struct {
	int listening;
	uint16_t port;
	const struct tls_fixture *leaf, *ca;
	char ca_text[8192], cert_text[8192], key_text[8192];
	struct tls_peer peer; /* the server */
} fix;

static void
read_text(const char *path, char text[8192])
{
	FILE *file = fopen(path, "r");
	size_t n;

	ck_assert_ptr_nonnull(file);
	n = fread(text, 1, 8191, file);
	text[n] = '\0';
	fclose(file);
}

static void
begin_client(void)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(addr);
	char path[512];

	signal(SIGPIPE, SIG_IGN);
	begin(&talks);
	ck_assert_int_eq(tls_init(), 0);
	worker_stream = stream_plain;
	memset(&fix, 0, sizeof(fix));
	fix.leaf = tls_fixture_leaf(fixture_dir);
	snprintf(path, sizeof(path), "%s/ca.pem", fixture_dir);
	read_text(path, fix.ca_text);
	read_text(fix.leaf->cert_file, fix.cert_text);
	read_text(fix.leaf->key_file, fix.key_text);
	fix.listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(fix.listening, (void *)&addr, len), 0);
	ck_assert_int_eq(getsockname(fix.listening, (void *)&addr, &len), 0);
	fix.port = ntohs(addr.sin_port);
	ck_assert_int_eq(listen(fix.listening, 4), 0);
	fix.peer.context = SSL_CTX_new(TLS_server_method());
	ck_assert_int_eq(
	    SSL_CTX_use_certificate(fix.peer.context, fix.leaf->cert), 1);
	ck_assert_int_eq(
	    SSL_CTX_use_PrivateKey(fix.peer.context, fix.leaf->key), 1);
	SSL_CTX_set_session_id_context(fix.peer.context, (void *)"x", 1);
}

static void
end_client(void)
{
	worker_end();
	SSL_free(fix.peer.ssl);
	SSL_CTX_free(fix.peer.context);
	if (fix.peer.fd > 0)
		close(fix.peer.fd);
	close(fix.listening);
	tls_client_forget_default();
	tls_done();
}

static struct sl_tls_options
trusting(const char *verify_name)
{
	return (struct sl_tls_options){
		.size = sizeof(struct sl_tls_options),
		.ca = fix.ca_text,
		.verify_name = verify_name,
	};
}

static struct sl_conn *
connect_tls(const struct sl_tls_options *tls)
{
	const struct sl_connect_options options = {
		.size = sizeof(options),
		.flags = SL_CONNECT_TLS,
		.host = "127.0.0.1",
		.port = fix.port,
		.tls = tls,
	};

	return sl_connect(worker_listener()->current, &options);
}

/* The server's end of the connection that is on its way. */
static void
accept_peer(void)
{
	struct tls_peer *peer = &fix.peer;

	SSL_free(peer->ssl);
	if (peer->fd > 0)
		close(peer->fd);
	do {
		worker_idle();
		peer->fd = accept4(fix.listening, NULL, NULL, SOCK_NONBLOCK);
	} while (peer->fd == -1 && errno == EAGAIN);
	ck_assert_int_gt(peer->fd, 0);
	peer->ssl = SSL_new(peer->context);
	SSL_set_fd(peer->ssl, peer->fd);
	SSL_set_accept_state(peer->ssl);
}

/* To the end of the handshake, which has this result for the server. */
static struct sl_conn *
connect_and_shake(const struct sl_tls_options *tls, int result)
{
	struct sl_conn *conn;

	memset(plugin.calls, 0, sizeof(plugin.calls));
	conn = connect_tls(tls);
	ck_assert_ptr_nonnull(conn);
	accept_peer();
	ck_assert_int_eq(peer_shake(&fix.peer), result);
	return conn;
}

/* Passes until so much has been called, and then no more. */
static void
await_calls(const char *calls)
{
	while (strlen(plugin.calls) < strlen(calls))
		worker_pass(true);
	worker_idle();
	ck_assert_str_eq(plugin.calls, calls);
}

/* Passes until the plugin was shown so much. */
static void
await_input(size_t len)
{
	while (plugin.input_len < len)
		worker_pass(true);
	ck_assert_uint_eq(plugin.input_len, len);
}

/* We close, and the server does. */
static void
both_close(struct sl_conn *conn)
{
	char byte;

	ck_assert_int_eq(sl_close(conn), 0);
	conn_pend(conn);
	worker_idle();
	SSL_read(fix.peer.ssl, &byte, 1);
	SSL_shutdown(fix.peer.ssl);
	shutdown(fix.peer.fd, SHUT_WR);
	worker_idle();
}

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
	{ NULL, true, "certificate: unable to get local issuer certificate" },
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

/* The session, once its ticket has come. */
static size_t
take_session(struct sl_conn *conn, void *buf, size_t size)
{
	size_t had = plugin.input_len;
	ssize_t n;

	peer_say(&fix.peer, "x", 1);
	await_input(had + 1);
	n = sl_tls_session(conn, buf, size);
	ck_assert_int_gt(n, 0);
	ck_assert_uint_le((size_t)n, size);
	return n;
}

static void
assert_no_session(struct sl_conn *conn, const void *buf, size_t len)
{
	ck_assert_int_eq(sl_set_tls_session(conn, buf, len), -1);
	ck_assert_int_eq(errno, EINVAL);
}

/* Have the certificates of peers ended? */
static bool late;

int __real_X509_cmp_current_time(const ASN1_TIME *time);
int __wrap_X509_cmp_current_time(const ASN1_TIME *time);

int
__wrap_X509_cmp_current_time(const ASN1_TIME *time)
{
	return late ? -1 : __real_X509_cmp_current_time(time);
}

static void
resume(int version)
{
	struct sl_tls_options tls;
	struct sl_conn *conn;
	char session[8192];
	size_t len;

	begin_client();
	SSL_CTX_set_max_proto_version(fix.peer.context, version);
	tls = trusting(NULL);
	conn = connect_and_shake(&tls, 1);
	ck_assert_int_eq(sl_session_reused(conn), 0);
	tls.session_len = take_session(conn, session, sizeof(session));
	tls.session = session;
	ck_assert_int_gt(sl_tls_ticket(conn, NULL, 0), 0);
	ck_assert_int_eq(sl_set_tls_session(conn, session, tls.session_len),
	    -1);
	ck_assert_int_eq(errno, EALREADY);
	both_close(conn);

	conn = connect_and_shake(&tls, 1);
	ck_assert_int_eq(sl_session_reused(conn), 1);
	ck_assert_int_eq(sl_authorized(conn), 1);
	both_close(conn);
	/* The server's certificate has ended since. */
	late = true;
	conn = connect_and_shake(&tls, 1);
	late = false;
	ck_assert_int_eq(sl_session_reused(conn), 0);
	both_close(conn);
	/* Another name, also if the certificate is good for it. */
	tls.verify_name = "localhost";
	conn = connect_and_shake(&tls, 1);
	ck_assert_int_eq(sl_session_reused(conn), 0);
	both_close(conn);
	/* A session that verified nothing must not stand for one that did. */
	tls = trusting(NULL);
	tls.flags = SL_TLS_NO_VERIFY;
	conn = connect_and_shake(&tls, 1);
	len = take_session(conn, session, sizeof(session));
	both_close(conn);
	tls.flags = 0;
	conn = connect_tls(&tls);
	ck_assert_int_eq(sl_set_tls_session(conn, session, len), 0);
	assert_no_session(conn, session, len - 1);
	assert_no_session(conn, session, len + 1);
	assert_no_session(conn, NULL, 1);
	assert_no_session(conn, "garbage", 7);
	accept_peer();
	ck_assert_int_eq(peer_shake(&fix.peer), 1);
	ck_assert_int_eq(sl_session_reused(conn), 0);
	both_close(conn);
	end_client();
}

START_TEST(a_session_goes_on_only_by_the_same_rules)
{
	resume(TLS1_2_VERSION);
	resume(TLS1_3_VERSION);
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

/* In passes, each of which lets the client begin. */
START_TEST(a_server_that_floods_with_tickets_is_left)
{
	struct sl_tls_options tls;
	int rc = 1;

	begin_client();
	SSL_CTX_set_num_tickets(fix.peer.context, 0);
	tls = trusting(NULL);
	connect_and_shake(&tls, 1);
	for (int i = 0; i < 200 && rc == 1; i++) {
		if (SSL_new_session_ticket(fix.peer.ssl) != 1)
			break;
		rc = SSL_do_handshake(fix.peer.ssl);
		worker_idle();
	}
	await_calls("hoxc");
	ck_assert_str_eq(plugin.error_text,
	    "a TLS error: too many key updates or session tickets");
	end_client();
}
END_TEST

static void
upgrade_it(struct sl_conn *c)
{
	struct sl_tls_options tls = trusting("localhost");

	ck_assert_int_eq(sl_upgrade_tls(c, SL_TLS_CLIENT, &tls), 0);
	ck_assert_int_eq(sl_upgrade_tls(c, SL_TLS_CLIENT, &tls), -1);
	ck_assert_int_eq(errno, EALREADY);
	ck_assert_int_eq(sl_write(c, "x", 1), 0);
}

/* Plain at first: "STARTTLS" goes out, and a byte is the answer. */
START_TEST(an_upgrade_as_client_goes_on_with_the_same_connection)
{
	struct sl_connect_options options = {
		.size = sizeof(options),
		.host = "127.0.0.1",
	};
	struct sl_conn *conn;
	char buf[8];

	begin_client();
	options.port = fix.port;
	conn = sl_connect(worker_listener()->current, &options);
	ck_assert_ptr_nonnull(conn);
	ck_assert_int_eq(sl_upgrade_tls(conn, SL_TLS_CLIENT, NULL), -1);
	ck_assert_int_eq(errno, EAGAIN);
	accept_peer();
	await_calls("o");
	ck_assert_int_eq(sl_write(conn, "START", 5), 5);
	conn_pend(conn);
	peer_read(fix.peer.fd, buf, 5);
	plugin.in_data = upgrade_it;
	peer_write(fix.peer.fd, "+", 1);
	worker_idle();
	plugin.in_data = NULL;
	ck_assert_int_eq(peer_shake(&fix.peer), 1);
	await_calls("odhr");
	ck_assert_int_eq(sl_authorized(conn), 1);
	peer_say(&fix.peer, "hi", 2);
	await_input(3);
	both_close(conn);
	end_client();
}
END_TEST

START_TEST(an_upgrade_whose_peer_is_refused_is_told)
{
	struct sl_connect_options options = {
		.size = sizeof(options),
		.host = "127.0.0.1",
	};
	struct sl_conn *conn;

	begin_client();
	options.port = fix.port;
	conn = sl_connect(worker_listener()->current, &options);
	accept_peer();
	worker_idle();
	ck_assert_int_eq(sl_upgrade_tls(conn, SL_TLS_CLIENT, NULL), 0);
	worker_idle();
	peer_shake(&fix.peer);
	await_calls("oHxc");
	ck_assert_uint_eq(plugin.error_why, SL_WHY_HANDSHAKE);
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
		a_session_goes_on_only_by_the_same_rules,
		mistakes_are_refused_at_once,
		a_peer_that_goes_away_ends_the_handshake,
		a_peer_that_says_nothing_is_given_up,
		it_is_closed_at_any_moment,
		a_server_that_floods_with_tickets_is_left,
		an_upgrade_as_client_goes_on_with_the_same_connection,
		an_upgrade_whose_peer_is_refused_is_told,
		over_unix_a_name_is_needed,
		NULL,
	};

	return fixture_run("tls_client", tests);
}
