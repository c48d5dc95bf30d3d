/* tls_client.c: a session by what the listener has and what the plugin asks. */

#include "worker/tls_client.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "config/address.h"
#include "config/secret.h"
#include "config/settings.h"
#include "tls/alpn.h"
#include "tls/context.h"
#include "tls/parts.h"
#include "tls/tls_error.h"
#include "worker/material.h"
#include "worker/tls_name.h"
#include "worker/tls_set.h"
#include "worker/tls_wish.h"

#define NOBODY "nobody.invalid" /* no certificate is for this: RFC 2606 */

struct tls_client {
	unsigned int refs;
	SSL_CTX *context;
	int64_t verify; /* enum tls_verify */
	struct alpn alpn;
	char *servername, *verify_name; /* NULL: the connection's own */
	unsigned char trust[TLS_HASH_SIZE];
};

static struct tls_client *default_client;

/* -- What connections share -- */

static int
take_name(char **ret, const char *name)
{
	*ret = name != NULL ? strdup(name) : NULL;
	return name == NULL || *ret != NULL ? 0 : -1;
}

static int
take_settings(struct tls_client *client, const struct tls_settings *settings)
{
	client->verify = settings->identity.verify;
	for (uint32_t i = 0; i < settings->alpn_count; i++)
		if (alpn_add(&client->alpn, settings->alpn[i].text) == -1)
			return -1;
	if (take_name(&client->servername, settings->servername) == -1)
		return -1;
	return take_name(&client->verify_name, settings->verify_name);
}

static struct tls_client *
make(const struct tls_settings *settings, const struct tls_parts *parts,
    struct error *err)
{
	struct tls_client *client = calloc(1, sizeof(*client));

	if (client == NULL || take_settings(client, settings) == -1 ||
	    tls_parts_hash_trust(parts, client->trust) == -1)
		error_set(err, "out of memory");
	else
		client->context = tls_client_context(settings, parts, err);
	if (client != NULL && client->context == NULL) {
		client->refs = 1;
		tls_client_unref(client);
		client = NULL;
	}
	if (client != NULL)
		client->refs = 1;
	return client;
}

struct tls_client *
tls_client_new(const struct tls_settings *settings,
    const struct material *material, struct error *err)
{
	struct tls_client *client = NULL;
	struct tls_parts *parts = NULL;
	struct secret *secret;

	if (settings->identity.secret == NO_SECRET)
		return make(settings, &(struct tls_parts){ 0 }, err);
	secret = material_secret(material, settings->identity.secret, err);
	if (secret != NULL)
		parts = tls_parts_read(secret, err);
	if (parts != NULL)
		client = make(settings, parts, err);
	tls_parts_free(parts);
	secret_free(secret);
	return client;
}

struct tls_client *
tls_client_ref(struct tls_client *client)
{
	client->refs++;
	return client;
}

void
tls_client_unref(struct tls_client *client)
{
	if (client == NULL || --client->refs > 0)
		return;
	SSL_CTX_free(client->context);
	alpn_free(&client->alpn);
	free(client->servername);
	free(client->verify_name);
	free(client);
}

struct tls_client *
tls_client_default(void)
{
	const struct tls_settings settings = {
		.identity = { .verify = TLS_VERIFY_REQUIRE,
		    .secret = NO_SECRET },
		.max_send_fragment = SSL3_RT_MAX_PLAIN_LENGTH,
	};
	struct error err;

	if (default_client == NULL) {
		default_client = tls_client_new(&settings, NULL, &err);
		if (default_client == NULL)
			log_warnx("TLS of outgoing connections: %s", err.text);
	}
	return default_client;
}

void
tls_client_forget_default(void)
{
	tls_client_unref(default_client);
	default_client = NULL;
}

/* -- One connection -- */

/* The first of them that somebody has given; NULL: nobody has. */
static const char *
first(const char *a, const char *b)
{
	return a != NULL ? a : b;
}

/* What one connection is judged by. */
struct rules {
	int64_t verify;
	char servername[TLS_NAME_MAX + 1]; /* "": none is sent */
	char name[TLS_NAME_MAX + 1]; /* to verify; "": nobody has said it */
};

static void
tidy(char ret[TLS_NAME_MAX + 1], const char *name)
{
	if (name == NULL || !tls_name_tidy(name, strlen(name), ret))
		ret[0] = '\0';
}

static void
make_rules(struct rules *ret, const struct tls_client *client,
    const struct tls_wish *wish)
{
	const char *asked = first(wish->servername, client->servername);
	const char *name = wish->verify_name;

	ret->verify =
	    wish->verify != TLS_VERIFY_INHERIT ? wish->verify : client->verify;
	tidy(ret->servername, first(asked, wish->host));
	/* What the plugin says goes before what the operator does. */
	if (name == NULL && wish->servername != NULL &&
	    wish->servername[0] != '\0')
		name = wish->servername;
	name = first(name, client->verify_name);
	if (name == NULL && asked != NULL && asked[0] != '\0')
		name = asked;
	tidy(ret->name, first(name, wish->host));
	/* Nobody can ask for an address. */
	if (host_is_address(ret->servername))
		ret->servername[0] = '\0';
}

