/*
 * proxy.h: the beginning of a stream whose peer is a proxy: a transport that
 * reads the header of the PROXY protocol and no byte behind it.  Then another
 * transport takes over.
 */

#ifndef SLUICE_PROXY_H
#define SLUICE_PROXY_H

#include <stdbool.h>
#include <stddef.h>

#include "worker/proxy_header.h"
#include "worker/transport.h"

struct counts;
struct tls_server;

extern const struct transport transport_proxy;

/* What the header of a connection has said. */
struct proxied {
	bool has_addresses;
	struct proxy_address from; /* the client */
	struct proxy_address to;   /* what the client has connected to */
	size_t tlvs_len;
	unsigned char tlvs[];
};

/*
 * Let a new plain stream begin with a header.  Then it goes on with TLS, for
 * which it keeps a reference to `tls`, or plain if that is NULL; see
 * tls_upgrade().  False: ENOMEM, and it stays as it is.
 */
bool proxy_begin(struct stream *stream, struct tls_server *tls,
    struct counts *counts);

/* Does it still have this transport? */
bool proxy_is(const struct stream *stream);

/*
 * start() has read the header: hand the stream over.  *ret is what the header
 * said, owned by the caller, and NULL if it said nothing.  Returns 0, or -1 with
 * ENOMEM: then the stream can only be closed.
 */
int proxy_end(struct stream *stream, struct proxied **ret);

#endif
