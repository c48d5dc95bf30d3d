/* tls_error.h: OpenSSL's errors as sentences. */

#ifndef SLUICE_TLS_ERROR_H
#define SLUICE_TLS_ERROR_H

struct error;

/*
 * Set "what: reason", with the text of the first error in OpenSSL's queue, and
 * empty the queue.  Returns -1.
 */
int tls_error(struct error *err, const char *what);

/* Forget OpenSSL's errors: errno says enough.  Returns -1 with errno. */
int tls_fail(int error);

#endif
