/*
 * own_thread.h: whether a call comes from the thread that serves.  Nothing in a
 * worker has a lock, so a call from a thread of a plugin could change what is
 * being used.  It is refused, and the log says so once.
 */

#ifndef SLUICE_OWN_THREAD_H
#define SLUICE_OWN_THREAD_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Set in the main thread before main().  So to ask takes two instructions, and
 * no call that may be made from a child or a signal handler.
 */
extern _Thread_local bool own_thread
    __attribute__((tls_model("local-exec"), visibility("hidden")));

/* Log who has called what, the first time, and set errno to EPERM. */
void own_thread_refuse(const char *call, const void *caller)
    __attribute__((cold));

/*
 * In a function that plugins call: is it called from another thread?  Then that
 * is logged, and errno is EPERM.
 */
#define own_thread_is_other()                \
	(__builtin_expect(!own_thread, 0) && \
	    (own_thread_refuse(__func__, __builtin_return_address(0)), true))

#endif
