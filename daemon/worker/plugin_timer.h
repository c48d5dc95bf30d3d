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
 * All timers of a service or of a connection.  It is made with the first one;
 * until then whoever owns it has NULL.
 */
struct plugin_timers {
	struct sl_service *service; /* whose they are; NULL: a connection's */
	struct sl_conn *conn;
	struct ids ids;
	LIST_HEAD(, plugin_timer) all; /* but for those that are held */
	LIST_HEAD(, plugin_timer) held;
};

struct plugin_timer {
	struct timer timer;
	struct plugin_timers *set;
	LIST_ENTRY(plugin_timer) link; /* all or held */
	struct id_entry key;
	uint32_t id;
};

/*
 * Set timer `id` of a service or of a connection (the other is NULL), in place
 * of one that is set already; ms 0 only cancels.  on_expire gets the timer
 * inside a struct plugin_timer, and frees it with plugin_timer_free() before it
 * calls anybody.  0, or -1 with ENOMEM.
 */
int plugin_timer_set(struct plugin_timers **set, struct sl_service *service,
    struct sl_conn *conn, uint32_t id, uint64_t ms,
    void (*on_expire)(struct timer *timer));
void plugin_timer_free(struct plugin_timer *timer);
void plugin_timers_clear(struct plugin_timers **set);

/*
 * It has run out before its service serves: nothing happens until the service
 * does, and then it runs out at once, or until it is set again.
 */
void plugin_timer_hold(struct plugin_timer *timer);
/* Those that are held run out now.  Costs their number; set may be NULL. */
void plugin_timers_let_go(struct plugin_timers *set);

/*
 * Hand a service's timers to its successor, whatever their number; those that
 * the successor has set itself stand.
 */
void plugin_timers_hand_on(struct plugin_timers **from,
    struct plugin_timers **to, struct sl_service *service);

#endif
