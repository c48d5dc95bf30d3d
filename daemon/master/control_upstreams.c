/* control_upstreams.c: what plugins connect to, as JSON. */

#include <time.h>

#include "base/clock.h"
#include "base/json_text.h"
#include "base/time_text.h"
#include "ipc/upstreams.h"
#include "master/control_conn.h"

uint64_t
control_ago(uint64_t at_ms, char since[TIME_TEXT_MAX])
{
	uint64_t now = clock_ms(), ago;
	struct timespec wall;

	clock_gettime(CLOCK_REALTIME, &wall);
	/* A worker is not trusted with times, either. */
	ago = at_ms < now ? now - at_ms : 0;
	time_text((uint64_t)wall.tv_sec * 1000 +
		(uint64_t)wall.tv_nsec / 1000000 - ago,
	    since);
	return ago;
}

static json_t *
upstream_object(const struct upstream_state *state)
{
	char since[TIME_TEXT_MAX], tried[TIME_TEXT_MAX];
	bool known = state->phase != UPSTREAM_NONE;
	uint64_t for_ms = control_ago(state->since_ms, since);
	uint64_t tried_ms = control_ago(state->tried_ms, tried);

	return json_pack("{s:o, s:s, s:b, s:o, s:o, s:s, s:o, s:o, s:o, s:o, "
			 "s:o, s:o, s:o, s:o}",
	    "name", json_text(state->name), "state",
	    upstream_phase_name(state->phase), "up",
	    state->phase == UPSTREAM_UP, "since",
	    known ? json_string(since) : json_null(), "for_s",
	    known ? control_number(for_ms / 1000) : json_null(), "tried", tried,
	    "tried_s", control_number(tried_ms / 1000), "connecting",
	    control_number(state->connecting), "connections",
	    control_number(state->connections), "attempts",
	    control_number(state->attempts), "connected",
	    control_number(state->connected), "failed",
	    control_number(state->failed), "failed_in_a_row",
	    control_number(state->in_a_row), "error",
	    state->error[0] != '\0' ? json_text(state->error) : json_null());
}

json_t *
control_upstreams(const struct upstream_list *list, uint32_t slot)
{
	json_t *array = json_array();
	const struct upstream_state *one;
	int32_t at;

	for (one = upstreams_first(list, slot, &at); one != NULL;
	     one = upstreams_next(list, &at))
		json_array_append_new(array, upstream_object(one));
	return array;
}
