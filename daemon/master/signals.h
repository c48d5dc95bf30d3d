/*
 * signals.h: the signals of the master.  It takes them one by one from the
 * loop, with their senders; each signal that could end the master is obeyed or
 * at least logged.
 */

#ifndef SLUICE_MASTER_SIGNALS_H
#define SLUICE_MASTER_SIGNALS_H

#include <stdbool.h>

struct event_base;
struct signals;

struct signals_ops {
	/* name: that of the signal, such as "SIGTERM"; borrowed. */
	void (*on_reload)(void *arg, const char *name);
	void (*on_stop)(void *arg, const char *name);
	void (*on_quit)(void *arg, const char *name);
	void (*on_upgrade)(void *arg, const char *name);
	/* Open the files of the log again.  Returns false: there are none. */
	bool (*on_reopen)(void *arg);
};

/* Signals that came since main() began are delivered.  NULL: errno. */
struct signals *signals_new(struct event_base *base,
    const struct signals_ops *ops, void *arg);
void signals_free(struct signals *signals);

#endif
