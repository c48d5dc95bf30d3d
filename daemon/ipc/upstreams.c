/*
 * upstreams.c: places of upstreams in the rows of the shared memory, and adding
 * them up.  A worker uses its places from the first one on, so that those that
 * were never used are not read: that would allocate their memory.
 */

#include "ipc/upstreams.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "ipc/shm_internal.h"

#define LOOKS_MAX 100 /* at a place that changes all the time */
/*
 * Code or options that are new may have other upstreams.  What was tried last
 * by those before is shown for so long.
 */
#define OLD_SHOWN_MS (5 * 60 * 1000)

const char *
upstream_phase_name(unsigned int phase)
{
	static const char *const names[] = {
		[UPSTREAM_NONE] = "new",
		[UPSTREAM_UP] = "up",
		[UPSTREAM_DOWN] = "down",
	};

	return names[phase < UPSTREAM_PHASES ? phase : UPSTREAM_NONE];
}

void
upstream_show(struct shm *shm, unsigned int place,
    const struct upstream_state *state)
{
	struct shm_row *row = shm->own_row;
	struct upstream_place *to;

	if (place >= UPSTREAMS_MAX || state->slot >= LISTENERS_MAX)
		return;
	to = &row->upstreams[place];
	atomic_fetch_add(&to->changes, 1); /* odd: do not read it now */
	atomic_thread_fence(memory_order_seq_cst);
	to->tenancy = atomic_load(&shm->head->tenancy[state->slot]);
	to->state = *state;
	atomic_thread_fence(memory_order_seq_cst);
	atomic_fetch_add(&to->changes, 1);
	if (place >= atomic_load(&row->upstreams_end))
		atomic_store(&row->upstreams_end, place + 1);
}

static bool
is_void(const struct shm *shm, const struct upstream_place *place)
{
	return place->state.slot >= LISTENERS_MAX ||
	    place->tenancy !=
	    atomic_load(&shm->head->tenancy[place->state.slot]);
}

bool
upstream_is_void(const struct shm *shm, unsigned int place)
{
	return is_void(shm, &shm->own_row->upstreams[place]);
}

/* A copy of which no part has changed meanwhile. */
static bool
copy(const struct upstream_place *place, struct upstream_place *ret)
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

/* What a worker shows in a place, or false: nothing. */
static bool
see(const struct shm *shm, unsigned int worker, unsigned int number,
    struct upstream_state *ret_state)
{
	struct upstream_place place;

	if (!copy(&shm->view[worker].row->upstreams[number], &place) ||
	    is_void(shm, &place) ||
	    !shm_slot_given(shm, worker, place.state.slot) ||
	    place.state.phase >= UPSTREAM_PHASES)
		return false;
	*ret_state = place.state;
	ret_state->name[UPSTREAM_NAME_MAX - 1] = '\0';
	ret_state->error[UPSTREAM_ERROR_MAX - 1] = '\0';
	return ret_state->name[0] != '\0';
}

uint64_t
upstream_key(uint32_t slot, const char *name)
{
	return hash_add(hash_add(HASH_BEGIN, &slot, sizeof(slot)), name,
	    strlen(name));
}

/* NULL: there is none yet. */
static struct upstream_sum *
find(const struct upstream_list *list, const struct upstream_state *state,
    uint64_t key)
{
	struct upstream_sum *sum;

	for (size_t i = 0; i < list->count; i++) {
		sum = &list->sums[i];
		if (sum->key == key && sum->state.slot == state->slot &&
		    strcmp(sum->state.name, state->name) == 0)
			return sum;
	}
	return NULL;
}

/* An empty one.  NULL: no memory, or there are too many. */
static struct upstream_sum *
append(struct upstream_list *list, const struct upstream_state *state,
    uint64_t key)
{
	size_t room = list->room == 0 ? 16 : 2 * list->room;
	struct upstream_sum *more, *sum;

	if (list->count == UPSTREAMS_SHOWN_MAX)
		return NULL;
	if (list->count == list->room) {
		more = reallocarray(list->sums, room, sizeof(*more));
		if (more == NULL)
			return NULL;
		list->sums = more;
		list->room = room;
	}
	sum = &list->sums[list->count++];
	memset(sum, 0, sizeof(*sum));
	sum->key = key;
	sum->state.slot = state->slot;
	memcpy(sum->state.name, state->name, sizeof(sum->state.name));
	return sum;
}

static void
add_counts(struct upstream_state *to, const struct upstream_state *from)
{
	to->attempts += from->attempts;
	to->connected += from->connected;
	to->failed += from->failed;
}

/* How it is, by those who have tried last. */
static void
add_state(struct upstream_state *to, const struct upstream_state *from)
{
	to->connecting += from->connecting;
	to->connections += from->connections;
	if (from->phase != UPSTREAM_NONE &&
	    (to->phase == UPSTREAM_NONE || from->tried_ms >= to->tried_ms)) {
		to->phase = from->phase;
		to->since_ms = from->since_ms;
		to->in_a_row = from->in_a_row;
		if (from->error[0] != '\0')
			memcpy(to->error, from->error, sizeof(to->error));
	} else if (to->error[0] == '\0') {
		memcpy(to->error, from->error, sizeof(to->error));
	}
	if (from->tried_ms > to->tried_ms)
		to->tried_ms = from->tried_ms;
}

/* The newest generation of each listener that has connected, by slot. */
static void
note_generation(uint64_t *newest, const struct upstream_state *state)
{
	if (state->generation > newest[state->slot])
		newest[state->slot] = state->generation;
}

