/*
 * tls_peer.h: a TLS client against a worker of worker_fixture.h, with passes of
 * the worker in between.  Each program includes it once.
 */

#ifndef SLUICE_TESTS_TLS_PEER_H
#define SLUICE_TESTS_TLS_PEER_H

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/error.h"
#include "config/secret.h"
#include "tls/parts.h"
#include "tls_fixture.h"
#include "worker/listener.h"
#include "worker/material.h"
#include "worker/tls.h"
#include "worker/tls_server.h"
#include "worker/tls_tickets.h"
#include "worker_fixture.h"

struct tls_peer {
	SSL_CTX *context;
	SSL *ssl;
	int fd;
	struct sl_conn *conn; /* the worker's end */
};

static struct tls_server *peer_server; /* that worker_stream begins with */

/* The parts of an identity as the reader would send them. */
static inline int
peer_secret(const struct tls_fixture *leaf, const struct tls_fixture *ca)
{
	struct tls_parts parts = { 0 };
	struct tls_pair *pair = tls_parts_add_pair(&parts);
	struct secret *secret;
	struct error err;
	int fd;

	pair->chain = sk_X509_new_null();
	X509_up_ref(leaf->cert);
	sk_X509_push(pair->chain, leaf->cert);
	EVP_PKEY_up_ref(leaf->key);
	pair->key = leaf->key;
	if (ca != NULL) {
		parts.ca = sk_X509_new_null();
		X509_up_ref(ca->cert);
		sk_X509_push(parts.ca, ca->cert);
	}
	secret = tls_parts_write(&parts, &err);
	ck_assert_ptr_nonnull(secret);
	fd = secret_seal(secret, &err);
	ck_assert_int_ge(fd, 0);
	secret_free(secret);
	sk_X509_pop_free(pair->chain, X509_free);
	EVP_PKEY_free(pair->key);
	sk_X509_pop_free(parts.ca, X509_free);
	free(parts.pairs);
	return fd;
}

static inline struct stream
peer_stream(int fd, bool is_unix)
{
	struct stream stream = stream_plain(fd, is_unix);

	ck_assert(tls_upgrade(&stream, peer_server,
	    worker_listener()->endpoint.counts));
	return stream;
}

/* Begin TLS; the settings of the listener, by secret 0.  tls_done() ends it. */
static inline struct listener_settings *
peer_settings(void)
{
	struct listener_settings *settings = worker_settings();

	ck_assert_int_eq(tls_init(), 0);
	if (settings->name == NULL)
		settings->name = strdup("test");
	settings->tls.on = true;
	settings->tls.identity.secret = 0;
	return settings;
}

/* A server by the listener's settings and these secrets. */
static inline struct tls_server *
peer_make_server(const struct listener_settings *settings, int *secrets,
    uint32_t count)
{
	struct material material = {
		.secrets = secrets,
		.secret_count = count,
	};
	struct tls_server *server;
	struct error err = { "" };

	server = tls_server_new(settings, &material, &err);
	ck_assert_msg(server != NULL, "%s", err.text);
	return server;
}

/* A client that has not begun its handshake. */
static inline void
peer_begin(struct tls_peer *peer)
{
	memset(peer, 0, sizeof(*peer));
	peer->fd = worker_begin_connect(&peer->conn);
	peer->context = SSL_CTX_new(TLS_client_method());
	peer->ssl = SSL_new(peer->context);
	ck_assert_ptr_nonnull(peer->ssl);
	SSL_set_fd(peer->ssl, peer->fd);
	SSL_set_connect_state(peer->ssl);
}

/* After rc: must it be tried again?  Then passes the worker. */
static inline bool
peer_again(struct tls_peer *peer, int rc)
{
	int error = SSL_get_error(peer->ssl, rc);

	if (rc > 0)
		return false;
	worker_pass(false);
	return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

/* Returns 1, or what SSL_do_handshake() says when it fails. */
static inline int
peer_shake(struct tls_peer *peer)
{
	int rc;

	ERR_clear_error();
	do
		rc = SSL_do_handshake(peer->ssl);
	while (peer_again(peer, rc));
	worker_idle();
	return rc;
}

static inline void
peer_connect(struct tls_peer *peer)
{
	peer_begin(peer);
	ck_assert_int_eq(peer_shake(peer), 1);
}

static inline void
peer_say(struct tls_peer *peer, const void *buf, size_t len)
{
	int rc;

	do
		rc = SSL_write(peer->ssl, buf, len);
	while (peer_again(peer, rc));
	ck_assert_int_eq(rc, (int)len);
	worker_idle();
}

static inline void
peer_hear(struct tls_peer *peer, void *buf, size_t len)
{
	size_t done = 0;
	int rc;

	while (done < len) {
		rc = SSL_read(peer->ssl, (char *)buf + done, len - done);
		if (rc > 0)
			done += rc;
		else
			ck_assert(peer_again(peer, rc));
	}
}

/* To the end.  Returns bytes; SSL_get_error() of it in *ret_error. */
static inline size_t
peer_hear_end(struct tls_peer *peer, void *buf, size_t size, int *ret_error)
{
	size_t done = 0;
	int rc;

	for (;;) {
		ERR_clear_error();
		rc = SSL_read(peer->ssl, (char *)buf + done, size - done);
		*ret_error = SSL_get_error(peer->ssl, rc);
		if (rc > 0)
			done += rc;
		else if (!peer_again(peer, rc))
			return done;
	}
}

static inline void
peer_end(struct tls_peer *peer)
{
	SSL_free(peer->ssl);
	SSL_CTX_free(peer->context);
	close(peer->fd);
	worker_idle();
}

#endif
