/* check_tls_api.c: what plugins are told about TLS, in every state. */

#include "tls_api.h"
#include "tls_late.h"

/* What the client knows, to be compared with what the plugin is told. */
static struct {
	SSL *ssl;
	unsigned int asked; /* so often */
	const struct sl_certificate *own;
	const char *servername;
} mirror;

static void
assert_finished(const struct sl_conn *c)
{
	unsigned char ours[64], theirs[64], client_own[64], client_peer[64];
	ssize_t len = sl_tls_finished(c, ours, sizeof(ours));
	ssize_t peer_len = sl_tls_peer_finished(c, theirs, sizeof(theirs));

	ck_assert_int_ge(len, 12);
	ck_assert_int_ge(peer_len, 12);
	ck_assert_mem_ne(ours, theirs, 12);
	ck_assert_int_eq(tls_fact_finished(mirror.ssl, client_own, 64),
	    peer_len);
	ck_assert_mem_eq(theirs, client_own, peer_len);
	/* With TLS 1.2 ours is still on its way in `handshake`. */
	if (SSL_is_init_finished(mirror.ssl)) {
		ck_assert_int_eq(
		    tls_fact_peer_finished(mirror.ssl, client_peer, 64), len);
		ck_assert_mem_eq(ours, client_peer, len);
	}
	ck_assert_int_eq(sl_tls_finished(c, NULL, 0), len);
	memset(theirs, 'x', 12);
	ck_assert_int_eq(sl_tls_finished(c, theirs, 11), len);
	ck_assert_int_eq(theirs[0], 'x');
	assert_fails(sl_tls_finished(c, NULL, 1), EINVAL);
}

static void
assert_export(const struct sl_conn *c)
{
	unsigned char ours[32], theirs[32], other[32];

	ck_assert_int_eq(sl_export_keying_material(c, ours, 32, LABEL, NULL, 0),
	    0);
	ck_assert_int_eq(sl_export_keying_material(c, other, 32, LABEL, "x", 1),
	    0);
	ck_assert_mem_ne(ours, other, 32);
	if (!SSL_is_init_finished(mirror.ssl))
		return;
	ck_assert_int_eq(SSL_export_keying_material(mirror.ssl, theirs, 32,
			     LABEL, strlen(LABEL), NULL, 0, 0),
	    1);
	ck_assert_mem_eq(ours, theirs, 32);
	ck_assert_int_eq(tls_fact_export(mirror.ssl, theirs, 32, LABEL, "x", 1),
	    0);
	ck_assert_mem_eq(other, theirs, 32);
	ck_assert_int_eq(sl_export_keying_material(c, ours, 32, LABEL, "", 0),
	    0);
	ck_assert_int_eq(tls_fact_export(mirror.ssl, theirs, 32, LABEL, "", 0),
	    0);
	ck_assert_mem_eq(ours, theirs, 32);
}

static void
assert_own_certificate(const struct sl_conn *c)
{
	const struct sl_certificate *own = sl_certificate(c);
	unsigned char *der = NULL, digest[32];
	int len = i2d_X509(leaf->cert, &der);

	ck_assert_ptr_nonnull(own);
	ck_assert_uint_eq(own->size, sizeof(*own));
	ck_assert_str_eq(own->subject, "CN=localhost");
	ck_assert_str_eq(own->issuer, "CN=ca");
	ck_assert_str_eq(own->sans, "DNS:localhost, IP Address:127.0.0.1");
	ck_assert_int_eq(strtol(own->serial, NULL, 16),
	    ASN1_INTEGER_get(X509_get0_serialNumber(leaf->cert)));
	ck_assert_int_eq(own->valid_to - own->valid_from, 91L * 24 * 60 * 60);
	ck_assert_int_lt(llabs(time(NULL) - 24 * 60 * 60 - own->valid_from),
	    600);
	ck_assert_uint_eq(own->der_len, len);
	ck_assert_mem_eq(own->der, der, len);
	X509_digest(leaf->cert, EVP_sha256(), digest, NULL);
	ck_assert_mem_eq(own->sha256, digest, 32);
	ck_assert_ptr_null(own->next);
	OPENSSL_free(der);
	/* The same as before, so that it is good until the end. */
	if (mirror.own == NULL)
		mirror.own = own;
	ck_assert_ptr_eq(mirror.own, own);
}

