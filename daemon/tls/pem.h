/*
 * pem.h: PEM text to OpenSSL's objects.  An err is a phrase that is appended to
 * the name of the file.
 */

#ifndef SLUICE_TLS_PEM_H
#define SLUICE_TLS_PEM_H

#include <openssl/x509.h>

struct error;
struct secret;

/* All certificates of the text, in their order, owned.  NULL: err. */
STACK_OF(X509) *tls_pem_certificates(const struct secret *text,
    struct error *err);

/* All CRLs of the text, owned.  NULL: err. */
STACK_OF(X509_CRL) *tls_pem_crls(const struct secret *text, struct error *err);

/*
 * The one private key of the text, owned.  The first line of `passphrase`
 * decrypts it if necessary; NULL: there is none, and there is no prompt.  NULL:
 * err.
 */
EVP_PKEY *tls_pem_key(const struct secret *text,
    const struct secret *passphrase, struct error *err);

#endif
