/*
 * pem.c: a text may have blocks of several kinds, such as a key and its
 * certificate, and other text between them.  All buffers are wiped, since each
 * may have held a key.
 */

#include "tls/pem.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdbool.h>
#include <string.h>

#include "base/error.h"
#include "config/secret.h"
#include "tls/tls_error.h"

#define DER_SEQUENCE 0x30 /* how all of it begins in DER */

/* Called with the bytes of a block.  -1: err, and the walk ends. */
typedef int on_block(void *arg, const char *name, const unsigned char *der,
    long len, struct error *err);

static int
not_pem(const struct secret *text, struct error *err)
{
	if (text->len > 0 && (unsigned char)text->bytes[0] == DER_SEQUENCE)
		return error_set(err,
		    "is DER, not PEM; openssl(1) can convert it with "
		    "-inform DER");
	return error_set(err, "is not PEM: no line begins with \"-----BEGIN\"");
}

static int
read_blocks(BIO *bio, on_block *visit, void *arg, unsigned int *count,
    struct error *err)
{
	char *name, *header;
	unsigned char *der;
	int result = 0;
	long len;

	while (result == 0 &&
	    PEM_read_bio_ex(bio, &name, &header, &der, &len, PEM_FLAG_SECURE) ==
		1) {
		++*count;
		result = visit(arg, name, der, len, err);
		OPENSSL_secure_free(name);
		OPENSSL_secure_free(header);
		OPENSSL_secure_clear_free(der, (size_t)len);
	}
	if (result == -1)
		return -1;
	/* At the end of a text there is no further block. */
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		return tls_error(err, "is not good PEM");
	ERR_clear_error();
	return 0;
}

/*
 * OpenSSL takes a last line such as "-----BEGIN CERTI" for text between blocks.
 * The last line of a block begins like that too, but is complete.
 */
static bool
is_cut(const struct secret *text)
{
	static const char dashes[] = "-----";
	const char *newline = memrchr(text->bytes, '\n', text->len);
	const char *line = newline != NULL ? newline + 1 : text->bytes;
	size_t len = (size_t)(text->bytes + text->len - line);

	return len > 0 && line[0] == '-' &&
	    (len < 2 * strlen(dashes) ||
		memcmp(line + len - strlen(dashes), dashes, strlen(dashes)) !=
		    0);
}

static int
each_block(const struct secret *text, on_block *visit, void *arg,
    struct error *err)
{
	unsigned int count = 0;
	int result;
	BIO *bio;

	ERR_clear_error();
	bio = BIO_new_mem_buf(text->bytes, (int)text->len);
	if (bio == NULL)
		return tls_error(err, "cannot be read");
	result = read_blocks(bio, visit, arg, &count, err);
	BIO_free(bio);
	if (result == 0 && count == 0)
		return not_pem(text, err);
	if (result == 0 && is_cut(text))
		return error_set(err,
		    "is cut off: it ends in a line that begins another block");
	return result;
}

/* -- certificates -- */

static int
on_certificate(void *arg, const char *name, const unsigned char *der, long len,
    struct error *err)
{
	STACK_OF(X509) *certificates = arg;
	char what[64];
	X509 *cert;

	if (strcmp(name, PEM_STRING_X509) == 0 ||
	    strcmp(name, PEM_STRING_X509_OLD) == 0)
		cert = d2i_X509(NULL, &der, len);
	else if (strcmp(name, PEM_STRING_X509_TRUSTED) == 0)
		cert = d2i_X509_AUX(NULL, &der, len);
	else
		return 0;
	if (cert != NULL && sk_X509_push(certificates, cert) > 0)
		return 0;
	X509_free(cert);
	snprintf(what, sizeof(what), "certificate %d cannot be read",
	    sk_X509_num(certificates) + 1);
	return tls_error(err, what);
}

STACK_OF(X509) *
tls_pem_certificates(const struct secret *text, struct error *err)
{
	STACK_OF(X509) *certificates = sk_X509_new_null();

	if (certificates == NULL)
		error_set(err, "out of memory");
	else if (each_block(text, on_certificate, certificates, err) == 0) {
		if (sk_X509_num(certificates) > 0)
			return certificates;
		error_set(err, "contains no certificate");
	}
	sk_X509_pop_free(certificates, X509_free);
	return NULL;
}

/* -- CRLs -- */

static int
on_crl(void *arg, const char *name, const unsigned char *der, long len,
    struct error *err)
{
	STACK_OF(X509_CRL) *crls = arg;
	X509_CRL *crl;

	if (strcmp(name, PEM_STRING_X509_CRL) != 0)
		return 0;
	crl = d2i_X509_CRL(NULL, &der, len);
	if (crl != NULL && sk_X509_CRL_push(crls, crl) > 0)
		return 0;
	X509_CRL_free(crl);
	return tls_error(err, "contains a CRL that cannot be read");
}

STACK_OF(X509_CRL) *
tls_pem_crls(const struct secret *text, struct error *err)
{
	STACK_OF(X509_CRL) *crls = sk_X509_CRL_new_null();

	if (crls == NULL)
		error_set(err, "out of memory");
	else if (each_block(text, on_crl, crls, err) == 0) {
		if (sk_X509_CRL_num(crls) > 0)
			return crls;
		error_set(err, "contains no CRL");
	}
	sk_X509_CRL_pop_free(crls, X509_CRL_free);
	return NULL;
}

/* -- keys -- */

static int
on_any(void *arg, const char *name, const unsigned char *der, long len,
    struct error *err)
{
	static const char suffix[] = "PRIVATE KEY";
	size_t name_len = strlen(name);

	(void)der;
	(void)len;
	(void)err;
	if (name_len >= strlen(suffix) &&
	    strcmp(name + name_len - strlen(suffix), suffix) == 0)
		++*(unsigned int *)arg;
	return 0;
}

struct question {
	const struct secret *passphrase; /* or NULL */
	bool asked;
};

static int
passphrase_cb(char *buf, int size, int writing, void *arg)
{
	struct question *question = arg;
	const struct secret *passphrase = question->passphrase;
	size_t len = 0;

	(void)writing;
	question->asked = true;
	if (passphrase == NULL)
		return -1;
	while (len < passphrase->len && passphrase->bytes[len] != '\n' &&
	    passphrase->bytes[len] != '\r')
		len++;
	if (len > (size_t)size)
		return -1;
	memcpy(buf, passphrase->bytes, len);
	return (int)len;
}

EVP_PKEY *
tls_pem_key(const struct secret *text, const struct secret *passphrase,
    struct error *err)
{
	struct question question = { .passphrase = passphrase };
	unsigned int keys = 0;
	EVP_PKEY *key;
	BIO *bio;

	if (each_block(text, on_any, &keys, err) == -1)
		return NULL;
	if (keys != 1) {
		error_set(err,
		    keys == 0 ? "contains no private key"
			      : "contains more than one private key; put each "
				"into a file of its own");
		return NULL;
	}
	bio = BIO_new_mem_buf(text->bytes, (int)text->len);
	key = bio != NULL
	    ? PEM_read_bio_PrivateKey(bio, NULL, passphrase_cb, &question)
	    : NULL;
	BIO_free(bio);
	if (key == NULL && !question.asked)
		tls_error(err, "its private key cannot be read");
	else if (key == NULL && passphrase == NULL)
		error_set(err,
		    "is encrypted: passphrase_file must name the file with "
		    "its passphrase");
	else if (key == NULL)
		error_set(err, "cannot be decrypted with the passphrase");
	ERR_clear_error();
	return key;
}
