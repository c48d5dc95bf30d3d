/*
 * tls_server.c: the contexts of a listener.  Which one a client gets is decided
 * as soon as its hello has arrived.  Later would be too late: OpenSSL might have
 * resumed a session of another name by then.
 */

#include "worker/tls_server.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/escape.h"
#include "config/secret.h"
#include "config/settings.h"
#include "tls/alpn.h"
#include "tls/context.h"
#include "tls/parts.h"
#include "worker/material.h"
#include "worker/tls_name.h"
#include "worker/tls_tickets.h"

#define SHOWN_NAME_MAX 100 /* bytes of a name that is refused, in messages */

/* Names in lower case, without a dot at the end. */
struct server_name {
	char *name; /* "*.example.org": of any one label in front */
	SSL_CTX *context;
};

struct tls_server {
	unsigned int refs;
	SSL_CTX *context; /* for any other name, and for none */
	bool reject_unknown;
	struct server_name *names; /* sorted */
	uint32_t name_count;
	struct alpn alpn;
};

/* -- Which name -- */

static int
compare_names(const void *a, const void *b)
{
	return strcmp(((const struct server_name *)a)->name,
	    ((const struct server_name *)b)->name);
}

static SSL_CTX *
look_up(const struct tls_server *server, const char *name)
{
	const struct server_name wanted = { .name = (char *)name };
	const struct server_name *found = NULL;

	if (server->name_count > 0)
		found = bsearch(&wanted, server->names, server->name_count,
		    sizeof(*server->names), compare_names);
	return found != NULL ? found->context : NULL;
}

/* The name itself, or else the leftmost label as a wildcard.  NULL: unknown. */
static SSL_CTX *
find_name(const struct tls_server *server, const char *name)
{
	SSL_CTX *context = look_up(server, name);
	const char *dot = strchr(name, '.');
	char wild[TLS_NAME_MAX + 2] = "*";

	if (context != NULL || dot == NULL || dot == name)
		return context;
	memcpy(wild + 1, dot, strlen(dot) + 1);
	return look_up(server, wild);
}

/* The host that the client asks for.  False: it names none. */
static bool
asked_name(SSL *ssl, char ret[TLS_NAME_MAX + 1])
{
	const unsigned char *data;
	size_t len, name_len;

	/* A list with its length, of which one entry is a host: 0, length. */
	if (!SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &data,
		&len) ||
	    len < 5 || data[2] != TLSEXT_NAMETYPE_host_name)
		return false;
	name_len = (size_t)data[3] << 8 | data[4];
	data += 5;
	len -= 5;
	if (name_len > len || memchr(data, '\0', name_len) != NULL)
		return false; /* OpenSSL refuses what is not well-formed */
	return tls_name_tidy(data, name_len, ret);
}

/* Has the certificate that the client once showed ended since? */
static bool
has_expired_peer(SSL_SESSION *session)
{
	const X509 *peer = SSL_SESSION_get0_peer(session);

	return peer != NULL &&
	    X509_cmp_current_time(X509_get0_notAfter(peer)) < 0;
}

/*
 * A session goes on only under the name with which it began, as RFC 6066 says.
 * With TLS 1.2 OpenSSL would take the session's name for the client's.
 */
static SSL_TICKET_RETURN
on_session(SSL *ssl, SSL_SESSION *session, const unsigned char *key_name,
    size_t key_name_len, SSL_TICKET_STATUS status, void *arg)
{
	char asked[TLS_NAME_MAX + 1] = "", known[TLS_NAME_MAX + 1] = "";
	const char *name;

	(void)key_name;
	(void)key_name_len;
	(void)arg;
	if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	if (!tls_tickets_is_fresh(session) || has_expired_peer(session))
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	name = SSL_SESSION_get0_hostname(session);
	if (name != NULL && !tls_name_tidy(name, strlen(name), known))
		known[0] = '\0';
	if (!asked_name(ssl, asked))
		asked[0] = '\0';
	if (strcmp(asked, known) != 0)
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE
					    : SSL_TICKET_RETURN_USE_RENEW;
}

