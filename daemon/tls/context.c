/*
 * context.c: one SSL_CTX.  The policies are Mozilla's guidelines, version 6.0.
 * Settings of the system's openssl.cnf are replaced.
 */

#include "tls/context.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <string.h>

#include "base/error.h"
#include "config/settings.h"
#include "tls/parts.h"
#include "tls/staple.h"
#include "tls/tls_error.h"

#define CIPHERS                                                      \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:" \
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:" \
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define CIPHERSUITES                                     \
	"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:" \
	"TLS_CHACHA20_POLY1305_SHA256"
/* OpenSSL refuses a list with a group that it does not know yet. */
#define GROUPS "X25519MLKEM768:X25519:P-256:P-384"
#define OLD_GROUPS "X25519:P-256:P-384"

#define SECURITY_LEVEL 2 /* 112 bits, no SHA-1 */
#define WORD_MAX 128	 /* bytes; far longer than any cipher's name */

typedef int set_list(SSL_CTX *ctx, const char *list);

static int
set_groups(SSL_CTX *ctx, const char *list)
{
	return (int)SSL_CTX_set1_groups_list(ctx, list);
}

/*
 * OpenSSL accepts a list if it knows one word of it; we want it to know each.
 * Words that begin with a sign, such as "!aNULL", only change a list.
 */
static int
check_words(SSL_CTX *ctx, const char *key, const char *list, set_list *set,
    struct error *err)
{
	char word[WORD_MAX];
	const char *at;
	size_t len;

	for (at = list; *at != '\0'; at += len) {
		at += strspn(at, ":,; ");
		len = strcspn(at, ":,; ");
		if (len == 0 || strchr("!-+@", *at) != NULL)
			continue;
		snprintf(word, sizeof(word), "%.*s", (int)len, at);
		if (len >= sizeof(word) || set(ctx, word) != 1) {
			ERR_clear_error();
			return error_set(err,
			    "%s: OpenSSL does not know \"%s\", or its "
			    "security level forbids it",
			    key, word);
		}
	}
	return 0;
}

/* `list` is the operator's; NULL: take the policy's. */
static int
apply_list(SSL_CTX *ctx, const char *key, const char *list, const char *policy,
    set_list *set, struct error *err)
{
	char what[64];

	if (list != NULL && check_words(ctx, key, list, set, err) == -1)
		return -1;
	if (set(ctx, list != NULL ? list : policy) == 1)
		return 0;
	snprintf(what, sizeof(what), "%s: OpenSSL refuses it", key);
	return tls_error(err, what);
}

static int
apply_groups(SSL_CTX *ctx, const struct tls_settings *settings,
    struct error *err)
{
	if (settings->groups == NULL && set_groups(ctx, GROUPS) == 1)
		return 0;
	ERR_clear_error();
	return apply_list(ctx, "groups", settings->groups, OLD_GROUPS,
	    set_groups, err);
}

static int
apply_versions(SSL_CTX *ctx, const struct tls_settings *settings,
    struct error *err)
{
	bool modern = settings->policy == TLS_POLICY_MODERN;
	int64_t min = settings->min_version, max = settings->max_version;

	if (modern && (min == TLS1_2_VERSION || max == TLS1_2_VERSION))
		return error_set(err,
		    "%s_version: policy \"modern\" is TLS 1.3 alone",
		    min == TLS1_2_VERSION ? "min" : "max");
	if (min == 0)
		min = modern ? TLS1_3_VERSION : TLS1_2_VERSION;
	if (max == 0)
		max = TLS1_3_VERSION;
	if (min > max)
		return error_set(err,
		    "min_version: is higher than max_version");
	if (SSL_CTX_set_min_proto_version(ctx, (int)min) == 1 &&
	    SSL_CTX_set_max_proto_version(ctx, (int)max) == 1)
		return 0;
	return tls_error(err, "min_version: OpenSSL refuses it");
}

static void
apply_options(SSL_CTX *ctx, const struct tls_settings *settings, bool server)
{
	uint64_t options = SSL_OP_NO_COMPRESSION |
	    SSL_OP_ENABLE_MIDDLEBOX_COMPAT | SSL_OP_CIPHER_SERVER_PREFERENCE |
	    SSL_OP_PRIORITIZE_CHACHA;

	options |= settings->renegotiation ? SSL_OP_ALLOW_CLIENT_RENEGOTIATION
					   : SSL_OP_NO_RENEGOTIATION;
	if (server && !settings->tickets)
		options |= SSL_OP_NO_TICKET;
	SSL_CTX_clear_options(ctx, ~UINT64_C(0));
	SSL_CTX_set_options(ctx, options);
	/* Send the chain that the operator wrote, without CAs of the store. */
	SSL_CTX_set_mode(ctx,
	    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS |
		SSL_MODE_NO_AUTO_CHAIN);
}

