/*
 * worker_row.h: the inside of the table of workers, for workers.c and
 * worker_*.c.
 */

#ifndef SLUICE_MASTER_WORKER_ROW_H
#define SLUICE_MASTER_WORKER_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "base/log_limit.h"
#include "config/settings.h"
#include "ipc/msg.h"
#include "ipc/shm.h"

struct child;
struct child_ops;
struct crash;
struct children;
struct error;
struct event;
struct gen;
struct shm;
struct tickets;
struct watchdog;
struct workers_ops;

enum worker_state {
	WORKER_DOWN,	 /* no process; a timer starts the next */
	WORKER_IDLE,	 /* started, serves nothing, was asked nothing */
	WORKER_JOINING,	 /* alone: was asked to PREPARE */
	WORKER_ENTERING, /* alone: was told to COMMIT */
	WORKER_SERVING,
	WORKER_PREPARING, /* in a transaction: was asked to PREPARE */
	WORKER_PREPARED,
	WORKER_COMMITTING, /* in a transaction: was told to COMMIT */
	WORKER_LEAVING,	   /* was told to STOP */
	WORKER_REPLACED,   /* the same, and another serves under its number */
};

/* For each worker, also while processes that were replaced drain. */
#define PLACES_PER_WORKER 3
#define NO_WORKER UINT32_MAX /* the number of a place that is free */

struct worker_row {
	struct workers *workers;
	uint32_t index; /* its place: in this table, and of its row in shm */
	/* Which worker it is, from 0; people count from 1. */
	uint32_t number;
	enum worker_state state;
	struct child *child;
	pid_t pid;		     /* of the child, or of the last one */
	struct event *timer;	     /* until it is started again */
	struct worker_row *replaces; /* it comes up beside this one */
	bool start_after_transaction;
	bool trial;  /* it serves what is not committed yet */
	bool served; /* may have connections */
	bool shown;  /* the others have its row of the shared memory */
	/* PREPAREs it has not answered; all but the last were aborted. */
	unsigned int unanswered;
	/* The aborted ones among these: the answers will be dropped. */
	unsigned int unanswered_aborted;
	/* ABORTs and STOP_LISTENERs that it has not confirmed (DONE). */
	unsigned int unconfirmed;
	bool behind;	      /* the transaction went on without it */
	uint32_t asked;	      /* the generation it was last asked to PREPARE */
	uint64_t asked_begun; /* of the board, at that time */
	/* The generation it was last told to COMMIT; 0: none. */
	uint32_t serves;
	uint32_t tickets;	 /* the number of the keys that it was sent */
	uint32_t tickets_missed; /* of those that it was not sent at first */
	uint32_t starts;	 /* processes so far */
	uint64_t aborts;	 /* of callbacks: see watchdog.h */
	unsigned int backoff_ms;
	uint64_t born_ms;
	/* The callback in which the last process died; NONE: in none. */
	uint32_t died_in;
	uint64_t died_in_code;
	struct log_limit problem_limit, slow_limit;
};

struct workers {
	struct children *children;
	const struct workers_ops *ops;
	void *arg;
	struct watchdog *watchdog;
	struct tickets *tickets;
	/* Of the committed generation, or the first one; 0: off. */
	uint64_t watchdog_ms;
	struct shm *shm;
	struct hello hello;
	struct gen *committed;
	LIST_HEAD(, dying) dying; /* processes that have a successor already */
	int log_level; /* enum log_level, until the next COMMIT; 0: as configured */
	LIST_HEAD(, ask) asks; /* that wait for answers; see ask.h */
	uint32_t last_ask;     /* the number of the last one */
	struct {
		bool busy;
		struct worker_row *row; /* the new process; NULL: it is over */
		struct event *over;	/* tells that */
		bool good;
		bool called_off;
		char text[256];
		void (*on_done)(void *arg, bool good, const char *text);
		void *arg;
	} recycle;
	struct event *memory_tick;
	struct worker_memory {
		uint64_t recycled;    /* how often, for its memory */
		uint64_t recycled_ms; /* the last time */
		uint64_t wait_ms;     /* before the next time */
		uint64_t failed_ms;   /* the last try in vain; 0: none */
		bool told;	      /* that it has to wait */
	} memory[WORKERS_MAX];	      /* by number */
	bool in_transaction, stopping;
	uint64_t lost_lines; /* of the log, by processes that are dead */
	uint32_t own;	     /* the workers of group 0 */
	uint32_t count; /* those from here on have never been in any group */
	/* The present process of each, or the next one: never NULL. */
	struct worker_row *by_number[WORKERS_MAX];
	uint32_t places;
	struct worker_row row[SHM_PLACES_MAX]; /* by place */
};

