/*
 * tls_kept.h: what a plugin was shown about a TLS session.  It may keep the
 * pointers until the connection ends, so nothing here changes or goes before
 * that.  The same is kept only once.
 */

#ifndef SLUICE_TLS_KEPT_H
#define SLUICE_TLS_KEPT_H

#include <stddef.h>
#include <stdint.h>

struct sl_certificate;

/* A list; NULL: nothing. */
struct tls_kept;

/*
 * All return NULL with errno: ENOMEM, or ENOBUFS when there is too much already:
 * a peer could go on with ever new certificates by renegotiation.
 */

/* A copy of these bytes, which may be text, with a NUL behind them. */
const void *tls_keep(struct tls_kept **kept, const void *data, size_t len);
/*
 * A copy of a certificate and of `room` bytes, which follow it and to which it
 * points by way of `fill`.  One with the same sha256 and next is taken instead.
 */
const struct sl_certificate *tls_keep_certificate(struct tls_kept **kept,
    const struct sl_certificate *certificate, size_t room,
    void (*fill)(struct sl_certificate *ret, void *room, const void *arg),
    const void *arg);

/* At the end of the connection. */
void tls_kept_free(struct tls_kept **kept);

#endif
