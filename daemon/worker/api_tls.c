/*
 * api_tls.c: the calls of sluice.h on the TLS of a connection: check the state,
 * and let tls_facts.c answer and tls_set.c act.
 */

#include <errno.h>

#include "base/error.h"
#include "base/fail.h"
#include "base/log.h"
#include "worker/api_tls.h"
#include "worker/callback.h"
#include "worker/conn.h"
#include "worker/listener.h"
#include "worker/own_thread.h"
#include "worker/tls.h"
#include "worker/tls_certificate.h"
#include "worker/tls_facts.h"
#include "worker/tls_set.h"
#include "worker/tls_wish.h"

/* What records may hold, in bytes: less is a waste, more is not TLS. */
#define FRAGMENT_MIN 512
#define FRAGMENT_MAX 16384

/* What a client asks for whose handshake has not begun, or NULL. */
static struct tls_wish *
wish_of(const struct sl_conn *c)
{
	if (conn_gone(c))
		return NULL;
	if (c->extra != NULL && c->extra->wish != NULL)
		return c->extra->wish;
	return tls_wish(&c->stream);
}

/* To ask it for facts, which are there until the stream is closed. */
static SSL *
known(const struct sl_conn *c)
{
	SSL *ssl = NULL;

	if (c == NULL || (c->dead && c->stream.fd == -1))
		errno = ENOTCONN;
	else if (!tls_is(&c->stream))
		errno = wish_of(c) != NULL ? ENODATA : ENOPROTOOPT;
	else if ((ssl = tls_session(&c->stream)) == NULL)
		errno = ENODATA; /* nobody has said a word */
	return ssl;
}

/* To change something. */
static SSL *
live(const struct sl_conn *c)
{
	if (conn_gone(c)) {
		errno = ENOTCONN;
		return NULL;
	}
	return known(c);
}

/* The same, by saying something to the peer. */
static SSL *
speaking(const struct sl_conn *c)
{
	SSL *ssl = live(c);

	if (ssl == NULL || c->out == HALF_OPEN)
		return ssl;
	errno = EPIPE;
	return NULL;
}

/* What was prepared goes out.  `due` is what the preparation has returned. */
static int
ask(struct sl_conn *c, int due)
{
	if (due <= 0)
		return due;
	/* Should that break the stream, its next use says so. */
	tls_ask(&c->stream);
	if (c->stream.more)
		c->marks |= MARK_READ_ON;
	conn_pend(c);
	return 0;
}

const char *
sl_tls_version(const struct sl_conn *c)
{
	SSL *ssl = own_thread_is_other() ? NULL : known(c);

	return ssl != NULL ? tls_fact_version(ssl) : NULL;
}

const struct sl_cipher *
sl_tls_cipher(const struct sl_conn *c)
{
	SSL *ssl = own_thread_is_other() ? NULL : known(c);

	return ssl != NULL ? tls_fact_cipher(ssl, tls_kept(&c->stream)) : NULL;
}

const char *
sl_alpn(const struct sl_conn *c)
{
	SSL *ssl = own_thread_is_other() ? NULL : known(c);

	return ssl != NULL ? tls_fact_alpn(ssl, tls_kept(&c->stream)) : NULL;
}

const char *
sl_servername(const struct sl_conn *c)
{
	SSL *ssl = own_thread_is_other() ? NULL : known(c);

	return ssl != NULL ? tls_fact_servername(ssl, tls_kept(&c->stream))
			   : NULL;
}

int
sl_authorized(const struct sl_conn *c)
{
	SSL *ssl = own_thread_is_other() ? NULL : known(c);

	return ssl != NULL ? tls_fact_authorized(ssl) : -1;
}

const char *
sl_authorization_error(const struct sl_conn *c)
{
	SSL *ssl = own_thread_is_other() ? NULL : known(c);

	return ssl != NULL ? tls_fact_authorization_error(ssl) : NULL;
}

const struct sl_certificate *
sl_peer_certificate(const struct sl_conn *c)
{
	SSL *ssl = own_thread_is_other() ? NULL : known(c);

	return ssl != NULL ? tls_peer_certificate(ssl, tls_kept(&c->stream))
			   : NULL;
}

const struct sl_certificate *
sl_certificate(const struct sl_conn *c)
{
	SSL *ssl = own_thread_is_other() ? NULL : known(c);

	return ssl != NULL ? tls_own_certificate(ssl, tls_kept(&c->stream))
			   : NULL;
}

ssize_t
sl_tls_session(const struct sl_conn *c, void *buf, size_t size)
{
	SSL *ssl = own_thread_is_other() ? NULL : known(c);

	return ssl != NULL ? tls_fact_session(ssl, buf, size) : -1;
}

int
sl_set_tls_session(struct sl_conn *c, const void *buf, size_t len)
{
	struct tls_wish *wish;
	SSL *ssl;

	if (own_thread_is_other())
		return -1;
	wish = wish_of(c);
	if (wish != NULL)
		return tls_wish_set_session(wish, buf, len);
	ssl = live(c);
	return ssl != NULL ? tls_set_too_late(ssl) : -1;
}

ssize_t
sl_tls_ticket(const struct sl_conn *c, void *buf, size_t size)
{
	SSL *ssl = own_thread_is_other() ? NULL : known(c);

	return ssl != NULL ? tls_fact_ticket(ssl, buf, size) : -1;
}

