/*
 * conn_start.c: a connection from its creation to `open`.  A stream may have to
 * look up its peer, connect, read a preamble and do a TLS handshake before any
 * byte of the plugin can move.  Until then the plugin gets no input, and what
 * it writes waits in the queue.
 */

#include "worker/conn.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/log.h"
#include "config/settings.h"
#include "worker/callback.h"
#include "worker/endpoint.h"
#include "worker/engine.h"
#include "worker/listener.h"
#include "worker/proxy.h"
#include "worker/tls.h"

/* The name of each phase, and the reason and stage if it fails. */
static const struct {
	const char *name;
	enum sl_why why;
	enum sl_stage stage;
} phases[] = {
	[PHASE_NEW] = { "new", SL_WHY_RESET, SL_STAGE_NONE },
	[PHASE_RESOLVE] = { "resolve", SL_WHY_RESOLVE, SL_STAGE_RESOLVE },
	[PHASE_CONNECT] = { "connect", SL_WHY_CONNECT, SL_STAGE_CONNECT },
	[PHASE_PREAMBLE] = { "preamble", SL_WHY_PROXY, SL_STAGE_READ },
	[PHASE_HANDSHAKE] = { "handshake", SL_WHY_HANDSHAKE, SL_STAGE_TLS },
	[PHASE_OPEN] = { "open", SL_WHY_RESET, SL_STAGE_NONE },
};

/* The time so long after `from`; UINT64_MAX: never, also for 0 ms. */
static uint64_t
later(uint64_t from, uint64_t ms)
{
	return ms == 0 || ms > UINT64_MAX - from ? UINT64_MAX : from + ms;
}

/* The one way to change the phase.  The time of the new one counts from now. */
static void
set_phase(struct sl_conn *conn, enum phase to)
{

	assert(to > conn->phase);
	if (log_enabled(LOG_LEVEL_DEBUG))
		conn_log(conn, LOG_LEVEL_DEBUG, " phase: %s -> %s",
		    phases[conn->phase].name, phases[to].name);
	if (conn->phase == PHASE_NEW && conn->extra != NULL)
		conn->extra->connect_by_ms =
		    later(engine_now(), conn->extra->connect_ms);
	conn->phase = to;
	conn->active_ms = engine_now();
}

/*
 * How long the current phase may take; 0: for ever.  Looking up the peer and
 * connecting to it have one time together.
 */
static uint64_t
phase_ms(const struct sl_conn *conn)
{
	switch (conn->phase) {
	case PHASE_PREAMBLE:
		return conn->endpoint->proxy->timeout_ms;
	case PHASE_HANDSHAKE:
		return conn->endpoint->timeouts->handshake_ms;
	default:
		return 0;
	}
}

uint64_t
conn_phase_deadline(const struct sl_conn *conn)
{
	bool connects =
	    conn->phase == PHASE_RESOLVE || conn->phase == PHASE_CONNECT;

	if (connects && conn->extra != NULL && conn->extra->connect_ms != 0)
		return conn->extra->connect_by_ms;
	return later(conn->active_ms, phase_ms(conn));
}

/*
 * A step of a handshake may take a millisecond.  So a pass makes only so many,
 * between which open connections are served; those that have to wait for one
 * wait in order, and no event is armed for them.
 */
#define SHAKES_MAX 8

static struct conn_queue shaking = STAILQ_HEAD_INITIALIZER(shaking);
static unsigned int shakes_left = SHAKES_MAX;

static void
queue_shake(struct sl_conn *conn)
{
	if (conn->pending)
		return; /* settling comes back here */
	conn->pending = conn->queued = true;
	STAILQ_INSERT_TAIL(&shaking, conn, next);
	engine.after_pass_due = true;
}

/* Is it this connection's turn? */
static bool
may_shake(struct sl_conn *conn)
{
	if (conn->stream.phase != PHASE_HANDSHAKE)
		return true;
	if (shakes_left > 0 && STAILQ_EMPTY(&shaking)) {
		shakes_left--;
		return true;
	}
	queue_shake(conn);
	return false;
}

