/*
 * fuzz_tls.c: the TLS transport between a peer and a connection, for libFuzzer:
 * make fuzz, then tests/fuzz/fuzz_tls CORPUS-DIRECTORY tests/fuzz/seeds/tls.
 *
 * An input with an odd first byte is what a peer sends to a new connection, in
 * pieces.  One with an even first byte is a program: a real peer has shaken hands,
 * and each byte is a step of the peer or of the connection.  Whatever arrives has
 * to be what was sent.  The connection is the server, or, if the first byte has
 * the bit 2, the client.
 */

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "config/secret.h"
#include "config/settings.h"
#include "ipc/counts.h"
#include "tls/parts.h"
#include "worker/engine.h"
#include "worker/material.h"
#include "worker/tls.h"
#include "worker/tls_client.h"
#include "worker/tls_server.h"
#include "worker/tls_wish.h"

#define IS_RAW 1
#define IS_CLIENT 2

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BUFFER 65536
#define FLIGHTS_MAX 100 /* of a handshake between two that understand */

static struct tls_server *server;
static struct tls_client *client;
static SSL_CTX *client_context, *server_context; /* of peers */
static struct counts counts;
/* Byte number i of each stream is i modulo this. */
#define PERIOD 251
static unsigned char noise[BUFFER + PERIOD];

static void
must(bool good)
{
	if (!good)
		abort();
}

/* A certificate of its own making, as the reader would send it. */
static int
make_secret(void)
{
	struct tls_parts parts = { 0 };
	struct tls_pair *pair = tls_parts_add_pair(&parts);
	X509 *cert = X509_new();
	struct secret *secret;
	struct error err;
	int fd;

	must(pair != NULL && cert != NULL);
	pair->key = EVP_EC_gen("P-256");
	X509_set_version(cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN",
	    MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1, 0);
	X509_set_issuer_name(cert, X509_get_subject_name(cert));
	X509_set_pubkey(cert, pair->key);
	must(X509_sign(cert, pair->key, EVP_sha256()) > 0);
	pair->chain = sk_X509_new_null();
	must(sk_X509_push(pair->chain, cert) > 0);
	server_context = SSL_CTX_new(TLS_server_method());
	must(SSL_CTX_use_cert_and_key(server_context, cert, pair->key, NULL,
		 1) == 1);
	secret = tls_parts_write(&parts, &err);
	must(secret != NULL);
	fd = secret_seal(secret, &err);
	must(fd != -1);
	secret_free(secret);
	sk_X509_pop_free(pair->chain, X509_free);
	EVP_PKEY_free(pair->key);
	free(parts.pairs);
	return fd;
}

static void
prepare(void)
{
	struct settings *settings = settings_new();
	struct listener_settings *listener;
	int secret = make_secret();
	struct material material = { .secrets = &secret, .secret_count = 1 };
	struct error err;

	must(tls_init() == 0 && settings != NULL);
	engine.now_ms = 1;
	listener = keys_add(key_find(settings_keys, "listeners"), settings);
	must(listener != NULL);
	listener->name = strdup("fuzz");
	listener->tls.on = true;
	listener->tls.identity.secret = 0;
	server = tls_server_new(listener, &material, &err);
	must(server != NULL);
	listener->connect_tls.identity.verify = TLS_VERIFY_OPTIONAL;
	listener->connect_tls.identity.secret = NO_SECRET;
	listener->connect_tls.renegotiation = true;
	client = tls_client_new(&listener->connect_tls, &material, &err);
	must(client != NULL);
	settings_free(settings);
	close(secret);
	client_context = SSL_CTX_new(TLS_client_method());
	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (unsigned char)(i % PERIOD);
}

/* A stream whose peer is *ret_peer. */
static void
begin(struct stream *stream, bool as_client, int *ret_peer)
{
	int pair[2], small = 4096;
	struct tls_wish *wish;
	struct error err;

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
		 pair) == 0);
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	*stream = stream_plain(pair[0], true);
	if (as_client) {
		wish = tls_wish_new(NULL, "localhost", &err);
		must(wish != NULL);
		must(tls_connect(stream, client, wish, &counts));
	} else {
		must(tls_upgrade(stream, server, &counts));
	}
	*ret_peer = pair[1];
}