static int
apply_sessions(SSL_CTX *ctx, const struct tls_settings *settings,
    struct error *err)
{
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_timeout(ctx, (long)(settings->session_timeout_ms / 1000));
	if (SSL_CTX_set_num_tickets(ctx, settings->tickets ? 1 : 0) == 1 &&
	    SSL_CTX_set_max_early_data(ctx, 0) == 1 &&
	    SSL_CTX_set_recv_max_early_data(ctx, 0) == 1)
		return 0;
	return tls_error(err, "tickets: OpenSSL refuses it");
}

static int
apply_fragment(SSL_CTX *ctx, const struct tls_settings *settings,
    struct error *err)
{
	if (SSL_CTX_set_max_send_fragment(ctx,
		(long)settings->max_send_fragment) == 1)
		return 0;
	return tls_error(err, "max_send_fragment: OpenSSL refuses it");
}

static int
apply_pair(SSL_CTX *ctx, const struct tls_pair *pair, struct error *err)
{
	STACK_OF(X509) *issuers = sk_X509_dup(pair->chain);
	X509 *leaf = issuers != NULL ? sk_X509_shift(issuers) : NULL;
	int result = -1;

	/* 0: do not replace a pair with the same kind of key. */
	if (leaf == NULL)
		error_set(err, "cert: out of memory");
	else if (SSL_CTX_use_cert_and_key(ctx, leaf, pair->key, issuers, 0) ==
	    1)
		result = 0;
	else if (ERR_GET_REASON(ERR_peek_error()) ==
	    SSL_R_NOT_REPLACING_CERTIFICATE) {
		ERR_clear_error();
		error_set(err,
		    "cert: two certificates have the same kind of key, "
		    "and clients could get only one of them");
	} else
		tls_error(err, "cert: OpenSSL refuses it");
	sk_X509_free(issuers);
	return result;
}

static int
apply_pairs(SSL_CTX *ctx, const struct tls_parts *parts, struct error *err)
{
	for (uint32_t i = 0; i < parts->pair_count; i++)
		if (apply_pair(ctx, &parts->pairs[i], err) == -1)
			return -1;
	return 0;
}

/* Clients are told which CAs verify them. */
static int
apply_client_ca(SSL_CTX *ctx, const struct tls_parts *parts, struct error *err)
{
	for (int i = 0; i < sk_X509_num(parts->ca); i++)
		if (SSL_CTX_add_client_CA(ctx, sk_X509_value(parts->ca, i)) !=
		    1)
			return tls_error(err, "ca: OpenSSL refuses it");
	return 0;
}

