/*
 * pacer.c: the rate of a listener.  Whoever finds no room waits in line, and
 * one timer for all of them gives the first ones a share each when there is
 * room again.  So many that wait cost no more than those whose turn it is.
 */

#include "worker/pacer.h"

#include <stdatomic.h>

#include "base/container_of.h"
#include "base/jitter.h"
#include "ipc/counts.h"
#include "ipc/shm.h"
#include "worker/endpoint.h"
#include "worker/engine.h"

/* What a connection gets at least when it is its turn: a packet. */
#define SHARE_MIN 1460u
#define TURNS_MAX 256 /* at once, so that other events are served too */

/*
 * Workers that wait look again at different moments: the first that finds room
 * takes it, and each has the same chance to be the first.
 */
#define WAIT_JITTER 500 /* thousandths */

static uint64_t
rate_of(const struct pacer *pacer)
{
	return pacer->endpoint->limits->listener_rate[pacer->direction];
}

/* Show the others how full our bucket is; 0: we have none. */
static void
show(const struct pacer *pacer, uint64_t until_us)
{
	atomic_store_explicit(
	    &pacer->endpoint->counts->pace_until_us[pacer->direction], until_us,
	    memory_order_release);
}

/*
 * Bring the bucket up to date, once in a millisecond.  What the others have
 * moved goes in, and it is never less full than theirs: a difference would stay,
 * and those whose bucket is fuller would never find room.  Their levels are read
 * before their counts, so that nothing is in both and counted twice.
 */
static void
look(struct pacer *pacer)
{
	const struct endpoint *endpoint = pacer->endpoint;
	uint64_t rate = rate_of(pacer), now = engine_now(), moved, until_us;

	if (pacer->begun && pacer->bucket.at_ms == now)
		return;
	until_us =
	    shm_pace_until_us(engine.shm, endpoint->slot, pacer->direction);
	bucket_leak(&pacer->bucket, rate, now);
	moved = shm_paced(engine.shm, endpoint->slot, pacer->direction);
	/* It is less than before when a worker has died. */
	if (pacer->begun && moved > pacer->seen)
		bucket_add(&pacer->bucket, rate, moved - pacer->seen);
	bucket_fill_until_us(&pacer->bucket, rate, until_us);
	pacer->seen = moved;
	pacer->begun = true;
	show(pacer, bucket_until_us(&pacer->bucket, rate));
}

static void
await_room(struct pacer *pacer)
{
	uint64_t rate = rate_of(pacer);
	uint64_t ms = rate == 0 ? 1 : bucket_wait_ms(&pacer->bucket, rate);

	if (pacer->timer.index == 0)
		timers_set(engine.timers, &pacer->timer,
		    engine_now() + jittered(ms, WAIT_JITTER));
}

void
pacer_leave(struct pacer *pacer, struct pace_place *place)
{
	if (!place->waits)
		return;
	place->waits = false;
	pacer->waiting--;
	TAILQ_REMOVE(&pacer->line, place, link);
}

static void
give_turn(struct pacer *pacer, uint64_t share)
{
	struct pace_place *place = TAILQ_FIRST(&pacer->line);

	pacer_leave(pacer, place);
	place->share = share;
	place->round = pacer->round;
	pacer->kept += share;
	place->on_turn(place);
}

/*
 * Divide the room there is among those in line.  What somebody was kept before
 * and did not use is there for all again.
 */
static void
give_turns(struct pacer *pacer)
{
	uint64_t room = bucket_room(&pacer->bucket, rate_of(pacer)), share;

	pacer->round++;
	pacer->kept = 0;
	share = room / pacer->waiting;
	if (share < SHARE_MIN)
		share = SHARE_MIN;
	if (share > room)
		share = room;
	for (int i = 0; i < TURNS_MAX && pacer->waiting > 0; i++) {
		if (share == 0 || share > room)
			return; /* a smaller one would be unfair */
		room -= share;
		give_turn(pacer, share);
	}
}

/* There is no rate any more: let them go. */
static void
dismiss(struct pacer *pacer)
{
	for (int i = 0; i < TURNS_MAX && pacer->waiting > 0; i++)
		give_turn(pacer, 0);
}

static void
on_timer(struct timer *timer)
{
	struct pacer *pacer = container_of(timer, struct pacer, timer);

	if (pacer->waiting == 0)
		return;
	if (rate_of(pacer) == 0) {
		dismiss(pacer);
	} else {
		look(pacer);
		give_turns(pacer);
	}
	if (pacer->waiting > 0)
		await_room(pacer);
}

int
pacer_init(struct pacer *pacer, const struct endpoint *endpoint,
    enum pace direction)
{
	pacer->endpoint = endpoint;
	pacer->direction = direction;
	TAILQ_INIT(&pacer->line);
	return timers_attach(engine.timers, &pacer->timer, on_timer);
}

void
pacer_configure(struct pacer *pacer)
{
	const struct limit_settings *limits = pacer->endpoint->limits;

	pacer->on = limits->rate[pacer->direction] != 0 ||
	    limits->listener_rate[pacer->direction] != 0;
	if (pacer->waiting > 0) /* perhaps for too long now */
		timers_set(engine.timers, &pacer->timer, engine_now());
	if (limits->listener_rate[pacer->direction] != 0)
		return;
	pacer->begun = false; /* what moves now counts for no later rate */
	pacer->bucket = (struct bucket){ 0 };
	show(pacer, 0);
}

void
pacer_done(struct pacer *pacer)
{
	timers_detach(engine.timers, &pacer->timer);
}

static void
stand_in_line(struct pacer *pacer, struct pace_place *place)
{
	place->waits = true;
	pacer->waiting++;
	TAILQ_INSERT_TAIL(&pacer->line, place, link);
	await_room(pacer);
}

/* What was kept for it and is not used yet. */
static uint64_t
share_of(const struct pacer *pacer, const struct pace_place *place)
{
	return place->round == pacer->round ? place->share : 0;
}

size_t
pacer_room(struct pacer *pacer, struct pace_place *place, size_t most)
{
	uint64_t rate = rate_of(pacer), share = share_of(pacer, place), room;

	if (rate == 0)
		return most;
	look(pacer);
	room = bucket_room(&pacer->bucket, rate);
	if (share > 0)
		room = share < room ? share : room;
	else if (pacer->waiting > 0 || room <= pacer->kept)
		room = 0; /* it is for those who were here before */
	else
		room -= pacer->kept;
	if (room == 0)
		stand_in_line(pacer, place);
	return most < room ? most : room;
}

void
pacer_add(struct pacer *pacer, struct pace_place *place, size_t bytes)
{
	uint64_t rate = rate_of(pacer), share = share_of(pacer, place), used;

	used = bytes < share ? bytes : share;
	place->share -= used;
	pacer->kept -= used;
	count_paced(pacer->endpoint->counts, pacer->direction, bytes);
	pacer->seen += bytes;
	if (rate == 0)
		return;
	bucket_add(&pacer->bucket, rate, bytes);
	show(pacer, bucket_until_us(&pacer->bucket, rate));
}
