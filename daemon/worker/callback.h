/*
 * callback.h: the one door to plugin code.  Every callback is called here, so
 * here is where it is counted, named for reports, and where the promise that
 * callbacks never nest is asserted.
 */

#ifndef SLUICE_CALLBACK_H
#define SLUICE_CALLBACK_H

#include <sluice.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct ending;
struct error;
struct plugin;
struct shm;

/*
 * Show what runs on our row of the board, count how long it takes, and end the
 * pass of the event loop when the master has rung.  Borrowed for ever.
 */
void callback_init(struct shm *shm);
/* Has such a pass ended since the last call? */
bool callback_was_rung(void);

/* What runs; callback is CALLBACK_NONE when nothing does. */
struct callback_context {
	unsigned int callback; /* enum callback */
	const struct plugin *plugin;
	const struct sl_service *service; /* NULL: none, in `check` */
	const struct sl_conn *conn;	  /* NULL: not of a connection */
};
/* Also from a signal handler. */
struct callback_context callback_context(void);

/*
 * Show code of a plugin that is no callback: CALLBACK_LOAD or CALLBACK_UNLOAD
 * of this code (see board_code()); and that it is over.
 */
void callback_show(unsigned int what, uint64_t code);
void callback_hide(void);

/* Is plugin code on the stack? */
bool callback_running(void);
/*
 * Is it an event of this connection?  Then conn_settle() follows, and what a
 * call decides need not be made pending.
 */
bool callback_running_for(const struct sl_conn *conn);

/*
 * Returns 0, or -1 with the plugin's reason in err, and the name of the option
 * it blames in ret_option (empty: none).
 */
#define OPTION_PATH_MAX 128
int callback_check(const struct plugin *plugin,
    const struct sl_options *options, struct error *err,
    char ret_option[OPTION_PATH_MAX]);
/* What sl_refuse() does. */
int callback_refuse(struct sl_error *err, const char *option, const char *fmt,
    va_list ap) __attribute__((format(printf, 3, 0)));
int callback_start(struct sl_service *service);
int callback_reload(struct sl_service *next, struct sl_service *prev);
void callback_stop(struct sl_service *service);
int callback_migrate(struct sl_conn *conn, struct sl_service *to,
    uint32_t from_version);
void callback_timer(struct sl_service *service, struct sl_conn *conn,
    uint32_t id);

int callback_open(struct sl_conn *conn);
ssize_t callback_data(struct sl_conn *conn, const void *buf, size_t len);
void callback_drain(struct sl_conn *conn);
bool callback_end(struct sl_conn *conn);     /* false: there is none */
bool callback_timeout(struct sl_conn *conn); /* false: there is none */
/* NULL: it is done. */
void callback_handshake(struct sl_conn *conn, const struct ending *why);
void callback_connect_error(struct sl_conn *conn, const struct ending *why);
void callback_error(struct sl_conn *conn, const struct ending *why);
void callback_close(struct sl_conn *conn, const struct ending *why);

#endif