static void
assert_facts(struct sl_conn *c)
{
	const struct sl_ephemeral_key *key = sl_ephemeral_key(c);
	const struct sl_cipher *cipher = sl_tls_cipher(c);
	const char *text;

	ck_assert_str_eq(sl_tls_version(c),
	    way.version == TLS1_2_VERSION ? "TLSv1.2" : "TLSv1.3");
	ck_assert_ptr_nonnull(cipher);
	ck_assert_uint_eq(cipher->size, sizeof(*cipher));
	ck_assert_str_eq(cipher->name, SSL_get_cipher_name(mirror.ssl));
	ck_assert_int_eq(strncmp(cipher->standard_name, "TLS_", 4), 0);
	ck_assert_str_eq(cipher->version, sl_tls_version(c));
	ck_assert_uint_ge(cipher->bits, 128);
	ck_assert_ptr_eq(sl_tls_cipher(c), cipher);
	ck_assert_str_eq(sl_alpn(c), "echo/1");
	ck_assert_str_eq(sl_servername(c), "host.example.org");
	if (mirror.servername == NULL)
		mirror.servername = sl_servername(c);
	ck_assert_ptr_eq(mirror.servername, sl_servername(c));
	ck_assert_int_eq(sl_authorized(c), 0);
	ck_assert_str_eq(sl_authorization_error(c),
	    "no certificate was asked for");
	assert_none(sl_peer_certificate(c), ENODATA);
	assert_own_certificate(c);
	ck_assert_int_eq(sl_session_reused(c), 0);
	assert_export(c);
	assert_finished(c);
	text = sl_shared_sigalgs(c);
	ck_assert_ptr_nonnull(text);
	ck_assert_ptr_nonnull(strstr(text, "ECDSA+SHA256"));
	ck_assert_ptr_nonnull(strstr(text, "Ed25519"));
	ck_assert_ptr_nonnull(strstr(text, "RSA-PSS+SHA256"));
	ck_assert_ptr_nonnull(key);
	ck_assert_uint_eq(key->size, sizeof(*key));
	ck_assert_str_eq(key->type, "ECDH");
	ck_assert_str_eq(key->name, "prime256v1");
	ck_assert_uint_eq(key->bits, 256);
	ck_assert_int_gt(sl_tls_session(c, NULL, 0), 50);
	assert_fails(sl_tls_ticket(c, NULL, 0), ENOTSUP);
	mirror.asked++;
}

static void
facts_then_no_changes(struct sl_conn *c)
{
	assert_facts(c);
	assert_no_changes(c, ENOTCONN);
}

static void
ask_in_every_state(void)
{
	struct tls_peer peer;
	struct sl_conn *c;

	memset(&mirror, 0, sizeof(mirror));
	begin_tls(TLS_VERIFY_NONE, false);
	plugin.in_handshake = plugin.in_open = assert_facts;
	plugin.in_data = plugin.in_end = assert_facts;
	plugin.in_close = facts_then_no_changes;
	peer_prepare(&peer, NULL);
	mirror.ssl = peer.ssl;
	SSL_set_tlsext_host_name(peer.ssl, "HOST.Example.org.");
	SSL_set_alpn_protos(peer.ssl, (const unsigned char *)"\6echo/1", 7);
	ck_assert_int_eq(peer_shake(&peer), 1);
	ck_assert_uint_eq(mirror.asked, 2);
	peer_say(&peer, "x", 1);
	ck_assert_uint_eq(mirror.asked, 3);
	c = plugin.conn;
	sl_end(c, NULL, 0);
	assert_facts(c);
	/* As it is, this state has no callback. */
	conn_pend(c);
	worker_idle();
	assert_facts(c);
	ck_assert_int_eq(sl_state(c), SL_STATE_WRITE_CLOSED);
	SSL_shutdown(peer.ssl);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "hodec");
	ck_assert_uint_eq(mirror.asked, 7);
	peer_end(&peer);
	end_tls();
}

