/*
 * workers.h: the table of workers: starts them, takes them through generations,
 * and starts them again when they die.  A worker that breaks the protocol of
 * msg.h is killed, and started again.
 */

#ifndef SLUICE_MASTER_WORKERS_H
#define SLUICE_MASTER_WORKERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct bygones;
struct children;
struct crash;
struct error;
struct event_base;
struct gen;
struct handover;
struct settings;
struct shm;
struct taken;
struct workers;

/* The workers that a step of a transaction is for. */
enum workers_part { WORKERS_ALL, WORKERS_TRIAL, WORKERS_REST };

struct workers_ops {
	/* Answers of a worker that was asked by workers_prepare(). */
	void (*on_prepared)(void *arg, uint32_t worker);
	void (*on_refused)(void *arg, uint32_t worker);
	/* A worker that was told by workers_commit() did commit, or is gone. */
	void (*on_committed)(void *arg, uint32_t worker);
	/* A worker that takes part in the running transaction is gone. */
	void (*on_lost)(void *arg, uint32_t worker, const char *how);
	/*
	 * A worker crashed, whatever it was doing; it is logged.  Comes before
	 * on_committed or on_lost.  The crash is borrowed.
	 */
	void (*on_crash)(void *arg, const struct crash *crash);
	/* All workers are settled (again): see workers_settled(). */
	void (*on_settled)(void *arg);
	/* A problem that a plugin reported at PREPARE; file may be "". */
	void (*on_problem)(void *arg, uint32_t worker, int level,
	    const char *file, uint32_t line, const char *text);
	/* Requests of plugins. */
	void (*on_reload)(void *arg, uint32_t worker);
	void (*on_stop_listener)(void *arg, uint32_t worker, const char *name,
	    const char *plugin, bool close_active);
	/* After workers_stop(): the last one is gone. */
	void (*on_all_gone)(void *arg);
};

/* Starts none.  NULL: errno. */
struct workers *workers_new(struct event_base *base, struct children *children,
    const struct settings *settings, const struct workers_ops *ops, void *arg);
/* Kills those that are left. */
void workers_free(struct workers *workers);

/* One more than the highest that has ever been in a group. */
uint32_t workers_count(const struct workers *workers);
/*
 * A process of a worker has a place, by which its row of the shared memory is
 * found.  A process that was replaced keeps its place until it has ended, so
 * there are more places than workers, and places may be free.
 */
uint32_t workers_places(const struct workers *workers);
/* That of the process that serves as this worker now, or served last. */
uint32_t workers_place(const struct workers *workers, uint32_t worker);
struct shm *workers_shm(const struct workers *workers); /* borrowed */

/* The state of one process; workers count from 0. */
struct worker_facts {
	uint32_t worker;
	pid_t pid; /* 0: it is down */
	/* Of the committed generation, borrowed; NULL: none, it leaves. */
	const char *group;
	bool replaced; /* another process serves as that worker */
	const char *state;
	uint32_t generation; /* that it serves; 0: none */
	uint64_t connections;
	uint32_t restarts;
	uint64_t aborted;   /* callbacks: see watchdog.h */
	uint64_t lasted_ms; /* the one that runs; 0: it has just begun */
	/*
	 * What it takes, in bytes; 0: not known.  The heap and the descriptors
	 * are what it says itself, which may be anything.
	 */
	uint64_t memory;
	uint64_t memory_recycled; /* how often that was above limits.memory */
	uint64_t heap;
	uint32_t descriptors, descriptors_max;
	/* How late its loop is, and was at most in the last minute. */
	uint64_t lag_us, lag_max_us;
};
/* false: the place is free. */
bool workers_facts(const struct workers *workers, uint32_t place,
    struct worker_facts *ret_facts);

/* How many lines of the log they have lost, also those that are dead. */
uint64_t workers_lost_lines(const struct workers *workers);

/*
 * Say which workers are in which group of a generation that is about to be
 * bound: those of the committed one stay in the group of the same name, if it
 * still needs so many.  Starts those that are new, serving nothing.  0 or -1.
 */
int workers_assign(struct workers *workers, struct gen *gen, struct error *err);
/* Those in no group of the committed generation drain, and leave. */
void workers_dismiss(struct workers *workers);

/*
 * Is no worker coming into service alone, and none busy with what was aborted?
 * If false, on_settled follows when all are settled.
 */
bool workers_settled(const struct workers *workers);

