/*
 * reload.h: from what lies on disk to what is served: one transaction, the
 * same for the start and for every reload.  All of it happens, or nothing.
 */

#ifndef SLUICE_MASTER_RELOAD_H
#define SLUICE_MASTER_RELOAD_H

#include <stdbool.h>
#include <stdint.h>

struct children;
struct event_base;
struct gen;
struct reload;
struct settings;
struct slots;
struct sockets;
struct workers;

struct reload_ops {
	/* The first generation is about to be bound: make and start the workers.  Logs what fails. */
	int (*on_settings)(void *arg, const struct settings *settings,
	    struct workers **ret_workers, struct slots **ret_slots);
	/* The verdict; it was logged. */
	void (*on_done)(void *arg, bool good);
};

/* All borrowed.  NULL: no memory. */
struct reload *reload_new(struct event_base *base, struct children *children,
    struct sockets *sockets, const char *config, const struct reload_ops *ops,
    void *arg);
void reload_free(struct reload *reload);

/*
 * Begin, or do one more after the one that runs; who: "SIGHUP", for the log.
 * pause_ms: not sooner after the end of the last one.
 */
void reload_request(struct reload *reload, const char *who,
    unsigned int pause_ms);

/* End what runs, in any state, and begin no more. */
void reload_stop(struct reload *reload);

/* What is served; NULL: nothing yet.  Borrowed. */
struct gen *reload_committed(const struct reload *reload);

/* From the table of workers: see workers.h. */
void reload_on_prepared(struct reload *reload, uint32_t worker);
void reload_on_refused(struct reload *reload, uint32_t worker);
void reload_on_committed(struct reload *reload, uint32_t worker);
void reload_on_lost(struct reload *reload, uint32_t worker, const char *how);
void reload_on_settled(struct reload *reload);
void reload_on_problem(struct reload *reload, uint32_t worker, int level,
    const char *file, uint32_t line, const char *text);

#endif
