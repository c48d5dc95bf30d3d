/*
 * tls.c: the TLS transport: handshake, input and end of a stream.  Its output is
 * in tls_output.c.  OpenSSL only reads and writes memory: see tls_io.h.
 */

#include "worker/tls.h"

#include <errno.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sluice.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fail.h"
#include "base/ticks.h"
#include "ipc/counts.h"
#include "worker/callback.h"
#include "worker/ours.h"
#include "worker/tls_stream.h"

/* Answers to the peer that may wait; with more, nothing is read from it. */
#define ANSWERS_MAX (16u << 10)
/* What is read and dropped, so that an alert is not lost by a reset. */
#define DROP_MAX (256u << 10)
/* So many in one visit; then others have their turn. */
#define VISIT_UPDATES_MAX 64
#define END_OF_FILE (-1)

/* -- A count for each handshake -- */

static void
count_handshake(struct tls *tls, enum count how)
{
	if (!tls->counted)
		count_add(tls->counts, how, 1);
	tls->counted = true;
}

static void
count_success(struct tls *tls)
{
	count_handshake(tls,
	    SSL_session_reused(tls->ssl) ? COUNT_HANDSHAKES_RESUMED
					 : COUNT_HANDSHAKES_FULL);
	callback_count_time(tls->counts, COUNT_HANDSHAKE_TIMES,
	    ticks_now() - tls->begun);
}

/* OpenSSL said no, and its reason is still in its queue. */
static void
count_failure(struct tls *tls)
{
	unsigned long code = ERR_peek_error();
	int reason = ERR_GET_REASON(code);

	if (tls->io.eof || tls->io.in_error != 0 || tls->io.out_error != 0)
		count_handshake(tls, COUNT_HANDSHAKES_PEER);
	else if (tls_alert_of(code) != -1)
		count_handshake(tls, COUNT_HANDSHAKES_ALERT);
	else if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED ||
	    reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
		count_handshake(tls, COUNT_HANDSHAKES_CERTIFICATE);
	else
		count_handshake(tls, COUNT_HANDSHAKES_PROTOCOL);
}

/* -- Handshake -- */

/* One step of it.  As start(). */
static int
shake(struct tls *tls)
{
	int rc;

	if (tls->ssl == NULL && !tls_speaks_first(tls) &&
	    tls_io_fill(&tls->io) == -1)
		return -1;
	if (tls->ssl == NULL && !tls->io.eof && tls_begin_session(tls) == -1)
		return -1;
	if (tls->ssl != NULL) {
		rc = SSL_do_handshake(tls->ssl);
		if (rc == 1) {
			count_success(tls);
			return 0;
		}
		if (SSL_get_error(tls->ssl, rc) == SSL_ERROR_WANT_READ)
			return fail(EAGAIN);
	}
	count_failure(tls);
	if (!tls->io.eof)
		return tls_broken(tls, SL_WHY_HANDSHAKE);
	snprintf(tls->reason, sizeof(tls->reason),
	    "the peer has ended the connection");
	return tls_set_fault(tls, SL_WHY_HANDSHAKE, ECONNRESET);
}

static int
tls_start(struct stream *stream)
{
	struct tls *tls = tls_enter(stream, 0);
	int rc = tls_pass_on(stream, tls); /* what the last step has made */

	if (rc == 0 && stream->unsent > 0)
		rc = fail(tls->io.full);
	else if (rc == 0)
		rc = shake(tls);
	tls_leave(stream, tls);
	/* Until our part is through, there is nothing to read. */
	stream->recv_needs = stream->unsent > 0 ? EV_WRITE : EV_READ;
	if (rc == -1)
		return -1;
	stream->recv_needs = EV_READ;
	stream->more = tls->io.in.data != NULL;
	stream->phase = PHASE_OPEN;
	return 0;
}

/* -- Input -- */

