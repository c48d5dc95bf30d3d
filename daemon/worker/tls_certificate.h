/* tls_certificate.h: certificates as plugins are shown them. */

#ifndef SLUICE_TLS_CERTIFICATE_H
#define SLUICE_TLS_CERTIFICATE_H

#include <openssl/types.h>

struct sl_certificate;
struct tls_kept;

/*
 * The session's peer's, and our own, with what follows by `next`.  NULL: errno,
 * as sl_peer_certificate() and sl_certificate() say.
 */
const struct sl_certificate *tls_peer_certificate(SSL *ssl,
    struct tls_kept **kept);
const struct sl_certificate *tls_own_certificate(SSL *ssl,
    struct tls_kept **kept);

#endif
