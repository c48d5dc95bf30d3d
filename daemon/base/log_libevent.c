/* log_libevent.c: what libevent complains of becomes lines of our log. */

#include "base/log_libevent.h"

#include <event2/event.h>
#include <stdlib.h>

#include "base/log.h"

#define LAST_LINES_MS 1000

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
	log_settle(LAST_LINES_MS); /* abort() does not wait for them */
	abort();
}

void
log_libevent(void)
{
	event_set_log_callback(on_libevent_log);
	event_set_fatal_callback(on_libevent_fatal);
}