/* 0, or -1: no memory, and the context is the one before. */
static int
use_context(SSL *ssl, SSL_CTX *context)
{
	if (SSL_set_SSL_CTX(ssl, context) == NULL)
		return -1;
	/* That took over the certificates, but not these two. */
	SSL_set_verify(ssl, SSL_CTX_get_verify_mode(context),
	    SSL_CTX_get_verify_callback(context));
	return 0;
}

/* Then the plugin may have changed what is asked of this client. */
static bool
is_renegotiation(const SSL *ssl)
{
	return SSL_get_finished(ssl, NULL, 0) > 0;
}

/*
 * The client is told by the alert.  OpenSSL would say no more than "callback
 * failed" to us: an earlier error goes first.
 */
static int
refuse_name(const char *name, bool known, int *alert)
{
	char plain[SHOWN_NAME_MAX];

	ERR_raise_data(ERR_LIB_SSL, SSL_R_CALLBACK_FAILED,
	    known ? "a renegotiation cannot change the name to %s"
		  : "there is no certificate for the name %s",
	    escape_text(name, plain, sizeof(plain)));
	*alert = SSL_AD_UNRECOGNIZED_NAME;
	return SSL_CLIENT_HELLO_ERROR;
}

static int
on_client_hello(SSL *ssl, int *alert, void *arg)
{
	const struct tls_server *server = arg;
	char name[TLS_NAME_MAX + 1];
	bool named = asked_name(ssl, name);
	SSL_CTX *context = named ? find_name(server, name) : NULL;

	if (named && context == NULL && server->reject_unknown)
		return refuse_name(name, false, alert);
	if (is_renegotiation(ssl))
		return context == NULL || context == SSL_get_SSL_CTX(ssl)
		    ? SSL_CLIENT_HELLO_SUCCESS
		    : refuse_name(name, true, alert);
	/* A client may have to say hello twice, and name another host then. */
	if (context == NULL)
		context = server->context;
	if (context == SSL_get_SSL_CTX(ssl) || use_context(ssl, context) == 0)
		return SSL_CLIENT_HELLO_SUCCESS;
	/* Going on would be by the rules of another name. */
	*alert = SSL_AD_INTERNAL_ERROR;
	return SSL_CLIENT_HELLO_ERROR;
}

/* on_client_hello() has chosen; this acknowledges the name to the client. */
static int
on_server_name(SSL *ssl, int *alert, void *arg)
{
	(void)alert;
	(void)arg;
	return SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) != NULL
	    ? SSL_TLSEXT_ERR_OK
	    : SSL_TLSEXT_ERR_NOACK;
}

/* -- Which protocol -- */

