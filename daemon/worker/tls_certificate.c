/*
 * tls_certificate.c: certificates as plugins are shown them.  Whoever made one
 * may have written anything into it, to be mistaken for something else: as text
 * it is printable ASCII, without ambiguity, or it is refused.
 */

#include "worker/tls_certificate.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sluice.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "base/fail.h"
#include "worker/tls_kept.h"

/* An honest chain has two to four. */
#define CHAIN_MAX 10

/* -- Names -- */

/* Could it be taken for more than one name, or for another? */
static bool
is_plain(const unsigned char *name, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (name[i] < ' ' || name[i] > '~' ||
		    strchr("\"\\,'", name[i]) != NULL)
			return false;
	return true;
}

/* As Node does: as it is, or as a JSON string with the prefix in it. */
static void
print_name(BIO *bio, const char *prefix, const unsigned char *name, size_t len)
{
	if (is_plain(name, len)) {
		BIO_printf(bio, "%s:%.*s", prefix, (int)len, name);
		return;
	}
	BIO_printf(bio, "\"%s:", prefix);
	for (size_t i = 0; i < len; i++) {
		if (name[i] == '"' || name[i] == '\\')
			BIO_printf(bio, "\\%c", name[i]);
		else if (name[i] < ' ' || name[i] > '~' || name[i] == ',')
			BIO_printf(bio, "\\u%04x", name[i]);
		else
			BIO_write(bio, &name[i], 1);
	}
	BIO_puts(bio, "\"");
}

static void
print_string(BIO *bio, const char *prefix, const ASN1_STRING *string)
{
	print_name(bio, prefix, ASN1_STRING_get0_data(string),
	    ASN1_STRING_length(string));
}

/* As RFC 2253 says, which escapes whatever is not printable.  0, or -1. */
static int
print_subject(BIO *bio, const X509_NAME *name)
{
	if (X509_NAME_entry_count(name) == 0)
		return 0;
	return X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) < 0 ? -1 : 0;
}

static int
print_directory(BIO *bio, const X509_NAME *name)
{
	BIO *text = BIO_new(BIO_s_mem());
	unsigned char *data;
	int rc = -1;
	long len;

	if (text != NULL && print_subject(text, name) == 0) {
		len = BIO_get_mem_data(text, &data);
		print_name(bio, "DirName", data, len);
		rc = 0;
	}
	BIO_free(text);
	return rc;
}

static int
print_ip(BIO *bio, const ASN1_OCTET_STRING *ip)
{
	const unsigned char *b = ASN1_STRING_get0_data(ip);
	int len = ASN1_STRING_length(ip);

	if (len == 4) {
		BIO_printf(bio, "IP Address:%d.%d.%d.%d", b[0], b[1], b[2],
		    b[3]);
		return 0;
	}
	if (len != 16)
		return -1;
	BIO_puts(bio, "IP Address");
	for (int i = 0; i < len; i += 2)
		BIO_printf(bio, ":%X", b[i] << 8 | b[i + 1]);
	return 0;
}

static int
print_id(BIO *bio, const ASN1_OBJECT *id)
{
	char text[256];
	int len = OBJ_obj2txt(text, sizeof(text), id, 1);

	if (len <= 0 || len >= (int)sizeof(text))
		return -1;
	BIO_printf(bio, "Registered ID:%s", text);
	return 0;
}

static int
print_general_name(BIO *bio, const GENERAL_NAME *name)
{
	switch (name->type) {
	case GEN_DNS:
		print_string(bio, "DNS", name->d.dNSName);
		return 0;
	case GEN_EMAIL:
		print_string(bio, "email", name->d.rfc822Name);
		return 0;
	case GEN_URI:
		print_string(bio, "URI", name->d.uniformResourceIdentifier);
		return 0;
	case GEN_DIRNAME:
		return print_directory(bio, name->d.directoryName);
	case GEN_IPADD:
		return print_ip(bio, name->d.iPAddress);
	case GEN_RID:
		return print_id(bio, name->d.registeredID);
	case GEN_X400:
		BIO_puts(bio, "X400Name:<unsupported>");
		return 0;
	case GEN_EDIPARTY:
		BIO_puts(bio, "EdiPartyName:<unsupported>");
		return 0;
	default:
		BIO_puts(bio, "othername:<unsupported>");
		return 0;
	}
}

static int
print_sans(BIO *bio, const X509 *x509)
{
	int state, rc = 0;
	GENERAL_NAMES *names =
	    X509_get_ext_d2i(x509, NID_subject_alt_name, &state, NULL);

	if (names == NULL)
		return state == -1 ? 0 : -1; /* twice, or not well-formed */
	for (int i = 0; i < sk_GENERAL_NAME_num(names) && rc == 0; i++) {
		if (i > 0)
			BIO_puts(bio, ", ");
		rc = print_general_name(bio, sk_GENERAL_NAME_value(names, i));
	}
	GENERAL_NAMES_free(names);
	return rc;
}

static int
print_serial(BIO *bio, const X509 *x509)
{
	BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x509), NULL);
	char *text = number != NULL ? BN_bn2hex(number) : NULL;

	if (text != NULL)
		BIO_puts(bio, text);
	BN_free(number);
	OPENSSL_free(text);
	return text != NULL ? 0 : -1;
}

