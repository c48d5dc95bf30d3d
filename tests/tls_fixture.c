/* tls_fixture.c: certificates and keys for tests. */

#include "tls_fixture.h"

#include <check.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define DAY_S (24L * 60 * 60)
#define FIXTURES_MAX 64

static struct tls_fixture fixtures[FIXTURES_MAX];
static unsigned int fixture_count;

/* What OpenSSL has to say, when it fails. */
static void
must(bool good, const char *what)
{
	char reason[256];

	ERR_error_string_n(ERR_peek_error(), reason, sizeof(reason));
	ck_assert_msg(good, "%s: %s", what, reason);
}

static EVP_PKEY *
make_key(const struct tls_fixture_options *options)
{
	EVP_PKEY *key = options->key;

	if (key != NULL) {
		EVP_PKEY_up_ref(key);
		return key;
	}
	switch (options->kind) {
	case TLS_FIXTURE_RSA:
		key = EVP_RSA_gen(
		    (unsigned int)(options->rsa_bits ? options->rsa_bits
						     : 2048));
		break;
	case TLS_FIXTURE_EC:
		key = EVP_EC_gen("P-256");
		break;
	case TLS_FIXTURE_ED25519:
		key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
		break;
	}
	must(key != NULL, "key");
	return key;
}

static void
add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *extension;
	X509V3_CTX ctx;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	must(extension != NULL, value);
	must(X509_add_ext(cert, extension, -1) == 1, value);
	X509_EXTENSION_free(extension);
}

static void
set_times(X509 *cert, const struct tls_fixture_options *options)
{
	bool plain = options->from_s == 0 && options->until_s == 0;

	X509_gmtime_adj(X509_getm_notBefore(cert),
	    plain ? -DAY_S : options->from_s);
	X509_gmtime_adj(X509_getm_notAfter(cert),
	    plain ? 90 * DAY_S : options->until_s);
}

static const EVP_MD *
digest(EVP_PKEY *key)
{
	return EVP_PKEY_is_a(key, "ED25519") ? NULL : EVP_sha256();
}

static X509 *
make_cert(const char *name, EVP_PKEY *key,
    const struct tls_fixture_options *options)
{
	const struct tls_fixture *issuer = options->issuer;
	const char *subject = options->subject ? options->subject : name;
	EVP_PKEY *signer = issuer != NULL ? issuer->key : key;
	X509 *cert = X509_new(), *by = issuer != NULL ? issuer->cert : cert;

	X509_set_version(cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1000 + fixture_count);
	set_times(cert, options);
	must(X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN",
		 MBSTRING_UTF8, (const unsigned char *)subject, -1, -1, 0) == 1,
	    "subject");
	X509_set_issuer_name(cert, X509_get_subject_name(by));
	X509_set_pubkey(cert, key);
	add_extension(cert, by, NID_basic_constraints,
	    options->ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
	add_extension(cert, by, NID_key_usage,
	    options->ca ? "critical,keyCertSign,cRLSign"
			: "critical,digitalSignature");
	add_extension(cert, by, NID_subject_key_identifier, "hash");
	if (issuer != NULL)
		add_extension(cert, by, NID_authority_key_identifier, "keyid");
	if (options->names != NULL)
		add_extension(cert, by, NID_subject_alt_name, options->names);
	must(X509_sign(cert, signer, digest(signer)) > 0, "sign");
	return cert;
}

static FILE *
create(const char *path)
{
	FILE *file = fopen(path, "w");

	ck_assert_msg(file != NULL, "cannot write %s", path);
	return file;
}

static void
write_files(const struct tls_fixture *made, const char *passphrase)
{
	FILE *file = create(made->cert_file);

	must(PEM_write_X509(file, made->cert) == 1, "certificate");
	fclose(file);
	file = create(made->key_file);
	must(PEM_write_PKCS8PrivateKey(file, made->key,
		 passphrase != NULL ? EVP_aes_256_cbc() : NULL, passphrase,
		 passphrase != NULL ? (int)strlen(passphrase) : 0, NULL,
		 NULL) == 1,
	    "key");
	fclose(file);
}

