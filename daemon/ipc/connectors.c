/* connectors.c: the states of connectors, in the rows of the shared memory. */

#include "ipc/connectors.h"

#include <stdatomic.h>
#include <string.h>

#include "ipc/shm_internal.h"

#define LOOKS_MAX 100 /* at a state that changes all the time */

const char *
connector_phase_name(unsigned int phase)
{
	static const char *const names[] = {
		[CONNECTOR_NONE] = "none",
		[CONNECTOR_WAITING] = "waiting",
		[CONNECTOR_CONNECTING] = "connecting",
		[CONNECTOR_UP] = "up",
		[CONNECTOR_STOPPED] = "stopped",
	};

	return names[phase < CONNECTOR_PHASES ? phase : CONNECTOR_NONE];
}

void
connector_show(struct shm *shm, unsigned int slot,
    const struct connector_state *state)
{
	struct connector_place *place;

	if (slot >= LISTENERS_MAX)
		return;
	place = &shm->own_row->connectors[slot];
	atomic_fetch_add(&place->changes, 1); /* odd: do not read it now */
	atomic_thread_fence(memory_order_seq_cst);
	place->tenancy = atomic_load(&shm->head->tenancy[slot]);
	place->state = *state;
	atomic_thread_fence(memory_order_seq_cst);
	atomic_fetch_add(&place->changes, 1);
}

/* A copy of which no part has changed meanwhile. */
static bool
copy(const struct connector_place *place, struct connector_place *ret)
{
	uint32_t before;

	for (int i = 0; i < LOOKS_MAX; i++) {
		before = atomic_load(&place->changes);
		atomic_thread_fence(memory_order_seq_cst);
		memcpy(ret, place, sizeof(*ret));
		atomic_thread_fence(memory_order_seq_cst);
		if (before % 2 == 0 && atomic_load(&place->changes) == before)
			return true;
	}
	return false;
}

bool
connector_see(const struct shm *shm, unsigned int worker, unsigned int slot,
    struct connector_state *ret_state)
{
	const struct shm_row *row = shm->view[worker].row;
	struct connector_place place;

	if (row == NULL || !shm_slot_given(shm, worker, slot) ||
	    !copy(&row->connectors[slot], &place) ||
	    place.tenancy != atomic_load(&shm->head->tenancy[slot]) ||
	    place.state.phase == CONNECTOR_NONE ||
	    place.state.phase >= CONNECTOR_PHASES)
		return false;
	*ret_state = place.state;
	ret_state->error[CONNECTOR_ERROR_MAX - 1] = '\0';
	return true;
}
