/* check_tls_api.c: what plugins are told about TLS, and what they may set. */

#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "config/ticket_keys.h"
#include "conn_plugin.h"
#include "tls_peer.h"
#include "worker/tls_facts.h"
#include "worker/tls_kept.h"

#define LABEL "EXPERIMENTAL sluice test"

/* How the next connections are made. */
static struct {
	int version; /* TLS1_2_VERSION or TLS1_3_VERSION */
	enum tls_fixture_kind kind;
} way;

static const struct tls_fixture *ca, *leaf, *client;
static int secrets[1];
static struct key_string alpn[] = { { .text = (char *)"echo/1" } };

static const struct sl_handlers handlers = {
	.size = sizeof(handlers),
	.handshake = on_handshake,
	.open = on_open,
	.data = on_data,
	.end = on_end,
	.error = on_error,
	.close = on_close,
};

/* Made once, since those of RSA take their time: the CA's, ours, a client's. */
static EVP_PKEY *keys[2][3];

static void
make_keys(void)
{
	for (int i = 0; i < 3; i++) {
		keys[TLS_FIXTURE_EC][i] = EVP_EC_gen("P-256");
		keys[TLS_FIXTURE_RSA][i] = EVP_RSA_gen(2048);
	}
}

static void
make_certificates(void)
{
	EVP_PKEY **key = keys[way.kind];

	ca = tls_fixture_make(fixture_dir, "ca",
	    &(struct tls_fixture_options){ .ca = true, .key = key[0] });
	leaf = tls_fixture_make(fixture_dir, "leaf",
	    &(struct tls_fixture_options){
		.key = key[1],
		.subject = "localhost",
		.names = "DNS:localhost,IP:127.0.0.1",
		.issuer = ca,
	    });
	client = tls_fixture_make(fixture_dir, "client",
	    &(struct tls_fixture_options){
		.key = key[2],
		.subject = "someone",
		.names = "DNS:some.one,email:some@one.org,IP:::1",
		.issuer = ca,
	    });
}

static void
begin_tls(int64_t verify, bool renegotiation)
{
	struct listener_settings *settings;
	struct tls_settings *tls;

	make_certificates();
	begin(&handlers);
	ck_assert_int_eq(tls_init(), 0);
	settings = worker_settings();
	if (settings->name == NULL)
		settings->name = strdup("test");
	tls = &settings->tls;
	tls->on = true;
	tls->identity.secret = 0;
	tls->identity.verify = verify;
	tls->renegotiation = renegotiation;
	tls->alpn = alpn;
	tls->alpn_count = 1;
	secrets[0] = peer_secret(leaf, ca);
	peer_server = peer_make_server(settings, secrets, 1);
	tls->alpn = NULL; /* it is not on the heap */
	tls->alpn_count = 0;
	worker_stream = peer_stream;
}

static void
end_tls(void)
{
	worker_end();
	tls_server_unref(peer_server);
	tls_done();
	close(secrets[0]);
}

/* A client that has not begun, with an identity or without. */
static void
peer_prepare(struct tls_peer *peer, const struct tls_fixture *identity)
{
	peer_begin(peer);
	SSL_set_min_proto_version(peer->ssl, way.version);
	SSL_set_max_proto_version(peer->ssl, way.version);
	SSL_set1_groups_list(peer->ssl, "P-256");
	if (identity == NULL)
		return;
	ck_assert_int_eq(SSL_use_certificate(peer->ssl, identity->cert), 1);
	ck_assert_int_eq(SSL_use_PrivateKey(peer->ssl, identity->key), 1);
}

static void
peer_connect_as(struct tls_peer *peer, const struct tls_fixture *identity)
{
	peer_prepare(peer, identity);
	ck_assert_int_eq(peer_shake(peer), 1);
}

/* Let the client read what has come, though it is no data. */
static void
peer_listen(struct tls_peer *peer)
{
	char c;

	for (int i = 0; i < 8; i++) {
		ERR_clear_error();
		ck_assert_int_le(SSL_read(peer->ssl, &c, 1), 0);
		worker_idle();
	}
}

