/*
 * process.h: what the kernel shows of a process.  The master looks here before
 * it ends a process for being slow.
 */

#ifndef SLUICE_MASTER_PROCESS_H
#define SLUICE_MASTER_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct process_view {
	char state;	 /* of proc(5): 'R', 'S', 'D', 'T', 't', 'Z' */
	uint64_t cpu_ms; /* that it has used so far */
	/* Past its last instruction: it dumps core, or gives up memory. */
	bool dying;
};

/* false: no such process, or /proc cannot be read. */
bool process_look(pid_t pid, struct process_view *ret);

/*
 * Does the kernel show that it has crashed, and is about to end?  It may be held
 * there, by its core dump or by a tracer.
 */
bool process_looks_dead(pid_t pid);

/* Memory that is its own or mapped, in bytes; 0: it is not known. */
uint64_t process_memory(pid_t pid);

/* The process that traces it; 0: none. */
pid_t process_tracer(pid_t pid);

/*
 * Could it not run since the look before (NULL: there was none)?  Then it is
 * stopped or traced, waits for the disk, or others have the processor.
 */
bool process_held_up(const struct process_view *before,
    const struct process_view *now);

/* "is stopped", "waits for the disk"; NULL: it could run. */
const char *process_held_text(const struct process_view *view);

#endif