/* There is no more, or no more for now.  As recv(). */
static ssize_t
not_read(struct tls *tls, int rc)
{
	switch (SSL_get_error(tls->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		return fail(EAGAIN);
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	default:
		if (!tls->io.eof)
			return tls_broken(tls, SL_WHY_TLS);
		tls_set_fault(tls, SL_WHY_TRUNCATED, 0);
		return 0;
	}
}

/* Say now what was found behind the last input. */
static ssize_t
say_end(const struct tls *tls)
{
	return tls->ended == END_OF_FILE ? 0 : fail(tls->ended);
}

static ssize_t
receive(struct stream *stream, struct tls *tls, char *buf, size_t len)
{
	size_t done = 0;
	ssize_t end;
	int rc;

	tls->visit_updates = 0;
	do {
		rc = SSL_read(tls->ssl, buf + done, len - done);
		if (rc > 0) {
			done += rc;
			tls->updates = 0;
		}
	} while (
	    rc > 0 && done < len && tls->visit_updates < VISIT_UPDATES_MAX);
	stream->more = SSL_pending(tls->ssl) > 0;
	if (rc > 0)
		return done;
	end = not_read(tls, rc);
	if (end == 0 || errno != EAGAIN)
		tls->ended = end == 0 ? END_OF_FILE : errno;
	if (done == 0)
		return end;
	stream->more = tls->ended != 0;
	return done;
}

static ssize_t
tls_recv(struct stream *stream, void *buf, size_t len)
{
	struct tls *tls = stream->state;
	uint32_t before = stream->unsent;
	ssize_t n;

	stream->more = false;
	if (tls->ended != 0)
		return say_end(tls);
	tls_obey(stream, tls);
	if (tls->answers > ANSWERS_MAX) {
		stream->recv_needs = EV_WRITE;
		return fail(EAGAIN);
	}
	stream->recv_needs = EV_READ;
	tls_enter(stream, len);
	n = receive(stream, tls, buf, len);
	tls_leave(stream, tls);
	if (stream->unsent > before)
		tls->answers += stream->unsent - before;
	/* What is left in the socket causes an event, but not soon enough. */
	if (tls->io.in.data != NULL || (n > 0 && tls->io.in_left))
		stream->more = true;
	return n;
}

/* -- The end -- */

/*
 * Our close_notify, unless the session is beyond that.  In a handshake, the first
 * or a later one, OpenSSL makes none.
 */
static void
notify(struct tls *tls)
{
	if (tls->closed || tls->ssl == NULL || tls->fault.why == SL_WHY_TLS ||
	    SSL_in_init(tls->ssl))
		return;
	tls->closed = true;
	SSL_shutdown(tls->ssl);
}

static int
tls_finish(struct stream *stream, bool last)
{
	struct tls *tls = tls_enter(stream, 0);
	int rc;

	stream->send_needs = EV_WRITE;
	notify(tls);
	rc = tls_pass_on(stream, tls);
	tls_leave(stream, tls);
	if (rc == -1)
		return -1;
	if (tls->io.out.data != NULL)
		return fail(tls->io.full);
	return transport_plain.finish(stream, last);
}

static const struct stream_fault *
tls_fault(const struct stream *stream)
{
	const struct tls *tls = stream->state;

	return tls->fault.why != SL_WHY_NONE ? &tls->fault : NULL;
}

static int
tls_error(const struct stream *stream)
{
	return transport_plain.error(stream);
}

/*
 * The kernel counts ciphertext.  What it has of that stands for as much
 * plaintext as all of it did, on average, and for none where only close_notify
 * or another message of TLS itself is left.
 */
static uint32_t
tls_waiting(const struct stream *stream)
{
	const struct tls *tls = stream->state;
	uint32_t ours = tls_bytes_len(&tls->io.out), bytes, behind;
	__extension__ unsigned __int128 plain;

	bytes = transport_plain.waiting(stream);
	behind = tls->behind > ours ? tls->behind - ours : 0;
	if (stream->is_unix)
		return bytes;
	if (bytes <= behind || tls->cipher_out == 0)
		return 0;
	bytes -= behind;
	if (bytes > tls->cipher_out) /* with what came before it */
		bytes = tls->cipher_out;
	plain = bytes;
	plain *= tls->plain_out;
	return (uint32_t)((plain + tls->cipher_out - 1) / tls->cipher_out);
}

static int64_t
tls_quiet_ms(const struct stream *stream)
{
	return transport_plain.quiet_ms(stream);
}

static uint32_t
tls_unread(const struct stream *stream)
{
	const struct tls *tls = stream->state;

	return tls_bytes_len(&tls->io.in) + transport_plain.unread(stream);
}

/*
 * It ends by our alert.  Unread input would make the kernel send a reset, which
 * may overtake it.
 */
static void
let_alert_pass(struct stream *stream)
{
	static unsigned char dropped[1 << 14];
	size_t total = 0;
	ssize_t n;

	shutdown(stream->fd, SHUT_WR);
	while (total < DROP_MAX &&
	    (n = recv(stream->fd, dropped, sizeof(dropped), 0)) > 0)
		total += n;
}

static void
tls_close(struct stream *stream, bool hard)
{
	struct tls *tls = stream->state;

	tls_obey(stream, tls);
	if (!hard && tls->io.out.data != NULL) {
		tls_enter(stream, 0);
		tls_leave(stream, tls);
	}
	if (!hard && tls->fault.sys_errno == EPROTO)
		let_alert_pass(stream);
	count_handshake(tls, COUNT_HANDSHAKES_UNFINISHED);
	tls_free(tls);
	stream->state = NULL;
	transport_plain.close(stream, hard);
}

const struct transport transport_tls = {
	.name = "tls",
	.start = tls_start,
	.recv = tls_recv,
	.send = tls_send,
	.sendv = tls_sendv,
	.flush = tls_flush,
	.finish = tls_finish,
	.fault = tls_fault,
	.error = tls_error,
	.waiting = tls_waiting,
	.quiet_ms = tls_quiet_ms,
	.unread = tls_unread,
	.close = tls_close,
};

int
tls_init(void)
{
	return tls_io_init();
}

void
tls_done(void)
{
	tls_io_done();
}

bool
tls_is(const struct stream *stream)
{
	return stream->transport == &transport_tls && stream->state != NULL;
}

SSL *
tls_session(const struct stream *stream)
{
	return tls_is(stream) ? ((const struct tls *)stream->state)->ssl : NULL;
}

struct tls_wish *
tls_wish(const struct stream *stream)
{
	return tls_is(stream) ? ((const struct tls *)stream->state)->wish
			      : NULL;
}

struct tls_kept **
tls_kept(const struct stream *stream)
{
	return &((struct tls *)stream->state)->kept;
}

/*
 * Done by the size of each SSL_write().  SSL_set_max_send_fragment() could not
 * raise the limit again: OpenSSL may still have a buffer for smaller records,
 * and the write would fail.
 */
void
tls_limit_records(struct stream *stream, size_t bytes)
{
	struct tls *tls = stream->state;

	tls->record_max = bytes;
}

int
tls_ask(struct stream *stream)
{
	struct tls *tls = stream->state;
	int rc;

	tls_obey(stream, tls);
	tls_enter(stream, 0);
	tls->asked = SSL_renegotiate_pending(tls->ssl) != 0;
	rc = SSL_do_handshake(tls->ssl);
	if (rc != 1 && SSL_get_error(tls->ssl, rc) != SSL_ERROR_WANT_READ)
		rc = tls_broken(tls, SL_WHY_TLS);
	tls_leave(stream, tls);
	stream->more |= tls->io.in.data != NULL;
	return rc == -1 ? -1 : 0;
}
