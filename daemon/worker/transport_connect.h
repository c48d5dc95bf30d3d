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
	struct endpoint_address to;
	struct endpoint_address from; /* bind to it first */
	bool nodelay, keepalive;      /* not for unix sockets */
	uint32_t keepalive_s;	      /* 0: the kernel's */
};

/*
 * A stream in PHASE_CONNECT.  *in_progress is borrowed: it is one more until the
 * stream is connected or closed.  The plan is copied.  Returns 0, or -1 with
 * ENOMEM.
 */
int stream_connect(struct stream *ret_stream, const struct connect_plan *plan,
    unsigned int *in_progress);

#endif
