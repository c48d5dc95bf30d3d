/* check_tls_set.c: what plugins may change about TLS. */

#include <signal.h>

#include "worker/tls_stream.h"

#include "tls_api.h"

/* -- Records -- */

static size_t largest;

static void
on_message(int write, int version, int type, const void *buf, size_t len,
    SSL *ssl, void *arg)
{
	const unsigned char *header = buf;
	size_t n;

	(void)version;
	(void)ssl;
	(void)arg;
	if (write || type != SSL3_RT_HEADER || len < 5)
		return;
	n = (size_t)header[3] << 8 | header[4];
	if (n > largest)
		largest = n;
}

/* The largest record that comes, when so much is sent. */
static size_t
send_and_look(struct tls_peer *peer, size_t len)
{
	static char got[sizeof(bytes)];

	largest = 0;
	ck_assert_int_eq(sl_send(plugin.conn, bytes, len), 0);
	peer_hear(peer, got, len);
	ck_assert_mem_eq(got, bytes, len);
	return largest;
}

static void
cut(void)
{
	struct tls_peer peer;

	begin_tls(TLS_VERIFY_NONE, false);
	peer_connect_as(&peer, NULL);
	SSL_set_msg_callback(peer.ssl, on_message);
	assert_fails(sl_set_max_send_fragment(plugin.conn, 511), EINVAL);
	assert_fails(sl_set_max_send_fragment(plugin.conn, 16385), EINVAL);
	assert_fails(sl_set_max_send_fragment(plugin.conn, SIZE_MAX), EINVAL);
	ck_assert_int_eq(sl_set_max_send_fragment(plugin.conn, 512), 0);
	ck_assert_uint_lt(send_and_look(&peer, 300000), 512 + 64);
	ck_assert_int_eq(sl_set_max_send_fragment(plugin.conn, 16384), 0);
	ck_assert_uint_gt(send_and_look(&peer, 300000), 16384);
	ck_assert_int_eq(sl_set_max_send_fragment(plugin.conn, 4000), 0);
	ck_assert_uint_lt(send_and_look(&peer, 300000), 4000 + 64);
	ck_assert_str_eq(plugin.calls, "ho");
	peer_end(&peer);
	end_tls();
}

START_TEST(records_are_cut_as_told)
{
	every_way(cut);
}
END_TEST

/* -- Asking later: TLS 1.3 -- */

static void
ask_required(struct sl_conn *c)
{
	ck_assert_int_eq(sl_set_verify_mode(c, SL_VERIFY_REQUIRE), 0);
}

static void
peer_prepare_pha(struct tls_peer *peer, const struct tls_fixture *identity)
{
	way.version = TLS1_3_VERSION;
	peer_prepare(peer, identity);
	SSL_set_post_handshake_auth(peer->ssl, 1);
}

START_TEST(a_client_is_asked_behind_the_handshake)
{
	struct tls_peer peer;
	char buf[5];

	begin_tls(TLS_VERIFY_NONE, false);
	plugin.in_data = ask_required;
	peer_prepare_pha(&peer, client);
	ck_assert_int_eq(peer_shake(&peer), 1);
	peer_say(&peer, "x", 1);
	plugin.in_data = NULL;
	assert_fails(sl_set_verify_mode(plugin.conn, SL_VERIFY_REQUIRE),
	    EALREADY);
	ck_assert_int_eq(sl_authorized(plugin.conn), 0);
	peer_listen(&peer);
	ck_assert_int_eq(sl_authorized(plugin.conn), 1);
	ck_assert_str_eq(sl_peer_certificate(plugin.conn)->subject,
	    "CN=someone");
	ck_assert_int_eq(sl_send(plugin.conn, "hello", 5), 0);
	peer_hear(&peer, buf, 5);
	peer_say(&peer, "x", 1);
	ck_assert_str_eq(plugin.calls, "hodd");
	/* Nobody is asked. */
	ck_assert_int_eq(sl_set_verify_mode(plugin.conn, SL_VERIFY_NONE), 0);
	peer_end(&peer);
	end_tls();
}
END_TEST

START_TEST(a_client_is_asked_in_handshake)
{
	struct tls_peer peer;

	begin_tls(TLS_VERIFY_NONE, false);
	plugin.in_handshake = ask_required;
	peer_prepare_pha(&peer, client);
	ck_assert_int_eq(peer_shake(&peer), 1);
	peer_listen(&peer);
	ck_assert_int_eq(sl_authorized(plugin.conn), 1);
	ck_assert_str_eq(plugin.calls, "ho");
	peer_end(&peer);
	end_tls();
}
END_TEST