const struct tls_fixture *
tls_fixture_make(const char *dir, const char *name,
    const struct tls_fixture_options *options)
{
	static const struct tls_fixture_options plain;
	struct tls_fixture *made = &fixtures[fixture_count++];

	ck_assert_uint_le(fixture_count, FIXTURES_MAX);
	if (options == NULL)
		options = &plain;
	snprintf(made->cert_file, sizeof(made->cert_file), "%s/%s.pem", dir,
	    name);
	snprintf(made->key_file, sizeof(made->key_file), "%s/%s.key", dir,
	    name);
	made->key = make_key(options);
	made->cert = make_cert(name, made->key, options);
	write_files(made, options->passphrase);
	return made;
}

const struct tls_fixture *
tls_fixture_leaf(const char *dir)
{
	const struct tls_fixture *ca;

	ca = tls_fixture_make(dir, "ca",
	    &(struct tls_fixture_options){ .ca = true });
	return tls_fixture_make(dir, "leaf",
	    &(struct tls_fixture_options){
		.subject = "localhost",
		.names = "DNS:localhost,IP:127.0.0.1",
		.issuer = ca,
	    });
}

void
tls_fixture_chain(const char *path, const struct tls_fixture *first, ...)
{
	FILE *file = create(path);
	va_list ap;

	va_start(ap, first);
	for (; first != NULL; first = va_arg(ap, const struct tls_fixture *))
		must(PEM_write_X509(file, first->cert) == 1, path);
	va_end(ap);
	fclose(file);
}

void
tls_fixture_crl(const char *path, const struct tls_fixture *issuer,
    const struct tls_fixture *revoked)
{
	tls_fixture_crl_at(path, issuer, revoked, -DAY_S, DAY_S);
}

void
tls_fixture_crl_at(const char *path, const struct tls_fixture *issuer,
    const struct tls_fixture *revoked, long from_s, long until_s)
{
	ASN1_TIME *now = X509_gmtime_adj(NULL, from_s);
	ASN1_TIME *next = X509_gmtime_adj(NULL, until_s);
	X509_CRL *crl = X509_CRL_new();
	X509_REVOKED *entry;
	FILE *file;

	X509_CRL_set_version(crl, X509_CRL_VERSION_2);
	X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer->cert));
	X509_CRL_set1_lastUpdate(crl, now);
	X509_CRL_set1_nextUpdate(crl, next);
	if (revoked != NULL) {
		entry = X509_REVOKED_new();
		X509_REVOKED_set_serialNumber(entry,
		    X509_get_serialNumber(revoked->cert));
		X509_REVOKED_set_revocationDate(entry, now);
		must(X509_CRL_add0_revoked(crl, entry) == 1, "revoked");
	}
	must(X509_CRL_sign(crl, issuer->key, digest(issuer->key)) > 0, "CRL");
	file = create(path);
	must(PEM_write_X509_CRL(file, crl) == 1, "CRL");
	fclose(file);
	X509_CRL_free(crl);
	ASN1_TIME_free(now);
	ASN1_TIME_free(next);
}

void
tls_fixture_ocsp(const char *path, const struct tls_fixture *issuer,
    const struct tls_fixture *about, long valid_s)
{
	ASN1_TIME *now = X509_gmtime_adj(NULL, valid_s < 0 ? -DAY_S : 0);
	ASN1_TIME *next = X509_gmtime_adj(NULL, valid_s);
	OCSP_CERTID *id = OCSP_cert_to_id(NULL, about->cert, issuer->cert);
	OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
	OCSP_RESPONSE *response;
	unsigned char *der = NULL;
	FILE *file;
	int len;

	must(id != NULL, "OCSP id");
	must(OCSP_basic_add1_status(basic, id, V_OCSP_CERTSTATUS_GOOD, 0, NULL,
		 now, next) != NULL,
	    "OCSP status");
	must(OCSP_basic_sign(basic, issuer->cert, issuer->key,
		 digest(issuer->key), NULL, 0) == 1,
	    "OCSP signature");
	response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
	must(response != NULL, "OCSP response");
	len = i2d_OCSP_RESPONSE(response, &der);
	must(len > 0, "OCSP response");
	file = create(path);
	ck_assert_uint_eq(fwrite(der, 1, (size_t)len, file), (size_t)len);
	fclose(file);
	OPENSSL_free(der);
	OCSP_RESPONSE_free(response);
	OCSP_BASICRESP_free(basic);
	OCSP_CERTID_free(id);
	ASN1_TIME_free(now);
	ASN1_TIME_free(next);
}
