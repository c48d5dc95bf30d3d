/*
 * notify.h: tells systemd our state, as sd_notify(3) does.  Nothing here can
 * end the daemon or make it wait: what the manager does not take now is sent
 * again, in order, and of several status texts only the last.
 *
 * While we start, reload or stop, we keep extending its time limits, since each
 * of these has limits of its own.  If the manager has a watchdog, the event
 * loop tells it that we are alive, as long as the loop is on time.
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

/*
 * Put back into the environment what notify_init() has taken, for a program
 * that is executed in our place; and take it out again.  0 or -1.
 */
int notify_hand_over(void);
void notify_take_back(void);

void notify_ready(void);
void notify_reloading(void);
void notify_stopping(void);
void notify_status(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
