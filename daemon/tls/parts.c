/*
 * parts.c: the bytes are counts and DER, each object behind its length.  Keys
 * are written straight into the memory of the secret.
 */

#include "tls/parts.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/error.h"
#include "base/pack.h"
#include "config/secret.h"
#include "tls/tls_error.h"

#define OBJECT_SIZE_MIN 4 /* its length */

struct tls_pair *
tls_parts_add_pair(struct tls_parts *parts)
{
	void *array = parts->pairs, *pair;

	pair = array_grow(&array, parts->pair_count, sizeof(*parts->pairs));
	parts->pairs = array;
	if (pair != NULL)
		parts->pair_count++;
	return pair;
}

void
tls_parts_free(struct tls_parts *parts)
{
	if (parts == NULL)
		return;
	for (uint32_t i = 0; i < parts->pair_count; i++) {
		sk_X509_pop_free(parts->pairs[i].chain, X509_free);
		EVP_PKEY_free(parts->pairs[i].key);
	}
	free(parts->pairs);
	sk_X509_pop_free(parts->ca, X509_free);
	sk_X509_CRL_pop_free(parts->crls, X509_CRL_free);
	OPENSSL_free(parts->ocsp);
	free(parts);
}

/* -- write -- */

/* With no bytes it counts how many there would be. */
struct writer {
	unsigned char *bytes;
	size_t len;
	bool failed;
};

static void
put_bytes(struct writer *out, const void *data, size_t len)
{
	if (out->bytes != NULL && len > 0)
		memcpy(out->bytes + out->len, data, len);
	out->len += len;
}

static void
put_u32(struct writer *out, uint32_t value)
{
	put_bytes(out, &value, sizeof(value));
}

/* One of OpenSSL's i2d functions. */
typedef int to_der(const void *object, unsigned char **out);

static int
certificate_to_der(const void *object, unsigned char **out)
{
	return i2d_X509(object, out);
}

static int
crl_to_der(const void *object, unsigned char **out)
{
	return i2d_X509_CRL(object, out);
}

static int
key_to_der(const void *object, unsigned char **out)
{
	return i2d_PrivateKey(object, out);
}

static void
put_object(struct writer *out, to_der *encode, const void *object)
{
	int len = encode(object, NULL);
	unsigned char *at;

	if (len <= 0) {
		out->failed = true;
		return;
	}
	put_u32(out, (uint32_t)len);
	if (out->bytes != NULL) {
		at = out->bytes + out->len;
		if (encode(object, &at) != len)
			out->failed = true;
	}
	out->len += (size_t)len;
}

/* sk_X509_num() of NULL is -1. */
static uint32_t
count(int num)
{
	return num > 0 ? (uint32_t)num : 0;
}

static void
put_certificates(struct writer *out, const STACK_OF(X509) *certificates)
{
	uint32_t num = count(sk_X509_num(certificates));

	put_u32(out, num);
	for (uint32_t i = 0; i < num; i++)
		put_object(out, certificate_to_der,
		    sk_X509_value(certificates, (int)i));
}

/* What clients are verified by. */
static void
put_trust(struct writer *out, const struct tls_parts *parts)
{
	uint32_t num = count(sk_X509_CRL_num(parts->crls));

	put_certificates(out, parts->ca);
	put_u32(out, num);
	for (uint32_t i = 0; i < num; i++)
		put_object(out, crl_to_der,
		    sk_X509_CRL_value(parts->crls, (int)i));
}

/* Everything but the keys. */
static void
put_public(struct writer *out, const struct tls_parts *parts)
{
	put_u32(out, parts->pair_count);
	for (uint32_t i = 0; i < parts->pair_count; i++)
		put_certificates(out, parts->pairs[i].chain);
	put_trust(out, parts);
	put_u32(out, (uint32_t)parts->ocsp_len);
	put_bytes(out, parts->ocsp, parts->ocsp_len);
	put_u32(out, parts->ocsp_pair);
	put_bytes(out, &parts->ocsp_until, sizeof(parts->ocsp_until));
}

static void
put_keys(struct writer *out, const struct tls_parts *parts)
{
	for (uint32_t i = 0; i < parts->pair_count; i++)
		put_object(out, key_to_der, parts->pairs[i].key);
}

struct secret *
tls_parts_write(const struct tls_parts *parts, struct error *err)
{
	struct writer out = { 0 };
	struct secret *secret = NULL;

	ERR_clear_error();
	put_public(&out, parts);
	put_keys(&out, parts);
	if (out.failed)
		goto fail;
	if (out.len > SECRET_SIZE_MAX) {
		error_set(err,
		    "certificates, keys, CAs and CRLs have %zu bytes together, "
		    "and may have at most %d",
		    out.len, SECRET_SIZE_MAX);
		return NULL;
	}
	secret = secret_new(out.len);
	if (secret == NULL) {
		error_sys(err, "no memory for a key");
		return NULL;
	}
	secret->len = out.len;
	out = (struct writer){ .bytes = (unsigned char *)secret->bytes };
	put_public(&out, parts);
	put_keys(&out, parts);
	if (!out.failed)
		return secret;
fail:
	tls_error(err, "cannot write a certificate or key as DER");
	secret_free(secret);
	return NULL;
}

