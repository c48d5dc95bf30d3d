/*
 * plan.h: what a generation that is being prepared will do with one listener or
 * connector: PREPARE makes the plan, and COMMIT or ABORT ends it.
 */

#ifndef SLUICE_PLAN_H
#define SLUICE_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "worker/listener.h"

struct connector;
struct material;
struct sl_service;
struct tls_client;
struct tls_server;

struct plan {
	struct listener *listener; /* existing, or new and not in the list */
	bool is_new;
	bool good;	  /* nothing is missing for its service */
	bool tls_changed; /* of the connections that it makes */
	const struct listener_settings *settings;
	struct sl_service *service; /* a new version; NULL: it did not change */
	struct tls_server *tls;	    /* NULL: none */
	struct tls_client *tls_client; /* NULL: none */
	/* NULL: it is a listener, or has one already. */
	struct connector *connector;
	/* All acceptors that an existing listener will have. */
	struct acceptors acceptors;
};

/*
 * Everything of endpoint `index` but its service.  `listener` is the one that has
 * this name now; NULL: make one.  Returns 0, or -1 after reporting; in both cases
 * plan_commit() or plan_drop() follows, unless there is no listener then.
 */
int plan_make(struct plan *plan, struct material *material, uint32_t index,
    struct listener *listener);
/*
 * Make a new version of the service if the plugin or its options changed.  Runs
 * plugin code.  Returns 0, or -1 after reporting.
 */
int plan_service(struct plan *plan, struct material *material);

/* The listener, which is in the list of all, goes on with what is planned. */
void plan_commit(struct plan *plan);
/* Nothing comes of it. */
void plan_drop(struct plan *plan);

#endif