/* One that is required and is not good. */
static void
answer_badly(const struct tls_fixture *identity, const char *reason)
{
	struct tls_peer peer;

	begin_tls(TLS_VERIFY_NONE, false);
	if (identity != NULL)
		identity = tls_fixture_make(fixture_dir, "stranger", NULL);
	peer_prepare_pha(&peer, identity);
	ck_assert_int_eq(peer_shake(&peer), 1);
	ask_required(plugin.conn);
	peer_listen(&peer);
	ck_assert_str_eq(plugin.calls, "hoxc");
	ck_assert_uint_eq(plugin.error_why, SL_WHY_TLS);
	ck_assert_ptr_nonnull(strstr(plugin.error_text, reason));
	peer_end(&peer);
	end_tls();
}

START_TEST(a_required_answer_must_be_good)
{
	static const struct tls_fixture any;

	answer_badly(NULL, "peer did not return a certificate");
	answer_badly(&any, "self-signed certificate");
}
END_TEST

START_TEST(an_optional_answer_need_not_be_good)
{
	struct tls_peer peer;

	begin_tls(TLS_VERIFY_NONE, false);
	peer_prepare_pha(&peer,
	    tls_fixture_make(fixture_dir, "stranger", NULL));
	ck_assert_int_eq(peer_shake(&peer), 1);
	ck_assert_int_eq(sl_set_verify_mode(plugin.conn, SL_VERIFY_OPTIONAL),
	    0);
	peer_listen(&peer);
	ck_assert_int_eq(sl_authorized(plugin.conn), 0);
	ck_assert_str_eq(sl_authorization_error(plugin.conn),
	    "self-signed certificate");
	ck_assert_str_eq(sl_peer_certificate(plugin.conn)->subject,
	    "CN=stranger");
	ck_assert_str_eq(plugin.calls, "ho");
	peer_end(&peer);
	end_tls();
}
END_TEST

START_TEST(a_client_that_cannot_be_asked_is_not)
{
	struct tls_peer peer;

	way.version = TLS1_3_VERSION;
	begin_tls(TLS_VERIFY_OPTIONAL, false);
	peer_connect_as(&peer, NULL);
	assert_fails(sl_set_verify_mode(plugin.conn, 3), EINVAL);
	assert_fails(sl_set_verify_mode(plugin.conn, -1), EINVAL);
	assert_fails(sl_set_verify_mode(plugin.conn, SL_VERIFY_REQUIRE),
	    ENOTSUP);
	assert_fails(sl_renegotiate(plugin.conn), ENOTSUP);
	ck_assert_int_eq(sl_disable_renegotiation(plugin.conn), 0);
	peer_say(&peer, "x", 1);
	sl_end(plugin.conn, NULL, 0);
	assert_fails(sl_set_verify_mode(plugin.conn, SL_VERIFY_REQUIRE), EPIPE);
	assert_fails(sl_renegotiate(plugin.conn), EPIPE);
	ck_assert_str_eq(plugin.calls, "hod");
	peer_end(&peer);
	end_tls();
}
END_TEST

/* -- Asking later: TLS 1.2 -- */

static void
begin_renegotiation(struct tls_peer *peer, const struct tls_fixture *identity)
{
	way.version = TLS1_2_VERSION;
	peer_prepare(peer, identity);
	ck_assert_int_eq(peer_shake(peer), 1);
}

START_TEST(renegotiation_is_off)
{
	struct tls_peer peer;

	begin_tls(TLS_VERIFY_NONE, false);
	begin_renegotiation(&peer, NULL);
	assert_fails(sl_renegotiate(plugin.conn), EPERM);
	assert_fails(sl_set_verify_mode(plugin.conn, SL_VERIFY_REQUIRE), EPERM);
	peer_say(&peer, "x", 1);
	ck_assert_str_eq(plugin.calls, "hod");
	peer_end(&peer);
	end_tls();
}
END_TEST

static void
renegotiate(struct sl_conn *c)
{
	ck_assert_int_eq(sl_renegotiate(c), 0);
	assert_fails(sl_renegotiate(c), EALREADY);
	ck_assert_int_eq(sl_send(c, "behind", 6), 0);
}

