/* upstreams.c: one struct for each peer of each listener, by its name. */

#include "worker/upstreams.h"

#include <stdio.h>
#include <string.h>

#include "base/container_of.h"
#include "config/address.h"
#include "ipc/upstreams.h"
#include "worker/conn.h"
#include "worker/endpoint.h"
#include "worker/engine.h"
#include "worker/service.h"

/*
 * When all places are taken, one that was not tried for so long is used for
 * another.  So a plugin that connects to anything makes few new names.
 */
#define REUSE_MS (10 * 60 * 1000)

struct upstream {
	struct keeper keeper;
	struct upstream_state state;
	uint64_t key;
};

static struct upstream upstreams[UPSTREAMS_MAX];
static unsigned int count;

static unsigned int
place_of(const struct upstream *upstream)
{
	return (unsigned int)(upstream - upstreams);
}

static bool
is_void(const struct upstream *upstream)
{
	return upstream_is_void(engine.shm, place_of(upstream));
}

static void
show(const struct upstream *upstream)
{
	upstream_show(engine.shm, place_of(upstream), &upstream->state);
}

static struct upstream *
find(uint32_t slot, const char *name, uint64_t key)
{
	struct upstream *one;

	for (one = upstreams; one < upstreams + count; one++)
		if (one->key == key && one->state.slot == slot &&
		    strcmp(one->state.name, name) == 0 && !is_void(one))
			return one;
	return NULL;
}

/* May its place be used for another one? */
static bool
is_free(const struct upstream *one)
{
	if (one->state.connecting + one->state.connections > 0)
		return false;
	return is_void(one) || engine_now() > one->state.tried_ms + REUSE_MS;
}

/* NULL: all are in use. */
static struct upstream *
free_place(void)
{
	struct upstream *one, *oldest = NULL;

	if (count < UPSTREAMS_MAX)
		return &upstreams[count++];
	for (one = upstreams; one < upstreams + count; one++)
		if (is_free(one) &&
		    (oldest == NULL ||
			one->state.tried_ms < oldest->state.tried_ms))
			oldest = one;
	return oldest;
}

static void
set_phase(struct upstream *upstream, enum upstream_phase phase)
{
	struct upstream_state *state = &upstream->state;

	state->tried_ms = engine_now();
	if (state->phase == phase)
		return;
	state->phase = phase;
	state->since_ms = engine_now();
}

/*
 * It has ended after its listener was gone: what is shown there may be another
 * one's by now.
 */
static void
show_change(const struct upstream *upstream)
{
	if (!is_void(upstream))
		show(upstream);
}

static void
on_open(struct keeper *keeper, struct sl_conn *conn)
{
	struct upstream *upstream =
	    container_of(keeper, struct upstream, keeper);

	(void)conn;
	upstream->state.connecting--;
	upstream->state.connections++;
	upstream->state.connected++;
	upstream->state.in_a_row = 0;
	set_phase(upstream, UPSTREAM_UP);
	show_change(upstream);
}

static void
note_failure(struct upstream *upstream, const struct sl_conn *conn)
{
	char text[ERROR_TEXT_MAX];

	upstream->state.failed++;
	upstream->state.in_a_row++;
	snprintf(upstream->state.error, sizeof(upstream->state.error), "%.*s",
	    UPSTREAM_ERROR_MAX - 1,
	    conn_reason_text(conn, &conn->ending, text));
	set_phase(upstream, UPSTREAM_DOWN);
}

static void
on_end(struct keeper *keeper, const struct sl_conn *conn)
{
	struct upstream *upstream =
	    container_of(keeper, struct upstream, keeper);

	if (conn->opened)
		upstream->state.connections--;
	else
		upstream->state.connecting--;
	/* Otherwise its plugin has called it off. */
	if (!conn->opened && conn->ending.stage != SL_STAGE_NONE)
		note_failure(upstream, conn);
	show_change(upstream);
}

/* NULL: there is no place. */
static struct upstream *
get(uint32_t slot, const char *name)
{
	uint64_t key = upstream_key(slot, name);
	struct upstream *upstream = find(slot, name, key);

	if (upstream != NULL)
		return upstream;
	upstream = free_place();
	if (upstream == NULL)
		return NULL;
	*upstream = (struct upstream){
		.keeper = { .on_open = on_open, .on_end = on_end },
		.key = key,
		.state.slot = slot,
	};
	strcpy(upstream->state.name, name);
	return upstream;
}

void
upstreams_note(struct sl_conn *conn)
{
	char name[UPSTREAM_NAME_MAX], text[ADDRESS_TEXT_MAX];
	struct upstream *upstream;
	struct upstream_state *state;

	if (conn_extra(conn) == NULL)
		return;
	snprintf(name, sizeof(name), "%s",
	    conn->extra->target != NULL
		? conn->extra->target
		: sockaddr_text(&conn->peer.sa, conn_peer_len(conn), text));
	upstream = get(conn->endpoint->slot, name);
	if (upstream == NULL)
		return;
	state = &upstream->state;
	state->attempts++;
	state->connecting++;
	state->tried_ms = engine_now();
	if (conn->service->generation > state->generation)
		state->generation = conn->service->generation;
	show(upstream);
	conn->extra->keeper = &upstream->keeper;
}

void
upstreams_done(void)
{
	memset(upstreams, 0, count * sizeof(upstreams[0]));
	count = 0;
}
