/* plugin_timer.h: the timers that plugins set, by number. */

#ifndef SLUICE_PLUGIN_TIMER_H
#define SLUICE_PLUGIN_TIMER_H

#include <stdint.h>
#include <sys/queue.h>

#include "timers.h"

struct sl_conn;
struct sl_service;

struct plugin_timer {
	struct timer timer; /* first: its address is ours */
	LIST_ENTRY(plugin_timer) link;
	struct sl_service *service; /* of a service's timer */
	struct sl_conn *conn;	    /* of a connection's; else NULL */
	uint32_t id;
};
LIST_HEAD(plugin_timers, plugin_timer);

/*
 * Set the list's timer `id`, in place of one that is set already; ms 0 only
 * cancels.  on_expire gets the timer inside a struct plugin_timer, and frees
 * it with plugin_timer_free() before it calls anybody.  0, or -1 with ENOMEM.
 */
int plugin_timer_set(struct plugin_timers *list, struct sl_service *service,
    struct sl_conn *conn, uint32_t id, uint64_t ms,
    void (*on_expire)(struct timer *timer));
void plugin_timer_free(struct plugin_timer *timer);
void plugin_timers_clear(struct plugin_timers *list);

/* Hand a service's timers to its successor; the successor's own ones stand. */
void plugin_timers_move(struct plugin_timers *from, struct plugin_timers *to,
    struct sl_service *service);

#endif
