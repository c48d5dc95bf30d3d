/*
 * check_tls_context.c: what a context offers and refuses, seen by a client in
 * the same process.
 */

#include "fixture.h"
#include "tls_fixture.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <time.h>

#include "base/error.h"
#include "config/keys.h"
#include "config/settings.h"
#include "tls/context.h"
#include "tls/parts.h"

static struct tls_settings tls;
static struct tls_parts *parts;
static const struct tls_fixture *ca, *leaf;

static void
add_pair(const struct tls_fixture *made)
{
	struct tls_pair *pair = tls_parts_add_pair(parts);

	ck_assert_ptr_nonnull(pair);
	pair->chain = sk_X509_new_null();
	X509_up_ref(made->cert);
	sk_X509_push(pair->chain, made->cert);
	EVP_PKEY_up_ref(made->key);
	pair->key = made->key;
}

static void
add_ca(const struct tls_fixture *made)
{
	if (parts->ca == NULL)
		parts->ca = sk_X509_new_null();
	X509_up_ref(made->cert);
	sk_X509_push(parts->ca, made->cert);
}

static void
setup(void)
{
	memset(&tls, 0, sizeof(tls));
	ck_assert_int_eq(keys_set_defaults(tls_keys, &tls), 0);
	parts = calloc(1, sizeof(*parts));
	ca = tls_fixture_make(fixture_dir, "ca",
	    &(struct tls_fixture_options){ .ca = true });
	leaf = tls_fixture_make(fixture_dir, "leaf",
	    &(struct tls_fixture_options){ .issuer = ca });
	add_pair(leaf);
}

static void
done(void)
{
	keys_free(tls_keys, &tls);
	tls_parts_free(parts);
}

static SSL_CTX *
context(void)
{
	struct error err = { "" };
	SSL_CTX *ctx = tls_context(&tls, &tls.identity, parts, &err);

	ck_assert_msg(ctx != NULL, "%s", err.text);
	ck_assert_uint_eq(ERR_peek_error(), 0);
	return ctx;
}

static void
refused(const char *why)
{
	struct error err = { "" };

	ck_assert_ptr_null(tls_context(&tls, &tls.identity, parts, &err));
	ck_assert_msg(strstr(err.text, why) != NULL, "%s", err.text);
	ck_assert_uint_eq(ERR_peek_error(), 0);
}

static void
set(char **value, const char *text)
{
	free(*value);
	*value = strdup(text);
}

static SSL_CTX *
client_context(const struct tls_fixture *made)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), ca->cert);
	if (made != NULL) {
		ck_assert_int_eq(SSL_CTX_use_certificate(ctx, made->cert), 1);
		ck_assert_int_eq(SSL_CTX_use_PrivateKey(ctx, made->key), 1);
	}
	return ctx;
}

struct both {
	SSL *server, *client;
};

static struct both
ends(SSL_CTX *server, SSL_CTX *client)
{
	struct both both = { SSL_new(server), SSL_new(client) };
	BIO *a, *b;

	ck_assert_int_eq(BIO_new_bio_pair(&a, 0, &b, 0), 1);
	SSL_set_bio(both.server, a, a);
	SSL_set_bio(both.client, b, b);
	SSL_set_accept_state(both.server);
	SSL_set_connect_state(both.client);
	return both;
}

