/*
 * tls_server.h: what a listener's TLS streams share: a context for each name
 * that clients may ask for, and the protocols it offers (ALPN).  A reload makes
 * a new one; a stream keeps the one that was there when its first byte came.
 */

#ifndef SLUICE_TLS_SERVER_H
#define SLUICE_TLS_SERVER_H

#include <openssl/types.h>

struct error;
struct listener_settings;
struct material;
struct tls_server;

/*
 * By the listener's `tls`; the secrets are taken from the material.  One
 * reference is the caller's.  NULL: err.
 */
struct tls_server *tls_server_new(const struct listener_settings *listener,
    const struct material *material, struct error *err);
struct tls_server *tls_server_ref(struct tls_server *server);
void tls_server_unref(struct tls_server *server); /* NULL is fine */

/* A new session, without a BIO; owned by the caller.  NULL: no memory. */
SSL *tls_server_session(const struct tls_server *server);

#endif
