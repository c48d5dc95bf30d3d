/* base.c: libevent, set up so that no environment variable changes it. */

#include <event2/event.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/log_libevent.h"
#include "master/master.h"

struct event_base *
master_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	log_libevent();
	if (config != NULL &&
	    event_config_set_flag(config,
		EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV |
		    /*
		     * A timer counts from the time it is set, also when the
		     * loop is late.
		     */
		    EVENT_BASE_FLAG_NO_CACHE_TIME) == 0)
		base = event_base_new_with_config(config);
	if (config != NULL)
		event_config_free(config);
	if (base == NULL)
		log_errorx("cannot set up an event loop");
	return base;
}