static bool
waits(SSL *ssl, int result)
{
	int error = SSL_get_error(ssl, result);

	return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

/* Did the server finish its handshake? */
static bool
shake(const struct both *both)
{
	int s = -1, c = -1;

	for (int i = 0; i < 100 && (s != 1 || c != 1); i++) {
		ERR_clear_error();
		if (c != 1 && (c = SSL_do_handshake(both->client)) != 1 &&
		    !waits(both->client, c))
			break;
		ERR_clear_error();
		if (s != 1 && (s = SSL_do_handshake(both->server)) != 1 &&
		    !waits(both->server, s))
			break;
	}
	ERR_clear_error();
	return s == 1;
}

static void
both_free(struct both *both)
{
	SSL_free(both->server);
	SSL_free(both->client);
}

/* Both contexts are freed. */
static bool
meet(SSL_CTX *server, SSL_CTX *client, long *ret_verified)
{
	struct both both = ends(server, client);
	bool good = shake(&both);

	if (ret_verified != NULL)
		*ret_verified = SSL_get_verify_result(both.server);
	both_free(&both);
	SSL_CTX_free(server);
	SSL_CTX_free(client);
	return good;
}

START_TEST(the_default_is_tls_1_2_and_1_3)
{
	static const int versions[] = { TLS1_1_VERSION, TLS1_2_VERSION,
		TLS1_3_VERSION };
	SSL_CTX *client;

	for (int i = 0; i < 3; i++) {
		client = client_context(NULL);
		SSL_CTX_set_security_level(client, 0);
		SSL_CTX_set_min_proto_version(client, versions[i]);
		SSL_CTX_set_max_proto_version(client, versions[i]);
		ck_assert(meet(context(), client, NULL) == (i > 0));
	}
	done();
}
END_TEST

START_TEST(modern_is_tls_1_3_alone)
{
	SSL_CTX *client = client_context(NULL);

	tls.policy = TLS_POLICY_MODERN;
	SSL_CTX_set_max_proto_version(client, TLS1_2_VERSION);
	ck_assert(!meet(context(), client, NULL));
	ck_assert(meet(context(), client_context(NULL), NULL));
	done();
}
END_TEST

START_TEST(what_openssl_does_not_know_is_named)
{
	set(&tls.ciphers, "ECDHE-RSA-AES128-GCM-SHA256:NO-CIPHER:!aNULL");
	refused("ciphers: OpenSSL does not know \"NO-CIPHER\"");
	set(&tls.ciphers, "HIGH:!aNULL");
	set(&tls.ciphersuites, "TLS_AES_128_GCM_SHA256:ECDHE");
	refused("ciphersuites: OpenSSL does not know \"ECDHE\"");
	set(&tls.ciphersuites, "TLS_AES_128_GCM_SHA256");
	set(&tls.groups, "X25519:P-999");
	refused("groups: OpenSSL does not know \"P-999\"");
	set(&tls.groups, "P-384");
	SSL_CTX_free(context());
	tls.min_version = TLS1_3_VERSION;
	tls.max_version = TLS1_2_VERSION;
	refused("min_version: is higher than max_version");
	tls.max_version = 0;
	tls.policy = TLS_POLICY_MODERN;
	tls.min_version = TLS1_2_VERSION;
	refused("min_version: policy \"modern\" is TLS 1.3 alone");
	done();
}
END_TEST

START_TEST(options_and_sizes_are_set)
{
	SSL_CTX *ctx = context();
	uint64_t options = SSL_CTX_get_options(ctx);

	ck_assert(options & SSL_OP_NO_RENEGOTIATION);
	ck_assert(options & SSL_OP_NO_COMPRESSION);
	ck_assert(!(options & SSL_OP_NO_TICKET));
	ck_assert(!(options & SSL_OP_IGNORE_UNEXPECTED_EOF));
	ck_assert(SSL_CTX_get_mode(ctx) & SSL_MODE_RELEASE_BUFFERS);
	ck_assert(!(SSL_CTX_get_mode(ctx) & SSL_MODE_ENABLE_PARTIAL_WRITE));
	ck_assert_int_eq(SSL_CTX_get_session_cache_mode(ctx),
	    SSL_SESS_CACHE_OFF);
	ck_assert_int_eq(SSL_CTX_get_timeout(ctx), 12 * 60 * 60);
	ck_assert_uint_eq(SSL_CTX_get_num_tickets(ctx), 1);
	ck_assert_uint_eq(SSL_CTX_get_max_early_data(ctx), 0);
	ck_assert_int_eq(SSL_CTX_get_security_level(ctx), 2);
	SSL_CTX_free(ctx);
	tls.tickets = false;
	tls.renegotiation = true;
	ctx = context();
	options = SSL_CTX_get_options(ctx);
	ck_assert(!(options & SSL_OP_NO_RENEGOTIATION));
	ck_assert(options & SSL_OP_ALLOW_CLIENT_RENEGOTIATION);
	ck_assert(options & SSL_OP_NO_TICKET);
	ck_assert_uint_eq(SSL_CTX_get_num_tickets(ctx), 0);
	SSL_CTX_free(ctx);
	done();
}
END_TEST

START_TEST(a_client_gets_the_pair_that_it_understands)
{
	static const char *const algorithms[] = { "ECDSA+SHA256",
		"RSA-PSS+SHA256" };
	static const char *const kinds[] = { "EC", "RSA" };
	SSL_CTX *client, *server;
	struct both both;

	add_pair(tls_fixture_make(fixture_dir, "rsa",
	    &(struct tls_fixture_options){ .kind = TLS_FIXTURE_RSA }));
	server = context();
	for (int i = 0; i < 2; i++) {
		client = client_context(NULL);
		ck_assert_int_eq(
		    SSL_CTX_set1_sigalgs_list(client, algorithms[i]), 1);
		SSL_CTX_set_verify(client, SSL_VERIFY_NONE, NULL);
		both = ends(server, client);
		ck_assert(shake(&both));
		ck_assert(EVP_PKEY_is_a(
		    X509_get0_pubkey(SSL_get0_peer_certificate(both.client)),
		    kinds[i]));
		both_free(&both);
		SSL_CTX_free(client);
	}
	SSL_CTX_free(server);
	done();
}
END_TEST

START_TEST(two_pairs_of_one_kind_are_refused)
{
	add_pair(tls_fixture_make(fixture_dir, "second", NULL));
	refused("two certificates have the same kind of key");
	done();
}
END_TEST

START_TEST(weak_keys_are_refused)
{
	add_pair(tls_fixture_make(fixture_dir, "weak",
	    &(struct tls_fixture_options){ .kind = TLS_FIXTURE_RSA,
		.rsa_bits = 1024 }));
	refused("cert: OpenSSL refuses it: ee key too small");
	done();
}
END_TEST

START_TEST(require_fails_closed_and_optional_tells)
{
	const struct tls_fixture *known, *stranger;
	long verified;

	known = tls_fixture_make(fixture_dir, "known",
	    &(struct tls_fixture_options){ .issuer = ca });
	stranger = tls_fixture_make(fixture_dir, "stranger", NULL);
	tls.identity.verify = TLS_VERIFY_REQUIRE;
	refused("verify: there is no ca to verify with");
	add_ca(ca);
	ck_assert(meet(context(), client_context(known), &verified));
	ck_assert_int_eq(verified, X509_V_OK);
	ck_assert(!meet(context(), client_context(stranger), NULL));
	ck_assert(!meet(context(), client_context(NULL), NULL));
	tls.identity.verify = TLS_VERIFY_OPTIONAL;
	ck_assert(meet(context(), client_context(known), &verified));
	ck_assert_int_eq(verified, X509_V_OK);
	ck_assert(meet(context(), client_context(stranger), &verified));
	ck_assert_int_ne(verified, X509_V_OK);
	ck_assert(meet(context(), client_context(NULL), NULL));
	tls.identity.verify = TLS_VERIFY_NONE;
	ck_assert(meet(context(), client_context(stranger), NULL));
	done();
}
END_TEST

START_TEST(revoked_and_expired_clients_are_refused)
{
	const struct tls_fixture *known, *revoked, *expired;
	BIO *file;

	known = tls_fixture_make(fixture_dir, "known",
	    &(struct tls_fixture_options){ .issuer = ca });
	revoked = tls_fixture_make(fixture_dir, "revoked",
	    &(struct tls_fixture_options){ .issuer = ca });
	expired = tls_fixture_make(fixture_dir, "expired",
	    &(struct tls_fixture_options){ .issuer = ca,
		.from_s = -7200,
		.until_s = -3600 });
	tls_fixture_crl(fixture_path("ca.crl"), ca, revoked);
	tls.identity.verify = TLS_VERIFY_REQUIRE;
	add_ca(ca);
	ck_assert(meet(context(), client_context(revoked), NULL));
	ck_assert(!meet(context(), client_context(expired), NULL));
	file = BIO_new_file(fixture_path("ca.crl"), "r");
	parts->crls = sk_X509_CRL_new_null();
	sk_X509_CRL_push(parts->crls,
	    PEM_read_bio_X509_CRL(file, NULL, NULL, NULL));
	BIO_free(file);
	ck_assert(meet(context(), client_context(known), NULL));
	ck_assert(!meet(context(), client_context(revoked), NULL));
	done();
}
END_TEST

START_TEST(clients_are_told_whose_certificates_count)
{
	const STACK_OF(X509_NAME) *names;
	struct both both;
	SSL_CTX *server, *client = client_context(NULL);

	tls.identity.verify = TLS_VERIFY_OPTIONAL;
	add_ca(ca);
	server = context();
	both = ends(server, client);
	ck_assert(shake(&both));
	names = SSL_get0_peer_CA_list(both.client);
	ck_assert_int_eq(sk_X509_NAME_num(names), 1);
	ck_assert_int_eq(X509_NAME_cmp(sk_X509_NAME_value(names, 0),
			     X509_get_subject_name(ca->cert)),
	    0);
	both_free(&both);
	SSL_CTX_free(server);
	SSL_CTX_free(client);
	done();
}
END_TEST

/* How many bytes of a response a client gets; it runs out then. */
static long
stapled(int64_t until)
{
	SSL_CTX *server, *client = client_context(NULL);
	const unsigned char *response;
	struct both both;
	long len;

	parts->ocsp = OPENSSL_memdup("response", 8);
	parts->ocsp_len = 8;
	parts->ocsp_until = until;
	server = context();
	tls_parts_free(parts); /* the context has what it needs */
	parts = NULL;
	both = ends(server, client);
	SSL_CTX_free(server); /* and so has the connection */
	SSL_set_tlsext_status_type(both.client, TLSEXT_STATUSTYPE_ocsp);
	ck_assert(shake(&both));
	len = SSL_get_tlsext_status_ocsp_resp(both.client, &response);
	if (len > 0)
		ck_assert_mem_eq(response, "response", 8);
	both_free(&both);
	SSL_CTX_free(client);
	return len;
}

START_TEST(the_staple_goes_with_its_certificate)
{
	ck_assert_int_eq(stapled(-1), 8);
	done();
}
END_TEST

START_TEST(the_staple_is_sent_until_it_runs_out)
{
	ck_assert_int_eq(stapled(time(NULL) + 3600), 8);
	done();
}
END_TEST

START_TEST(a_staple_that_has_run_out_is_not_sent)
{
	ck_assert_int_le(stapled(time(NULL) - 1), 0);
	done();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		the_default_is_tls_1_2_and_1_3,
		modern_is_tls_1_3_alone,
		what_openssl_does_not_know_is_named,
		options_and_sizes_are_set,
		a_client_gets_the_pair_that_it_understands,
		two_pairs_of_one_kind_are_refused,
		weak_keys_are_refused,
		require_fails_closed_and_optional_tells,
		revoked_and_expired_clients_are_refused,
		clients_are_told_whose_certificates_count,
		the_staple_goes_with_its_certificate,
		the_staple_is_sent_until_it_runs_out,
		a_staple_that_has_run_out_is_not_sent,
		NULL,
	};

	return fixture_run_in("tls_context", tests, setup);
}
