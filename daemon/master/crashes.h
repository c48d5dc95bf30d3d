/* crashes.h: how the last crashed workers died, for log and sluicectl. */

#ifndef SLUICE_MASTER_CRASHES_H
#define SLUICE_MASTER_CRASHES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "ipc/board.h"

#define CRASHES_MAX 16
#define CRASH_HOW_MAX 160

struct crash {
	uint64_t time_ms; /* CLOCK_REALTIME */
	uint32_t worker;  /* from 0 */
	/* The one to blame: it was preparing it, or else served it. */
	uint32_t generation;
	/* It did not serve as a worker: not yet, or no longer. */
	bool beside;
	pid_t pid;
	char how[CRASH_HOW_MAX]; /* "was killed by SIGSEGV" */
	uint64_t connections;	 /* that were lost with it */
	/*
	 * The report that the worker wrote: printable lines, each with its
	 * newline; may be empty.
	 */
	char text[BOARD_REPORT_MAX];
};

struct crashes;

struct crashes *crashes_new(void); /* NULL: no memory */
void crashes_free(struct crashes *crashes);

/* Copied; the oldest one is dropped when there are CRASHES_MAX. */
void crashes_add(struct crashes *crashes, const struct crash *crash);
/* The number of all crashes, also those no longer kept. */
uint64_t crashes_count(const struct crashes *crashes);
/* Oldest first; what fn gets is borrowed. */
void crashes_each(const struct crashes *crashes,
    void (*fn)(void *arg, const struct crash *crash), void *arg);

/*
 * Take the report that a worker left on its row of the board, as printable
 * lines, whatever bytes it holds.
 */
void crash_take_report(struct crash *crash, const struct board_row *row);
/*
 * It has left no report, as after exit(3) or SIGKILL: have this line, without a
 * newline, instead.
 */
void crash_make_report(struct crash *crash, const char *line);
/* Its lines, at level error. */
void crash_log(const struct crash *crash);

#endif