/* With both versions and both kinds of keys. */
static void
every_way(void (*test)(void))
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	static const enum tls_fixture_kind kinds[] = { TLS_FIXTURE_EC,
		TLS_FIXTURE_RSA };

	for (int i = 0; i < 4; i++) {
		way.version = versions[i % 2];
		way.kind = kinds[i / 2];
		test();
	}
}

#define assert_fails(call, error)                                     \
	do {                                                          \
		errno = 0;                                            \
		ck_assert_msg((long)(call) == -1 && errno == (error), \
		    "%s: errno %d, not %d", #call, errno, error);     \
	} while (0)
#define assert_none(call, error)                                  \
	do {                                                      \
		errno = 0;                                        \
		ck_assert_msg((call) == NULL && errno == (error), \
		    "%s: errno %d, not %d", #call, errno, error); \
	} while (0)

/* Every call that tells something fails with this errno. */
static void
assert_no_facts(const struct sl_conn *c, int error)
{
	char buf[32];

	assert_none(sl_tls_version(c), error);
	assert_none(sl_tls_cipher(c), error);
	assert_none(sl_alpn(c), error);
	assert_none(sl_servername(c), error);
	assert_fails(sl_authorized(c), error);
	assert_none(sl_authorization_error(c), error);
	assert_none(sl_peer_certificate(c), error);
	assert_none(sl_certificate(c), error);
	assert_fails(sl_tls_session(c, buf, 0), error);
	assert_fails(sl_tls_ticket(c, buf, 0), error);
	assert_fails(sl_session_reused(c), error);
	assert_fails(sl_export_keying_material(c, buf, 1, LABEL, NULL, 0),
	    error);
	assert_fails(sl_tls_finished(c, buf, 0), error);
	assert_fails(sl_tls_peer_finished(c, buf, 0), error);
	assert_none(sl_shared_sigalgs(c), error);
	assert_none(sl_ephemeral_key(c), error);
}

/* And every call that changes something. */
static void
assert_no_changes(struct sl_conn *c, int error)
{
	assert_fails(sl_set_tls_session(c, "x", 1), error);
	assert_fails(sl_set_max_send_fragment(c, 512), error);
	assert_fails(sl_set_servername(c, "a.org"), error);
	assert_fails(sl_set_verify_mode(c, SL_VERIFY_NONE), error);
	assert_fails(sl_renegotiate(c), error);
	assert_fails(sl_disable_renegotiation(c), error);
}

/* -- Facts -- */

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

/* -- Certificates of clients -- */

static void
show_a_good_one(void)
{
	const struct sl_certificate *shown, *issuer;
	struct tls_peer peer;

	begin_tls(TLS_VERIFY_REQUIRE, false);
	peer_connect_as(&peer, client);
	ck_assert_int_eq(sl_authorized(plugin.conn), 1);
	assert_none(sl_authorization_error(plugin.conn), ENODATA);
	shown = sl_peer_certificate(plugin.conn);
	ck_assert_ptr_nonnull(shown);
	ck_assert_str_eq(shown->subject, "CN=someone");
	ck_assert_str_eq(shown->sans,
	    "DNS:some.one, email:some@one.org, IP Address:0:0:0:0:0:0:0:1");
	issuer = shown->next;
	ck_assert_ptr_nonnull(issuer);
	ck_assert_str_eq(issuer->subject, "CN=ca");
	ck_assert_str_eq(issuer->issuer, "CN=ca");
	ck_assert_str_eq(issuer->sans, "");
	ck_assert_ptr_null(issuer->next);
	ck_assert_ptr_eq(sl_peer_certificate(plugin.conn), shown);
	peer_end(&peer);
	end_tls();
}

START_TEST(a_good_certificate_authorizes)
{
	every_way(show_a_good_one);
}
END_TEST

static void
optional_ones(void)
{
	const struct sl_certificate *shown;
	struct tls_peer peer;

	begin_tls(TLS_VERIFY_OPTIONAL, false);
	peer_connect_as(&peer, NULL);
	ck_assert_int_eq(sl_authorized(plugin.conn), 0);
	ck_assert_str_eq(sl_authorization_error(plugin.conn),
	    "the peer has shown no certificate");
	assert_none(sl_peer_certificate(plugin.conn), ENODATA);
	peer_end(&peer);
	peer_connect_as(&peer, tls_fixture_make(fixture_dir, "stranger", NULL));
	ck_assert_int_eq(sl_authorized(plugin.conn), 0);
	ck_assert_str_eq(sl_authorization_error(plugin.conn),
	    "self-signed certificate");
	shown = sl_peer_certificate(plugin.conn);
	ck_assert_ptr_nonnull(shown);
	ck_assert_str_eq(shown->subject, "CN=stranger");
	ck_assert_ptr_null(shown->next);
	peer_end(&peer);
	peer_connect_as(&peer,
	    tls_fixture_make(fixture_dir, "late",
		&(struct tls_fixture_options){ .issuer = ca,
		    .from_s = -1000,
		    .until_s = -10 }));
	ck_assert_int_eq(sl_authorized(plugin.conn), 0);
	ck_assert_str_eq(sl_authorization_error(plugin.conn),
	    "certificate has expired");
	ck_assert_str_eq(sl_peer_certificate(plugin.conn)->next->subject,
	    "CN=ca");
	peer_end(&peer);
	peer_connect_as(&peer, client);
	ck_assert_int_eq(sl_authorized(plugin.conn), 1);
	peer_end(&peer);
	end_tls();
}

START_TEST(an_optional_certificate_need_not_be_good)
{
	every_way(optional_ones);
}
END_TEST

/* Three storeys, of which the client sends two, in this order. */
static void
show_a_chain(void)
{
	const struct tls_fixture *middle, *other, *end;
	const struct sl_certificate *shown;
	struct tls_peer peer;

	begin_tls(TLS_VERIFY_OPTIONAL, false);
	middle = tls_fixture_make(fixture_dir, "middle",
	    &(struct tls_fixture_options){ .ca = true,
		.issuer = ca,
		.kind = way.kind });
	other = tls_fixture_make(fixture_dir, "other",
	    &(struct tls_fixture_options){ .ca = true });
	end = tls_fixture_make(fixture_dir, "end",
	    &(struct tls_fixture_options){ .issuer = middle });
	peer_prepare(&peer, end);
	SSL_add1_chain_cert(peer.ssl, other->cert);
	SSL_add1_chain_cert(peer.ssl, middle->cert);
	ck_assert_int_eq(peer_shake(&peer), 1);
	ck_assert_int_eq(sl_authorized(plugin.conn), 1);
	shown = sl_peer_certificate(plugin.conn);
	ck_assert_str_eq(shown->subject, "CN=end");
	ck_assert_str_eq(shown->next->subject, "CN=middle");
	ck_assert_str_eq(shown->next->next->subject, "CN=ca");
	ck_assert_ptr_null(shown->next->next->next);
	peer_end(&peer);
	/* One whose CA is not known here: what it sends, without the rest. */
	end = tls_fixture_make(fixture_dir, "foreign",
	    &(struct tls_fixture_options){ .issuer = other });
	peer_prepare(&peer, end);
	SSL_add1_chain_cert(peer.ssl, middle->cert);
	SSL_add1_chain_cert(peer.ssl, other->cert);
	ck_assert_int_eq(peer_shake(&peer), 1);
	ck_assert_int_eq(sl_authorized(plugin.conn), 0);
	shown = sl_peer_certificate(plugin.conn);
	ck_assert_str_eq(shown->subject, "CN=foreign");
	ck_assert_str_eq(shown->next->subject, "CN=other");
	ck_assert_ptr_null(shown->next->next);
	peer_end(&peer);
	end_tls();
}

START_TEST(next_is_the_issuer)
{
	every_way(show_a_chain);
}
END_TEST

static void
add_name(GENERAL_NAMES *names, int type, const char *text, int len)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_STRING *string = ASN1_STRING_type_new(
	    type == GEN_IPADD ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);

	ASN1_STRING_set(string, text, len);
	GENERAL_NAME_set0_value(name, type, string);
	sk_GENERAL_NAME_push(names, name);
}

/* A stranger's, with this common name and these other names. */
static struct tls_fixture
make_odd(const char *subject, int len, GENERAL_NAMES *names)
{
	const struct tls_fixture *plain =
	    tls_fixture_make(fixture_dir, "odd", NULL);
	struct tls_fixture odd = { X509_dup(plain->cert), plain->key, "", "" };
	X509_NAME *name = X509_NAME_new();

	X509_NAME_add_entry_by_NID(name, NID_commonName, V_ASN1_UTF8STRING,
	    (const unsigned char *)subject, len, -1, 0);
	X509_NAME_add_entry_by_NID(name, NID_organizationName,
	    V_ASN1_UTF8STRING, (const unsigned char *)"O, CN=root", 10, -1, 0);
	X509_set_subject_name(odd.cert, name);
	X509_NAME_free(name);
	if (names != NULL)
		ck_assert_int_eq(X509_add1_ext_i2d(odd.cert,
				     NID_subject_alt_name, names, 0, 0),
		    1);
	GENERAL_NAMES_free(names);
	ck_assert_int_gt(X509_sign(odd.cert, odd.key, EVP_sha256()), 0);
	return odd;
}

START_TEST(names_are_never_taken_for_others)
{
	static const char nul[] = "good.org\0.evil.org";
	const struct sl_certificate *shown;
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	struct tls_fixture odd;
	struct tls_peer peer;

	way.version = TLS1_3_VERSION;
	begin_tls(TLS_VERIFY_OPTIONAL, false);
	add_name(names, GEN_DNS, nul, sizeof(nul) - 1);
	add_name(names, GEN_DNS, "a.org, DNS:b.org", 16);
	add_name(names, GEN_URI, "x:\"\\\n\x1b\xff", 7);
	add_name(names, GEN_DNS, "*.c.org", 7);
	add_name(names, GEN_DNS, "", 0);
	odd = make_odd("good\0\n\x1b\xc3\xbc", 9, names);
	peer_connect_as(&peer, &odd);
	shown = sl_peer_certificate(plugin.conn);
	ck_assert_ptr_nonnull(shown);
	ck_assert_str_eq(shown->subject,
	    "O=O\\, CN=root,CN=good\\00\\0A\\1B\\C3\\BC");
	ck_assert_str_eq(shown->sans,
	    "\"DNS:good.org\\u0000.evil.org\", "
	    "\"DNS:a.org\\u002c DNS:b.org\", "
	    "\"URI:x:\\\"\\\\\\u000a\\u001b\\u00ff\", DNS:*.c.org, DNS:");
	peer_end(&peer);
	X509_free(odd.cert);
	end_tls();
}
END_TEST

START_TEST(a_certificate_that_cannot_be_put_into_words_is_refused)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	struct tls_fixture odd;
	struct tls_peer peer;

	way.version = TLS1_2_VERSION;
	begin_tls(TLS_VERIFY_OPTIONAL, false);
	add_name(names, GEN_IPADD, "12345", 5);
	odd = make_odd("odd", 3, names);
	peer_connect_as(&peer, &odd);
	assert_none(sl_peer_certificate(plugin.conn), EILSEQ);
	ck_assert_int_eq(sl_authorized(plugin.conn), 0);
	peer_end(&peer);
	X509_free(odd.cert);
	end_tls();
}
END_TEST

