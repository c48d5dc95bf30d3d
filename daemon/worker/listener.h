/*
 * listener.h: the part of a listener that stays while its code, options and
 * settings are replaced: its sockets, its connections and its place in the
 * shared counts.  A connector is a listener without sockets.
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
struct connector;
struct counter;
struct gen;
struct tls_client;
struct tls_server;

TAILQ_HEAD(acceptors, acceptor);
TAILQ_HEAD(conn_list, sl_conn);

struct listener {
	LIST_ENTRY(listener) link;
	struct endpoint endpoint;
	struct counter *counters; /* in the shared memory: its plugin's */
	struct sl_service *current;
	/* Newest first; the first is current. */
	LIST_HEAD(, sl_service) versions;
	/* A reference to the committed generation. */
	struct gen *gen;
	const struct listener_settings *settings; /* listener_configure() */
	struct acceptors acceptors;
	struct connector *connector; /* owned; NULL: it listens */
	struct tls_server *tls; /* what its streams begin with; NULL: plain */
	/* For what it connects to; NULL: tls_client_default(). */
	struct tls_client *tls_client;
	struct conn_list conns;
	unsigned int conn_count; /* includes those that ended in this pass */
	struct sl_conn *sweep;	 /* next to move to the current version */
	bool sweeping; /* the sweep is not over, even if sweep is NULL */
	bool due;      /* it is in listeners_due */
	LIST_ENTRY(listener) due_link;
	bool planned; /* during a COMMIT: it goes on */
	bool gone;    /* no longer configured */
	bool closing; /* and its last connections were told to end */
	/* Old versions with connections that `migrate` refused. */
	LIST_HEAD(, sl_service) stayed_on;
	struct timer drain_timer;
};
LIST_HEAD(listeners, listener);

/* The listeners that have work for after_pass(), which looks at no others. */
extern struct listeners listeners_due;
void listener_set_due(struct listener *listener);
void listener_set_done(struct listener *listener);

/* Has no service, settings and sockets yet.  NULL: ENOMEM. */
struct listener *listener_new(const char *name, uint32_t slot);
/* The settings are borrowed until the next call. */
void listener_configure(struct listener *listener,
    const struct listener_settings *settings);
/* For the TLS connections that it makes; borrowed.  NULL: no memory. */
struct tls_client *listener_tls_client(const struct listener *listener);
/* Ends its service and logs its counters.  It must have no connection left. */
void listener_free(struct listener *listener);

/* acceptor_stop() for all of its sockets, or connector_stop(). */
void listener_stop_new(struct listener *listener, enum sl_why why);

/*
 * The listener is no longer configured: stop accepting, let its connections
 * finish, and close those that are left after drain_ms.  The one that a
 * connector keeps up is closed at once: it might never end by itself.
 */
void listener_drain(struct listener *listener, uint64_t drain_ms);

/* Begin to close all connections, each after a last look at its socket. */
void listener_close_all(struct listener *listener, enum sl_why why);
/* End all connections now. */
void listener_kill_all(struct listener *listener, enum sl_why why);

/*
 * End what a version has made that was not committed, and never will be; nothing
 * is called for it.  Not under a callback.
 */
void listener_drop_conns(struct listener *listener,
    const struct sl_service *service);

/*
 * Settle all connections, which moves them to current code and settings.
 * listener_sweep() settles up to `most` and returns how many it settled.  The
 * sweep is over when `sweeping` is false.
 */
void listener_begin_sweep(struct listener *listener);
unsigned int listener_sweep(struct listener *listener, unsigned int most);

#endif