START_TEST(facts_are_there_from_handshake_to_close)
{
	every_way(ask_in_every_state);
}
END_TEST

START_TEST(after_close_there_is_nothing)
{
	struct tls_peer peer;
	struct sl_conn *c;

	way.version = TLS1_3_VERSION;
	begin_tls(TLS_VERIFY_NONE, false);
	peer_connect_as(&peer, NULL);
	c = plugin.conn;
	sl_terminate(c);
	conn_settle(c);
	ck_assert_str_eq(plugin.calls, "hoc");
	/* Its memory is there until the pass is over. */
	assert_no_facts(c, ENOTCONN);
	assert_no_changes(c, ENOTCONN);
	peer_end(&peer);
	end_tls();
	assert_no_facts(NULL, ENOTCONN);
	assert_no_changes(NULL, ENOTCONN);
}
END_TEST

static void
assert_plain(struct sl_conn *c)
{
	assert_no_facts(c, ENOPROTOOPT);
}

START_TEST(without_tls_there_is_no_such_thing)
{
	struct sl_conn *c;
	int fd;

	begin(&handlers);
	plugin.in_open = plugin.in_close = assert_plain;
	fd = worker_connect();
	assert_no_changes(plugin.conn, ENOPROTOOPT);
	c = plugin.conn;
	sl_terminate(c);
	conn_settle(c);
	ck_assert_str_eq(plugin.calls, "oc");
	assert_no_facts(c, ENOTCONN);
	close(fd);
	worker_end();
}
END_TEST

static void
assert_failed(struct sl_conn *c)
{
	char buf[16];

	if (tls_session(&c->stream) == NULL) {
		assert_no_facts(c, ENODATA);
	} else {
		ck_assert_int_eq(sl_authorized(c), 0);
		ck_assert_str_eq(sl_authorization_error(c),
		    "the handshake is not over");
		assert_none(sl_tls_cipher(c), ENODATA);
		assert_none(sl_tls_version(c), ENODATA);
		assert_none(sl_peer_certificate(c), ENODATA);
		assert_fails(sl_tls_session(c, buf, 0), ENODATA);
		assert_fails(
		    sl_export_keying_material(c, buf, 1, LABEL, NULL, 0),
		    ENODATA);
		assert_fails(sl_tls_finished(c, buf, 16), ENODATA);
	}
	assert_no_changes(c, ENOTCONN);
	mirror.asked++;
}

START_TEST(a_handshake_that_fails_proves_nothing)
{
	struct tls_peer peer;

	mirror.asked = 0;
	begin_tls(TLS_VERIFY_NONE, false);
	plugin.in_handshake = assert_failed;
	peer_begin(&peer);
	assert_no_facts(peer.conn, ENODATA); /* not a word so far */
	peer_write(peer.fd, "GET / HTTP/1.0\r\n\r\n", 18);
	peer_end(&peer);
	peer_begin(&peer);
	peer_end(&peer);
	/* No cipher in common. */
	peer_begin(&peer);
	SSL_set_max_proto_version(peer.ssl, TLS1_2_VERSION);
	ck_assert_int_eq(SSL_set_cipher_list(peer.ssl, "AES128-SHA"), 1);
	ck_assert_int_eq(peer_shake(&peer), -1);
	peer_end(&peer);
	ck_assert_str_eq(plugin.calls, "HHH");
	ck_assert_uint_eq(mirror.asked, 3);
	end_tls();
}
END_TEST

static void
assert_refused(struct sl_conn *c)
{
	ck_assert_int_eq(sl_authorized(c), 0);
	ck_assert_str_eq(sl_authorization_error(c), "self-signed certificate");
	assert_none(sl_peer_certificate(c), ENODATA);
	mirror.asked++;
}