/* Does it still matter?  Another version may have other upstreams. */
static bool
is_recent(const struct upstream_state *state, uint64_t newest, uint64_t now_ms)
{
	return state->generation >= newest || state->connections > 0 ||
	    state->connecting > 0 || now_ms < state->tried_ms + OLD_SHOWN_MS;
}

/* Add one that a worker shows. */
static int
add(struct upstream_list *list, const struct upstream_state *state, bool recent)
{
	uint64_t key = upstream_key(state->slot, state->name);
	struct upstream_sum *sum = find(list, state, key);

	if (sum == NULL && list->count == UPSTREAMS_SHOWN_MAX)
		return 0;
	if (sum == NULL && (sum = append(list, state, key)) == NULL)
		return -1;
	add_counts(&sum->state, state);
	add_state(&sum->state, state);
	sum->shown |= recent;
	return 0;
}

static unsigned int
places_used(const struct shm *shm, unsigned int worker)
{
	const struct shm_row *row = shm->view[worker].row;
	uint32_t end = row != NULL ? atomic_load(&row->upstreams_end) : 0;

	return end < UPSTREAMS_MAX ? end : UPSTREAMS_MAX;
}

static int
add_worker(const struct shm *shm, unsigned int worker, uint64_t now_ms,
    uint64_t *newest, struct upstream_list *list)
{
	unsigned int used = places_used(shm, worker);
	struct upstream_state state;

	if (used == 0)
		return 0;
	memset(newest, 0, LISTENERS_MAX * sizeof(*newest));
	for (unsigned int i = 0; i < used; i++)
		if (see(shm, worker, i, &state))
			note_generation(newest, &state);
	for (unsigned int i = 0; i < used; i++)
		if (see(shm, worker, i, &state) &&
		    add(list, &state,
			is_recent(&state, newest[state.slot], now_ms)) == -1)
			return -1;
	return 0;
}

static bool
is_current(const struct shm *shm, const struct upstream_sum *sum)
{
	return sum->tenancy ==
	    atomic_load(&shm->head->tenancy[sum->state.slot]);
}

/* What dead processes have counted, where living ones go on. */
static void
add_retired(const struct shm *shm, struct upstream_list *list)
{
	const struct upstream_list *retired = &shm->retired_upstreams;
	struct upstream_sum *sum;

	for (size_t i = 0; i < list->count; i++) {
		sum = find(retired, &list->sums[i].state, list->sums[i].key);
		if (sum != NULL && is_current(shm, sum))
			add_counts(&list->sums[i].state, &sum->state);
	}
}

static void
link_slots(struct upstream_list *list)
{
	for (unsigned int i = 0; i < LISTENERS_MAX; i++)
		list->first[i] = -1;
	/* Backwards, so that the oldest is the first. */
	for (size_t i = list->count; i-- > 0;) {
		list->sums[i].next = list->first[list->sums[i].state.slot];
		list->first[list->sums[i].state.slot] = (int32_t)i;
	}
}

int
upstreams_sum(const struct shm *shm, uint64_t now_ms,
    struct upstream_list *ret_list)
{
	uint64_t *newest = calloc(LISTENERS_MAX, sizeof(*newest));
	int rc = newest != NULL ? 0 : -1;

	memset(ret_list, 0, sizeof(*ret_list));
	for (unsigned int i = 0; rc == 0 && i < shm->used; i++)
		rc = add_worker(shm, i, now_ms, newest, ret_list);
	free(newest);
	if (rc == -1)
		return -1;
	add_retired(shm, ret_list);
	ret_list->first = calloc(LISTENERS_MAX, sizeof(*ret_list->first));
	if (ret_list->first == NULL)
		return -1;
	link_slots(ret_list);
	return 0;
}

void
upstreams_free(struct upstream_list *list)
{
	free(list->sums);
	free(list->first);
	memset(list, 0, sizeof(*list));
}

const struct upstream_state *
upstreams_next(const struct upstream_list *list, int32_t *at)
{
	const struct upstream_sum *sum;

	while (*at != -1) {
		sum = &list->sums[*at];
		*at = sum->next;
		if (sum->shown)
			return &sum->state;
	}
	return NULL;
}

const struct upstream_state *
upstreams_first(const struct upstream_list *list, unsigned int slot,
    int32_t *ret_at)
{
	*ret_at = list->first != NULL && slot < LISTENERS_MAX
	    ? list->first[slot]
	    : -1;
	return upstreams_next(list, ret_at);
}

/* Those of listeners that are gone make room. */
static void
forget_void(struct shm *shm)
{
	struct upstream_list *list = &shm->retired_upstreams;
	size_t kept = 0;

	for (size_t i = 0; i < list->count; i++)
		if (is_current(shm, &list->sums[i]))
			list->sums[kept++] = list->sums[i];
	list->count = kept;
}

void
upstreams_retire(struct shm *shm, unsigned int worker)
{
	struct upstream_list *list = &shm->retired_upstreams;
	unsigned int used = places_used(shm, worker);
	struct upstream_state state;
	struct upstream_sum *sum;
	uint64_t key;

	if (used == 0)
		return;
	forget_void(shm);
	for (unsigned int i = 0; i < used; i++) {
		if (!see(shm, worker, i, &state))
			continue;
		key = upstream_key(state.slot, state.name);
		sum = find(list, &state, key);
		if (sum == NULL)
			sum = append(list, &state, key);
		if (sum == NULL)
			return; /* then the sums fall */
		add_counts(&sum->state, &state);
		sum->tenancy = atomic_load(&shm->head->tenancy[state.slot]);
	}
}
