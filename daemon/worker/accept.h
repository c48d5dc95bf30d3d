/* accept.h: listening sockets, and the connections that wait there. */

#ifndef SLUICE_ACCEPT_H
#define SLUICE_ACCEPT_H

#include <sluice.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "config/address.h"

struct event;
struct listener;

/* One listening socket. */
struct acceptor {
	TAILQ_ENTRY(acceptor) link; /* of its listener */
	LIST_ENTRY(acceptor) all;   /* of this worker, while it accepts */
	struct listener *listener;
	struct event *event;
	int fd;		/* owned */
	uint32_t id;	/* the master's number for the socket */
	uint32_t index; /* of the address in the settings */
	bool accepting;
	bool broken; /* it does not listen; that was logged */
	struct sl_address address;
	char text[ADDRESS_TEXT_MAX];
};

/* Also opens a spare descriptor, for when all are used.  Returns 0, or -1. */
int accept_init(void);
void accept_done(void);

/*
 * May a connection have this descriptor?  The highest ones are kept free, so
 * that the master can always send those of a reload.
 */
bool accept_may_use(int fd);

/*
 * The acceptor owns fd from now on; on failure fd is closed.  The caller links
 * the acceptor into the listener's list, and unlinks it before it is freed.
 * Returns NULL on failure.
 */
struct acceptor *acceptor_new(struct listener *listener, int fd, uint32_t id,
    uint32_t index);
void acceptor_free(struct acceptor *acceptor);

/* Accept from now on, unless it already does. */
void acceptor_start(struct acceptor *acceptor);
/* Accept the connections that wait, then unlink, close and free it. */
void acceptor_stop(struct acceptor *acceptor);

#endif