void
conn_start_queued(void (*settle)(struct sl_conn *conn))
{
	struct conn_queue due = STAILQ_HEAD_INITIALIZER(due);
	struct sl_conn *conn;

	shakes_left = SHAKES_MAX;
	STAILQ_CONCAT(&due, &shaking);
	while (shakes_left > 0 && (conn = STAILQ_FIRST(&due)) != NULL) {
		STAILQ_REMOVE_HEAD(&due, next);
		conn->pending = conn->queued = false;
		settle(conn);
	}
	/* The rest goes on waiting, before those that have just come. */
	STAILQ_CONCAT(&due, &shaking);
	STAILQ_CONCAT(&shaking, &due);
	if (!STAILQ_EMPTY(&shaking))
		engine.after_pass_due = true;
}

bool
conn_start_is_queued(void)
{
	return !STAILQ_EMPTY(&shaking);
}

/* start() has failed for good. */
static void
failed(struct sl_conn *conn, int error)
{
	const struct stream_fault *fault = stream_fault(&conn->stream);

	if (fault != NULL)
		conn_fail(conn, fault->why, fault->sys_errno, fault->stage);
	else
		conn_fail(conn, phases[conn->phase].why, error,
		    phases[conn->phase].stage);
}

/* start() has to be called again, unless the phase has run out of time. */
static void
not_yet(struct sl_conn *conn, int error)
{
	if (conn_phase_deadline(conn) <= engine_now()) {
		conn_fail(conn, phases[conn->phase].why, ETIMEDOUT,
		    SL_STAGE_TIMEOUT);
	} else if (error != EAGAIN) {
		conn->marks |= MARK_INPUT_STARVED;
		if (error != EBUSY)
			conn_tell_starved(conn, error);
	}
}

/* An outgoing connection has its addresses only now, or its own at least. */
static void
know_addresses(struct sl_conn *conn)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);

	conn_names_free(conn);
	if (conn->stream.is_unix || conn->peer.sa.sa_family != AF_UNIX ||
	    getpeername(conn->stream.fd, (struct sockaddr *)&peer, &len) == -1)
		return;
	conn_set_peer(conn, (struct sockaddr *)&peer, len);
}

/* As a client, with what was wished for.  False: no memory; it ends. */
static bool
begin_tls(struct sl_conn *conn)
{
	struct tls_client *client =
	    listener_tls_client(conn->service->listener);

	if (client == NULL ||
	    !tls_connect(&conn->stream, client, conn->extra->wish,
		conn->endpoint->counts)) {
		conn_fail(conn, SL_WHY_MEMORY, ENOMEM, SL_STAGE_TLS);
		return false;
	}
	conn->extra->wish = NULL;
	return true;
}

/* We have connected.  False: it ends. */
static bool
connected(struct sl_conn *conn)
{
	know_addresses(conn);
	return conn->extra == NULL || conn->extra->wish == NULL ||
	    begin_tls(conn);
}

static void
become_open(struct sl_conn *conn)
{
	conn->marks &= ~MARK_UPGRADE; /* `handshake` may write */
	if (conn->phase == PHASE_HANDSHAKE)
		callback_handshake(conn, NULL);
	set_phase(conn, PHASE_OPEN);
	conn->marks &= ~MARK_STARTING;
	/* What came right behind the handshake causes no event. */
	if (conn->stream.more)
		conn->marks |= MARK_READ_ON;
	if (conn_closing(conn) || conn->opened)
		return; /* closed by `handshake`, or it was open before */
	if (callback_open(conn) < 0) {
		conn_close(conn, SL_WHY_PLUGIN);
		return;
	}
	conn->opened = true;
	if (conn_keeper(conn) != NULL)
		conn_keeper(conn)->on_open(conn_keeper(conn), conn);
}

