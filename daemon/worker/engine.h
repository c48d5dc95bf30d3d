/*
 * engine.h: what all connections of a worker share: the event base, the clock,
 * the receive buffer and the timers.  A worker has one thread and one engine.
 */

#ifndef SLUICE_ENGINE_H
#define SLUICE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct shm;
struct timers;

struct engine {
	struct event_base *base;
	struct timers *timers;
	struct shm *shm; /* borrowed */
	uint64_t now_ms; /* 0: not read yet in this pass */
	unsigned char *recv_buffer;
	size_t recv_size;
	bool log_access;
	bool after_pass_due; /* there is work for the end of the pass */
	bool closing; /* the worker ends: no connection is made any more */
};

extern struct engine engine;

#define RECV_BUFFER_MIN (256u << 10) /* bytes, shared by all connections */

/* Returns 0, or -1 with errno; engine_done() cleans up either way. */
int engine_init(struct shm *shm);
void engine_done(void);

/* Make recv_buffer hold at least `size` bytes.  Returns 0, or -1: ENOMEM. */
int engine_reserve_recv(size_t size);

/* Monotonic milliseconds, read once per pass. */
uint64_t engine_read_clock(void);
static inline uint64_t
engine_now(void)
{
	return engine.now_ms != 0 ? engine.now_ms : engine_read_clock();
}

/*
 * One pass: deliver the events that are ready, or wait for some if `wait`.
 * Then call at_end if engine.after_pass_due.  Returns 0; 1 if after_pass_due is
 * set again, so that the next pass must not wait; or -1 if the event base
 * fails.
 */
int engine_pass(bool wait, void (*at_end)(void));

/* Run passes until *stop is set.  Returns 0, or -1 if the event base fails. */
int engine_run(void (*at_end)(void), const bool *stop);

#endif
