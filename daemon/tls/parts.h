/*
 * parts.h: the certificates, keys, CAs, CRLs and OCSP response of one identity,
 * parsed.  The reader sends them to the workers as one secret.
 */

#ifndef SLUICE_TLS_PARTS_H
#define SLUICE_TLS_PARTS_H

#include <openssl/x509.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct secret;

struct tls_pair {
	STACK_OF(X509) *chain; /* the certificate first, then its issuers */
	EVP_PKEY *key;
};

struct tls_parts {
	struct tls_pair *pairs;
	uint32_t pair_count;
	STACK_OF(X509) *ca;	  /* NULL or empty: none */
	STACK_OF(X509_CRL) *crls; /* NULL or empty: none */
	unsigned char *ocsp;	  /* DER, about one of the pairs; NULL: none */
	size_t ocsp_len;
	uint32_t ocsp_pair; /* which one */
	/* When it runs out, in seconds since 1970; -1: it does not say. */
	int64_t ocsp_until;
};

/* A zeroed one is appended; borrowed until the next one.  NULL: ENOMEM. */
struct tls_pair *tls_parts_add_pair(struct tls_parts *parts);

/*
 * To a secret and back; what is returned is owned by the caller.  NULL: err.
 */
struct tls_parts *tls_parts_read(const struct secret *secret,
    struct error *err);
struct secret *tls_parts_write(const struct tls_parts *parts,
    struct error *err);

/*
 * Changes when the parts do: a hash of all but the keys, each of which belongs
 * to its certificate.  0 or -1.
 */
int tls_parts_stamp(const struct tls_parts *parts, uint64_t ret[2]);

#define TLS_HASH_SIZE 32 /* SHA-256 */
/* The same of the CAs and CRLs alone, by which clients are verified. */
int tls_parts_hash_trust(const struct tls_parts *parts,
    unsigned char ret[TLS_HASH_SIZE]);

/* Keys are wiped.  NULL is fine. */
void tls_parts_free(struct tls_parts *parts);

#endif
