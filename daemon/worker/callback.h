/*
 * callback.h: the one door to plugin code.  Only callback.c calls the callbacks
 * of a plugin.  It counts and times them, names the running one for reports,
 * and asserts the promise that callbacks never nest.
 */

#ifndef SLUICE_CALLBACK_H
#define SLUICE_CALLBACK_H

#include <sluice.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "ipc/counts.h"

struct ending;
struct error;
struct plugin;
struct shm;

/*
 * From now on, show the running callback in this worker's row of the board,
 * count how long it takes, and end the pass of the event loop after it if the
 * master has rung the bell.  shm is borrowed until the process ends.
 */
void callback_init(struct shm *shm);
/*
 * From now on, callbacks that take this long are counted and logged as slow;
 * 0: none are.
 */
void callback_set_slow(uint64_t ms);
/* As count_time(), for what took so many ticks. */
void callback_count_time(struct counts *counts, enum count first,
    uint64_t ticks);
/* Has a pass been ended by the bell since the last call? */
bool callback_was_rung(void);

/* What is running.  If nothing is, callback is CALLBACK_NONE. */
struct callback_context {
	unsigned int callback; /* enum callback */
	const struct plugin *plugin;
	const struct sl_service *service; /* NULL in `check` */
	const struct sl_conn *conn;	  /* NULL: not for a connection */
};
/* Safe in a signal handler. */
struct callback_context callback_context(void);

/*
 * Show plugin code that runs outside of callbacks: `what` is CALLBACK_LOAD or
 * CALLBACK_UNLOAD, and `code` says of which plugin (see board_code()).
 * callback_hide() shows that it is over, and returns how many milliseconds it
 * took, or 0 if that is not slow.
 */
void callback_show(unsigned int what, uint64_t code);
uint64_t callback_hide(void);

/* Is plugin code on the stack? */
bool callback_running(void);
/*
 * Is a callback of this connection running?  Then conn_settle() follows it, and
 * a call that decides something need not make the connection pending.
 */
bool callback_running_for(const struct sl_conn *conn);
/* Tells the running callback from those before it; 0: none is running. */
uint64_t callback_number(void);

/*
 * All of these skip a callback that the plugin does not have, except `reload`
 * and `migrate`, which must be present.  callback_check(), callback_start() and
 * callback_open() then return 0, and callback_data() consumes everything.
 */

/* Return 0, or -1 with the plugin's reason in err. */
int callback_check(const struct plugin *plugin,
    const struct sl_options *options, struct error *err);
int callback_start(struct sl_service *service, struct error *err);
int callback_reload(struct sl_service *next, struct sl_service *prev,
    struct error *err);
/* The option that such a refusal blames, told once; "": none. */
#define OPTION_PATH_MAX 128
void callback_take_blamed(char ret_option[OPTION_PATH_MAX]);
/* As sl_refuse(). */
void callback_refuse(const struct sl_error *err, const char *option,
    const char *fmt, va_list ap) __attribute__((format(printf, 3, 0)));
void callback_stop(struct sl_service *service);
int callback_migrate(struct sl_conn *conn, struct sl_service *to,
    uint32_t from_version);
void callback_timer(struct sl_service *service, struct sl_conn *conn,
    uint32_t id);

int callback_open(struct sl_conn *conn);
ssize_t callback_data(struct sl_conn *conn, const void *buf, size_t len);
void callback_drain(struct sl_conn *conn);
bool callback_end(struct sl_conn *conn);     /* false: not in the plugin */
bool callback_timeout(struct sl_conn *conn); /* false: not in the plugin */
/* why: what made the handshake fail; NULL: it succeeded. */
void callback_handshake(struct sl_conn *conn, const struct ending *why);
void callback_connect_error(struct sl_conn *conn, const struct ending *why);
void callback_error(struct sl_conn *conn, const struct ending *why);
void callback_close(struct sl_conn *conn, const struct ending *why);

#endif
