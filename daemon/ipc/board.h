/*
 * board.h: what each worker shows of itself while it runs, in memory that it
 * shares with the master: which callback it is in, and, when it crashes, why.
 * Each row has one writer; the master reads the rows, and trusts nothing in
 * them.
 */

#ifndef SLUICE_BOARD_H
#define SLUICE_BOARD_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/log_sink.h"

enum callback {
	CALLBACK_NONE,
	CALLBACK_CHECK,
	CALLBACK_START,
	CALLBACK_RELOAD,
	CALLBACK_STOP,
	CALLBACK_MIGRATE,
	CALLBACK_TIMER,
	CALLBACK_OPEN,
	CALLBACK_DATA,
	CALLBACK_DRAIN,
	CALLBACK_END,
	CALLBACK_TIMEOUT,
	CALLBACK_HANDSHAKE,
	CALLBACK_ERROR,
	CALLBACK_CONNECT_ERROR,
	CALLBACK_CLOSE,
	/*
	 * Code of a plugin that is not a callback: constructors and
	 * destructors.
	 */
	CALLBACK_LOAD,
	CALLBACK_UNLOAD,
	CALLBACKS
};

/* "data"; out of range reads as "none". */
const char *callback_name(unsigned int callback);

/* What a worker takes, as it says itself; 0: it does not know. */
struct board_usage {
	_Atomic uint64_t heap; /* bytes that malloc(3) has given out */
	_Atomic uint32_t descriptors, descriptors_max;
};

/*
 * How late the worker's loop is: it has a timer, and sees by how much it comes
 * late, since something else ran.
 */
struct board_lag {
	_Atomic uint64_t due_ns;  /* when the next look is, by clock_ns() */
	_Atomic uint64_t last_ns; /* how late the last one was */
	_Atomic uint64_t most_ns; /* of all in the last minute */
};

#define BOARD_REPORT_MAX 8192 /* of a crash, with its NUL */

struct board_row {
	/*
	 * Which callback runs, and when it began.  If both are the same at two
	 * looks, it has run all the time in between.
	 */
	_Atomic uint32_t callback; /* enum callback; NONE: none runs */
	uint64_t begun; /* in ticks, see ticks.h; written as counts are */
	_Atomic uint64_t code; /* of which plugin: see board_code() */
	struct board_usage usage;
	struct board_lag lag;
	struct log_loss log_loss;
	/* Written when the worker crashes; length 0: there is no report. */
	_Atomic uint32_t report_length;
	_Atomic uint32_t report_whole; /* 1: all of it is there */
	char report[BOARD_REPORT_MAX];
};

/* For the master. */
static inline uint64_t
board_begun(const struct board_row *row)
{
	return __atomic_load_n(&row->begun, __ATOMIC_RELAXED);
}

/*
 * How late the loop is at that time, in nanoseconds, also while it is late.
 * *ret_most_ns: the most in the last minute.
 */
static inline uint64_t
board_lag(const struct board_row *row, uint64_t now_ns, uint64_t *ret_most_ns)
{
	uint64_t due = atomic_load(&row->lag.due_ns);
	uint64_t last = atomic_load(&row->lag.last_ns);

	if (due != 0 && due < now_ns && now_ns - due > last)
		last = now_ns - due;
	*ret_most_ns = atomic_load(&row->lag.most_ns);
	if (last > *ret_most_ns)
		*ret_most_ns = last;
	return last;
}

/*
 * Code is identified by its listener's slot and the generation that brought it.
 * While code is being loaded, its image takes the place of the slot.
 */
static inline uint64_t
board_code(uint32_t generation, uint32_t slot)
{
	return (uint64_t)generation << 32 | slot;
}

#endif
