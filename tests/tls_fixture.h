/*
 * tls_fixture.h: certificates and keys, made on the spot through OpenSSL's own
 * calls, as PEM files in a directory.
 */

#ifndef SLUICE_TESTS_TLS_FIXTURE_H
#define SLUICE_TESTS_TLS_FIXTURE_H

#include <openssl/x509.h>
#include <stdbool.h>

struct tls_fixture {
	X509 *cert;
	EVP_PKEY *key;
	char cert_file[256], key_file[256];
};

enum tls_fixture_kind { TLS_FIXTURE_EC, TLS_FIXTURE_RSA, TLS_FIXTURE_ED25519 };

/* Zeros: a P-256 certificate of its own, good from yesterday for 90 days. */
struct tls_fixture_options {
	enum tls_fixture_kind kind;
	const char *subject;		  /* common name; NULL: the name */
	const char *names;		  /* "DNS:localhost,IP:127.0.0.1" */
	const struct tls_fixture *issuer; /* NULL: signs itself */
	bool ca;
	long from_s, until_s;	/* from now on; both 0: as above */
	const char *passphrase; /* the key's; NULL: not encrypted */
	EVP_PKEY *key;		/* take this one; NULL: make one */
	int rsa_bits;		/* 0: 2048 */
};

/*
 * Write dir/name.pem and dir/name.key.  It lives until the process ends; a
 * failure ends the test.
 */
const struct tls_fixture *tls_fixture_make(const char *dir, const char *name,
    const struct tls_fixture_options *options);

/* Make a CA "ca", and "leaf" for localhost, issued by it. */
const struct tls_fixture *tls_fixture_leaf(const char *dir);

/* A file of several certificates, one behind the other; ends with NULL. */
void tls_fixture_chain(const char *path, const struct tls_fixture *first, ...)
    __attribute__((sentinel));

/* A CRL of the issuer's, good for a day, that revokes one, or NULL: none. */
void tls_fixture_crl(const char *path, const struct tls_fixture *issuer,
    const struct tls_fixture *revoked);
/* The same, good from then until then, from now on. */
void tls_fixture_crl_at(const char *path, const struct tls_fixture *issuer,
    const struct tls_fixture *revoked, long from_s, long until_s);

/* A response "good" of the issuer's, valid for so long from now. */
void tls_fixture_ocsp(const char *path, const struct tls_fixture *issuer,
    const struct tls_fixture *about, long valid_s);

#endif
