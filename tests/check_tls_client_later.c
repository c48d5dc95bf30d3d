/*
 * check_tls_client_later.c: sessions that TLS clients resume, what servers may
 * send later, and plain connections that go on with TLS.
 */

#include <poll.h>

#include "worker/tls_stream.h"

#include "tls_client_fixture.h"
#include "tls_late.h"

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

#define LABEL "EXPERIMENTAL sluice"

/* What both ends say of the session. */
static void
compare_facts(struct sl_conn *conn)
{
	SSL *peer = fix.peer.ssl;
	unsigned char ours[64], theirs[64];
	size_t n;

	ck_assert_str_eq(sl_tls_version(conn), SSL_get_version(peer));
	ck_assert_str_eq(sl_tls_cipher(conn)->name,
	    SSL_CIPHER_get_name(SSL_get_current_cipher(peer)));
	ck_assert_int_eq(
	    sl_export_keying_material(conn, ours, 32, LABEL, "c", 1), 0);
	ck_assert_int_eq(SSL_export_keying_material(peer, theirs, 32, LABEL,
			     strlen(LABEL), (const void *)"c", 1, 1),
	    1);
	ck_assert_mem_eq(ours, theirs, 32);
	n = SSL_get_peer_finished(peer, theirs, sizeof(theirs));
	ck_assert_int_eq(sl_tls_finished(conn, ours, sizeof(ours)), (ssize_t)n);
	ck_assert_mem_eq(ours, theirs, n);
	n = SSL_get_finished(peer, theirs, sizeof(theirs));
	ck_assert_int_eq(sl_tls_peer_finished(conn, ours, sizeof(ours)),
	    (ssize_t)n);
	ck_assert_mem_eq(ours, theirs, n);
	ck_assert_str_eq(sl_ephemeral_key(conn)->type, "ECDH");
	ck_assert_str_eq(sl_ephemeral_key(conn)->name,
	    OBJ_nid2sn((int)SSL_get_negotiated_group(peer)));
	ck_assert_str_eq(sl_peer_certificate(conn)->subject, "CN=localhost");
	ck_assert_int_eq(sl_session_reused(conn), 0);
	ck_assert_int_eq(sl_set_max_send_fragment(conn, 1024), 0);
	/* The server alone chooses among those of both. */
	ck_assert_ptr_null(sl_shared_sigalgs(conn));
	ck_assert_int_eq(errno, ENODATA);
	ck_assert_int_eq(sl_set_verify_mode(conn, SL_VERIFY_NONE), -1);
	ck_assert_int_eq(errno, ENOTSUP);
}

START_TEST(facts_are_those_of_the_other_end)
{
	const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	struct sl_tls_options tls;
	struct sl_conn *conn;

	for (int i = 0; i < 2; i++) {
		begin_client();
		SSL_CTX_set_max_proto_version(fix.peer.context, versions[i]);
		tls = trusting(NULL);
		conn = connect_and_shake(&tls, 1);
		compare_facts(conn);
		both_close(conn);
		end_client();
	}
}
END_TEST

/* With what the listener has for its connections. */
static struct sl_conn *
connect_renegotiating(bool may)
{
	const struct tls_settings settings = {
		.identity = { .verify = TLS_VERIFY_REQUIRE,
		    .secret = NO_SECRET },
		.max_send_fragment = 16384,
		.renegotiation = may,
	};
	struct sl_tls_options tls = trusting(NULL);
	struct error err;

	SSL_CTX_set_max_proto_version(fix.peer.context, TLS1_2_VERSION);
	SSL_CTX_set_options(fix.peer.context,
	    SSL_OP_ALLOW_CLIENT_RENEGOTIATION);
	tls_client_unref(worker_listener()->tls_client);
	worker_listener()->tls_client = tls_client_new(&settings, NULL, &err);
	return connect_and_shake(&tls, 1);
}

/* The client has sent something, and the server answers, if it wants to. */
static void
answer(void)
{
	struct pollfd ready = { .fd = fix.peer.fd, .events = POLLIN };
	char byte;

	ck_assert_int_eq(poll(&ready, 1, 10000), 1);
	ERR_clear_error();
	SSL_read(fix.peer.ssl, &byte, 1);
}

START_TEST(a_client_renegotiates_where_it_may)
{
	unsigned char before[64], after[64];
	struct sl_conn *conn;

	begin_client();
	conn = connect_renegotiating(false);
	ck_assert_int_eq(sl_renegotiate(conn), -1);
	ck_assert_int_eq(errno, EPERM);
	both_close(conn);
	conn = connect_renegotiating(true);
	sl_tls_finished(conn, before, sizeof(before));
	ck_assert_int_eq(sl_renegotiate(conn), 0);
	answer(); /* hello */
	worker_pass(true);
	answer(); /* key, finished */
	worker_pass(true);
	ck_assert_int_gt(sl_tls_finished(conn, after, sizeof(after)), 0);
	ck_assert_mem_ne(before, after, 12);
	ck_assert_int_eq(sl_authorized(conn), 1);
	both_close(conn);
	end_client();
}
END_TEST

/* Each costs us as much as a new connection. */
START_TEST(a_server_that_renegotiates_without_end_is_left)
{
	begin_client();
	connect_renegotiating(true);
	for (int i = 0; i < RENEGOTIATIONS_MAX; i++) {
		SSL_renegotiate(fix.peer.ssl);
		SSL_do_handshake(fix.peer.ssl);
		worker_pass(true); /* the wish has come */
		answer();
		worker_pass(true);
		answer(); /* it has resumed a session, and has no more to say */
	}
	await_calls("ho");
	SSL_renegotiate(fix.peer.ssl);
	SSL_do_handshake(fix.peer.ssl);
	await_calls("hoxc");
	ck_assert_str_eq(plugin.error_text,
	    "a TLS error: too many renegotiations");
	end_client();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_session_goes_on_only_by_the_same_rules,
		a_server_that_floods_with_tickets_is_left,
		an_upgrade_as_client_goes_on_with_the_same_connection,
		an_upgrade_whose_peer_is_refused_is_told,
		facts_are_those_of_the_other_end,
		a_client_renegotiates_where_it_may,
		a_server_that_renegotiates_without_end_is_left,
		NULL,
	};

	return fixture_run("tls_client_later", tests);
}
