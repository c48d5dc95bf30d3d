/*
 * cruel.h: a transport over a plain socket that does everything a transport may
 * do to a connection.  What works over it works over TLS.  The peer sees an
 * ordinary socket.
 */

#ifndef SLUICE_TESTS_CRUEL_H
#define SLUICE_TESTS_CRUEL_H

#include "worker/transport.h"

/* How cruel it is.  cruel_reset() sets the defaults in brackets. */
struct cruelty {
	enum phase from;      /* the first phase [PHASE_HANDSHAKE] */
	bool no_socket;	      /* start() has no socket yet */
	size_t hello;	      /* bytes that start() reads in each phase */
	enum phase fails_in;  /* start() fails in this phase */
	int fails_with;	      /* with this errno */
	size_t record;	      /* most that recv() returns at once [16 KiB] */
	size_t hoard;	      /* bytes read ahead from the kernel [32 KiB] */
	bool gather;	      /* read ahead, but recv() returns nothing yet */
	bool send_wants_read; /* the next send() waits for input */
	size_t answer;	      /* bytes that the next recv() has to send */
	bool truncate;	      /* the end of input counts as truncated */
	const char *alert;    /* the TLS error that ends input, or start() */
	unsigned int again;   /* how often finish() says EAGAIN [1] */
	uint8_t again_needs;  /* what finish() then waits for [EV_WRITE] */
	/* What the connection did with it. */
	unsigned int finished; /* how often finish() was done */
	bool last;	       /* `last` of the last finish() */
	bool hard;	       /* `hard` of close() */
};
extern struct cruelty cruelty;
void cruel_reset(void);

/* The transport below it; transport_plain at first. */
extern const struct transport *cruel_below;

extern const struct transport transport_cruel;
struct stream cruel_stream(int fd, bool is_unix);

#endif
