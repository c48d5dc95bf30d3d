/*
 * conn_follow.c: how connections move to new code.  COMMIT changes one pointer
 * per listener.  Each connection walks along the chain of versions before its
 * next event, and a sweep moves the quiet ones.
 */

#include "worker/conn.h"

#include "base/log.h"
#include "worker/callback.h"
#include "worker/listener.h"
#include "worker/plugin.h"
#include "worker/service.h"

/* Does the connection need `migrate` to move to this version? */
static bool
needs_migrate(const struct sl_conn *conn, const struct sl_service *to)
{
	return to->carry == CARRY_MIGRATE && conn->opened;
}

static int
migrate(struct sl_conn *conn, struct sl_service *to)
{
	struct sl_service *from = conn->service;
	int rc;

	/* `migrate` sees the new service, and nothing moves it on meanwhile. */
	conn->service = to;
	conn->stays = true;
	rc = callback_migrate(conn, to, from->plugin->descriptor.state_version);
	conn->service = from;
	if (rc >= 0) {
		conn->stays = false;
		to->migrated++;
		return 0;
	}
	to->refused++;
	if (from->stayed++ == 0)
		LIST_INSERT_HEAD(&from->listener->stayed_on, from, stayed_link);
	conn_log(conn, LOG_LEVEL_WARN,
	    ": migrate refused it; it stays on generation %u",
	    conn->service->generation);
	return -1;
}

static void
follow(struct sl_conn *conn, bool may_call)
{
	struct sl_service *from, *to;

	while ((to = conn->service->successor) != NULL && !conn->stays) {
		if (to->carry == CARRY_CLOSE) {
			conn_close(conn, SL_WHY_RELOAD);
			return;
		}
		if (needs_migrate(conn, to) &&
		    (!may_call || migrate(conn, to) == -1))
			return;
		from = conn->service;
		service_ref(to);
		conn->service = to;
		service_count_conn(to, 1);
		service_count_conn(from, -1);
		service_unref(from);
	}
}

void
conn_follow_slowly(struct sl_conn *conn)
{
	if (!conn->dead)
		follow(conn, true);
}

void
conn_follow_quietly(struct sl_conn *conn)
{
	if (conn->service->successor != NULL && !conn->dead)
		follow(conn, false);
}
