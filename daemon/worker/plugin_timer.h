/* plugin_timer.h: the timers that plugins set, by number. */

#ifndef SLUICE_PLUGIN_TIMER_H
#define SLUICE_PLUGIN_TIMER_H

#include <stdint.h>
#include <sys/queue.h>

#include "worker/ids.h"
#include "worker/timers.h"

struct sl_conn;
struct sl_service;

/*
 * All timers of a service or of a connection.  The set is made with the first
 * timer; until then its owner has NULL.
 */
struct plugin_timers {
	struct sl_service *service; /* the owner, or NULL */
	struct sl_conn *conn;	    /* the owner, or NULL */
	struct ids ids;
	LIST_HEAD(, plugin_timer) all;	/* except those that are held */
	LIST_HEAD(, plugin_timer) held; /* see plugin_timer_hold() */
};

struct plugin_timer {
	struct timer timer;
	struct plugin_timers *set;
	LIST_ENTRY(plugin_timer) link; /* in all or held */
	struct id_entry key;
	uint32_t id;
};

/*
 * Set timer `id` of a service or of a connection (the other is NULL).  If that
 * timer is set already, move it; ms 0 only cancels it.  on_expire gets the
 * timer inside a struct plugin_timer, and frees that with plugin_timer_free()
 * before it runs a callback.  Returns 0, or -1 with ENOMEM.
 */
int plugin_timer_set(struct plugin_timers **set, struct sl_service *service,
    struct sl_conn *conn, uint32_t id, uint64_t ms,
    void (*on_expire)(struct timer *timer));
void plugin_timer_free(struct plugin_timer *timer);
void plugin_timers_clear(struct plugin_timers **set);

/*
 * The timer has run out before its service is committed.  Hold it: it runs out
 * when plugin_timers_release() is called, unless it is set again before.
 */
void plugin_timer_hold(struct plugin_timer *timer);
/*
 * Let the held timers run out now.  Takes time in proportion to their number.
 * set may be NULL.
 */
void plugin_timers_release(struct plugin_timers *set);

/*
 * Hand the timers of a service over to its successor, in constant time unless
 * the successor has set timers itself.  Where both have a timer of the same id,
 * that of the successor stays.
 */
void plugin_timers_hand_on(struct plugin_timers **from,
    struct plugin_timers **to, struct sl_service *service);

#endif
