/* connect_socket.h: a socket that connects to one address. */

#ifndef SLUICE_CONNECT_SOCKET_H
#define SLUICE_CONNECT_SOCKET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

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
 * Begin to connect to an address, as the plan says otherwise.  Returns the
 * socket, one of ours (ours_close()), which may be connected already, or -1 with
 * errno.
 */
int connect_begin(const struct connect_plan *plan,
    const struct endpoint_address *to);

/*
 * Is it connected?  Returns 0, or -1 with errno, EAGAIN: not yet.  A peer that
 * has accepted, written and reset the connection by now did answer: what it
 * wrote is shown to the plugin first, and then the reset.
 */
int connect_look(int fd, const struct endpoint_address *to);

#endif