/*
 * Start no dead worker until commit or abort: else one might always be coming
 * up, and the transaction would never begin.
 */
void workers_hold(struct workers *workers);

/*
 * The transaction.  From prepare to commit or abort no worker is started.
 * prepare and commit tell how many were asked: those that are dead are not
 * asked, and come up later with what is committed then.  The caller aborts a
 * prepare that fails (-1).
 */
int workers_prepare(struct workers *workers, struct gen *gen,
    enum workers_part part, uint32_t *ret_asked, struct error *err);
uint32_t workers_commit(struct workers *workers, struct gen *gen,
    enum workers_part part);
void workers_abort(struct workers *workers, struct gen *gen);

/* How many of those that were asked have not answered yet. */
uint32_t workers_waiting(const struct workers *workers);

/*
 * A trial: the first `count` workers serve a generation that is not committed;
 * the others go on as they were.  A worker that dies comes up in what is
 * committed, and on_lost is called if it was on trial.  Returns false, and
 * begins no trial, unless all `count` workers are serving.  count 0: the trial
 * is over.
 */
bool workers_set_trial(struct workers *workers, uint32_t count);
/* Have those on trial go back to what is committed; on_settled follows. */
void workers_end_trial(struct workers *workers);

/*
 * In which callback, and of which listener of gen (an index), a worker is, or
 * its last process was when it died, as far as the board shows.  false: none.
 */
bool workers_in_callback(const struct workers *workers, uint32_t worker,
    const struct gen *gen, const char **ret_callback, uint32_t *ret_listener);

/*
 * The same of a worker whose process has just died, for code of any generation
 * that gen still serves; not while it was loaded.
 */
bool workers_died_in(const struct workers *workers, uint32_t worker,
    const struct gen *gen, const char **ret_callback, uint32_t *ret_listener);

/* Have any prepared the generation? */
bool workers_any_prepared(const struct workers *workers);

/* Does the transaction wait for this worker to answer or to settle? */
bool workers_waits_for(const struct workers *workers, uint32_t worker);
/* Has it no connections to lose? */
bool workers_is_new(const struct workers *workers, uint32_t worker);
/*
 * What the process at that place does; next: the generation being prepared, or
 * NULL.  See doing.h.
 */
void workers_doing(const struct workers *workers, uint32_t place,
    const struct gen *next, char *text);

/*
 * Go on without those that serve and do not answer.  They take no further part;
 * when they answer again, they follow into what is committed by then.  Returns
 * how many are still waited for.
 */
uint32_t workers_leave_behind(struct workers *workers, const struct gen *gen);

/* Have all stop serving that listener, also those that are started later. */
void workers_stop_listener(struct workers *workers, const char *name,
    bool close_active);

/* Start no more workers, and have all leave: after draining, or now. */
void workers_stop(struct workers *workers, bool now);
void workers_kill(struct workers *workers);
uint32_t workers_alive(const struct workers *workers);

/*
 * Have another process serve as that worker.  The old one accepts no more and
 * leaves when its connections have ended, or have had drain_timeout.  One worker
 * at a time; a reload that comes before the new one is prepared calls it off.
 * who: for the log.  on_done (or NULL) is called later, once: good: it serves;
 * text, borrowed, says what was done, or why not.  Returns 0, or -1 with err:
 * it cannot be done now, and on_done is not called.
 */
int workers_recycle(struct workers *workers, uint32_t worker, const char *who,
    void (*on_done)(void *arg, bool good, const char *text), void *arg,
    struct error *err);
/* Is one being replaced now? */
bool workers_recycling(const struct workers *workers);
/* Do not call on_done with this arg. */
void workers_recycle_forget(struct workers *workers, const void *arg);

/* Have all log at this enum log_level, until the next COMMIT. */
void workers_set_log_level(struct workers *workers, int level);

/*
 * workers_upgrade.c: pack the processes (workers may be NULL), those of earlier
 * programs, too; and
 * the ids of connections and the keys of tickets, which workers_take_over()
 * takes.
 */
void workers_hand_over(const struct workers *workers,
    const struct bygones *bygones, struct handover *handover);
void workers_hand_over_numbers(const struct workers *workers,
    struct handover *handover);
void workers_take_over(struct workers *workers, struct taken *taken);
/* Nobody needs them any more. */
void workers_close_numbers(struct taken *taken);
/* What nobody has taken goes over once more. */
void workers_pass_on_numbers(struct taken *taken, struct handover *handover);

#endif
