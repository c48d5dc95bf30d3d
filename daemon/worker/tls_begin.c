/*
 * tls_begin.c: how a stream gets TLS, and when its session is made: as late as
 * possible, and by the newest settings.
 */

#include "worker/tls.h"

#include <errno.h>
#include <event2/event.h>
#include <openssl/ssl.h>
#include <sluice.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/container_of.h"
#include "base/fail.h"
#include "base/ticks.h"
#include "worker/engine.h"
#include "worker/tls_client.h"
#include "worker/tls_kept.h"
#include "worker/tls_server.h"
#include "worker/tls_stream.h"
#include "worker/tls_wish.h"

/* Key updates, and the tickets that a server sends. */
static bool
is_update(OSSL_HANDSHAKE_STATE state)
{
	return state == TLS_ST_SR_KEY_UPDATE || state == TLS_ST_CR_KEY_UPDATE ||
	    state == TLS_ST_CR_SESSION_TICKET;
}

/* The peer begins another handshake, if this is not the first. */
static bool
is_renegotiation(const SSL *ssl, OSSL_HANDSHAKE_STATE state)
{
	return (state == TLS_ST_SR_CLNT_HELLO ||
		   state == TLS_ST_CR_HELLO_REQ) &&
	    SSL_get_finished(ssl, NULL, 0) > 0;
}

/* Is it one too many? */
static bool
count_renegotiation(struct tls *tls)
{
	uint64_t now = engine_now();

	if (tls->asked) { /* it is our wish */
		tls->asked = false;
		return false;
	}
	if (now - tls->window_ms >= RENEGOTIATIONS_MS) {
		tls->window_ms = now;
		tls->renegotiations = 0;
	}
	return ++tls->renegotiations > RENEGOTIATIONS_MAX;
}

/* Count what costs us much.  With too much of it, nothing more is read. */
static void
on_state(const SSL *ssl, int where, int result)
{
	struct tls *tls =
	    container_of(BIO_get_data(SSL_get_rbio(ssl)), struct tls, io);
	OSSL_HANDSHAKE_STATE state = SSL_get_state(ssl);

	(void)result;
	if ((where & SSL_CB_LOOP) == 0)
		return;
	if (is_update(state)) {
		tls->visit_updates++;
		if (++tls->updates > UPDATES_MAX)
			tls->flood = "too many key updates or session tickets";
	} else if (is_renegotiation(ssl, state) && count_renegotiation(tls)) {
		tls->flood = "too many renegotiations";
	}
	if (tls->flood != NULL)
		tls->io.in_error = EPROTO;
}

bool
tls_speaks_first(const struct tls *tls)
{
	return tls->wish != NULL;
}

/* A session by what is wished for, or of a server.  NULL: errno. */
static SSL *
new_session(const struct tls *tls)
{
	SSL *ssl = tls->wish != NULL
	    ? tls_client_session(tls->client, tls->wish)
	    : tls_server_session(tls->server);

	if (ssl == NULL && tls->wish == NULL)
		errno = ENOMEM;
	return ssl;
}

/* Nobody has said by which name to verify the server. */
static int
nameless(struct tls *tls)
{
	snprintf(tls->reason, sizeof(tls->reason),
	    "there is no name to verify the peer's certificate by: set "
	    "verify_name");
	return tls_set_fault(tls, SL_WHY_HANDSHAKE, EINVAL);
}

/* Once and for all, unless it is for want of memory.  Returns -1 with errno. */
static int
no_session(struct tls *tls)
{
	switch (errno) {
	case EINVAL:
		return nameless(tls);
	case EPROTO:
		return tls_broken(tls, SL_WHY_HANDSHAKE);
	default:
		return -1;
	}
}

int
tls_begin_session(struct tls *tls)
{
	SSL *ssl = new_session(tls);
	BIO *bio;

	if (ssl == NULL)
		return no_session(tls);
	bio = tls_io_bio(&tls->io);
	if (bio == NULL) {
		SSL_free(ssl);
		return fail(ENOMEM);
	}
	SSL_set_bio(ssl, bio, bio);
	SSL_set_info_callback(ssl, on_state);
	if (tls->wish == NULL) {
		SSL_set_accept_state(ssl);
	} else {
		SSL_set_connect_state(ssl);
		tls->record_max = tls->wish->record_max;
		tls_wish_free(tls->wish);
		tls->wish = NULL;
	}
	tls->ssl = ssl;
	tls->begun = ticks_now();
	return 0;
}

/* From now on it is a TLS stream; what it is made by is still to be set. */
static struct tls *
begin(struct stream *stream, struct counts *counts)
{
	struct tls *tls = calloc(1, sizeof(*tls));

	if (tls == NULL)
		return NULL;
	tls->counts = counts;
	stream->transport = &transport_tls;
	stream->state = tls;
	stream->phase = PHASE_HANDSHAKE;
	stream->recv_needs = EV_READ;
	return tls;
}

bool
tls_upgrade(struct stream *stream, struct tls_server *server,
    struct counts *counts)
{
	struct tls *tls = begin(stream, counts);

	if (tls == NULL)
		return false;
	tls->server = tls_server_ref(server);
	return true;
}

bool
tls_connect(struct stream *stream, struct tls_client *client,
    struct tls_wish *wish, struct counts *counts)
{
	struct tls *tls = begin(stream, counts);

	if (tls == NULL)
		return false;
	tls->client = tls_client_ref(client);
	tls->wish = wish;
	stream->recv_needs = 0;
	return true;
}

static void
follow_server(struct tls *tls, struct tls_server *newest)
{
	tls_server_ref(newest);
	tls_server_unref(tls->server);
	tls->server = newest;
}

static void
follow_client(struct tls *tls, struct tls_client *newest)
{
	tls_client_ref(newest);
	tls_client_unref(tls->client);
	tls->client = newest;
}

void
tls_follow(struct stream *stream, struct tls_server *server,
    struct tls_client *client)
{
	struct tls *tls = stream->state;

	if (!tls_is(stream) || tls->ssl != NULL)
		return;
	if (tls->server != NULL && server != NULL)
		follow_server(tls, server);
	if (tls->client != NULL && client == NULL)
		client = tls_client_default();
	if (tls->client != NULL && client != NULL)
		follow_client(tls, client);
}

void
tls_free(struct tls *tls)
{
	SSL_free(tls->ssl);
	tls_kept_free(&tls->kept);
	tls_bytes_free(&tls->io.in);
	tls_bytes_free(&tls->io.out);
	tls_server_unref(tls->server);
	tls_client_unref(tls->client);
	tls_wish_free(tls->wish);
	free(tls);
}