/* Work on the current phase.  Returns true when it is over. */
static bool
go_on(struct sl_conn *conn)
{
	bool first = conn->phase == PHASE_NEW;

	if (conn->phase != conn->stream.phase)
		set_phase(conn, conn->stream.phase);
	if (first && conn->stream.recv_needs != 0)
		return false; /* it begins with input */
	/* Even if it is late: its hello may be there, and it waits for us. */
	if (!may_shake(conn))
		return false;
	tls_follow(&conn->stream, conn->service->listener->tls,
	    conn->service->listener->tls_client);
	while (conn->stream.transport->start(&conn->stream) == -1) {
		switch (errno) {
		case EINTR:
			continue;
		case EAGAIN:
		case ENOBUFS:
		case ENOMEM:
		case EBUSY:
			not_yet(conn, errno);
			return false;
		default:
			failed(conn, errno);
			return false;
		}
	}
	if (conn->phase == PHASE_CONNECT)
		return connected(conn);
	return !proxy_is(&conn->stream) || conn_take_header(conn);
}

void
conn_start(struct sl_conn *conn)
{
	/* A connection that was closed or broke before it opened ends now. */
	if (conn_closing(conn) || conn_marked(conn, MARK_SALVAGE)) {
		conn_fail(conn, conn->ending.why, conn->ending.sys_errno,
		    conn->ending.stage);
		return;
	}
	/* `start` has made it.  COMMIT settles it, and ABORT ends it. */
	if (!service_is_committed(conn->service))
		return;
	while (conn->stream.phase != PHASE_OPEN)
		if (!go_on(conn))
			return;
	become_open(conn);
}

/* In the role that the plugin has chosen.  False: it ends. */
static bool
upgrade_stream(struct sl_conn *conn)
{
	struct tls_server *server = conn->service->listener->tls;

	if (conn->extra != NULL && conn->extra->wish != NULL)
		return begin_tls(conn);
	if (server == NULL)
		/* A reload has taken TLS away meanwhile. */
		conn_fail(conn, SL_WHY_RELOAD, 0, SL_STAGE_NONE);
	else if (tls_upgrade(&conn->stream, server, conn->endpoint->counts))
		return true;
	else
		conn_fail(conn, SL_WHY_MEMORY, ENOMEM, SL_STAGE_TLS);
	return false;
}

void
conn_upgrade(struct sl_conn *conn)
{

	if (conn->in != HALF_OPEN || conn->out != HALF_OPEN ||
	    conn_marked(conn, MARK_EOF)) {
		/* No TLS is possible, and what follows must not be plain. */
		conn->marks &= ~MARK_UPGRADE;
		conn_close(conn, SL_WHY_LOCAL);
	} else if (input_bytes(conn->input) > 0) {
		conn_log(conn, LOG_LEVEL_WARN,
		    ": there is plain text behind the command that starts TLS; "
		    "closing");
		conn_fail(conn, SL_WHY_TLS, EPROTO, SL_STAGE_TLS);
	} else if (conn_unsent(conn) == 0 && upgrade_stream(conn)) {
		/* It is still MARK_UPGRADE: nothing is taken until it is open. */
		conn->marks &= ~MARK_READ_ON;
		conn->marks |= MARK_STARTING;
		conn->phase = PHASE_NEW;
	}
}

void
conn_tell_failure(struct sl_conn *conn)
{
	if (conn->phase == PHASE_OPEN)
		return;
	if (conn->is_client && !conn->opened) {
		/* The plugin waits for this, unless it was the one to end it. */
		if (conn->ending.why != SL_WHY_LOCAL &&
		    service_is_committed(conn->service))
			callback_connect_error(conn, &conn->ending);
	} else if (conn->phase == PHASE_HANDSHAKE &&
	    conn->fault.why != SL_WHY_NONE)
		/* No other end before `open` is reported. */
		callback_handshake(conn, &conn->fault);
}
