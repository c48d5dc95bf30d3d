/*
 * listener.h: what stays of a listener while its code, options and settings
 * are replaced: its sockets, its connections and its place in the shared
 * counts.
 */

#ifndef SLUICE_LISTENER_H
#define SLUICE_LISTENER_H

#include <sluice.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "config/settings.h"
#include "worker/conn.h"
#include "worker/endpoint.h"
#include "worker/timers.h"

struct acceptor;
struct counter;
struct gen;

TAILQ_HEAD(acceptors, acceptor);
TAILQ_HEAD(conn_list, sl_conn);

struct listener {
	LIST_ENTRY(listener) link;
	struct endpoint endpoint;
	struct counter *counters; /* in the shared memory: its plugin's */
	struct sl_service *current;
	/* From the newest, which is current. */
	LIST_HEAD(, sl_service) versions;
	/* Of the committed generation, which it keeps alive. */
	struct gen *gen;
	const struct listener_settings *settings; /* listener_configure() */
	struct acceptors acceptors;
	struct conn_list conns;
	unsigned int conn_count; /* also those that ended in this pass */
	struct sl_conn *sweep;	 /* next to be taken to the current version */
	bool sweeping;		 /* also when the last one has just ended */
	bool due;		 /* it is in listeners_due */
	LIST_ENTRY(listener) due_link;
	bool gone; /* no longer configured */
	/* Versions that a connection has refused to leave. */
	LIST_HEAD(, sl_service) stayed_on;
	struct timer drain_timer;
};
LIST_HEAD(listeners, listener);

/* Those that have work for the after-pass, which looks at no others. */
extern struct listeners listeners_due;
void listener_set_due(struct listener *listener);
void listener_set_done(struct listener *listener);

/* Without service, settings and sockets.  NULL: ENOMEM. */
struct listener *listener_new(const char *name, uint32_t slot);
/* Borrows the settings, until others come. */
void listener_configure(struct listener *listener,
    const struct listener_settings *settings);
/* With no connection left.  Ends its service, logs its counters. */
void listener_free(struct listener *listener);

/* acceptor_stop() for all of its sockets. */
void listener_stop_accepting(struct listener *listener);

/*
 * It is no longer configured: stop accepting, let its connections finish, and
 * close those that are left after drain_ms.
 */
void listener_drain(struct listener *listener, uint64_t drain_ms);

/* Begin to close all connections, after a look at what their peers sent. */
void listener_close_all(struct listener *listener, enum sl_why why);
/* End all connections now. */
void listener_kill_all(struct listener *listener, enum sl_why why);

/*
 * Settle all connections anew, up to `most` at a time, which takes them to
 * current code and settings.  Returns how many it looked at; it is through
 * when `sweeping` is false.
 */
void listener_begin_sweep(struct listener *listener);
unsigned int listener_sweep(struct listener *listener, unsigned int most);

#endif
