/*
 * events.h: what happens, told once: to the log, and to whoever follows with
 * sluicectl events.  There is one place to follow, as there is one log.
 */

#ifndef SLUICE_MASTER_EVENTS_H
#define SLUICE_MASTER_EVENTS_H

#include <stdint.h>
#include <sys/types.h>

#include "base/log.h"

struct crash;

enum event_kind {
	EVENT_VERDICT,	/* of a start, reload, rollback or drain */
	EVENT_ROLLBACK, /* one is to come */
	EVENT_CANARY,
	EVENT_CRASH,	   /* of a worker */
	EVENT_HANG,	   /* of a worker */
	EVENT_SLOW,	   /* a callback */
	EVENT_CERTIFICATE, /* ends soon, or has ended */
	EVENT_LISTENER,	   /* is drained, or was stopped */
	EVENT_COMMAND,	   /* an operator has changed something else */
	EVENT_STOP,	   /* of the daemon */
	EVENT_KINDS
};

/* All borrowed; what is not known is 0 or NULL. */
struct event {
	enum event_kind kind;
	enum log_level level;
	const char *text; /* one line: what the log says */
	uint32_t worker;  /* from 1 */
	pid_t pid;
	uint32_t generation;
	const char *listener, *plugin, *callback;
	uint32_t ms;	    /* how long it took */
	uint64_t lost;	    /* connections, in a crash */
	const char *report; /* of a crash: lines */
	/* Of a verdict: lines, the first without what it says itself. */
	const char *problems, *changes;
};

/* "verdict", "rollback", ... */
const char *event_name(enum event_kind kind);
/* The kind of that name, which has so many bytes; or EVENT_KINDS. */
enum event_kind event_named(const char *name, size_t length);

/* Who is told; NULL: nobody. */
void events_follow(void (*on_event)(void *arg, const struct event *event),
    void *arg);

/* Log this line, and tell it. */
void event_log(enum event_kind kind, enum log_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Tell what was logged already. */
void event_tell(const struct event *event);
void event_tell_crash(const struct crash *crash);

#endif
