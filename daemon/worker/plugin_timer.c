/* plugin_timer.c: the timers that plugins set. */

#include "worker/plugin_timer.h"

#include <stdlib.h>

#include "base/container_of.h"
#include "worker/engine.h"

/*
 * Scramble the id, one to one.  The table uses only the low bits, and these may
 * be the same in all ids of a plugin, for example in multiples of 4096.
 */
static uint64_t
key_of(uint32_t id)
{
	id ^= id >> 16;
	id *= UINT32_C(0x85ebca6b);
	id ^= id >> 13;
	id *= UINT32_C(0xc2b2ae35);
	return id ^ id >> 16;
}

static struct plugin_timer *
find(const struct plugin_timers *set, uint32_t id)
{
	struct id_entry *entry = ids_find(&set->ids, key_of(id));

	if (entry == NULL)
		return NULL;
	return container_of(entry, struct plugin_timer, key);
}

/* The owner's set, made if need be.  NULL: ENOMEM. */
static struct plugin_timers *
get_set(struct plugin_timers **set, struct sl_service *service,
    struct sl_conn *conn)
{
	if (*set != NULL)
		return *set;
	*set = calloc(1, sizeof(**set));
	if (*set == NULL)
		return NULL;
	(*set)->service = service;
	(*set)->conn = conn;
	return *set;
}

/* Returns 0; or -1 with ENOMEM, and then the timer is in no set. */
static int
add(struct plugin_timers *set, struct plugin_timer *timer)
{
	if (ids_add(&set->ids, &timer->key) == -1)
		return -1;
	timer->set = set;
	LIST_INSERT_HEAD(&set->all, timer, link);
	return 0;
}

/* NULL: ENOMEM. */
static struct plugin_timer *
new_timer(struct plugin_timers *set, uint32_t id,
    void (*on_expire)(struct timer *timer))
{
	struct plugin_timer *timer = calloc(1, sizeof(*timer));

	if (timer == NULL)
		return NULL;
	timer->id = id;
	timer->key.id = key_of(id);
	if (timers_attach(engine.timers, &timer->timer, on_expire) == 0) {
		if (add(set, timer) == 0)
			return timer;
		timers_detach(engine.timers, &timer->timer);
	}
	free(timer);
	return NULL;
}

/* Set the timer.  If it is not in the heap, it is new or was held. */
static void
arm(struct plugin_timer *timer, uint64_t at_ms)
{
	if (timer->timer.index == 0) {
		LIST_REMOVE(timer, link);
		LIST_INSERT_HEAD(&timer->set->all, timer, link);
	}
	timers_set(engine.timers, &timer->timer, at_ms);
}

int
plugin_timer_set(struct plugin_timers **owner, struct sl_service *service,
    struct sl_conn *conn, uint32_t id, uint64_t ms,
    void (*on_expire)(struct timer *timer))
{
	struct plugin_timer *timer = *owner != NULL ? find(*owner, id) : NULL;
	uint64_t now = engine_now();
	struct plugin_timers *set;

	if (ms == 0) {
		if (timer != NULL)
			plugin_timer_free(timer);
		return 0;
	}
	if (timer == NULL) {
		set = get_set(owner, service, conn);
		timer = set != NULL ? new_timer(set, id, on_expire) : NULL;
		if (timer == NULL)
			return -1;
	}
	arm(timer, ms < UINT64_MAX - now ? now + ms : UINT64_MAX);
	return 0;
}

void
plugin_timer_hold(struct plugin_timer *timer)
{
	LIST_REMOVE(timer, link);
	LIST_INSERT_HEAD(&timer->set->held, timer, link);
}

void
plugin_timers_release(struct plugin_timers *set)
{
	if (set == NULL)
		return;
	while (!LIST_EMPTY(&set->held))
		arm(LIST_FIRST(&set->held), engine_now());
}

static void
take_out(struct plugin_timer *timer)
{
	ids_remove(&timer->set->ids, &timer->key);
	LIST_REMOVE(timer, link);
}

void
plugin_timer_free(struct plugin_timer *timer)
{
	timers_detach(engine.timers, &timer->timer);
	take_out(timer);
	free(timer);
}

void
plugin_timers_clear(struct plugin_timers **owner)
{
	struct plugin_timers *set = *owner;

	if (set == NULL)
		return;
	while (!LIST_EMPTY(&set->all))
		plugin_timer_free(LIST_FIRST(&set->all));
	while (!LIST_EMPTY(&set->held))
		plugin_timer_free(LIST_FIRST(&set->held));
	ids_done(&set->ids);
	free(set);
	*owner = NULL;
}

/* Move the successor's own timers to the set, where they replace others. */
static void
merge(struct plugin_timers *own, struct plugin_timers *set)
{
	struct plugin_timer *timer, *old;

	while ((timer = LIST_FIRST(&own->all)) != NULL) {
		old = find(set, timer->id);
		if (old != NULL)
			plugin_timer_free(old);
		take_out(timer);
		add(set, timer); /* cannot fail: the table has memory */
	}
}

void
plugin_timers_hand_on(struct plugin_timers **from, struct plugin_timers **to,
    struct sl_service *service)
{
	struct plugin_timers *set = *from;

	if (set == NULL || LIST_EMPTY(&set->all))
		return;
	if (*to != NULL)
		merge(*to, set);
	plugin_timers_clear(to);
	*to = set;
	*from = NULL;
	set->service = service;
}
