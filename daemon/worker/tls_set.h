/*
 * tls_set.h: what a plugin may change about a session.  Each does what the call
 * of sluice.h promises that is called alike, errno included.
 */

#ifndef SLUICE_TLS_SET_H
#define SLUICE_TLS_SET_H

#include <openssl/types.h>
#include <stddef.h>

/*
 * For those that a client may only call until its handshake begins: see
 * tls_wish.h.  Returns -1 with errno.
 */
int tls_set_too_late(const SSL *ssl);

/* On a connection that may still send.  1: there is something for tls_ask(). */
int tls_set_verify(SSL *ssl, int mode);
int tls_set_renegotiate(SSL *ssl);

void tls_set_no_renegotiation(SSL *ssl);

#endif
