/* staple.h: the OCSP response that clients get with a certificate. */

#ifndef SLUICE_TLS_STAPLE_H
#define SLUICE_TLS_STAPLE_H

#include <openssl/types.h>

struct error;
struct tls_parts;

/* Make the context send the parts' response, if there is one; copied. */
int tls_staple(SSL_CTX *ctx, const struct tls_parts *parts, struct error *err);

#endif