static int
on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
    const unsigned char *in, unsigned int in_len, void *arg)
{
	const struct tls_server *server = arg;
	unsigned char *chosen;

	(void)ssl;
	if (SSL_select_next_proto(&chosen, out_len, server->alpn.wire,
		server->alpn.len, in, in_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

/* -- Contexts -- */

/*
 * A session is resumed only where its client would be verified by the same
 * rules: at this listener, under this name, with these CAs and CRLs.
 */
static int
set_session_context(SSL_CTX *context, const char *listener, const char *name,
    int64_t verify, const struct tls_parts *parts)
{
	unsigned char id[SSL_MAX_SID_CTX_LENGTH], trust[TLS_HASH_SIZE];
	const struct iovec pieces[] = {
		{ (char *)listener, strlen(listener) + 1 },
		{ (char *)name, strlen(name) + 1 },
		{ &verify, sizeof(verify) },
		{ trust, sizeof(trust) },
	};

	if (tls_parts_hash_trust(parts, trust) == -1 ||
	    tls_context_id(pieces, 4, id) == -1)
		return -1;
	return SSL_CTX_set_session_id_context(context, id, sizeof(id)) == 1
	    ? 0
	    : -1;
}

/* The context of one identity; `name` is "" for the listener's own. */
static SSL_CTX *
make_context(struct tls_server *server,
    const struct listener_settings *listener,
    const struct tls_identity_settings *identity, const char *name,
    const struct material *material, struct error *err)
{
	struct secret *secret =
	    material_secret(material, identity->secret, err);
	struct tls_parts *parts =
	    secret != NULL ? tls_parts_read(secret, err) : NULL;
	SSL_CTX *context = parts != NULL
	    ? tls_context(&listener->tls, identity, parts, err)
	    : NULL;

	if (context != NULL &&
	    set_session_context(context, listener->name, name, identity->verify,
		parts) == -1) {
		error_set(err, "out of memory");
		SSL_CTX_free(context);
		context = NULL;
	}
	if (context != NULL) {
		SSL_CTX_set_client_hello_cb(context, on_client_hello, server);
		SSL_CTX_set_tlsext_servername_callback(context, on_server_name);
		SSL_CTX_set_session_ticket_cb(context, tls_tickets_date,
		    on_session, NULL);
		if (server->alpn.len > 0)
			SSL_CTX_set_alpn_select_cb(context, on_alpn, server);
		tls_tickets_use(context);
	}
	tls_parts_free(parts);
	secret_free(secret);
	return context;
}

static int
add_names(struct tls_server *server, const struct listener_settings *listener,
    const struct tls_name_settings *entry, const struct material *material,
    struct error *err)
{
	struct server_name *names;
	SSL_CTX *context;

	names = realloc(server->names,
	    (server->name_count + entry->name_count + 1) * sizeof(*names));
	if (names == NULL)
		return error_set(err, "out of memory");
	server->names = names;
	context = make_context(server, listener, &entry->identity,
	    entry->names[0].text, material, err);
	if (context == NULL)
		return -1;
	for (uint32_t i = 0; i < entry->name_count; i++) {
		names[server->name_count].name = strdup(entry->names[i].text);
		if (names[server->name_count].name == NULL) {
			SSL_CTX_free(context);
			return error_set(err, "out of memory");
		}
		SSL_CTX_up_ref(context);
		names[server->name_count++].context = context;
	}
	SSL_CTX_free(context);
	return 0;
}

struct tls_server *
tls_server_new(const struct listener_settings *listener,
    const struct material *material, struct error *err)
{
	const struct tls_settings *settings = &listener->tls;
	struct tls_server *server = calloc(1, sizeof(*server));
	int rc = 0;

	if (server == NULL) {
		error_set(err, "out of memory");
		return NULL;
	}
	server->refs = 1;
	server->reject_unknown = settings->unknown_sni == TLS_UNKNOWN_REJECT;
	for (uint32_t i = 0; i < settings->alpn_count && rc == 0; i++)
		if (alpn_add(&server->alpn, settings->alpn[i].text) == -1)
			rc = error_set(err, "out of memory");
	if (rc == 0)
		server->context = make_context(server, listener,
		    &settings->identity, "", material, err);
	if (server->context == NULL)
		rc = -1;
	for (uint32_t i = 0; i < settings->sni_count && rc == 0; i++)
		rc = add_names(server, listener, &settings->sni[i], material,
		    err);
	if (rc == -1) {
		tls_server_unref(server);
		return NULL;
	}
	if (server->name_count > 0)
		qsort(server->names, server->name_count, sizeof(*server->names),
		    compare_names);
	return server;
}

struct tls_server *
tls_server_ref(struct tls_server *server)
{
	server->refs++;
	return server;
}

void
tls_server_unref(struct tls_server *server)
{
	if (server == NULL || --server->refs > 0)
		return;
	SSL_CTX_free(server->context);
	for (uint32_t i = 0; i < server->name_count; i++) {
		SSL_CTX_free(server->names[i].context);
		free(server->names[i].name);
	}
	free(server->names);
	alpn_free(&server->alpn);
	free(server);
}

SSL *
tls_server_session(const struct tls_server *server)
{
	return SSL_new(server->context);
}