START_TEST(what_is_kept_has_a_limit)
{
	struct tls_kept *kept = NULL;
	const void *first = tls_keep(&kept, "0", 1), *again;
	char text[16];
	int n = 0;

	do
		snprintf(text, sizeof(text), "%d", n++);
	while (tls_keep(&kept, text, strlen(text)) != NULL);
	ck_assert_int_eq(errno, ENOBUFS);
	ck_assert_int_ge(n, 32);
	ck_assert_int_le(n, 128);
	again = tls_keep(&kept, "0", 1);
	ck_assert_ptr_eq(first, again);
	ck_assert_str_eq(first, "0");
	tls_kept_free(&kept);
	ck_assert_ptr_null(kept);
}
END_TEST

/* -- Sessions -- */

static void
use_tickets(void)
{
	struct secret *secret = secret_new(TICKET_KEYS_MAX * TICKET_KEY_SIZE);
	struct error err = { "" };
	int fd;

	secret->len = TICKET_KEYS_MAX * TICKET_KEY_SIZE;
	ck_assert_int_eq(
	    RAND_bytes((unsigned char *)secret->bytes, secret->len), 1);
	fd = secret_seal(secret, &err);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(tls_tickets_set(fd, &err), 0);
	close(fd);
	secret_free(secret);
}

