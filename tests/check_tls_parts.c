/* check_tls_parts.c: certificates and keys on their way to a worker. */

#include "fixture.h"
#include "tls_fixture.h"

#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/error.h"
#include "config/secret.h"
#include "tls/parts.h"

static void
add_pair(struct tls_parts *parts, const struct tls_fixture *made,
    const struct tls_fixture *issuer)
{
	struct tls_pair *pair = tls_parts_add_pair(parts);

	ck_assert_ptr_nonnull(pair);
	pair->chain = sk_X509_new_null();
	X509_up_ref(made->cert);
	sk_X509_push(pair->chain, made->cert);
	if (issuer != NULL) {
		X509_up_ref(issuer->cert);
		sk_X509_push(pair->chain, issuer->cert);
	}
	EVP_PKEY_up_ref(made->key);
	pair->key = made->key;
}

static X509_CRL *
read_crl(const char *path)
{
	BIO *file = BIO_new_file(path, "r");
	X509_CRL *crl = PEM_read_bio_X509_CRL(file, NULL, NULL, NULL);

	BIO_free(file);
	ck_assert_ptr_nonnull(crl);
	return crl;
}

/* Two pairs, a CA, a CRL, and something for OCSP. */
static struct tls_parts *
make_parts(void)
{
	struct tls_parts *parts = calloc(1, sizeof(*parts));
	const struct tls_fixture *ca, *rsa, *ed;

	ca = tls_fixture_make(fixture_dir, "ca",
	    &(struct tls_fixture_options){ .ca = true });
	rsa = tls_fixture_make(fixture_dir, "rsa",
	    &(struct tls_fixture_options){ .kind = TLS_FIXTURE_RSA,
		.issuer = ca });
	ed = tls_fixture_make(fixture_dir, "ed",
	    &(struct tls_fixture_options){ .kind = TLS_FIXTURE_ED25519 });
	add_pair(parts, rsa, ca);
	add_pair(parts, ed, NULL);
	parts->ca = sk_X509_new_null();
	X509_up_ref(ca->cert);
	sk_X509_push(parts->ca, ca->cert);
	tls_fixture_crl(fixture_path("ca.crl"), ca, NULL);
	parts->crls = sk_X509_CRL_new_null();
	sk_X509_CRL_push(parts->crls, read_crl(fixture_path("ca.crl")));
	parts->ocsp = OPENSSL_memdup("response", 8);
	parts->ocsp_len = 8;
	parts->ocsp_pair = 1;
	parts->ocsp_until = 1234567890123;
	return parts;
}

static struct secret *
write_parts(const struct tls_parts *parts)
{
	struct error err = { "" };
	struct secret *secret = tls_parts_write(parts, &err);

	ck_assert_msg(secret != NULL, "%s", err.text);
	return secret;
}

START_TEST(what_is_written_is_read)
{
	struct tls_parts *parts = make_parts(), *read;
	struct secret *secret = write_parts(parts);
	struct error err = { "" };

	read = tls_parts_read(secret, &err);
	ck_assert_msg(read != NULL, "%s", err.text);
	ck_assert_uint_eq(read->pair_count, 2);
	for (uint32_t i = 0; i < 2; i++) {
		ck_assert_int_eq(sk_X509_num(read->pairs[i].chain), 2 - (int)i);
		ck_assert_int_eq(
		    X509_cmp(sk_X509_value(read->pairs[i].chain, 0),
			sk_X509_value(parts->pairs[i].chain, 0)),
		    0);
		ck_assert_int_eq(
		    EVP_PKEY_eq(read->pairs[i].key, parts->pairs[i].key), 1);
		ck_assert_int_eq(X509_check_private_key(
				     sk_X509_value(read->pairs[i].chain, 0),
				     read->pairs[i].key),
		    1);
	}
	ck_assert_int_eq(sk_X509_num(read->ca), 1);
	ck_assert_int_eq(sk_X509_CRL_num(read->crls), 1);
	ck_assert_uint_eq(read->ocsp_len, 8);
	ck_assert_mem_eq(read->ocsp, "response", 8);
	ck_assert_uint_eq(read->ocsp_pair, 1);
	ck_assert_int_eq(read->ocsp_until, 1234567890123);
	secret_free(secret);
	tls_parts_free(read);
	tls_parts_free(parts);
}
END_TEST

START_TEST(half_of_it_is_refused)
{
	struct tls_parts *parts = make_parts();
	struct secret *secret = write_parts(parts);
	struct error err;
	size_t whole = secret->len;

	for (size_t len = 0; len < whole; len += len < 64 ? 1 : 37) {
		secret->len = len;
		ck_assert_ptr_null(tls_parts_read(secret, &err));
	}
	secret->len = whole;
	/* A count that is not true. */
	memset(secret->bytes, 0xff, 4);
	ck_assert_ptr_null(tls_parts_read(secret, &err));
	secret_free(secret);
	tls_parts_free(parts);
}
END_TEST

START_TEST(what_is_too_large_is_refused)
{
	struct tls_parts *parts = make_parts();
	struct error err;

	OPENSSL_free(parts->ocsp);
	parts->ocsp = OPENSSL_zalloc(SECRET_SIZE_MAX);
	parts->ocsp_len = SECRET_SIZE_MAX;
	ck_assert_ptr_null(tls_parts_write(parts, &err));
	ck_assert_ptr_nonnull(strstr(err.text, "at most 1048576"));
	tls_parts_free(parts);
}
END_TEST

START_TEST(the_stamp_changes_with_what_is_public)
{
	struct tls_parts *parts = make_parts();
	uint64_t first[2], second[2];

	ck_assert_int_eq(tls_parts_stamp(parts, first), 0);
	ck_assert_int_eq(tls_parts_stamp(parts, second), 0);
	ck_assert_mem_eq(first, second, sizeof(first));
	parts->ocsp[0] ^= 1;
	ck_assert_int_eq(tls_parts_stamp(parts, second), 0);
	ck_assert_mem_ne(first, second, sizeof(first));
	parts->ocsp[0] ^= 1;
	X509_CRL_free(sk_X509_CRL_pop(parts->crls));
	ck_assert_int_eq(tls_parts_stamp(parts, second), 0);
	ck_assert_mem_ne(first, second, sizeof(first));
	tls_parts_free(parts);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		what_is_written_is_read,
		half_of_it_is_refused,
		what_is_too_large_is_refused,
		the_stamp_changes_with_what_is_public,
		NULL,
	};

	return fixture_run("tls_parts", tests);
}