/* Whatever a peer sends, it is taken, or the stream says that it is broken. */
static void
run_raw(const uint8_t *data, size_t size, bool as_client)
{
	static unsigned char buf[BUFFER];
	struct stream stream;
	size_t at = 0, n;
	int peer;

	begin(&stream, as_client, &peer);
	while (at < size) {
		n = 1 + data[at] * 16u;
		n = n < size - at ? n : size - at;
		if (send(peer, data + at, n, MSG_NOSIGNAL) == -1)
			break;
		at += n;
		if (stream.phase != PHASE_OPEN &&
		    stream.transport->start(&stream) == -1 && errno != EAGAIN)
			break;
		if (stream.phase == PHASE_OPEN &&
		    stream.transport->recv(&stream, buf, sizeof(buf)) == -1 &&
		    errno != EAGAIN)
			break;
		while (recv(peer, buf, sizeof(buf), 0) > 0)
			;
	}
	stream.transport->close(&stream, size % 2 == 0);
	close(peer);
}

/* Both ends, and how much of the noise has gone each way. */
static struct {
	struct stream stream;
	SSL *far;
	int peer;
	size_t said, heard;	/* by the peer, by the connection */
	size_t taken, returned; /* by the connection, at the peer */
	size_t waits;		/* what the peer could not say yet */
	size_t lost;	    /* may have gone before its write failed for good */
	bool ended, broken; /* the connection's input, its stream */
	bool given_up;	    /* the peer */
	bool closed, garbled; /* the peer has finished, or lied */
} way;

static bool
shake(void)
{
	int rc = 0;

	for (int i = 0; i < FLIGHTS_MAX; i++) {
		rc = SSL_do_handshake(way.far);
		if (way.stream.phase != PHASE_OPEN)
			must(way.stream.transport->start(&way.stream) == 0 ||
			    errno == EAGAIN);
		if (rc == 1 && way.stream.phase == PHASE_OPEN)
			return true;
	}
	return false;
}

/*
 * Has an error ended the peer's session?  A server of TLS 1.2 does that when its
 * wish for a new handshake is refused, at its next read or write.
 */
static bool
has_given_up(int error)
{
	if (error == SSL_ERROR_SSL || error == SSL_ERROR_SYSCALL)
		way.given_up = true;
	return way.given_up;
}

/*
 * A write that had to wait is to be made again before anything else.  Records of
 * it may have gone already: OpenSSL does not say so before it returns a number.
 */
static void
far_says(size_t len)
{
	bool again = way.waits > 0;
	int rc, error;

	if (again)
		len = way.waits;
	way.waits = 0;
	ERR_clear_error(); /* SSL_get_error() looks there */
	rc = SSL_write(way.far, noise + way.said % PERIOD, (int)len);
	error = SSL_get_error(way.far, rc);
	if (rc > 0)
		way.said += (size_t)rc;
	else if (error == SSL_ERROR_WANT_WRITE ||
	    (again && error == SSL_ERROR_WANT_READ))
		way.waits = len;
	else if (has_given_up(error))
		way.lost += len;
}

static void
near_hears(size_t room)
{
	static unsigned char buf[BUFFER];
	ssize_t n;

	if (way.ended || way.broken)
		return;
	n = way.stream.transport->recv(&way.stream, buf, room);
	must(n <= (ssize_t)room);
	if (n > 0) {
		must(memcmp(buf, noise + way.heard % PERIOD, (size_t)n) == 0);
		way.heard += (size_t)n;
	} else if (n == 0) {
		way.ended = true;
	} else if (errno != EAGAIN) {
		way.broken = true;
	} else {
		must(!way.stream.more);
	}
	must(way.heard <= way.said + way.waits + way.lost);
}

static void
near_says(size_t len)
{
	unsigned char *from = noise + way.taken % PERIOD;
	const struct iovec iov[] = {
		{ from, len / 3 },
		{ from + len / 3, len / 3 },
		{ from + len / 3 * 2, len - len / 3 * 2 },
	};
	ssize_t n;

	if (way.stream.finished)
		return;
	n = way.stream.transport->sendv(&way.stream, iov, 3);
	must(n <= (ssize_t)len);
	if (n > 0)
		way.taken += (size_t)n;
	else if (errno != EAGAIN)
		way.broken = true;
}

