/*
 * tls_facts.h: what OpenSSL says of a session, as plain data.  Nothing here
 * reads or sends.  Each does what the call of sluice.h promises that is
 * called alike, errno included, for a session that has begun.
 */

#ifndef SLUICE_TLS_FACTS_H
#define SLUICE_TLS_FACTS_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct sl_cipher;
struct sl_ephemeral_key;
struct tls_kept;

const char *tls_fact_version(const SSL *ssl);
const struct sl_cipher *tls_fact_cipher(SSL *ssl, struct tls_kept **kept);
const char *tls_fact_alpn(const SSL *ssl, struct tls_kept **kept);
const char *tls_fact_servername(const SSL *ssl, struct tls_kept **kept);

int tls_fact_authorized(SSL *ssl);
const char *tls_fact_authorization_error(SSL *ssl);

ssize_t tls_fact_session(SSL *ssl, void *buf, size_t size);
ssize_t tls_fact_ticket(SSL *ssl, void *buf, size_t size);
int tls_fact_reused(SSL *ssl);

int tls_fact_export(SSL *ssl, void *out, size_t len, const char *label,
    const void *context, size_t context_len);
ssize_t tls_fact_finished(SSL *ssl, void *buf, size_t size);
ssize_t tls_fact_peer_finished(SSL *ssl, void *buf, size_t size);
const char *tls_fact_sigalgs(SSL *ssl, struct tls_kept **kept);
const struct sl_ephemeral_key *tls_fact_ephemeral_key(SSL *ssl,
    struct tls_kept **kept);

#endif
