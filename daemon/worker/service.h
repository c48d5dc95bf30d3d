/*
 * service.h: a service is one version of a listener as this worker serves it:
 * plugin code, options and the plugin's state, made by one generation.  Once
 * committed, only its user pointer and its timers change.
 *
 * The versions of a listener form a chain, from old to new.  Connections walk
 * along it as far as the next version accepts them (conn_follow).  A version
 * ends when nothing refers to it any more.
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

/* The plugin's state, which is what its user pointer points at. */
struct service_state {
	unsigned int refs; /* versions that share it */
	/*
	 * The newest committed version that has the state.  It ends after the
	 * others, because its `stop` is the one that knows the state as it is
	 * now.
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
	/* Where its connections move to; a reference; NULL: they stay. */
	struct sl_service *successor;
	enum carry carry;    /* for the predecessor's connections */
	uint32_t generation; /* the one that made it */
	uint64_t code;	     /* for the board */
	/* Connections that it has made and that wait until it is committed. */
	unsigned int early;
	/* Connections that `migrate` of this version accepted and refused. */
	unsigned int migrated, refused;
	unsigned int stayed; /* its connections that the successor refused */
	LIST_ENTRY(sl_service) stayed_link; /* in stayed_on, if any stayed */
	bool told; /* migrated and refused are logged */
	bool committed;
	/* For the master, when committed; NULL: there was no place. */
	struct version *version;
	/* In its listener's versions, when committed. */
	LIST_ENTRY(sl_service) link;
	unsigned int refs;
	bool waits;   /* unused, but must end after others with its state */
	bool started; /* `stop` follows, unless another has the state */
	struct plugin_timers *timers;	/* NULL until there is one */
	SLIST_ENTRY(sl_service) unused; /* in the list of those to end */
};

/*
 * Build a version and start it.  With a predecessor, that is by `reload` or by
 * sharing the predecessor's state, if the plugin allows one of these; else by
 * `start`.  Runs plugin code.  Takes plugin and options over, also on failure.
 * Returns it with one reference, or NULL with err.
 */
struct sl_service *service_new(struct listener *listener, struct plugin *plugin,
    struct sl_options *options, uint32_t generation,
    struct sl_service *predecessor, int64_t on_reload, struct error *err);
void service_ref(struct sl_service *service);
/* Safe under a callback: the version ends later, in service_end_unused(). */
void service_unref(struct sl_service *service);

/*
 * End the versions that nothing refers to.  Calls `stop`, unless another
 * version shares the state.  Not under a callback.
 */
void service_end_unused(void);

/*
 * All connections of the listener were asked to move to `service`: log how many
 * did, once.
 */
void service_tell_migration(struct sl_service *service);

/* Its connections will not move any more: release the successor. */
void service_forget_successor(struct sl_service *service);

/* Count its connections, for the master: more is 1 or -1. */
void service_count_conn(struct sl_service *service, int more);
/*
 * It is no longer part of the committed generation.  stay: its connections have
 * nowhere to go, and drain.
 */
void service_not_current(struct sl_service *service, bool stay);

/* Was it committed?  A version that is only prepared may never be. */
bool service_is_committed(const struct sl_service *service);

/*
 * COMMIT: from now on this version serves the listener, and the connections of
 * the version before move to it.  Takes the reference over.
 */
void service_commit(struct listener *listener, struct sl_service *service);

#endif