static void
far_hears(size_t room)
{
	static unsigned char buf[BUFFER];
	int n;

	ERR_clear_error(); /* SSL_get_error() looks there */
	n = SSL_read(way.far, buf, (int)room);
	if (n > 0)
		must(
		    memcmp(buf, noise + way.returned % PERIOD, (size_t)n) == 0);
	if (n > 0)
		way.returned += (size_t)n;
	else
		has_given_up(SSL_get_error(way.far, n));
	must(way.returned <= way.taken);
}

/* What a server may send besides: tickets, and wishes for a new handshake. */
static void
far_asks(void)
{
	if (SSL_version(way.far) > TLS1_2_VERSION)
		SSL_new_session_ticket(way.far);
	else
		SSL_renegotiate(way.far);
	SSL_do_handshake(way.far);
}

static void
step(uint8_t what)
{
	static const size_t sizes[] = { 1, 64, 1369, 4096, 16384, 16385, 40000,
		65536 };
	size_t size = sizes[what >> 3 & 7];

	switch (what & 7) {
	case 0:
		if (!way.closed)
			far_says(size < 32768 ? size : 32768);
		break;
	case 1:
		near_hears(size);
		break;
	case 2:
		near_says(size);
		break;
	case 3:
		far_hears(size);
		break;
	case 4:
		if (way.waits > 0)
			break;
		if (SSL_is_server(way.far) && what & 32) {
			far_asks();
		} else if (what & 8) {
			SSL_key_update(way.far,
			    what & 16 ? SSL_KEY_UPDATE_REQUESTED
				      : SSL_KEY_UPDATE_NOT_REQUESTED);
		} else if (way.closed || what & 16) {
			way.closed = true;
			SSL_shutdown(way.far);
		}
		break;
	case 5:
		if (way.stream.unsent > 0)
			way.stream.transport->flush(&way.stream);
		else
			way.stream.transport->finish(&way.stream, what & 8);
		break;
	case 6:
		way.stream.transport->waiting(&way.stream);
		way.stream.transport->unread(&way.stream);
		engine.now_ms += what;
		break;
	case 7:
		if (what == 255)
			way.garbled = true;
		if (way.garbled)
			send(way.peer, noise, size < 100 ? size : 100,
			    MSG_NOSIGNAL);
		break;
	}
}

/* To the end: all that was sent arrives, unless something broke it. */
static void
settle(void)
{
	for (int i = 0; i < 1000 && !way.broken && !way.ended; i++) {
		if (way.stream.unsent > 0)
			way.stream.transport->flush(&way.stream);
		far_hears(BUFFER);
		near_hears(BUFFER);
		if (way.waits > 0)
			far_says(0);
		if (way.waits == 0 && way.heard == way.said &&
		    way.returned == way.taken && way.stream.unsent == 0)
			return;
	}
	must(way.broken || way.ended || way.garbled || way.given_up ||
	    way.stream.finished);
	must(!way.ended || way.closed || way.garbled || way.given_up);
}

static void
run_program(const uint8_t *data, size_t size, bool as_client)
{
	memset(&way, 0, sizeof(way));
	begin(&way.stream, as_client, &way.peer);
	way.far = SSL_new(as_client ? server_context : client_context);
	must(way.far != NULL);
	SSL_set_fd(way.far, way.peer);
	if (as_client)
		SSL_set_accept_state(way.far);
	else
		SSL_set_connect_state(way.far);
	SSL_set_mode(way.far,
	    SSL_MODE_ENABLE_PARTIAL_WRITE |
		SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	if (size > 0 && data[0] & 1)
		SSL_set_max_proto_version(way.far, TLS1_2_VERSION);
	if (shake()) {
		for (size_t i = 0; i < size && !way.broken; i++)
			step(data[i]);
		settle();
	}
	way.stream.transport->close(&way.stream, size % 2 == 0);
	SSL_free(way.far);
	close(way.peer);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (server == NULL)
		prepare();
	if (size == 0)
		return 0;
	if (data[0] & IS_RAW)
		run_raw(data + 1, size - 1, data[0] & IS_CLIENT);
	else
		run_program(data + 1, size - 1, data[0] & IS_CLIENT);
	return 0;
}
