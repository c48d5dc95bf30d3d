/*
 * tls_set.h: what a plugin may change about a session.  Each does what the call
 * of sluice.h promises that is called alike, errno included.
 */

#ifndef SLUICE_TLS_SET_H
#define SLUICE_TLS_SET_H

#include <openssl/types.h>
#include <stddef.h>

int tls_set_session(SSL *ssl, const void *buf, size_t len);
int tls_set_servername(SSL *ssl, const char *name);

/* On a connection that may still send.  1: there is something for tls_ask(). */
int tls_set_verify(SSL *ssl, int mode);
int tls_set_renegotiate(SSL *ssl);

void tls_set_no_renegotiation(SSL *ssl);

#endif
