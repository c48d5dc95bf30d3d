/*
 * tls.h: the TLS transport, in both roles, over a socket.  Memory for a TLS
 * session is made when the first byte is due, and buffers only while something
 * waits in them.
 */

#ifndef SLUICE_TLS_H
#define SLUICE_TLS_H

#include <openssl/types.h>
#include <stdbool.h>

#include "worker/transport.h"

struct counts;
struct tls_client;
struct tls_kept;
struct tls_server;
struct tls_wish;

extern const struct transport transport_tls;

/* For the life of the process, before the first stream.  0, or -1: errno. */
int tls_init(void);
void tls_done(void);

/*
 * Let a plain stream, which may be new, go on with a handshake as a server.
 * Keeps a reference to `server`; counts the handshake in `counts`, which
 * outlives the stream.  False: ENOMEM, and it stays plain.
 */
bool tls_upgrade(struct stream *stream, struct tls_server *server,
    struct counts *counts);

/*
 * The same as a client, which wishes for this: takes it over, if it is not
 * ENOMEM.
 */
bool tls_connect(struct stream *stream, struct tls_client *client,
    struct tls_wish *wish, struct counts *counts);

/* What a client wishes for whose handshake has not begun, or NULL. */
struct tls_wish *tls_wish(const struct stream *stream);

/* Its session; NULL: not a TLS stream, or nothing has come yet.  Borrowed. */
SSL *tls_session(const struct stream *stream);

/*
 * Before the first byte of a handshake: let the session be made by the newest
 * settings of its listener, one for each role.  NULL: it has none.
 */
void tls_follow(struct stream *stream, struct tls_server *server,
    struct tls_client *client);

/* Has this stream TLS, whatever has come so far? */
bool tls_is(const struct stream *stream);
/* What a plugin was shown about its session; it goes when the stream closes. */
struct tls_kept **tls_kept(const struct stream *stream);

/* From now on no record has more than so many bytes of plaintext. */
void tls_limit_records(struct stream *stream, size_t bytes);

/*
 * Send what SSL_renegotiate() or SSL_verify_client_post_handshake() has
 * prepared.  0, or -1: the stream is broken, as the next call of it will say.
 */
int tls_ask(struct stream *stream);

#endif
