/* reload_internal.h: the transaction, for reload*.c. */

#ifndef SLUICE_MASTER_RELOAD_INTERNAL_H
#define SLUICE_MASTER_RELOAD_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "master/canary.h"
#include "master/probation.h"
#include "master/reload.h"
#include "master/verdict.h"
#include "master/waiters.h"
#include "master/workers.h"

struct build;
struct event;
struct gen_teller;
struct origin;

enum reload_state {
	RELOAD_IDLE,
	RELOAD_BUILD, /* reader and probe; they have their own deadlines */
	/* Wait for workers that come up, or are busy with the last one. */
	RELOAD_SETTLE,
	RELOAD_PREPARE,
	RELOAD_COMMIT, /* it is decided: no limit */
	RELOAD_CANARY, /* some workers serve it, and are watched */
	RELOAD_BACK,   /* they go back: no limit */
	RELOAD_STOPPED,
};

enum reload_kind {
	KIND_RELOAD,   /* to what is on disk */
	KIND_ROLLBACK, /* to the previous generation: a person asked for it */
	KIND_RESCUE,   /* the same, because this one crashes */
	KIND_DRAIN,    /* to a copy of this one */
};

struct reload {
	struct children *children;
	struct sockets *sockets;
	struct slots *slots;
	struct workers *workers; /* NULL until the first generation is read */
	const char *config;
	const struct reload_ops *ops;
	void *arg;
	struct waiters waiters;
	/* what runs */
	enum reload_state state;
	enum reload_kind kind;
	enum workers_part part; /* the workers this step is for */
	bool forced;
	bool by_plugin;	 /* it was asked for by one */
	char ended[160]; /* why it ends without an error; "" */
	struct build *build;
	struct gen *next; /* being built, or tried by the workers of a canary */
	struct gen *committed;
	/* The workers were made for it; until one is committed. */
	struct gen *first;
	struct gen *old;      /* while the workers leave it */
	struct gen *previous; /* what a rollback goes back to */
	/* Of a start: crashed, and is begun anew without what it set aside. */
	struct gen *tried;
	STAILQ_HEAD(, stop) stops; /* of listeners, when it is over */
	char doing[128];	   /* of KIND_DRAIN: "drain echo" */
	uint32_t waiting;	   /* how many workers it waits for */
	uint32_t last_number;	   /* that any worker has served */
	struct verdict verdict;
	struct verdict changes; /* what it has changed; no problems */
	char reason[128];	/* of a rescue */
	/* Fires while we wait for workers; see reload_patience.c. */
	struct event *deadline;
	unsigned int ticks; /* how often it has fired */
	bool held_up; /* the last one was refused because a worker was late */
	struct event *tick; /* of the canary */
	struct canary canary;
	struct probation probation;
	/* what was asked for, and begins next */
	struct event *again; /* begins it */
	char who[64];	     /* asked for it */
	bool wanted, wanted_force, wanted_by_plugin;
	bool rollback, rescue;	     /* before that */
	STAILQ_HEAD(, drain) drains; /* between these */
	/* Of the program before us: listeners that it has drained. */
	char **drained_before;
	uint32_t drained_before_count;
	struct gen *back_to; /* where the rollback goes */
	uint32_t target;     /* its number, of the way back that runs */
	/* The last one was a rollback: see reload_check_refused(). */
	bool went_back;
	unsigned int pause_ms; /* between the last one and it */
	uint64_t ended_ms;     /* the last one */
	struct reload_verdict last;
};

/* reload.c */
void reload_set_state(struct reload *reload, enum reload_state state);
/* Begin what is wanted next, when it may begin and nothing runs. */
void reload_schedule(struct reload *reload);
/* The ends of a transaction: nothing is changed, or all of it. */
void reload_refuse(struct reload *reload);
void reload_complete(struct reload *reload);

/* reload_stages.c */
/* A gen_teller whose arg is the reload: add a problem to the verdict. */
void reload_tell_problem(void *arg, const struct origin *origin,
    const char *text);
void reload_stage_build(struct reload *reload); /* from what is on disk */
void reload_stage_check(struct reload *reload); /* `next` is there */
void reload_stage_settle(struct reload *reload);
/* All workers go back to what they served before, those of a canary, too. */
void reload_fail(struct reload *reload);
/* No worker is waited for any more: the next stage. */
void reload_go_on(struct reload *reload);
/*
 * Report what happened to workers (their names) in PREPARE, at the plugin if
 * the first of them is, or was, in one.
 */
void reload_tell_trouble(struct reload *reload, uint32_t worker,
    const char *names, const char *what);

/* reload_patience.c: a wait for workers begins, or is over. */
void reload_patience_begin(struct reload *reload);
void reload_patience_end(struct reload *reload);
void reload_late_cb(int fd, short what, void *arg); /* of the deadline */

/* reload_stops.c: listeners that plugins stopped during the transaction. */
void stops_apply(struct reload *reload);
void stops_forget(struct reload *reload);

/* reload_drain.c: instead of build: with a copy of what is served. */
void reload_stage_drain(struct reload *reload);
/* It is over: tell which listeners are drained now. */
void drains_tell(struct reload *reload, const struct gen_teller *teller);
void drains_forget(struct reload *reload); /* those that were asked for */
/* What was drained stays so in `next`.  0, or -1: no memory. */
int drains_keep(struct reload *reload);

/* reload_aside.c: the plugin that crashes where there is no way back. */
/*
 * A worker died in PREPARE of a start.  Returns true when the start goes on, or
 * is begun anew, without what crashed.
 */
bool aside_at_start(struct reload *reload, uint32_t worker, const char *how);
/*
 * The committed generation crashes too often, for which `text` has words, and
 * this worker last.
 */
void aside_crashed(struct reload *reload, uint32_t worker, const char *text);
/* Tell what is set aside. */
void aside_tell(const struct reload *reload, const struct gen_teller *teller);

/* reload_rollback.c: call it off, as `ended` says; what was served stays. */
void reload_call_off(struct reload *reload);

/* reload_canary.c: which workers are the first? */
void reload_choose_part(struct reload *reload);
/* The workers of the canary have committed it, the others have not. */
void reload_stage_canary(struct reload *reload);
/* The canary failed: the verdict says why. */
void reload_stage_back(struct reload *reload);
void reload_tick_cb(int fd, short what, void *arg); /* of its timer */

/* reload_rollback.c: instead of build: with the previous generation. */
void reload_stage_again(struct reload *reload);
/* Tell it if this generation was rolled back before. */
void reload_tell_rolled_back(const struct reload *reload, const struct gen *gen,
    const struct gen_teller *teller);
/* Without --force, refuse a generation that was rolled back before. */
void reload_check_refused(struct reload *reload);
/* The workers have left the old one: keep it to go back to, or drop it. */
void reload_retire(struct reload *reload);

#endif
