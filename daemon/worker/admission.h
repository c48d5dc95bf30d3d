/*
 * admission.h: who may come in.  A seat is what one connection takes up of its
 * endpoint's limits, which hold for all workers together.  It lies in the
 * connection, and is given back in one place, whatever has become of it until
 * then.
 *
 * The address can be taken after the connection: where a proxy stands in front,
 * it is known only when that has said who the peer is.
 */

#ifndef SLUICE_ADMISSION_H
#define SLUICE_ADMISSION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct endpoint;

#define SEAT_NOTHING UINT32_MAX

/* SEAT_NOTHING for what it does not have. */
struct seat {
	uint32_t slot;	  /* of the endpoint, where it is counted */
	uint32_t address; /* the entry of the peer's address there */
};
#define SEAT_NONE ((struct seat){ SEAT_NOTHING, SEAT_NOTHING })

/*
 * limits.connections and limits.per_address, for a seat that does not have that
 * part yet.  Returns false when the limit is reached: that is counted and
 * logged, and the seat stays as it was.  peer is who is let in, or refused.
 */
bool seat_take(struct seat *seat, struct endpoint *endpoint,
    const struct sockaddr *peer, socklen_t len);
bool seat_take_address(struct seat *seat, struct endpoint *endpoint,
    const struct sockaddr *peer, socklen_t len);

/* Give back what it has.  It is SEAT_NONE then. */
void seat_release(struct seat *seat);

/* A connection was refused since there is not enough `what`: count and log. */
void admission_out_of(struct endpoint *endpoint, const char *what);
/* The same for descriptors, which accept.c logs. */
void admission_out_of_descriptors(struct endpoint *endpoint);

#endif
