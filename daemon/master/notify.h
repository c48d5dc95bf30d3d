/* notify.h: telling systemd how we are, as sd_notify(3) does.  Nothing here can fail the daemon. */

#ifndef SLUICE_MASTER_NOTIFY_H
#define SLUICE_MASTER_NOTIFY_H

/* Takes NOTIFY_SOCKET out of the environment.  Without it all calls do nothing. */
void notify_init(void);
void notify_done(void);

void notify_ready(void);
void notify_reloading(void);
void notify_stopping(void);
void notify_status(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