START_TEST(a_renegotiation_changes_the_keys_under_the_bytes)
{
	unsigned char before[64], after[64];
	struct tls_peer peer;
	char buf[6];

	begin_tls(TLS_VERIFY_NONE, true);
	begin_renegotiation(&peer, NULL);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_gt(sl_tls_finished(plugin.conn, before, 64), 0);
		plugin.in_data = renegotiate;
		peer_say(&peer, "x", 1);
		plugin.in_data = NULL;
		peer_hear(&peer, buf, 6);
		ck_assert_mem_eq(buf, "behind", 6);
		peer_listen(&peer);
		ck_assert_int_gt(sl_tls_finished(plugin.conn, after, 64), 0);
		ck_assert_mem_ne(before, after, 12);
		ck_assert_int_eq(sl_authorized(plugin.conn), 0);
		peer_say(&peer, "x", 1);
	}
	ck_assert_str_eq(plugin.calls, "hodddddd");
	peer_end(&peer);
	end_tls();
}
END_TEST

START_TEST(a_renegotiation_asks_for_a_certificate)
{
	struct tls_peer peer;

	begin_tls(TLS_VERIFY_NONE, true);
	use_tickets();
	begin_renegotiation(&peer, client);
	ck_assert_int_eq(sl_authorized(plugin.conn), 0);
	ask_required(plugin.conn);
	ck_assert_int_eq(sl_authorized(plugin.conn), 0);
	ck_assert_int_eq(sl_renegotiate(plugin.conn), 0);
	peer_listen(&peer);
	ck_assert_int_eq(sl_authorized(plugin.conn), 1);
	ck_assert_str_eq(sl_peer_certificate(plugin.conn)->subject,
	    "CN=someone");
	ck_assert_int_eq(sl_session_reused(plugin.conn), 0);
	peer_say(&peer, "x", 1);
	ck_assert_str_eq(plugin.calls, "hod");
	peer_end(&peer);
	tls_tickets_clear();
	end_tls();
}
END_TEST

/* Also when the client would rather take up the session that it has. */
START_TEST(a_renegotiation_cannot_evade_the_question)
{
	struct tls_peer peer;

	begin_tls(TLS_VERIFY_NONE, true);
	use_tickets();
	begin_renegotiation(&peer, NULL);
	ask_required(plugin.conn);
	ck_assert_int_eq(SSL_renegotiate_abbreviated(peer.ssl), 1);
	SSL_do_handshake(peer.ssl);
	worker_idle();
	peer_listen(&peer);
	ck_assert_str_eq(plugin.calls, "hoxc");
	ck_assert_uint_eq(plugin.error_why, SL_WHY_TLS);
	peer_end(&peer);
	tls_tickets_clear();
	end_tls();
}
END_TEST

/* The same listener, with another context for a name. */
static void
add_name(const char *text)
{
	struct key_string names[] = { { .text = (char *)text } };
	struct listener_settings *settings = worker_settings();
	struct tls_name_settings entry = {
		.names = names,
		.name_count = 1,
		.identity = settings->tls.identity,
	};

	settings->tls.sni = &entry;
	settings->tls.sni_count = 1;
	tls_server_unref(peer_server);
	peer_server = peer_make_server(settings, secrets, 1);
	settings->tls.sni = NULL; /* it is not on the heap */
	settings->tls.sni_count = 0;
}

/* The hello of a renegotiation names the host again. */
START_TEST(a_name_does_not_evade_the_question)
{
	struct tls_peer peer;

	begin_tls(TLS_VERIFY_NONE, true);
	add_name("a.example.org");
	way.version = TLS1_2_VERSION;
	peer_prepare(&peer, NULL);
	SSL_set_tlsext_host_name(peer.ssl, "a.example.org");
	ck_assert_int_eq(peer_shake(&peer), 1);
	ask_required(plugin.conn);
	ck_assert_int_eq(sl_renegotiate(plugin.conn), 0);
	peer_listen(&peer);
	ck_assert_str_eq(plugin.calls, "hoxc");
	ck_assert_uint_eq(plugin.error_why, SL_WHY_TLS);
	peer_end(&peer);
	end_tls();
}
END_TEST