static void
refuse_a_stranger(void)
{
	struct tls_peer peer;

	mirror.asked = 0;
	begin_tls(TLS_VERIFY_REQUIRE, false);
	plugin.in_handshake = assert_refused;
	peer_prepare(&peer, tls_fixture_make(fixture_dir, "stranger", NULL));
	peer_shake(&peer);
	ck_assert_str_eq(plugin.calls, "H");
	ck_assert_uint_eq(mirror.asked, 1);
	peer_end(&peer);
	end_tls();
}

START_TEST(whoever_is_refused_is_not_authorized)
{
	every_way(refuse_a_stranger);
}
END_TEST

/* A host that was asked for by this name is told in these words, or errno. */
static void
ask_for(const char *name, const char *told, int error)
{
	struct tls_peer peer;
	const char *got;

	peer_prepare(&peer, NULL);
	if (name != NULL)
		SSL_set_tlsext_host_name(peer.ssl, name);
	ck_assert_int_eq(peer_shake(&peer), 1);
	errno = 0;
	got = sl_servername(plugin.conn);
	if (told != NULL)
		ck_assert_pstr_eq(got, told);
	else
		ck_assert_ptr_null(got);
	ck_assert_int_eq(errno, error);
	assert_none(sl_alpn(plugin.conn), ENODATA);
	peer_end(&peer);
}

START_TEST(a_servername_is_a_name_or_nothing)
{
	char long_name[256];

	way.version = TLS1_3_VERSION;
	begin_tls(TLS_VERIFY_NONE, false);
	ask_for(NULL, NULL, ENODATA);
	ask_for("a_b-1.ORG", "a_b-1.org", 0);
	ask_for("127.0.0.1", "127.0.0.1", 0);
	ask_for("a\nb", NULL, EILSEQ);
	ask_for("\033[31m", NULL, EILSEQ);
	ask_for("b\xc3\xbc.org", NULL, EILSEQ);
	ask_for("a b", NULL, EILSEQ);
	memset(long_name, 'a', 255);
	long_name[255] = '\0';
	ask_for(long_name, long_name, 0);
	end_tls();
}
END_TEST

/* -- Sessions -- */

static void
set_session(SSL *ssl, const unsigned char *data, long len)
{
	SSL_SESSION *session = d2i_SSL_SESSION(NULL, &data, len);

	ck_assert_int_eq(SSL_set_session(ssl, session), 1);
	SSL_SESSION_free(session);
}

/* A session goes on only under the name it began with (RFC 6066). */
static void
resume_as(const char *name, bool good)
{
	static unsigned char session[16384];
	struct tls_peer peer;
	ssize_t len;

	begin_tls(TLS_VERIFY_NONE, false);
	use_tickets();
	peer_prepare(&peer, NULL);
	SSL_set_tlsext_host_name(peer.ssl, "a.org");
	ck_assert_int_eq(peer_shake(&peer), 1);
	peer_listen(&peer);
	len = tls_fact_session(peer.ssl, session, sizeof(session));
	SSL_shutdown(peer.ssl);
	peer_end(&peer);

	peer_prepare(&peer, NULL);
	set_session(peer.ssl, session, len);
	SSL_set_tlsext_host_name(peer.ssl, name);
	ck_assert_int_eq(peer_shake(&peer), 1);
	ck_assert_int_eq(sl_session_reused(plugin.conn), good);
	if (name != NULL)
		ck_assert_str_eq(sl_servername(plugin.conn), name);
	else
		assert_none(sl_servername(plugin.conn), ENODATA);
	peer_end(&peer);
	tls_tickets_clear();
	end_tls();
}