static void
resume(void)
{
	static unsigned char session[16384], ticket[4096];
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
	assert_fails(tls_fact_set_session(peer.ssl, session, len), EALREADY);
	n = sl_tls_session(plugin.conn, ticket, sizeof(ticket));
	ck_assert_int_gt(n, 100);
	SSL_shutdown(peer.ssl);
	peer_end(&peer);

	peer_prepare(&peer, client);
	SSL_set_tlsext_host_name(peer.ssl, "a.org");
	assert_fails(tls_fact_set_session(peer.ssl, session, len - 1), EINVAL);
	assert_fails(tls_fact_set_session(peer.ssl, session, len + 1), EINVAL);
	assert_fails(tls_fact_set_session(peer.ssl, NULL, 1), EINVAL);
	assert_fails(tls_fact_set_session(peer.ssl, "garbage", 7), EINVAL);
	ck_assert_int_eq(tls_fact_set_session(peer.ssl, session, len), 0);
	ck_assert_int_eq(peer_shake(&peer), 1);
	ck_assert_int_eq(sl_session_reused(plugin.conn), 1);
	ck_assert_int_eq(tls_fact_reused(peer.ssl), 1);
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
	assert_fails(tls_fact_set_verify(peer.ssl, SL_VERIFY_NONE), ENOTSUP);
	assert_fails(tls_fact_set_servername(peer.ssl, "a.org"), EALREADY);
	peer_end(&peer);
	end_tls();
}
END_TEST

