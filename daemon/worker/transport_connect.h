/*
 * transport_connect.h: the transport of a connection that we make: it connects a socket to
 * the peer, and then hands the stream on to transport_plain.
 */

#ifndef SLUICE_TRANSPORT_CONNECT_H
#define SLUICE_TRANSPORT_CONNECT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "worker/transport.h"

/* One address, of any family that we connect to. */
struct endpoint_address {
	union {
		struct sockaddr sa;
		struct sockaddr_un un;
		struct sockaddr_storage storage;
	};
	socklen_t len; /* 0: there is none */
};

struct connect_plan {
	/* A name to look up; borrowed.  NULL: `to` is the address. */
	const char *host;
	uint16_t port; /* of the host */
	struct endpoint_address to;
	struct endpoint_address from; /* bind to it first */
	bool nodelay, keepalive;      /* not for unix sockets */
	uint32_t keepalive_s;	      /* 0: the kernel's */
};

/*
 * A stream in PHASE_CONNECT, or in PHASE_RESOLVE if there is a host.  The
 * addresses of a host are tried as RFC 8305 says: one after the other, each
 * CONNECT_STAGGER_MS after the one before or as soon as that has failed; the
 * first to answer is taken, and the others are closed.  *in_progress is borrowed: it is one more until the
 * stream is connected or closed.  The plan is copied.  Returns 0, or -1 with
 * ENOMEM.
 */
#define CONNECT_STAGGER_MS 250
int stream_connect(struct stream *ret_stream, const struct connect_plan *plan,
    unsigned int *in_progress);

/*
 * While such a stream has no socket, news(arg) says that start() should be
 * called.  Not called from inside of a function of the transport.
 */
void stream_connect_news(struct stream *stream, void (*news)(void *arg),
    void *arg);

#endif