int
tls_trust(X509_STORE *store, const struct tls_parts *parts, struct error *err)
{
	for (int i = 0; i < sk_X509_num(parts->ca); i++)
		if (X509_STORE_add_cert(store, sk_X509_value(parts->ca, i)) !=
		    1)
			return tls_error(err, "ca: OpenSSL refuses it");
	if (sk_X509_CRL_num(parts->crls) <= 0)
		return 0;
	for (int i = 0; i < sk_X509_CRL_num(parts->crls); i++)
		if (X509_STORE_add_crl(store,
			sk_X509_CRL_value(parts->crls, i)) != 1)
			return tls_error(err, "crl: OpenSSL refuses it");
	X509_STORE_set_flags(store,
	    X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
	return 0;
}

/* The handshake goes on; OpenSSL keeps the result of the verification. */
static int
accept_cb(int ok, X509_STORE_CTX *store)
{
	(void)ok;
	(void)store;
	return 1;
}

static int
judge_cb(int ok, X509_STORE_CTX *store)
{
	(void)store;
	return ok;
}

int
tls_verify_mode(int64_t verify, SSL_verify_cb *ret_callback)
{
	*ret_callback = verify == TLS_VERIFY_OPTIONAL ? accept_cb : judge_cb;
	switch (verify) {
	case TLS_VERIFY_NONE:
		return SSL_VERIFY_NONE;
	case TLS_VERIFY_OPTIONAL:
		return SSL_VERIFY_PEER;
	default:
		return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	}
}

static int
apply_verify(SSL_CTX *ctx, const struct tls_identity_settings *identity,
    const struct tls_parts *parts, struct error *err)
{
	SSL_verify_cb callback;
	int mode = tls_verify_mode(identity->verify, &callback);

	if (mode != SSL_VERIFY_NONE && sk_X509_num(parts->ca) <= 0)
		return error_set(err, "verify: there is no ca to verify with");
	SSL_CTX_set_verify(ctx, mode, callback);
	return 0;
}

/*
 * The CAs of the system.  They are read when a certificate needs them.  Not by
 * SSL_CTX_set_default_verify_paths(): the environment may change those.
 */
static int
apply_system_ca(SSL_CTX *ctx, struct error *err)
{
	if (SSL_CTX_load_verify_dir(ctx, X509_get_default_cert_dir()) == 1)
		return 0;
	return tls_error(err, "ca: OpenSSL cannot use those of the system");
}

static int
apply_server(SSL_CTX *ctx, const struct tls_settings *settings,
    const struct tls_identity_settings *identity, const struct tls_parts *parts,
    struct error *err)
{
	if (apply_sessions(ctx, settings, err) == -1 ||
	    apply_client_ca(ctx, parts, err) == -1 ||
	    apply_verify(ctx, identity, parts, err) == -1)
		return -1;
	return tls_staple(ctx, parts, err);
}

static int
apply_client(SSL_CTX *ctx, const struct tls_settings *settings,
    const struct tls_parts *parts, struct error *err)
{
	SSL_verify_cb callback;
	int mode = tls_verify_mode(settings->identity.verify, &callback);

	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_verify(ctx, mode, callback);
	return sk_X509_num(parts->ca) > 0 ? 0 : apply_system_ca(ctx, err);
}

/* With what both roles have in common.  NULL: err. */
static SSL_CTX *
make_context(const SSL_METHOD *method, const struct tls_settings *settings,
    const struct tls_parts *parts, bool server, struct error *err)
{
	SSL_CTX *ctx;

	ERR_clear_error();
	ctx = SSL_CTX_new(method);
	if (ctx == NULL) {
		tls_error(err, "OpenSSL cannot make a context");
		return NULL;
	}
	SSL_CTX_set_security_level(ctx, SECURITY_LEVEL);
	apply_options(ctx, settings, server);
	if (apply_versions(ctx, settings, err) == 0 &&
	    apply_list(ctx, "ciphers", settings->ciphers, CIPHERS,
		SSL_CTX_set_cipher_list, err) == 0 &&
	    apply_list(ctx, "ciphersuites", settings->ciphersuites,
		CIPHERSUITES, SSL_CTX_set_ciphersuites, err) == 0 &&
	    apply_groups(ctx, settings, err) == 0 &&
	    apply_fragment(ctx, settings, err) == 0 &&
	    apply_pairs(ctx, parts, err) == 0 &&
	    tls_trust(SSL_CTX_get_cert_store(ctx), parts, err) == 0)
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

SSL_CTX *
tls_context(const struct tls_settings *settings,
    const struct tls_identity_settings *identity, const struct tls_parts *parts,
    struct error *err)
{
	SSL_CTX *ctx =
	    make_context(TLS_server_method(), settings, parts, true, err);

	if (ctx != NULL &&
	    apply_server(ctx, settings, identity, parts, err) == 0)
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

SSL_CTX *
tls_client_context(const struct tls_settings *settings,
    const struct tls_parts *parts, struct error *err)
{
	SSL_CTX *ctx =
	    make_context(TLS_client_method(), settings, parts, false, err);

	if (ctx != NULL && apply_client(ctx, settings, parts, err) == 0)
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

int
tls_context_id(const struct iovec *pieces, int count,
    unsigned char ret[SSL_MAX_SID_CTX_LENGTH])
{
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	bool good = digest != NULL &&
	    EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1;

	for (int i = 0; i < count && good; i++)
		good = EVP_DigestUpdate(digest, pieces[i].iov_base,
			   pieces[i].iov_len) == 1;
	good = good && EVP_DigestFinal_ex(digest, ret, NULL) == 1;
	EVP_MD_CTX_free(digest);
	return good ? 0 : -1;
}

_Static_assert(SSL_MAX_SID_CTX_LENGTH == 32, "the size of a SHA-256");
