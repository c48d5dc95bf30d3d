/* crash_trace.h: the backtrace of a crash report.  For signal handlers. */

#ifndef SLUICE_CRASH_TRACE_H
#define SLUICE_CRASH_TRACE_H

#include <stdint.h>

struct crash_text;

/* Load the unwinder now, because a signal handler cannot load it. */
void crash_trace_init(void);

/*
 * Write a line for each frame, from the one at `pc` (0: from the caller)
 * outwards.  on_line is called after each line.
 */
void crash_put_trace(struct crash_text *to, uintptr_t pc,
    void (*on_line)(void));

#endif