static bool
set_name(SSL *ssl, const struct rules *rules)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);

	if (rules->servername[0] != '\0' &&
	    SSL_set_tlsext_host_name(ssl, rules->servername) != 1)
		return false;
	X509_VERIFY_PARAM_set_hostflags(param,
	    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	/* Nobody is authorized by a name that was not asked for. */
	if (rules->name[0] == '\0')
		return X509_VERIFY_PARAM_set1_host(param, NOBODY, 0) == 1;
	return X509_VERIFY_PARAM_set1_ip_asc(param, rules->name) == 1 ||
	    X509_VERIFY_PARAM_set1_host(param, rules->name, 0) == 1;
}

static bool
set_trust(SSL *ssl, const struct rules *rules, const struct tls_wish *wish)
{
	SSL_verify_cb callback;
	int mode = tls_verify_mode(rules->verify, &callback);
	X509_STORE *store;
	struct error err;
	bool good;

	SSL_set_verify(ssl, mode, callback);
	if (sk_X509_num(wish->parts->ca) <= 0)
		return true;
	store = X509_STORE_new();
	good = store != NULL && tls_trust(store, wish->parts, &err) == 0 &&
	    SSL_set1_verify_cert_store(ssl, store) == 1;
	X509_STORE_free(store);
	return good;
}

static bool
set_pair(SSL *ssl, const struct tls_wish *wish)
{
	STACK_OF(X509) *issuers;
	X509 *leaf;
	bool good;

	if (wish->parts->pair_count == 0)
		return true;
	issuers = sk_X509_dup(wish->parts->pairs[0].chain);
	leaf = issuers != NULL ? sk_X509_shift(issuers) : NULL;
	/* A server that asks might like the operator's kind of key better. */
	SSL_certs_clear(ssl);
	good = leaf != NULL &&
	    SSL_use_cert_and_key(ssl, leaf, wish->parts->pairs[0].key, issuers,
		1) == 1;
	sk_X509_free(issuers);
	return good;
}

static bool
set_alpn(SSL *ssl, const struct tls_client *client, const struct tls_wish *wish)
{
	const struct alpn *alpn =
	    wish->alpn.len > 0 ? &wish->alpn : &client->alpn;

	/* 0: good. */
	return alpn->len == 0 ||
	    SSL_set_alpn_protos(ssl, alpn->wire, alpn->len) == 0;
}

/*
 * In a session that goes on nothing is verified again.  So it only does where the
 * same was verified in the same way when it began: this says what and how.
 */
static int
make_context_id(unsigned char ret[SSL_MAX_SID_CTX_LENGTH],
    const struct rules *rules, const struct tls_client *client,
    const struct tls_wish *wish)
{
	unsigned char asked[TLS_HASH_SIZE];
	const struct iovec pieces[] = {
		{ (char *)rules->name, strlen(rules->name) + 1 },
		{ (int64_t *)&rules->verify, sizeof(rules->verify) },
		{ asked, sizeof(asked) },
		{ (unsigned char *)client->trust, sizeof(client->trust) },
	};

	if (tls_parts_hash_trust(wish->parts, asked) == -1)
		return -1;
	return tls_context_id(pieces, 4, ret);
}

/* May the session go on here?  If not, there is a full handshake. */
static bool
may_resume(SSL_SESSION *session, const unsigned char *id)
{
	const X509 *peer = SSL_SESSION_get0_peer(session);
	const unsigned char *its;
	unsigned int len;

	its = SSL_SESSION_get0_id_context(session, &len);
	return peer != NULL && len == SSL_MAX_SID_CTX_LENGTH &&
	    memcmp(its, id, len) == 0 &&
	    X509_cmp_current_time(X509_get0_notAfter(peer)) > 0 &&
	    SSL_SESSION_is_resumable(session);
}

static bool
set_session(SSL *ssl, const struct rules *rules,
    const struct tls_client *client, const struct tls_wish *wish)
{
	unsigned char id[SSL_MAX_SID_CTX_LENGTH];

	if (make_context_id(id, rules, client, wish) == -1 ||
	    SSL_set_session_id_context(ssl, id, sizeof(id)) != 1)
		return false;
	if (wish->session == NULL || !may_resume(wish->session, id))
		return true;
	return SSL_set_session(ssl, wish->session) == 1;
}

/* OpenSSL gives a reason that does not go away when there is memory again. */
static bool
is_refusal(void)
{
	unsigned long code = ERR_peek_error();

	return code != 0 && ERR_GET_REASON(code) != ERR_R_MALLOC_FAILURE;
}

SSL *
tls_client_session(const struct tls_client *client, const struct tls_wish *wish)
{
	struct rules rules;
	SSL *ssl;

	make_rules(&rules, client, wish);
	if (rules.verify != TLS_VERIFY_NONE && rules.name[0] == '\0') {
		errno = EINVAL;
		return NULL;
	}
	ERR_clear_error();
	ssl = SSL_new(client->context);
	if (ssl != NULL && set_name(ssl, &rules) &&
	    set_trust(ssl, &rules, wish) && set_pair(ssl, wish) &&
	    set_alpn(ssl, client, wish) &&
	    set_session(ssl, &rules, client, wish)) {
		if (wish->no_renegotiation)
			tls_set_no_renegotiation(ssl);
		return ssl;
	}
	SSL_free(ssl);
	if (is_refusal())
		errno = EPROTO;
	else
		tls_fail(ENOMEM);
	return NULL;
}