START_TEST(a_peer_may_ignore_the_wish)
{
	struct tls_peer peer;
	char buf[5];

	begin_tls(TLS_VERIFY_NONE, true);
	begin_renegotiation(&peer, NULL);
	ck_assert_int_eq(sl_renegotiate(plugin.conn), 0);
	ck_assert_int_eq(SSL_write(peer.ssl, "x", 1), 1);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "hod");
	ck_assert_int_eq(sl_send(plugin.conn, "hello", 5), 0);
	worker_idle();
	assert_fails(sl_renegotiate(plugin.conn), EALREADY);
	peer_hear(&peer, buf, 5);
	peer_end(&peer);
	end_tls();
}
END_TEST

/* The client wants one.  Returns whether it was let. */
static bool
client_renegotiates(struct tls_peer *peer)
{
	unsigned char before[64], after[64];

	sl_tls_finished(plugin.conn, before, 64);
	ck_assert_int_eq(SSL_renegotiate(peer->ssl), 1);
	SSL_do_handshake(peer->ssl);
	worker_idle();
	peer_listen(peer);
	return plugin.conn != NULL &&
	    sl_tls_finished(plugin.conn, after, 64) > 0 &&
	    memcmp(before, after, 12) != 0;
}

START_TEST(renegotiation_is_disabled_for_good)
{
	struct tls_peer peer;

	begin_tls(TLS_VERIFY_NONE, true);
	begin_renegotiation(&peer, NULL);
	ck_assert(client_renegotiates(&peer));
	ck_assert_int_eq(sl_disable_renegotiation(plugin.conn), 0);
	assert_fails(sl_renegotiate(plugin.conn), EPERM);
	ck_assert(!client_renegotiates(&peer));
	peer_end(&peer);
	end_tls();
}
END_TEST

START_TEST(a_flood_of_renegotiations_ends_the_connection)
{
	struct tls_peer peer;
	int n = 0;

	begin_tls(TLS_VERIFY_NONE, true);
	begin_renegotiation(&peer, NULL);
	for (int i = 0; i < 5; i++) { /* those that we ask for do not count */
		ck_assert_int_eq(sl_renegotiate(plugin.conn), 0);
		peer_listen(&peer);
	}
	for (; n < 10 && client_renegotiates(&peer); n++)
		peer_say(&peer, "x", 1);
	ck_assert_int_eq(n, RENEGOTIATIONS_MAX);
	ck_assert_uint_eq(plugin.error_why, SL_WHY_TLS);
	ck_assert_ptr_nonnull(
	    strstr(plugin.error_text, "too many renegotiations"));
	peer_end(&peer);
	end_tls();
}
END_TEST

START_TEST(during_a_handshake_it_is_too_late_to_ask)
{
	struct tls_peer peer;

	begin_tls(TLS_VERIFY_NONE, true);
	way.version = TLS1_2_VERSION;
	peer_prepare(&peer, NULL);
	SSL_do_handshake(peer.ssl);
	worker_idle();
	ck_assert_int_eq(sl_state(peer.conn), SL_STATE_HANDSHAKE);
	assert_fails(sl_set_verify_mode(peer.conn, SL_VERIFY_REQUIRE),
	    EALREADY);
	assert_fails(sl_renegotiate(peer.conn), ENODATA);
	ck_assert_int_eq(peer_shake(&peer), 1);
	/* And during another one: the client has not answered our wish. */
	ck_assert_int_eq(sl_renegotiate(plugin.conn), 0);
	ck_assert_int_eq(SSL_peek(peer.ssl, &way, 1), -1);
	worker_idle();
	assert_fails(sl_set_verify_mode(peer.conn, SL_VERIFY_REQUIRE),
	    EALREADY);
	assert_fails(sl_renegotiate(peer.conn), EALREADY);
	peer_end(&peer);
	end_tls();
}
END_TEST

/* Ever new certificates: what was shown stays, and memory has a limit. */
START_TEST(old_certificates_stay_as_they_were)
{
	const struct sl_certificate *first, *shown;
	struct tls_peer peer;
	int n;

	begin_tls(TLS_VERIFY_OPTIONAL, true);
	begin_renegotiation(&peer, client);
	first = sl_peer_certificate(plugin.conn);
	for (n = 0; n < 200; n++) {
		struct tls_fixture odd;

		odd = (struct tls_fixture){ X509_dup(client->cert), client->key,
			"", "" };
		X509_set_issuer_name(odd.cert,
		    X509_get_subject_name(leaf->cert));
		ASN1_INTEGER_set(X509_get_serialNumber(odd.cert), 5000 + n);
		X509_sign(odd.cert, odd.key, EVP_sha256());
		SSL_use_certificate(peer.ssl, odd.cert);
		/* Of its own accord it may do so only now and then. */
		ck_assert_int_eq(sl_renegotiate(plugin.conn), 0);
		peer_listen(&peer);
		shown = sl_peer_certificate(plugin.conn);
		X509_free(odd.cert);
		if (shown == NULL)
			break;
		ck_assert_ptr_ne(shown, first);
	}
	ck_assert_int_eq(errno, ENOBUFS);
	ck_assert_int_gt(n, 20);
	ck_assert_int_lt(n, 200);
	ck_assert_str_eq(first->subject, "CN=someone");
	ck_assert_str_eq(first->next->subject, "CN=ca");
	peer_end(&peer);
	end_tls();
}
END_TEST

