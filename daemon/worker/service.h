/*
 * service.h: a service is one version of a listener as this worker serves it:
 * plugin code, options and the plugin's state, made by one generation.  It is
 * immutable once committed, but for its user pointer and its timers.
 *
 * Versions of a listener form a chain, old to new.  Connections walk along it
 * as far as each successor takes them (conn_follow), and a version ends when
 * nothing refers to it any more.
 */

#ifndef SLUICE_SERVICE_H
#define SLUICE_SERVICE_H

#include <sluice.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "worker/plugin_timer.h"

struct counts;
struct error;
struct listener;
struct listener_settings;
struct plugin;
struct sl_conn;
struct version;

/* What becomes of the predecessor's connections. */
enum carry {
	CARRY_SWAP,    /* they carry on in the new code */
	CARRY_MIGRATE, /* the same, through `migrate` */
	CARRY_DRAIN,   /* they stay on the old code until they close */
	CARRY_CLOSE,   /* they are closed politely */
};

/* The plugin's state: what its user pointer points at. */
struct service_state {
	unsigned int refs; /* versions that share it */
	/*
	 * The last one to take it over, whose `stop` knows what it has become:
	 * it ends after the others.
	 */
	struct sl_service *youngest;
	void *data;
};

struct sl_service {
	struct listener *listener; /* outlives it */
	struct counts *counts;	   /* of the listener */
	struct plugin *plugin;	   /* a reference */
	struct sl_options *options;
	struct service_state *state;
	/* Where its connections go; a reference; NULL: they stay. */
	struct sl_service *successor;
	enum carry carry;    /* for the predecessor's connections */
	uint32_t generation; /* the one that made it */
	uint64_t code;	     /* for the board */
	/* What `migrate` said to connections on their way here. */
	unsigned int migrated, refused;
	unsigned int stayed; /* connections that were refused further on */
	LIST_ENTRY(sl_service) stayed_link; /* then of its listener */
	bool told;			    /* the sweep has logged them */
	bool committed;
	/* Shown to the master, when committed; NULL: there was no place. */
	struct version *version;
	/* Versions of its listener, when committed. */
	LIST_ENTRY(sl_service) link;
	unsigned int refs;
	bool waits;   /* nobody refers to it, but older ones have its state */
	bool started; /* `stop` is owed, unless the state goes on */
	struct plugin_timers *timers; /* NULL: none so far */
	SLIST_ENTRY(sl_service) unused;
};

/*
 * Build one and start it: `reload` or a carried pointer where there is a
 * predecessor, else `start`.  Runs plugin code.  plugin and options are taken
 * over, also on failure.  Returns it with one reference, or NULL with err.
 */
struct sl_service *service_new(struct listener *listener, struct plugin *plugin,
    struct sl_options *options, uint32_t generation,
    struct sl_service *predecessor, int64_t on_reload, struct error *err);
void service_ref(struct sl_service *service);
/* Safe under a callback: a version that ends waits for service_end_unused(). */
void service_unref(struct sl_service *service);

/*
 * End the versions that nothing refers to: `stop`, unless another version
 * shares the state.  Not under a callback.
 */
void service_end_unused(void);

/*
 * All connections of the listener have been asked to come to `service`: log
 * how many did.
 */
void service_tell_migration(struct sl_service *service);

/* Only connections that stay refer to it: let go of what comes after. */
void service_forget_successor(struct sl_service *service);

/* It serves one connection more, or less. */
void service_count_conn(struct sl_service *service, int more);
/* The committed generation has it no more. */
void service_not_current(struct sl_service *service);

/* Has it begun to serve?  A version that is only prepared may never do so. */
bool service_is_committed(const struct sl_service *service);

/*
 * COMMIT: the listener is served by it from now on, and its connections go
 * there from what served before.  Takes the reference over.
 */
void service_commit(struct listener *listener, struct sl_service *service);

#endif
