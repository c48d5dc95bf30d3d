/*
 * check.h: mistakes that operators make with certificates.  An err is a phrase
 * that is appended to the name of the file.
 */

#ifndef SLUICE_TLS_CHECK_H
#define SLUICE_TLS_CHECK_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>

struct error;
struct secret;
struct tls_parts;

/* Which certificate the key belongs to; -1: none. */
int tls_key_position(const STACK_OF(X509) *chain, const EVP_PKEY *key);

/* Is each certificate followed by its issuer?  0, or -1 with err. */
int tls_check_chain(const STACK_OF(X509) *chain, struct error *err);

/*
 * Are all valid now (seconds since 1970)?  Returns 0 and when the first one
 * ends, or -1 with err.
 */
int tls_check_dates(const STACK_OF(X509) *certificates, int64_t now,
    int64_t *ret_not_after, struct error *err);

/* Can each of them verify clients?  0, or -1 with err. */
int tls_check_ca(const STACK_OF(X509) *ca, struct error *err);

/* In seconds since 1970; -1: it cannot be read. */
int64_t tls_seconds(const ASN1_TIME *time);

/* When all of them are good, in seconds since 1970. */
struct tls_period {
	int64_t from, until; /* INT64_MAX: for ever */
};
/*
 * Is each issued by one of the CAs?  0, or -1 with err.  Outside of the period
 * OpenSSL would refuse all peers.
 */
int tls_check_crls(const STACK_OF(X509_CRL) *crls, const STACK_OF(X509) *ca,
    struct tls_period *ret_period, struct error *err);

/*
 * With a CRL, OpenSSL wants one of each CA in the chain of a client.  0, or -1
 * with err if a CA has none.
 */
int tls_check_crl_of_each(const STACK_OF(X509_CRL) *crls,
    const STACK_OF(X509) *ca, struct error *err);

/* Is one of our certificates valid for this name, or "*.name"? */
bool tls_check_host(const struct tls_parts *parts, const char *name);

/*
 * Keep a DER response in the parts, with the pair that it is about.  Returns 1;
 * 0 with err if it is not good today and was not kept; or -1 with err.
 */
int tls_check_ocsp(struct tls_parts *parts, const struct secret *der,
    struct error *err);

#endif
