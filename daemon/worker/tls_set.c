/*
 * tls_set.c: what a plugin may change about a session.  Nothing is sent here:
 * tls_ask() does that.
 */

#include "worker/tls_set.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sluice.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/fail.h"
#include "config/settings.h"
#include "tls/context.h"
#include "tls/tls_error.h"

_Static_assert((int)SL_VERIFY_NONE == (int)TLS_VERIFY_NONE &&
	(int)SL_VERIFY_OPTIONAL == (int)TLS_VERIFY_OPTIONAL &&
	(int)SL_VERIFY_REQUIRE == (int)TLS_VERIFY_REQUIRE,
    "plugins and the configuration count alike");

int
tls_set_too_late(const SSL *ssl)
{
	return fail(SSL_is_server(ssl) ? ENOTSUP : EALREADY);
}

/* Is the first handshake over?  A later one does not change that. */
static bool
was_open(SSL *ssl)
{
	return SSL_get_finished(ssl, NULL, 0) > 0 &&
	    SSL_get_peer_finished(ssl, NULL, 0) > 0;
}

static void
set_verify(SSL *ssl, int how)
{
	SSL_verify_cb callback;
	int mode = tls_verify_mode(how, &callback);

	SSL_set_verify(ssl, mode, callback);
	/* A session that is resumed would not be asked for a certificate. */
	SSL_set_options(ssl, SSL_OP_NO_SESSION_RESUMPTION_ON_RENEGOTIATION);
}

static int
may_renegotiate(SSL *ssl)
{
	uint64_t options = SSL_get_options(ssl);

	if (SSL_version(ssl) > TLS1_2_VERSION)
		return fail(ENOTSUP);
	if ((options & SSL_OP_NO_RENEGOTIATION) != 0 ||
	    (options & SSL_OP_ALLOW_CLIENT_RENEGOTIATION) == 0)
		return fail(EPERM);
	if (SSL_get_secure_renegotiation_support(ssl) != 1)
		return fail(ENOTSUP);
	return 0;
}

/* TLS 1.3: by a request of its own, behind the handshake. */
static int
ask_certificate(SSL *ssl, int mode)
{
	int old_mode = SSL_get_verify_mode(ssl);
	SSL_verify_cb old = SSL_get_verify_callback(ssl);

	set_verify(ssl, mode);
	if (mode == SL_VERIFY_NONE)
		return 0;
	ERR_clear_error();
	if (SSL_verify_client_post_handshake(ssl) == 1)
		return 1;
	SSL_set_verify(ssl, old_mode, old); /* each context has named one */
	switch (ERR_GET_REASON(ERR_peek_error())) {
	case SSL_R_REQUEST_PENDING:
	case SSL_R_REQUEST_SENT:
		return tls_fail(EALREADY);
	default:
		return tls_fail(ENOTSUP);
	}
}

int
tls_set_verify(SSL *ssl, int mode)
{
	if (mode != SL_VERIFY_NONE && mode != SL_VERIFY_OPTIONAL &&
	    mode != SL_VERIFY_REQUIRE)
		return fail(EINVAL);
	/* In a handshake it is too late for this one, and too early to ask. */
	if (!was_open(ssl) || !SSL_is_init_finished(ssl))
		return fail(EALREADY);
	if (!SSL_is_server(ssl))
		return fail(ENOTSUP);
	if (SSL_version(ssl) > TLS1_2_VERSION)
		return ask_certificate(ssl, mode);
	if (may_renegotiate(ssl) == -1)
		return -1;
	set_verify(ssl, mode);
	return 0;
}

int
tls_set_renegotiate(SSL *ssl)
{
	if (!was_open(ssl))
		return fail(ENODATA);
	if (may_renegotiate(ssl) == -1)
		return -1;
	if (SSL_renegotiate_pending(ssl) || !SSL_is_init_finished(ssl))
		return fail(EALREADY);
	SSL_set_options(ssl, SSL_OP_NO_SESSION_RESUMPTION_ON_RENEGOTIATION);
	return SSL_renegotiate(ssl) == 1 ? 1 : tls_fail(ENOTSUP);
}

void
tls_set_no_renegotiation(SSL *ssl)
{
	SSL_set_options(ssl, SSL_OP_NO_RENEGOTIATION);
	SSL_clear_options(ssl, SSL_OP_ALLOW_CLIENT_RENEGOTIATION);
}
