/*
 * notify.h: telling systemd how we are, as sd_notify(3) does.  Nothing here can
 * fail the daemon, or hold it up: what the manager does not take now it is told
 * again, in order, and of two texts the later.
 *
 * As long as we start, reload or stop, its time limits are put off again and
 * again, since each of these has limits of its own.  If it watches us, it is
 * told from the event loop that we are alive, as long as that is on time.
 */

#ifndef SLUICE_MASTER_NOTIFY_H
#define SLUICE_MASTER_NOTIFY_H

struct event_base;

/*
 * Takes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID out of the environment.
 * Without the first all calls do nothing.
 */
void notify_init(struct event_base *base);
void notify_done(void);

void notify_ready(void);
void notify_reloading(void);
void notify_stopping(void);
void notify_status(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
