/*
 * tls_wish.h: what a plugin asks for on a TLS client connection, until the
 * handshake begins.  What it does not ask for is as the listener has it:
 * tls_client.h puts both together.
 */

#ifndef SLUICE_TLS_WISH_H
#define SLUICE_TLS_WISH_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tls/alpn.h"

struct error;
struct sl_tls_options;
struct tls_parts;

struct tls_wish {
	char *host;	   /* that it connects to; NULL: not known */
	char *servername;  /* "": send none; NULL: not asked for */
	char *verify_name; /* NULL: not asked for */
	int verify; /* enum tls_verify; TLS_VERIFY_INHERIT: the listener's */
	struct tls_parts *parts; /* CAs, and our certificate; never NULL */
	struct alpn alpn;
	SSL_SESSION *session; /* to be resumed, or NULL */
	uint32_t record_max;  /* bytes; 0: not asked for */
	bool no_renegotiation;
};

/*
 * A copy of the options, of any size; NULL: asks for nothing.  `host` is a name
 * or an address as sockaddr_host() writes it, or NULL.  NULL: EINVAL with err, ENOTSUP or ENOMEM.
 */
struct tls_wish *tls_wish_new(const struct sl_tls_options *options,
    const char *host, struct error *err);
void tls_wish_free(struct tls_wish *wish); /* NULL is fine */

/* As the calls of sluice.h that are called alike. */
int tls_wish_set_servername(struct tls_wish *wish, const char *name);
int tls_wish_set_session(struct tls_wish *wish, const void *buf, size_t len);
int tls_wish_set_verify(struct tls_wish *wish, int mode);

#endif
