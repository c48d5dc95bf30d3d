/* plugin_timer.c: the timers that plugins set. */

#include <stdlib.h>

#include "engine.h"
#include "plugin_timer.h"

static struct plugin_timer *
find(struct plugin_timers *list, uint32_t id)
{
	struct plugin_timer *timer;

	LIST_FOREACH(timer, list, link)
		if (timer->id == id)
			return timer;
	return NULL;
}

int
plugin_timer_set(struct plugin_timers *list, struct sl_service *service,
    struct sl_conn *conn, uint32_t id, uint64_t ms,
    void (*on_expire)(struct timer *timer))
{
	struct plugin_timer *timer = find(list, id);
	uint64_t now = engine_now();

	if (ms == 0) {
		if (timer != NULL)
			plugin_timer_free(timer);
		return 0;
	}
	if (timer == NULL) {
		timer = calloc(1, sizeof(*timer));
		if (timer == NULL)
			return -1;
		if (timers_attach(engine.timers, &timer->timer, on_expire) ==
		    -1) {
			free(timer);
			return -1;
		}
		timer->service = service;
		timer->conn = conn;
		timer->id = id;
		LIST_INSERT_HEAD(list, timer, link);
	}
	timers_set(engine.timers, &timer->timer,
	    ms < UINT64_MAX - now ? now + ms : UINT64_MAX);
	return 0;
}

void
plugin_timer_free(struct plugin_timer *timer)
{
	timers_detach(engine.timers, &timer->timer);
	LIST_REMOVE(timer, link);
	free(timer);
}

void
plugin_timers_clear(struct plugin_timers *list)
{
	while (!LIST_EMPTY(list))
		plugin_timer_free(LIST_FIRST(list));
}

void
plugin_timers_move(struct plugin_timers *from, struct plugin_timers *to,
    struct sl_service *service)
{
	struct plugin_timer *timer;

	while ((timer = LIST_FIRST(from)) != NULL) {
		if (find(to, timer->id) != NULL) {
			plugin_timer_free(timer);
			continue;
		}
		LIST_REMOVE(timer, link);
		timer->service = service;
		LIST_INSERT_HEAD(to, timer, link);
	}
}
