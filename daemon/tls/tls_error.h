/* tls_error.h: OpenSSL's errors as sentences. */

#ifndef SLUICE_TLS_ERROR_H
#define SLUICE_TLS_ERROR_H

struct error;

/*
 * "what: reason", with the reason of OpenSSL's that came first, in words, and
 * no error is left in its queue.  Returns -1.
 */
int tls_error(struct error *err, const char *what);

#endif