/* Also one that was resumed, and has a ticket that followed. */
static void
resume_again(void)
{
	unsigned char session[16384];
	struct tls_peer peer;
	ssize_t len = 0;
	const char *name;

	begin_tls(TLS_VERIFY_NONE, false);
	use_tickets();
	for (int i = 0; i < 4; i++) {
		peer_prepare(&peer, NULL);
		name = i < 3 ? "a.org" : "b.org";
		SSL_set_tlsext_host_name(peer.ssl, name);
		if (i > 0)
			set_session(peer.ssl, session, len);
		ck_assert_int_eq(peer_shake(&peer), 1);
		ck_assert_int_eq(sl_session_reused(plugin.conn),
		    i == 1 || i == 2);
		peer_listen(&peer);
		len = tls_fact_session(peer.ssl, session, sizeof(session));
		ck_assert_int_gt(len, 0);
		SSL_shutdown(peer.ssl);
		peer_end(&peer);
	}
	tls_tickets_clear();
	end_tls();
}

static void
resume_under_names(void)
{
	resume_again();
	resume_as("a.org", true);
	resume_as("b.org", false);
	resume_as(NULL, false);
}

START_TEST(a_session_keeps_its_name)
{
	every_way(resume_under_names);
}
END_TEST

static void
resume(void)
{
	static unsigned char session[16384], ticket[4096], again[4096];
	struct tls_peer peer;
	ssize_t len, n;

	begin_tls(TLS_VERIFY_REQUIRE, false);
	use_tickets();
	peer_prepare(&peer, client);
	assert_fails(tls_fact_session(peer.ssl, NULL, 0), ENODATA);
	assert_fails(tls_fact_ticket(peer.ssl, NULL, 0), ENODATA);
	SSL_set_tlsext_host_name(peer.ssl, "a.org");
	ck_assert_int_eq(peer_shake(&peer), 1);
	ck_assert_int_eq(sl_session_reused(plugin.conn), 0);
	peer_listen(&peer);
	len = tls_fact_session(peer.ssl, NULL, 0);
	ck_assert_int_gt(len, 100);
	ck_assert_int_eq(tls_fact_session(peer.ssl, session, len - 1), len);
	ck_assert_int_eq(tls_fact_session(peer.ssl, session, len), len);
	n = tls_fact_ticket(peer.ssl, ticket, sizeof(ticket));
	ck_assert_int_gt(n, 100);
	ck_assert_ptr_nonnull(memmem(session, len, ticket, n));
	n = sl_tls_session(plugin.conn, ticket, sizeof(ticket));
	ck_assert_int_gt(n, 100);
	SSL_shutdown(peer.ssl);
	peer_end(&peer);

	peer_prepare(&peer, client);
	SSL_set_tlsext_host_name(peer.ssl, "a.org");
	set_session(peer.ssl, session, len);
	ck_assert_int_eq(peer_shake(&peer), 1);
	ck_assert_int_eq(sl_session_reused(plugin.conn), 1);
	ck_assert_int_eq(tls_fact_reused(peer.ssl), 1);
	/* A client of TLS 1.3 uses a ticket once, and gets another. */
	if (way.version == TLS1_3_VERSION) {
		peer_listen(&peer);
		ck_assert_int_gt(
		    tls_fact_ticket(peer.ssl, again, sizeof(again)), 100);
		ck_assert_ptr_null(memmem(session, len, again, 100));
	}
	/* It is still the same one, of whom only the first is known. */
	ck_assert_int_eq(sl_authorized(plugin.conn), 1);
	ck_assert_str_eq(sl_peer_certificate(plugin.conn)->subject,
	    "CN=someone");
	ck_assert_ptr_null(sl_peer_certificate(plugin.conn)->next);
	ck_assert_str_eq(sl_certificate(plugin.conn)->subject, "CN=localhost");
	ck_assert_str_eq(sl_servername(plugin.conn), "a.org");
	if (way.version == TLS1_2_VERSION)
		assert_none(sl_ephemeral_key(plugin.conn), ENODATA);
	else
		ck_assert_str_eq(sl_ephemeral_key(plugin.conn)->name,
		    "prime256v1");
	mirror.ssl = peer.ssl;
	mirror.asked = 0;
	assert_finished(plugin.conn);
	assert_export(plugin.conn);
	peer_end(&peer);
	tls_tickets_clear();
	end_tls();
}