/* worker_groups.c: is it in a group of what is committed? */
bool worker_is_wanted(const struct worker_row *worker);

/* worker_talk.c: the messages that it sends. */
extern const struct child_ops worker_child_ops;

/* worker_life.c: what follows from these messages. */
const char *worker_state_name(enum worker_state state);
void worker_set_state(struct worker_row *worker, enum worker_state state);
/* Of the log, as it says itself. */
uint64_t worker_lost_lines(const struct worker_row *worker);
/* It has confirmed one more ABORT or STOP_LISTENER. */
void worker_done(struct worker_row *worker);
/* It has answered an aborted PREPARE. */
void worker_answered_aborted(struct worker_row *worker);
void worker_prepared(struct worker_row *worker);
void worker_refused(struct worker_row *worker);
void worker_committed(struct worker_row *worker);
void worker_gone(struct worker_row *worker, const char *how, bool clean);

/*
 * worker_dying.c: it has crashed but has not ended: treat it as gone.  One that
 * runs on, although it says that it has crashed, is killed.
 */
void worker_presume_dead(struct worker_row *worker, const char *how);
void workers_look_at_dying(struct workers *workers);
void workers_free_dying(struct workers *workers);
void workers_each_dying(const struct workers *workers,
    void (*each)(void *arg, uint32_t number, pid_t pid), void *arg);

/* worker_memory.c: of its timer. */
void workers_memory_cb(int fd, short what, void *arg);

/* worker_recycle.c.  Is it no worker: not yet, or no longer? */
bool worker_is_beside(const struct worker_row *worker);
/* It is prepared: the old one, if there is any, leaves. */
void worker_take_over(struct worker_row *worker);
void worker_took_over(struct worker_row *worker); /* and it serves */
/*
 * A worker has died: is the process that was to replace it coming up?  Then that
 * one has its number from now on, and its place is free.
 */
bool worker_has_successor(struct worker_row *old);
void worker_recycle_failed(struct worker_row *worker, const char *how);
/* The end of one that is beside. */
void worker_left(struct worker_row *worker, const char *how, bool clean,
    struct crash *crash);
/* A transaction begins: it does not wait for this. */
void workers_recycle_call_off(struct workers *workers);
/* So does the end. */
void workers_recycle_stop(struct workers *workers);
void workers_recycled_cb(int fd, short what, void *arg);

/* worker_share.c: its own row, then the rows that count already.  As below. */
int worker_send_rows(const struct worker_row *worker);
/*
 * Before it accepts connections the others get its row, so that limits hold for
 * all.  It has sealed the row by now, so the others cannot write to it.
 */
int worker_show_row(struct worker_row *worker);
/* Send it the keys for session tickets.  0, also when it is dead; or -1. */
int worker_send_tickets(struct worker_row *worker);
/* The same for all that do not have the newest.  -1: some still do not. */
int workers_share_tickets(struct workers *workers);
/* It could not take them: send them again. */
void worker_lost_tickets(struct worker_row *worker);

/* Start its process.  0 or -1. */
int worker_spawn(struct worker_row *worker, struct error *err);
/* Start it (again) after ms, unless it is alive by then. */
void worker_schedule(struct worker_row *worker, unsigned int ms);
/* Of its timer. */
void worker_revive_cb(int fd, short what, void *arg);
/* Have it serve the committed generation, alone. */
void worker_join(struct worker_row *worker);
/* Send it a message, and ring, so that it reads it next.  As child_send(). */
int worker_tell(struct worker_row *worker, const struct msg *msg);
/*
 * The same for a message without content: MSG_PREPARE, MSG_COMMIT or MSG_ABORT.
 */
int worker_order(struct worker_row *worker, enum msg_type type,
    const struct gen *gen);
/* Have it log at workers->log_level, if that is set. */
void worker_send_log_level(struct worker_row *worker);
/* Do we wait for any answer from it? */
bool worker_has_to_answer(const struct worker_row *worker);
/* Must a transaction wait until it has settled? */
bool worker_unsettled(const struct worker_row *worker);
/*
 * It was left behind and answers again: it follows, unless a transaction runs.
 */
void worker_catch_up(struct worker_row *worker);
/*
 * Send all of a generation, and PREPARE.  0, also when the worker is dead; or
 * -1, when perhaps only a part was sent.
 */
int worker_send_generation(struct worker_row *worker, const struct gen *gen,
    struct error *err);

#endif