/* The client's hello of another handshake is here, and our answer is there. */
static void
begin_amid_renegotiation(struct tls_peer *peer)
{
	begin_tls(TLS_VERIFY_NONE, true);
	begin_renegotiation(peer, NULL);
	ck_assert_int_eq(SSL_renegotiate(peer->ssl), 1);
	SSL_do_handshake(peer->ssl);
	worker_idle();
	ck_assert_int_eq(
	    SSL_is_init_finished(tls_session(&plugin.conn->stream)), 0);
}

/* There is no close_notify, and nothing to wait for. */
START_TEST(a_close_amid_a_renegotiation_ends_at_once)
{
	struct tls_peer peer;
	char buf[4096];

	begin_amid_renegotiation(&peer);
	worker_settings()->timeouts.linger_ms = 0;
	ck_assert_int_eq(sl_close(plugin.conn), 0);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "hoc");
	ck_assert_uint_eq(plugin.why, SL_WHY_LOCAL);
	ck_assert_int_gt(peer_read_to_end(peer.fd, buf, sizeof(buf)), 0);
	peer_end(&peer);
	end_tls();
}
END_TEST

/* Our end has gone out; the client finishes its handshake all the same. */
START_TEST(what_is_left_of_a_renegotiation_does_not_disturb_the_close)
{
	struct tls_peer peer;

	begin_amid_renegotiation(&peer);
	worker_settings()->timeouts.linger_ms = 60000;
	ck_assert_int_eq(sl_close(plugin.conn), 0);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "ho");
	SSL_do_handshake(peer.ssl);
	worker_idle();
	shutdown(peer.fd, SHUT_WR);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "hoc");
	ck_assert_uint_eq(plugin.why, SL_WHY_LOCAL);
	peer_end(&peer);
	end_tls();
}
END_TEST

/* The client says no more, and what the plugin wrote cannot leave. */
START_TEST(a_close_behind_a_stalled_renegotiation_ends_by_the_clock)
{
	struct tls_peer peer;

	begin_amid_renegotiation(&peer);
	worker_settings()->timeouts.write_ms = 1000;
	ck_assert_int_eq(sl_end(plugin.conn, "rest", 4), 0);
	ck_assert_int_eq(sl_close(plugin.conn), 0);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "ho");
	worker_skip_ms(1001);
	plugin.conn->timer.on_expire(&plugin.conn->timer);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "hoxc");
	ck_assert_uint_eq(plugin.error_why, SL_WHY_UNDELIVERED);
	ck_assert_uint_eq(plugin.lost, 4);
	peer_end(&peer);
	end_tls();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		records_are_cut_as_told,
		a_client_is_asked_behind_the_handshake,
		a_client_is_asked_in_handshake,
		a_required_answer_must_be_good,
		an_optional_answer_need_not_be_good,
		a_client_that_cannot_be_asked_is_not,
		renegotiation_is_off,
		a_renegotiation_changes_the_keys_under_the_bytes,
		a_renegotiation_asks_for_a_certificate,
		a_renegotiation_cannot_evade_the_question,
		a_name_does_not_evade_the_question,
		a_peer_may_ignore_the_wish,
		renegotiation_is_disabled_for_good,
		a_flood_of_renegotiations_ends_the_connection,
		during_a_handshake_it_is_too_late_to_ask,
		old_certificates_stay_as_they_were,
		a_close_amid_a_renegotiation_ends_at_once,
		what_is_left_of_a_renegotiation_does_not_disturb_the_close,
		a_close_behind_a_stalled_renegotiation_ends_by_the_clock,
		NULL,
	};

	signal(SIGPIPE, SIG_IGN);
	fill();
	make_keys();
	return fixture_run("tls_set", tests);
}