static void
resume_late(void)
{
	static unsigned char session[16384];
	struct tls_peer peer;
	ssize_t len;

	begin_tls(TLS_VERIFY_REQUIRE, false);
	use_tickets();
	peer_connect_as(&peer, client);
	peer_listen(&peer);
	len = tls_fact_session(peer.ssl, session, sizeof(session));
	SSL_shutdown(peer.ssl);
	peer_end(&peer);
	late = true;
	peer_prepare(&peer, client);
	set_session(peer.ssl, session, len);
	ck_assert_int_eq(peer_shake(&peer), 1);
	late = false;
	ck_assert_int_eq(sl_session_reused(plugin.conn), 0);
	peer_end(&peer);
	tls_tickets_clear();
	end_tls();
}

START_TEST(a_session_ends_with_the_certificate_of_its_client)
{
	every_way(resume_late);
}
END_TEST

START_TEST(a_session_is_resumed)
{
	every_way(resume);
}
END_TEST

START_TEST(what_clients_do_servers_cannot)
{
	struct tls_peer peer;

	way.version = TLS1_3_VERSION;
	begin_tls(TLS_VERIFY_NONE, false);
	peer_connect_as(&peer, NULL);
	assert_fails(sl_set_tls_session(plugin.conn, "x", 1), ENOTSUP);
	assert_fails(sl_set_servername(plugin.conn, "a.org"), ENOTSUP);
	assert_fails(sl_tls_ticket(plugin.conn, NULL, 0), ENOTSUP);
	/* And what servers do, clients cannot. */
	assert_fails(tls_set_verify(peer.ssl, SL_VERIFY_NONE), ENOTSUP);
	assert_fails(tls_set_too_late(peer.ssl), EALREADY);
	peer_end(&peer);
	end_tls();
}
END_TEST

static void
export_strangely(void)
{
	static unsigned char out[70000];
	struct tls_peer peer;
	struct sl_conn *c;

	begin_tls(TLS_VERIFY_NONE, false);
	peer_connect_as(&peer, NULL);
	c = plugin.conn;
	memset(out, 0, sizeof(out));
	assert_fails(sl_export_keying_material(c, out, 0, LABEL, NULL, 0),
	    EINVAL);
	assert_fails(sl_export_keying_material(c, NULL, 1, LABEL, NULL, 0),
	    EINVAL);
	assert_fails(sl_export_keying_material(c, out, 1, NULL, NULL, 0),
	    EINVAL);
	assert_fails(sl_export_keying_material(c, out, 1, LABEL, NULL, 1),
	    EINVAL);
	assert_fails(sl_export_keying_material(c, out, 1, LABEL, out, 65536),
	    EINVAL);
	assert_fails(
	    sl_export_keying_material(c, out, SIZE_MAX, LABEL, NULL, 0),
	    EINVAL);
	if (way.version == TLS1_2_VERSION)
		assert_fails(sl_export_keying_material(c, out, 32,
				 "master secret", NULL, 0),
		    EINVAL);
	else
		assert_fails(sl_export_keying_material(c, out, sizeof(out),
				 LABEL, NULL, 0),
		    EINVAL);
	ck_assert_int_eq(out[0], 0);
	ck_assert_uint_eq(ERR_peek_error(), 0);
	ck_assert_int_eq(sl_export_keying_material(c, out, 1, LABEL, out, 9),
	    0);
	peer_end(&peer);
	end_tls();
}

START_TEST(key_material_has_its_rules)
{
	every_way(export_strangely);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		facts_are_there_from_handshake_to_close,
		after_close_there_is_nothing,
		without_tls_there_is_no_such_thing,
		a_handshake_that_fails_proves_nothing,
		whoever_is_refused_is_not_authorized,
		a_servername_is_a_name_or_nothing,
		a_session_is_resumed,
		a_session_ends_with_the_certificate_of_its_client,
		a_session_keeps_its_name,
		what_clients_do_servers_cannot,
		key_material_has_its_rules,
		NULL,
	};

	fill();
	make_keys();
	return fixture_run("tls_api", tests);
}
