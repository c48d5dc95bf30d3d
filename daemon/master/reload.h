/*
 * reload.h: the transaction that brings the configuration and the plugins on
 * disk into service, the same for the start and for every reload.  Either all
 * of it happens, or nothing.
 */

#ifndef SLUICE_MASTER_RELOAD_H
#define SLUICE_MASTER_RELOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "master/verdict.h"

struct children;
struct crash;
struct event_base;
struct gen;
struct gen_teller;
struct handover;
struct reload;
struct settings;
struct slots;
struct sockets;
struct taken;
struct workers;

struct reload_ops {
	/*
	 * The first generation is about to be bound: make and start the
	 * workers.  Logs what fails.
	 */
	int (*on_settings)(void *arg, const struct settings *settings,
	    struct workers **ret_workers, struct slots **ret_slots);
	/* A reload begins to read, and what it reads: see build.h.  Or NULL. */
	void (*on_begin)(void *arg);
	void (*on_source)(void *arg, const char *path);
	/* The workers are about to be told to serve it. */
	void (*on_commit)(void *arg, const struct settings *settings);
	/* The verdict; it was logged. */
	void (*on_done)(void *arg, bool good);
};

/* All borrowed.  NULL: no memory. */
struct reload *reload_new(struct event_base *base, struct children *children,
    struct sockets *sockets, const char *config, const struct reload_ops *ops,
    void *arg);
void reload_free(struct reload *reload);

/* Does nothing run, and is nothing to come? */
bool reload_is_idle(const struct reload *reload);

/*
 * Over an upgrade: the number of the last generation, and which listeners are
 * drained.  0, or -1: no memory.
 */
void reload_hand_over(const struct reload *reload, struct handover *handover);
int reload_take_over(struct reload *reload, struct taken *taken);

/*
 * Begin a reload, or another one after the one that runs; who: "SIGHUP", for
 * the log.
 */
void reload_request(struct reload *reload, const char *who);

/*
 * The same, asked for by a plugin: at most one a second, and requests of people
 * go first.
 */
void reload_request_by_plugin(struct reload *reload, uint32_t worker);

/* Flags of reload_request_for(). */
enum {
	RELOAD_FORCE = 1, /* also what was rolled back: see probation */
};

/* Is told the verdict. */
struct reload_waiter {
	/*
	 * Once.  text: the lines that say what is wrong, and last the verdict
	 * that was logged, without a newline at the end; borrowed.
	 */
	void (*on_verdict)(void *arg, bool good, const char *text);
	void *arg;
};

#define RELOAD_WAITERS_MAX 64

/*
 * As reload_request().  The waiter (copied; or NULL) is told the verdict of the
 * reload that begins after this call, not of one that runs already.  It is told
 * false when the master stops, and from inside the call when the master is
 * stopping already or too many wait.
 */
void reload_request_for(struct reload *reload, const char *who,
    unsigned int flags, const struct reload_waiter *waiter);

/*
 * Go back to what is reload_previous() now, by the same transaction.  During a
 * canary, end the canary instead: what was served before stays.  A rollback
 * goes before every reload that has not begun.  It calls off a running reload
 * that a plugin has asked for, and waits for one that a person has asked for.
 * If there is no generation to go back to, the waiter is told so from inside
 * the call.
 */
void reload_rollback(struct reload *reload, const char *who,
    const struct reload_waiter *waiter);

/*
 * Drain a listener (on), or open it again, by the same transaction, to a copy of
 * what is served.  The waiter is told from inside the call when there is
 * nothing to do, or the listener does not exist.
 */
void reload_drain(struct reload *reload, const char *name, bool on,
    const char *who, const struct reload_waiter *waiter);

/* Forget all waiters with this arg, without telling them. */
void reload_forget_waiter(struct reload *reload, const void *arg);

/* In on_verdict: the lines that say what it has changed, or "". */
const char *reload_changes(const struct reload *reload);
/*
 * The last generation served before reload_committed() that differs from it, or
 * NULL.  Borrowed; has no sockets.
 */
const struct gen *reload_previous(const struct reload *reload);

/*
 * "idle", "build", "settle", "prepare", "commit", "canary", "back", "stopped".
 */
const char *reload_state_name(const struct reload *reload);

/* Do some workers serve a generation that is not committed yet? */
bool reload_in_canary(const struct reload *reload);

/* The verdict that was logged last. */
struct reload_verdict {
	bool good;
	uint64_t time_ms; /* CLOCK_REALTIME */
	char text[256];
	/* The lines before it, which say why; or "". */
	char reasons[VERDICT_TEXT_MAX];
};
/* NULL: none yet.  Borrowed. */
const struct reload_verdict *reload_last_verdict(const struct reload *reload);

/*
 * Tell why a reload would refuse this generation, which was built: keys that
 * cannot change while we run, or it crashed before and was rolled back.
 */
void reload_tell_obstacles(const struct reload *reload, const struct gen *gen,
    const struct gen_teller *teller);

/* Was the last one refused only because a worker did not answer? */
bool reload_was_held_up(const struct reload *reload);

/* Abort what runs, in any state, and begin no more. */
void reload_stop(struct reload *reload);

/* What is served; NULL: nothing yet.  Borrowed. */
struct gen *reload_committed(const struct reload *reload);

/* From the table of workers: see workers.h. */
void reload_on_prepared(struct reload *reload, uint32_t worker);
void reload_on_refused(struct reload *reload, uint32_t worker);
void reload_on_committed(struct reload *reload, uint32_t worker);
void reload_on_lost(struct reload *reload, uint32_t worker, const char *how);
void reload_on_settled(struct reload *reload);
/* A worker crashed; crash->generation is the one to blame. */
void reload_on_crash(struct reload *reload, const struct crash *crash);
/*
 * A plugin in that worker stops a listener, in all workers: now, or when the
 * running transaction is over.  Returns false, and does nothing, when that
 * plugin does not serve the listener.
 */
bool reload_stop_listener(struct reload *reload, uint32_t worker,
    const char *name, const char *plugin, bool close_active);
void reload_on_problem(struct reload *reload, uint32_t worker, int level,
    const char *file, uint32_t line, const char *text);

#endif
