/*
 * tls_api.h: what the check_tls_*.c of the calls of TLS share: a listener with
 * certificates, and clients of both versions.  Each program includes it once.
 */

#ifndef SLUICE_TESTS_TLS_API_H
#define SLUICE_TESTS_TLS_API_H

#include <openssl/rand.h>

#include "config/ticket_keys.h"
#include "conn_plugin.h"
#include "tls_peer.h"
#include "worker/tls_facts.h"
#include "worker/tls_set.h"

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

static inline void
make_keys(void)
{
	for (int i = 0; i < 3; i++) {
		keys[TLS_FIXTURE_EC][i] = EVP_EC_gen("P-256");
		keys[TLS_FIXTURE_RSA][i] = EVP_RSA_gen(2048);
	}
}

static inline void
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

static inline void
begin_tls(int64_t verify, bool renegotiation)
{
	struct listener_settings *settings;
	struct tls_settings *tls;

	make_certificates();
	begin(&handlers);
	settings = peer_settings();
	tls = &settings->tls;
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

static inline void
end_tls(void)
{
	worker_end();
	tls_server_unref(peer_server);
	tls_done();
	close(secrets[0]);
}

/* A client that has not begun, with an identity or without. */
static inline void
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

static inline void
peer_connect_as(struct tls_peer *peer, const struct tls_fixture *identity)
{
	peer_prepare(peer, identity);
	ck_assert_int_eq(peer_shake(peer), 1);
}

/* Let the client read what has come, though it is no data. */
static inline void
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
static inline void
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
static inline void
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
static inline void
assert_no_changes(struct sl_conn *c, int error)
{
	assert_fails(sl_set_tls_session(c, "x", 1), error);
	assert_fails(sl_set_max_send_fragment(c, 512), error);
	assert_fails(sl_set_servername(c, "a.org"), error);
	assert_fails(sl_set_verify_mode(c, SL_VERIFY_NONE), error);
	assert_fails(sl_renegotiate(c), error);
	assert_fails(sl_disable_renegotiation(c), error);
}

static inline void
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

#endif
