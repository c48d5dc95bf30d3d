/*
 * conn_end.c: the end of a connection: find the final reason, tell the plugin
 * and the log, and release everything.
 */

#include "worker/conn.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/why.h"
#include "config/settings.h"
#include "ipc/counts.h"
#include "worker/callback.h"
#include "worker/engine.h"
#include "worker/listener.h"
#include "worker/service.h"

/* Lines per second and listener, while log.access is off. */
#define UNWANTED_PER_S 5

/* A connection of sl_connect() that was not made. */
static bool
was_not_made(const struct sl_conn *conn)
{
	return conn->is_client && !conn->opened &&
	    conn->ending.stage != SL_STAGE_NONE;
}

/*
 * Why TLS, the header of a proxy or connecting failed.  Whoever runs the daemon
 * hears of clients or servers that cannot be reached, and has to find out whose
 * mistake it is.  NULL: none of these failed.
 */
static const char *
stream_reason(const struct sl_conn *conn)
{
	const struct ending *ending = &conn->ending;
	const char *text = stream_fault_text(&conn->stream, ending->why);

	if (ending->why != SL_WHY_HANDSHAKE && ending->why != SL_WHY_TLS &&
	    ending->why != SL_WHY_PROXY && !was_not_made(conn))
		return NULL;
	/* "Connection timed out" would be the network's, and not a limit of ours. */
	if (text == NULL && ending->stage == SL_STAGE_TIMEOUT &&
	    ending->why == SL_WHY_HANDSHAKE)
		return "it was not complete within the handshake timeout";
	if (text == NULL && ending->stage == SL_STAGE_TIMEOUT &&
	    ending->why == SL_WHY_PROXY)
		return "it was not complete within proxy_protocol.timeout";
	if (text == NULL && ending->sys_errno != 0)
		text = error_text(ending->sys_errno);
	return text;
}

/* How far it had come, and the errno.  Returns how many fields that is. */
static int
stage_fields(const struct ending *ending, struct log_field fields[2])
{
	const char *name = strerrorname_np(ending->sys_errno);

	fields[0] = (struct log_field){ "stage", why_stage_word(ending->stage),
		0, false };
	if (ending->sys_errno == 0)
		return 1;
	fields[1] = (struct log_field){ "errno", name,
		(uint64_t)ending->sys_errno, false };
	return 2;
}

/* Is this one of its sample?  The first end is. */
static bool
is_sampled(struct endpoint *endpoint)
{
	uint64_t sample = (uint64_t)endpoint->access->sample;

	return endpoint->ends++ % sample == 0;
}

/*
 * Does the log have a line of this end?  If nobody asked for the end, also when
 * it is not in a sample, or the access log is off, since the reason is a limit
 * of ours or a fault; but then peers must not fill the log with it.
 */
static bool
is_logged(const struct sl_conn *conn, uint32_t *ret_skipped)
{
	*ret_skipped = 0;
	if (conn->quiet)
		return false;
	if (endpoint_logs_access(conn->endpoint) &&
	    (!why_is_wanted(conn->ending.why) || is_sampled(conn->endpoint)))
		return true;
	return !why_is_wanted(conn->ending.why) &&
	    log_limit(&conn->endpoint->unwanted, UNWANTED_PER_S, ret_skipped);
}

/*
 * `after`: the first reason, which differs if output was left undelivered.
 * `skipped`: how many lines were left out before this one.
 */
static void
log_access(const struct sl_conn *conn, uint32_t after, uint32_t skipped)
{
	struct log_field fields[CONN_LOG_FIELDS_MAX] = {
		{ "why", why_word(conn->ending.why), 0, false },
		{ "in", NULL, conn->bytes_in, false },
		{ "out", NULL, conn->bytes_out, false },
		{ "ms", NULL, engine_now() - conn->opened_ms, false },
		{ "gen", NULL, conn->service->generation, false },
	};
	const char *reason = stream_reason(conn);
	int n = 5;

	if (conn_undelivered(conn) > 0)
		fields[n++] = (struct log_field){ "undelivered", NULL,
			conn_undelivered(conn), false };
	if (after != conn->ending.why)
		fields[n++] =
		    (struct log_field){ "after", why_word(after), 0, false };
	if (was_not_made(conn))
		n += stage_fields(&conn->ending, fields + n);
	if (reason != NULL)
		fields[n++] = (struct log_field){ "reason", reason, 0, false };
	if (skipped > 0)
		fields[n++] =
		    (struct log_field){ "skipped", NULL, skipped, false };
	conn_log_fields(conn, LOG_LEVEL_INFO, " closed", fields,
	    (unsigned int)n);
}

static void
count_end(const struct sl_conn *conn)
{
	count_add(conn->endpoint->counts, COUNT_CLOSED + conn->ending.why, 1);
	if (conn->fault.why != SL_WHY_NONE || conn->ending.why == SL_WHY_PLUGIN)
		count_add(conn->endpoint->counts, COUNT_FAILED, 1);
}

void
conn_end(struct sl_conn *conn)
{
	struct keeper *keeper = conn_keeper(conn);
	uint32_t first = conn_judge_end(conn), skipped;

	conn_forget_events(conn);
	timers_detach(engine.timers, &conn->timer);
	conn_pace_end(conn);
	plugin_timers_clear(&conn->timers);
	conn_set_hold(conn, false);
	conn->dead = true;
	if (conn->piped)
		conn_pipe_cut(conn);
	conn_tell_failure(conn);
	if (conn->opened) {
		if (conn->fault.why != SL_WHY_NONE && !conn->told)
			callback_error(conn, &conn->fault);
		callback_close(conn, &conn->ending);
	}
	count_end(conn);
	if (keeper != NULL)
		keeper->on_end(keeper, conn);
	if (is_logged(conn, &skipped))
		log_access(conn, first, skipped);
	conn->stream.transport->close(&conn->stream, conn->reset);
	queue_clear(&conn->queue);
	input_drop(&conn->input);
	conn_delist(conn);
	seat_release(&conn->seat);
	if (!conn->pending)
		STAILQ_INSERT_TAIL(&conns_dead, conn, next);
	engine.after_pass_due = true;
}

void
conn_free(struct sl_conn *conn)
{
	struct listener *listener = conn->service->listener;

	if (--listener->conn_count == 0 && listener->gone)
		listener_set_due(listener);
	service_unref(conn->service);
	conn_extra_free(conn);
	free(conn);
}
