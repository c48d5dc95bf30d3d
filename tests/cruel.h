/*
 * cruel.h: a transport that does over a plain socket all that a transport may
 * do to a connection, so that what holds for it holds for TLS.  The peer sees
 * an ordinary socket.
 */

#ifndef SLUICE_TESTS_CRUEL_H
#define SLUICE_TESTS_CRUEL_H

#include "worker/transport.h"

/* How cruel.  cruel_reset() sets what stands here. */
struct cruelty {
	enum phase from;     /* the first one; PHASE_HANDSHAKE */
	bool no_socket;	     /* that one has none, and waits for news */
	size_t hello;	     /* start() reads so much in each, once */
	enum phase fails_in; /* there it says that it is broken */
	int fails_with;	     /* by this errno */
	size_t record;	     /* 16 KiB: recv() returns no more at once */
	size_t hoard;	     /* two records: so much is taken from the kernel */
	bool gather;	     /* show nothing of it yet, up to `hoard` */
	bool send_wants_read; /* the next send() waits for input */
	size_t answer;	      /* recv() has to send so much, once */
	bool truncate;	      /* the end of input is not an honest one */
	const char *alert;    /* instead of the end: broken, and why */
	unsigned int again;   /* so often finish() says EAGAIN; 1 */
	uint8_t again_needs;  /* and waits for this; EV_WRITE */
	/* What it was told. */
	unsigned int finished; /* finish() said that it is done */
	bool last;	       /* the last finish() was `last` */
	bool hard;	       /* close() was */
};
extern struct cruelty cruelty;
void cruel_reset(void);

/* Where it gets its bytes from, and takes them to; transport_plain at first. */
extern const struct transport *cruel_below;

extern const struct transport transport_cruel;
struct stream cruel_stream(int fd, bool is_unix);

#endif