int
sl_session_reused(const struct sl_conn *c)
{
	SSL *ssl = own_thread_is_other() ? NULL : known(c);

	return ssl != NULL ? tls_fact_reused(ssl) : -1;
}

int
sl_export_keying_material(const struct sl_conn *c, void *out, size_t len,
    const char *label, const void *context, size_t context_len)
{
	SSL *ssl = own_thread_is_other() ? NULL : known(c);

	return ssl != NULL
	    ? tls_fact_export(ssl, out, len, label, context, context_len)
	    : -1;
}

ssize_t
sl_tls_finished(const struct sl_conn *c, void *buf, size_t size)
{
	SSL *ssl = own_thread_is_other() ? NULL : known(c);

	return ssl != NULL ? tls_fact_finished(ssl, buf, size) : -1;
}

ssize_t
sl_tls_peer_finished(const struct sl_conn *c, void *buf, size_t size)
{
	SSL *ssl = own_thread_is_other() ? NULL : known(c);

	return ssl != NULL ? tls_fact_peer_finished(ssl, buf, size) : -1;
}

const char *
sl_shared_sigalgs(const struct sl_conn *c)
{
	SSL *ssl = own_thread_is_other() ? NULL : known(c);

	return ssl != NULL ? tls_fact_sigalgs(ssl, tls_kept(&c->stream)) : NULL;
}

const struct sl_ephemeral_key *
sl_ephemeral_key(const struct sl_conn *c)
{
	SSL *ssl = own_thread_is_other() ? NULL : known(c);

	return ssl != NULL ? tls_fact_ephemeral_key(ssl, tls_kept(&c->stream))
			   : NULL;
}

int
sl_set_max_send_fragment(struct sl_conn *c, size_t n)
{
	struct tls_wish *wish;

	if (own_thread_is_other())
		return -1;
	wish = wish_of(c);
	if (wish == NULL && live(c) == NULL)
		return -1;
	if (n < FRAGMENT_MIN || n > FRAGMENT_MAX)
		return fail(EINVAL);
	if (wish != NULL)
		wish->record_max = n;
	else
		tls_limit_records(&c->stream, n);
	return 0;
}

int
sl_set_servername(struct sl_conn *c, const char *name)
{
	struct tls_wish *wish;
	SSL *ssl;

	if (own_thread_is_other())
		return -1;
	wish = wish_of(c);
	if (wish != NULL)
		return tls_wish_set_servername(wish, name);
	ssl = live(c);
	return ssl != NULL ? tls_set_too_late(ssl) : -1;
}

int
sl_set_verify_mode(struct sl_conn *c, int mode)
{
	struct tls_wish *wish;
	SSL *ssl;

	if (own_thread_is_other())
		return -1;
	wish = wish_of(c);
	if (wish != NULL)
		return tls_wish_set_verify(wish, mode);
	ssl = speaking(c);
	return ssl != NULL ? ask(c, tls_set_verify(ssl, mode)) : -1;
}

int
sl_renegotiate(struct sl_conn *c)
{
	SSL *ssl = own_thread_is_other() ? NULL : speaking(c);

	return ssl != NULL ? ask(c, tls_set_renegotiate(ssl)) : -1;
}

int
sl_disable_renegotiation(struct sl_conn *c)
{
	struct tls_wish *wish;
	SSL *ssl;

	if (own_thread_is_other())
		return -1;
	wish = wish_of(c);
	ssl = wish == NULL ? live(c) : NULL;
	if (wish != NULL)
		wish->no_renegotiation = true;
	else if (ssl != NULL)
		tls_set_no_renegotiation(ssl);
	else
		return -1;
	return 0;
}

struct tls_wish *
api_tls_wish(const struct sl_service *service,
    const struct sl_tls_options *options, const char *host)
{
	struct tls_wish *wish;
	struct error err;

	wish = tls_wish_new(options, host, &err);
	if (wish == NULL)
		endpoint_log(&service->listener->endpoint, LOG_LEVEL_WARN,
		    "the plugin asks for TLS: sl_tls_options: %s", err.text);
	return wish;
}

/* As a client, by these options. */
static int
wish_for(struct sl_conn *c, const struct sl_tls_options *options)
{
	char host[HOST_TEXT_MAX];
	struct tls_wish *wish =
	    api_tls_wish(c->service, options, conn_host(c, host));

	if (wish == NULL)
		return -1;
	if (conn_extra(c) == NULL) {
		tls_wish_free(wish);
		return fail(ENOMEM);
	}
	c->extra->wish = wish;
	return 0;
}

int
sl_upgrade_tls(struct sl_conn *c, int role,
    const struct sl_tls_options *options)
{
	if (own_thread_is_other())
		return -1;
	if (conn_gone(c))
		return fail(ENOTCONN);
	if (role != SL_TLS_CLIENT && (role != SL_TLS_SERVER || options != NULL))
		return fail(EINVAL);
	if (tls_is(&c->stream) || wish_of(c) != NULL ||
	    conn_marked(c, MARK_UPGRADE))
		return fail(EALREADY);
	if (conn_marked(c, MARK_STARTING))
		return fail(EAGAIN);
	if (role == SL_TLS_SERVER && c->service->listener->tls == NULL)
		return fail(ENOPROTOOPT);
	if (c->in != HALF_OPEN || c->out != HALF_OPEN)
		return fail(EPIPE);
	if (role == SL_TLS_CLIENT && wish_for(c, options) == -1)
		return -1;
	c->marks |= MARK_UPGRADE;
	conn_pend(c);
	return 0;
}
