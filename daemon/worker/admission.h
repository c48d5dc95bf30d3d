/*
 * admission.h: which connections are let in.  A seat is what one connection
 * takes up of its endpoint's limits, which hold for all workers together.  The
 * seat is part of the connection, and one function releases it, whichever parts
 * it has.
 *
 * The address may be counted after the connection: behind a proxy, the peer's
 * address is known only when the proxy has sent it.
 */

#ifndef SLUICE_ADMISSION_H
#define SLUICE_ADMISSION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct endpoint;

#define SEAT_NOTHING UINT32_MAX

/* A part that the seat does not have is SEAT_NOTHING. */
struct seat {
	uint32_t slot;	  /* of the endpoint, in the shared memory */
	uint32_t address; /* of the entry of the peer's address there */
};
#define SEAT_NONE ((struct seat){ SEAT_NOTHING, SEAT_NOTHING })

/*
 * Do `allow` and `deny` let this client in?  If not, that is counted and logged.
 */
bool admission_lets_in(struct endpoint *endpoint, const struct sockaddr *peer,
    socklen_t len);

/*
 * Does limits.accept_rate, or limits.accept_rate_per_address, let one more in
 * now?  If so it is counted in; if not, that is counted and logged.
 */
bool admission_in_rate(struct endpoint *endpoint, const struct sockaddr *peer,
    socklen_t len);
bool admission_in_address_rate(struct endpoint *endpoint,
    const struct sockaddr *peer, socklen_t len);

/*
 * Take up one of limits.connections, or of limits.per_address, for a seat that
 * does not have that part yet.  Returns false if the limit is reached; that is
 * counted and logged, and the seat is unchanged.  peer is the address of the
 * client.
 */
bool seat_take(struct seat *seat, struct endpoint *endpoint,
    const struct sockaddr *peer, socklen_t len);
bool seat_take_address(struct seat *seat, struct endpoint *endpoint,
    const struct sockaddr *peer, socklen_t len);

/* Release the parts that it has.  Then it is SEAT_NONE. */
void seat_release(struct seat *seat);

/* A connection was refused because `what` ran out: count and log it. */
void admission_out_of(struct endpoint *endpoint, const char *what);
/* The same for descriptors, which accept.c logs. */
void admission_out_of_descriptors(struct endpoint *endpoint);

#endif
