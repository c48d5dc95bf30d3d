/*
 * tls_client.h: what the TLS connections share that the plugin of a listener
 * makes.  A reload makes a new one; a connection takes the one that is there
 * when its handshake begins.
 */

#ifndef SLUICE_TLS_CLIENT_H
#define SLUICE_TLS_CLIENT_H

#include <openssl/types.h>

struct error;
struct material;
struct tls_client;
struct tls_settings;
struct tls_wish;

/*
 * By these settings; their secret, if there is one, is taken from the material.
 * One reference is the caller's.  NULL: err.
 */
struct tls_client *tls_client_new(const struct tls_settings *settings,
    const struct material *material, struct error *err);
struct tls_client *tls_client_ref(struct tls_client *client);
void tls_client_unref(struct tls_client *client); /* NULL is fine */

/*
 * For listeners whose configuration has nothing about it; borrowed, made when it
 * is needed.  NULL: no memory.
 */
struct tls_client *tls_client_default(void);
/* Make it anew when it is needed next: the CAs of the system may have changed. */
void tls_client_forget_default(void);

/*
 * A new session, without a BIO; owned by the caller.  NULL: ENOMEM; EINVAL: it
 * has to verify the peer, and nobody has said by which name; EPROTO: OpenSSL
 * refuses what the plugin has given, and its queue of errors says why.
 */
SSL *tls_client_session(const struct tls_client *client,
    const struct tls_wish *wish);

#endif
