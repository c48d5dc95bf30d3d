/* tls_output.c: plaintext to records, as few as fit, and these to the socket. */

#include "worker/tls_stream.h"

#include <errno.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>

#include "base/fail.h"
#include "worker/engine.h"

/* Plaintext that is encrypted before it is sent: what may wait as unsent. */
#define BATCH_MAX (64u << 10)
/* A full record, and one that fits into a segment of 1,460 bytes. */
#define RECORD_MAX 16384u
#define RECORD_SMALL 1369u
/*
 * A peer can use a record only when it is whole.  So a stream that has been
 * quiet begins with small ones, until so much is on its way that the window of
 * TCP is open.
 */
#define SMALL_BYTES (64u << 10)
#define QUIET_MS 1000

/* Small pieces of output, gathered into one record. */
static unsigned char staging[RECORD_MAX];

/* How much goes into a record now. */
static size_t
record_size(struct tls *tls)
{
	size_t size;

	if (tls->hot > 0 && engine_now() - tls->sent_ms >= QUIET_MS)
		tls->hot = 0;
	size = tls->hot < SMALL_BYTES ? RECORD_SMALL : RECORD_MAX;
	return tls->record_max != 0 && tls->record_max < size ? tls->record_max
							      : size;
}

/*
 * Send the rest with a new key.  The request leaves in front of the next record;
 * the peer's own key stays.  While a handshake runs, OpenSSL refuses: then the
 * next record tries again.  TLS 1.2 has nothing of the kind.
 */
static void
renew_key(struct tls *tls)
{
	if (SSL_version(tls->ssl) < TLS1_3_VERSION ||
	    SSL_key_update(tls->ssl, SSL_KEY_UPDATE_NOT_REQUESTED) == 1)
		tls->records = 0;
	else
		ERR_clear_error();
}

/*
 * Make a record of it.  With max_send_fragment it may be several, but these are
 * small, and it is the bytes that wear out a key.  0, or -1 with errno.
 */
static int
encrypt(struct tls *tls, const void *buf, size_t len)
{
	int rc;

	if (++tls->records > KEY_RECORDS_MAX)
		renew_key(tls);
	rc = SSL_write(tls->ssl, buf, len);
	if (rc <= 0) {
		/* The peer has to say something first: a renegotiation. */
		if (SSL_get_error(tls->ssl, rc) == SSL_ERROR_WANT_READ)
			return fail(EAGAIN);
		return tls_broken(tls, SL_WHY_TLS);
	}
	tls->plain_out += len;
	tls->hot += tls->hot < SMALL_BYTES ? len : 0;
	tls->sent_ms = engine_now();
	return 0;
}

/* A place in an array of pieces. */
struct cursor {
	const struct iovec *iov;
	int count;
	size_t at; /* in the first of them */
};

/* The next `most` bytes: where they lie, or a copy where that is not one place. */
static const void *
gather(struct cursor *from, size_t most, size_t *ret_len)
{
	size_t len = 0, n;
	const char *piece;

	while (from->count > 0 && len < most) {
		piece = (const char *)from->iov->iov_base + from->at;
		n = from->iov->iov_len - from->at;
		if (n > most - len)
			n = most - len;
		if (len == 0 && (n == most || from->count == 1)) {
			from->at += n;
			*ret_len = n;
			return piece;
		}
		memcpy(staging + len, piece, n);
		len += n;
		from->at += n;
		if (from->at == from->iov->iov_len) {
			from->iov++;
			from->count--;
			from->at = 0;
		}
	}
	*ret_len = len;
	return staging;
}

/* Up to a batch.  Returns bytes, or -1 with errno when there was none. */
static ssize_t
encrypt_batch(struct tls *tls, struct cursor *from, size_t len)
{
	size_t done = 0, n;
	const void *data;

	if (len > BATCH_MAX)
		len = BATCH_MAX;
	while (done < len) {
		n = record_size(tls);
		data = gather(from, n < len - done ? n : len - done, &n);
		if (encrypt(tls, data, n) == -1)
			return done > 0 ? (ssize_t)done : -1;
		done += n;
	}
	return done;
}

/* As sendv(), in a visit, when nothing is unsent. */
static ssize_t
send_all(struct stream *stream, struct tls *tls, struct cursor *from,
    size_t len)
{
	size_t taken = 0;
	ssize_t n;

	while (taken < len && stream->unsent == 0) {
		n = encrypt_batch(tls, from, len - taken);
		if (n == -1)
			return taken > 0 ? (ssize_t)taken : -1;
		taken += n;
		tls->cipher_out += tls_io_gathered();
		tls_pass_on(stream,
		    tls); /* what breaks here is told next time */
		tls->behind = 0;
		if (tls->io.out_error != 0)
			break;
	}
	return taken;
}

ssize_t
tls_sendv(struct stream *stream, const struct iovec *iov, int count)
{
	struct cursor from = { iov, count, 0 };
	struct tls *tls = stream->state;
	size_t len = 0;
	ssize_t n = -1;

	for (int i = 0; i < count; i++)
		len += iov[i].iov_len;
	tls_obey(stream, tls);
	stream->send_needs = EV_WRITE;
	tls_enter(stream, 0);
	if (tls_pass_on(stream, tls) == -1)
		;
	else if (stream->unsent > 0)
		errno = tls->io.full;
	else
		n = send_all(stream, tls, &from, len);
	if (n == -1 && errno == EAGAIN && stream->unsent == 0)
		stream->send_needs = EV_READ;
	tls_leave(stream, tls);
	return n;
}

ssize_t
tls_send(struct stream *stream, const void *buf, size_t len)
{
	const struct iovec iov = { (void *)buf, len };

	return tls_sendv(stream, &iov, 1);
}

int
tls_flush(struct stream *stream)
{
	struct tls *tls = stream->state;
	int rc;

	tls_obey(stream, tls);
	stream->send_needs = EV_WRITE;
	tls_enter(stream, 0);
	rc = tls_pass_on(stream, tls);
	tls_leave(stream, tls);
	if (rc == 0 && stream->unsent > 0)
		return fail(tls->io.full);
	return rc;
}