START_TEST(a_client_asks_for_a_name)
{
	struct tls_peer peer;

	way.version = TLS1_3_VERSION;
	begin_tls(TLS_VERIFY_NONE, false);
	peer_prepare(&peer, NULL);
	assert_fails(tls_fact_set_servername(peer.ssl, ""), EINVAL);
	assert_fails(tls_fact_set_servername(peer.ssl, "127.0.0.1"), EINVAL);
	assert_fails(tls_fact_set_servername(peer.ssl, "::1"), EINVAL);
	assert_fails(tls_fact_set_servername(peer.ssl, "a b"), EINVAL);
	ck_assert_int_eq(tls_fact_set_servername(peer.ssl, "b.org"), 0);
	ck_assert_int_eq(tls_fact_set_servername(peer.ssl, NULL), 0);
	ck_assert_int_eq(tls_fact_set_servername(peer.ssl, "a.org"), 0);
	ck_assert_int_eq(peer_shake(&peer), 1);
	ck_assert_str_eq(sl_servername(plugin.conn), "a.org");
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
		ck_assert(client_renegotiates(&peer));
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
		a_good_certificate_authorizes,
		an_optional_certificate_need_not_be_good,
		next_is_the_issuer,
		names_are_never_taken_for_others,
		a_certificate_that_cannot_be_put_into_words_is_refused,
		what_is_kept_has_a_limit,
		a_session_is_resumed,
		what_clients_do_servers_cannot,
		a_client_asks_for_a_name,
		key_material_has_its_rules,
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
		a_peer_may_ignore_the_wish,
		renegotiation_is_disabled_for_good,
		old_certificates_stay_as_they_were,
		NULL,
	};

	fill();
	make_keys();
	return fixture_run("tls_api", tests);
}
