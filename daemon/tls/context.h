/* context.h: settings and parts as an SSL_CTX. */

#ifndef SLUICE_TLS_CONTEXT_H
#define SLUICE_TLS_CONTEXT_H

#include <openssl/ssl.h>
#include <stdint.h>
#include <sys/uio.h>

struct error;
struct tls_identity_settings;
struct tls_parts;
struct tls_settings;

/*
 * A server's context, owned by the caller; the parts may go.  It has no
 * session-id context, no keys for tickets and no callbacks for SNI and ALPN
 * yet: the listener adds them.  With verify = "optional" a handshake succeeds
 * with any client certificate, and SSL_get_verify_result() has the verdict.
 * NULL: err, which names the key.
 */
SSL_CTX *tls_context(const struct tls_settings *settings,
    const struct tls_identity_settings *identity, const struct tls_parts *parts,
    struct error *err);

/*
 * A client's context, owned by the caller.  Without a ca in the parts, servers
 * are verified by the CAs of the system.  The name to verify is not in it.
 * NULL: err.
 */
SSL_CTX *tls_client_context(const struct tls_settings *settings,
    const struct tls_parts *parts, struct error *err);

/* Verify peers by the CAs and CRLs of the parts.  0, or -1 with err. */
int tls_trust(X509_STORE *store, const struct tls_parts *parts,
    struct error *err);

/*
 * A session-id context: sessions go on only where all of these pieces are the
 * same.  0, or -1: no memory.
 */
int tls_context_id(const struct iovec *pieces, int count,
    unsigned char ret[SSL_MAX_SID_CTX_LENGTH]);

/*
 * What SSL_set_verify() takes for an enum tls_verify: returns the mode.  There
 * is a callback for each: without one, that of another mode would stay.
 */
int tls_verify_mode(int64_t verify, SSL_verify_cb *ret_callback);

#endif
