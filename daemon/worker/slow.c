/* slow.c: tells which callback was slow, and for whom it ran. */

#include "worker/slow.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "base/log_limit.h"
#include "ipc/board.h"
#include "worker/callback.h"
#include "worker/conn.h"
#include "worker/listener.h"
#include "worker/plugin.h"
#include "worker/service.h"
#include "worker/uplink.h"

/*
 * With the usual limit there cannot be more than 10 in a second, and after a
 * few an operator knows.
 */
#define LINES_PER_S 3 /* for each listener */

void
slow_tell(const struct callback_context *context, uint64_t ms)
{
	struct endpoint *endpoint = &context->service->listener->endpoint;
	const char *plugin = context->plugin->descriptor.name;
	char text[512], skipped[64] = "", label[CONN_LABEL_MAX];
	char whole[sizeof(text) + CONN_LABEL_MAX];
	uint32_t n;

	if (!log_limit(&endpoint->slow, LINES_PER_S, &n))
		return;
	if (n > 0)
		snprintf(skipped, sizeof(skipped),
		    "; %u more were slow since the last such line", n);
	snprintf(text, sizeof(text),
	    "callback %s of plugin %s took %" PRIu64
	    " ms; all other connections of this worker waited%s",
	    callback_name(context->callback), plugin, ms, skipped);
	if (context->conn != NULL)
		conn_log(context->conn, LOG_LEVEL_WARN, ": %s", text);
	else
		endpoint_log(endpoint, LOG_LEVEL_WARN, "%s", text);
	snprintf(whole, sizeof(whole), "%s: %s",
	    context->conn != NULL ? conn_label(context->conn, label)
				  : endpoint->name,
	    text);
	uplink_slow(context->callback, ms, endpoint->name, plugin, whole);
}

void
slow_tell_of(const char *what, uint64_t ms)
{
	if (ms > 0)
		log_warnx("%s took %" PRIu64
			  " ms; all connections of this worker waited",
		    what, ms);
}
