/*
 * watch.h: --watch, for authors of plugins: reload when a file of the
 * configuration changes, and show the verdict.
 */

#ifndef SLUICE_MASTER_WATCH_H
#define SLUICE_MASTER_WATCH_H

#include <stdbool.h>

struct event_base;
struct watch;

struct watch_ops {
	/* Reload; who: "watch: echo.so changed", for the log. */
	void (*on_change)(void *arg, const char *who);
};

/*
 * config is watched from now on.  Without inotify it looks once a second.
 * NULL: no memory.
 */
struct watch *watch_new(struct event_base *base, const char *config,
    const struct watch_ops *ops, void *arg);
/* Try again what was refused because a worker was busy.  After watch_end(). */
void watch_again(struct watch *watch);
void watch_free(struct watch *watch);

/* A reload, whoever asked for it, begins to read. */
void watch_begin(struct watch *watch);
/* It reads all files that match this pattern, for glob(3). */
void watch_add(struct watch *watch, const char *pattern);
/*
 * It is over; generation: the one that is served.  On a terminal a line of its
 * own says so, after those of the log.
 */
void watch_end(struct watch *watch, bool good, unsigned int generation);

#endif