/* The SHA-256 of what `put` writes.  0 or -1. */
static int
hash_of(const struct tls_parts *parts,
    void (*put)(struct writer *out, const struct tls_parts *parts),
    unsigned char ret[TLS_HASH_SIZE])
{
	struct writer out = { 0 };
	int result = -1;
	size_t len;

	put(&out, parts);
	if (out.failed)
		return -1;
	len = out.len;
	out = (struct writer){ .bytes = malloc(len) };
	if (out.bytes == NULL)
		return -1;
	put(&out, parts);
	if (!out.failed &&
	    EVP_Digest(out.bytes, len, ret, NULL, EVP_sha256(), NULL) == 1)
		result = 0;
	free(out.bytes);
	return result;
}

int
tls_parts_stamp(const struct tls_parts *parts, uint64_t ret[2])
{
	unsigned char hash[TLS_HASH_SIZE];

	if (hash_of(parts, put_public, hash) == -1)
		return -1;
	memcpy(ret, hash, 2 * sizeof(*ret));
	return 0;
}

int
tls_parts_hash_trust(const struct tls_parts *parts,
    unsigned char ret[TLS_HASH_SIZE])
{
	return hash_of(parts, put_trust, ret);
}

/* -- read -- */

/* The bytes of the next object, borrowed; NULL: there are none. */
static const unsigned char *
next_object(struct unpacker *in, long *ret_len)
{
	uint32_t len = unpack_count(in, 1);
	const char *at = in->data + in->at;

	if (in->failed || len == 0) {
		in->failed = true;
		return NULL;
	}
	in->at += len;
	*ret_len = (long)len;
	return (const unsigned char *)at;
}

static STACK_OF(X509) *
get_certificates(struct unpacker *in)
{
	uint32_t num = unpack_count(in, OBJECT_SIZE_MIN);
	STACK_OF(X509) *certificates = sk_X509_new_null();
	const unsigned char *der;
	X509 *certificate;
	long len;

	if (certificates == NULL)
		in->failed = true;
	for (uint32_t i = 0; i < num && !in->failed; i++) {
		der = next_object(in, &len);
		certificate = der != NULL ? d2i_X509(NULL, &der, len) : NULL;
		if (certificate == NULL ||
		    sk_X509_push(certificates, certificate) == 0) {
			X509_free(certificate);
			in->failed = true;
		}
	}
	return certificates;
}

static STACK_OF(X509_CRL) *
get_crls(struct unpacker *in)
{
	uint32_t num = unpack_count(in, OBJECT_SIZE_MIN);
	STACK_OF(X509_CRL) *crls = sk_X509_CRL_new_null();
	const unsigned char *der;
	X509_CRL *crl;
	long len;

	if (crls == NULL)
		in->failed = true;
	for (uint32_t i = 0; i < num && !in->failed; i++) {
		der = next_object(in, &len);
		crl = der != NULL ? d2i_X509_CRL(NULL, &der, len) : NULL;
		if (crl == NULL || sk_X509_CRL_push(crls, crl) == 0) {
			X509_CRL_free(crl);
			in->failed = true;
		}
	}
	return crls;
}

static void
get_ocsp(struct unpacker *in, struct tls_parts *parts)
{
	uint32_t len = unpack_count(in, 1);

	if (len > 0) {
		parts->ocsp = OPENSSL_malloc(len);
		if (parts->ocsp == NULL) {
			in->failed = true;
			return;
		}
		unpack_bytes(in, parts->ocsp, len);
		parts->ocsp_len = len;
	}
	parts->ocsp_pair = unpack_u32(in);
	unpack_bytes(in, &parts->ocsp_until, sizeof(parts->ocsp_until));
	if (len > 0 && parts->ocsp_pair >= parts->pair_count)
		in->failed = true;
}

static void
get_pairs(struct unpacker *in, struct tls_parts *parts)
{
	uint32_t num = unpack_count(in, OBJECT_SIZE_MIN);
	struct tls_pair *pair;

	for (uint32_t i = 0; i < num && !in->failed; i++) {
		pair = tls_parts_add_pair(parts);
		if (pair == NULL) {
			in->failed = true;
			return;
		}
		pair->chain = get_certificates(in);
		if (count(sk_X509_num(pair->chain)) == 0)
			in->failed = true;
	}
}

static void
get_keys(struct unpacker *in, struct tls_parts *parts)
{
	const unsigned char *der;
	long len;

	for (uint32_t i = 0; i < parts->pair_count && !in->failed; i++) {
		der = next_object(in, &len);
		if (der != NULL)
			parts->pairs[i].key =
			    d2i_AutoPrivateKey(NULL, &der, len);
		if (parts->pairs[i].key == NULL)
			in->failed = true;
	}
}

struct tls_parts *
tls_parts_read(const struct secret *secret, struct error *err)
{
	struct unpacker in = { .data = secret->bytes, .len = secret->len };
	struct tls_parts *parts = calloc(1, sizeof(*parts));

	ERR_clear_error();
	if (parts == NULL) {
		error_sys(err, "no memory for certificates");
		return NULL;
	}
	get_pairs(&in, parts);
	parts->ca = get_certificates(&in);
	parts->crls = get_crls(&in);
	get_ocsp(&in, parts);
	get_keys(&in, parts);
	if (!in.failed && in.at == in.len)
		return parts;
	tls_error(err, "the certificates and keys cannot be parsed");
	tls_parts_free(parts);
	return NULL;
}
