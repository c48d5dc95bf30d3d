/*
 * tls_stream.h: the inside of a TLS stream, for the files of the transport:
 * tls_begin.c (the session), tls.c (handshake, input, end), tls_output.c
 * (records), tls_visit.c (what all of them do around OpenSSL).
 */

#ifndef SLUICE_TLS_STREAM_H
#define SLUICE_TLS_STREAM_H

#include <openssl/types.h>
#include <sluice.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "worker/tls_io.h"
#include "worker/transport.h"

struct counts;
struct tls_client;
struct tls_kept;
struct tls_server;
struct tls_wish;

#define REASON_MAX 160
/*
 * Key updates of the peer without data between them.  Each costs us twenty
 * times as much as a small record.
 */
#define UPDATES_MAX 32

/*
 * Renegotiations that a peer may ask for in so many milliseconds, where it may.
 * Each costs us as much as a new connection.
 */
#define RENEGOTIATIONS_MAX 3
#define RENEGOTIATIONS_MS (10u * 60 * 1000)

/*
 * Our records with one key.  RFC 8446, 5.5, has AES-GCM end at 2^24.5, and
 * OpenSSL does not count.
 */
#define KEY_RECORDS_MAX (1u << 24)

struct tls {
	SSL *ssl;		   /* NULL: nothing was said yet */
	struct tls_server *server; /* NULL: it is a client */
	struct tls_client *client; /* NULL: it is a server */
	struct tls_wish *wish;	   /* of a client without a session yet */
	struct tls_kept *kept;	   /* what the plugin was shown */
	struct tls_io io;
	struct counts *counts;
	uint64_t begun;			/* in ticks: its first byte came */
	uint64_t plain_out, cipher_out; /* of the plugin's, since it is open */
	uint64_t sent_ms;		/* plaintext, the last time */
	uint32_t hot;			/* plaintext sent without a pause */
	uint32_t record_max;		/* bytes; 0: RECORD_MAX */
	uint32_t records;		/* made with this key */
	uint32_t behind;	 /* ciphertext made since the last plaintext */
	uint32_t answers;	 /* of what waits: what recv() has made */
	uint32_t updates;	 /* key updates since the last data */
	uint32_t visit_updates;	 /* of them, in this visit */
	uint32_t renegotiations; /* of the peer, in the window... */
	uint64_t window_ms;	 /* ...that began then */
	const char *flood;	 /* what it does too often, or NULL */
	int ended;    /* recv() has more to say: an errno; END_OF_FILE */
	bool closed;  /* close_notify has been made */
	bool counted; /* its handshake */
	bool asked;   /* we have asked for another handshake */
	struct stream_fault fault;
	char reason[REASON_MAX];
};

/* Begin a visit, see tls_io.h: `room` bytes of input can be taken. */
struct tls *tls_enter(struct stream *stream, size_t room);
/*
 * Send what was made.  `unsent` then is what waits, without what finish() has
 * made.  Returns 0, or -1 with errno: the output is broken.
 */
int tls_pass_on(struct stream *stream, struct tls *tls);
/* End the visit, and send what was made.  Keeps errno. */
void tls_leave(struct stream *stream, struct tls *tls);
/* If the connection has set `unsent` to 0 to drop its output, drop it. */
void tls_obey(const struct stream *stream, struct tls *tls);

/* The first fault stands.  Returns -1 with errno. */
int tls_set_fault(struct tls *tls, enum sl_why why, int error);
/* The alert of the peer that an error of OpenSSL is about; -1: none. */
int tls_alert_of(unsigned long code);
/* OpenSSL has failed for good: say why.  Returns -1 with errno. */
int tls_broken(struct tls *tls, enum sl_why why);

/* Is it a client that has not begun? */
bool tls_speaks_first(const struct tls *tls);
/* Make its session.  0, or -1 as start(). */
int tls_begin_session(struct tls *tls);
void tls_free(struct tls *tls);

/* Of the transport's table. */
ssize_t tls_send(struct stream *stream, const void *buf, size_t len);
ssize_t tls_sendv(struct stream *stream, const struct iovec *iov, int count);
int tls_flush(struct stream *stream);

#endif