/* -- One of them -- */

static int
take_time(const ASN1_TIME *from, int64_t *ret)
{
	struct tm tm = { 0 };

	if (ASN1_TIME_to_tm(from, &tm) != 1)
		return -1;
	*ret = timegm(&tm);
	return 0;
}

/* All that a certificate points to, one behind the other. */
struct words {
	BIO *bio;
	long issuer, sans, serial, der; /* where each begins; the subject: 0 */
};

/* A string is over.  Returns where the next one begins. */
static long
next_word(BIO *bio)
{
	BIO_write(bio, "", 1);
	return (long)BIO_ctrl_pending(bio);
}

static int
print_words(struct words *words, X509 *x509)
{
	if (print_subject(words->bio, X509_get_subject_name(x509)) == -1)
		return -1;
	words->issuer = next_word(words->bio);
	if (print_subject(words->bio, X509_get_issuer_name(x509)) == -1)
		return -1;
	words->sans = next_word(words->bio);
	if (print_sans(words->bio, x509) == -1)
		return -1;
	words->serial = next_word(words->bio);
	if (print_serial(words->bio, x509) == -1)
		return -1;
	words->der = next_word(words->bio);
	return i2d_X509_bio(words->bio, x509) == 1 ? 0 : -1;
}

static void
fill(struct sl_certificate *ret, void *room, const void *arg)
{
	const struct words *words = arg;
	char *data;
	long len = BIO_get_mem_data(words->bio, &data);

	memcpy(room, data, len);
	ret->subject = room;
	ret->issuer = ret->subject + words->issuer;
	ret->sans = ret->subject + words->sans;
	ret->serial = ret->subject + words->serial;
	ret->der = (unsigned char *)room + words->der;
	ret->der_len = len - words->der;
}

static const struct sl_certificate *
keep(X509 *x509, const struct sl_certificate *next, struct tls_kept **kept)
{
	struct sl_certificate certificate = {
		.size = sizeof(certificate),
		.next = next,
	};
	const struct sl_certificate *copy = NULL;
	struct words words = { .bio = BIO_new(BIO_s_mem()) };

	if (words.bio == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	if (print_words(&words, x509) == -1 ||
	    take_time(X509_get0_notBefore(x509), &certificate.valid_from) ==
		-1 ||
	    take_time(X509_get0_notAfter(x509), &certificate.valid_to) == -1 ||
	    X509_digest(x509, EVP_sha256(), certificate.sha256, NULL) != 1)
		errno = EILSEQ;
	else
		copy = tls_keep_certificate(kept, &certificate,
		    BIO_ctrl_pending(words.bio), fill, &words);
	BIO_free(words.bio);
	return copy;
}

/* -- A chain -- */

/* Behind the leaf, where each is the issuer of the one before. */
struct chain {
	X509 *certs[CHAIN_MAX];
	int count;
};

static bool
has(const struct chain *chain, const X509 *x509)
{
	for (int i = 0; i < chain->count; i++)
		if (X509_cmp(chain->certs[i], x509) == 0)
			return true;
	return false;
}

/* Who of these has issued the last one?  NULL: none that is not in it yet. */
static X509 *
find_issuer(const struct chain *chain, const STACK_OF(X509) *among)
{
	X509 *last = chain->certs[chain->count - 1], *x509;

	for (int i = 0; i < sk_X509_num(among); i++) {
		x509 = sk_X509_value(among, i);
		if (X509_check_issued(x509, last) == X509_V_OK &&
		    !has(chain, x509))
			return x509;
	}
	return NULL;
}

static const struct sl_certificate *
keep_chain(X509 *leaf, const STACK_OF(X509) *among, struct tls_kept **kept)
{
	const struct sl_certificate *certificate = NULL;
	struct chain chain = { { leaf }, 1 };
	X509 *issuer;

	while (chain.count < CHAIN_MAX &&
	    (issuer = find_issuer(&chain, among)) != NULL)
		chain.certs[chain.count++] = issuer;
	while (chain.count > 0) {
		certificate =
		    keep(chain.certs[--chain.count], certificate, kept);
		if (certificate == NULL)
			break;
	}
	ERR_clear_error(); /* others look there, too */
	return certificate;
}

const struct sl_certificate *
tls_peer_certificate(SSL *ssl, struct tls_kept **kept)
{
	STACK_OF(X509) *verified = SSL_get0_verified_chain(ssl);
	X509 *leaf = SSL_get0_peer_certificate(ssl);

	if (leaf == NULL) {
		errno = ENODATA;
		return NULL;
	}
	/* A renegotiation may have brought another one. */
	if (sk_X509_num(verified) > 0 &&
	    X509_cmp(sk_X509_value(verified, 0), leaf) == 0)
		return keep_chain(leaf, verified, kept);
	return keep_chain(leaf, SSL_get_peer_cert_chain(ssl), kept);
}

const struct sl_certificate *
tls_own_certificate(SSL *ssl, struct tls_kept **kept)
{
	X509 *leaf = SSL_get_certificate(ssl);
	STACK_OF(X509) *chain = NULL;

	if (leaf == NULL) {
		errno = ENODATA;
		return NULL;
	}
	SSL_get0_chain_certs(ssl, &chain);
	return keep_chain(leaf, chain, kept);
}
