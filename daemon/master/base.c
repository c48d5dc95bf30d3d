/*
 * base.c: libevent, set up so that no environment variable changes it and its
 * complaints are log lines.
 */

#include <event2/event.h>
#include <stdlib.h>

#include "base/log.h"
#include "master/master.h"

static void
on_libevent_log(int severity, const char *text)
{
	if (severity == EVENT_LOG_ERR)
		log_errorx("libevent: %s", text);
	else if (severity == EVENT_LOG_WARN)
		log_warnx("libevent: %s", text);
	else
		log_debug("libevent: %s", text);
}

static void
on_libevent_fatal(int status)
{
	log_errorx("libevent cannot go on (%d)", status);
	abort();
}

struct event_base *
master_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	event_set_log_callback(on_libevent_log);
	event_set_fatal_callback(on_libevent_fatal);
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
