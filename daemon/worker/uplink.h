/*
 * uplink.h: what a worker says to its master, and the channel it is said on.
 * There is one of it, as there is one engine.  Once the master is gone,
 * nothing said here goes anywhere.
 */

#ifndef SLUICE_UPLINK_H
#define SLUICE_UPLINK_H

#include <stdbool.h>
#include <stdint.h>

struct answers;
struct channel_ops;
struct event_base;
struct origin;

/*
 * Open the channel on CHILD_CHANNEL_FD; takes answers over; ops, of whoever
 * hears the master, are borrowed.  0, or -1 with errno.
 */
int uplink_open(struct event_base *base, struct answers *answers,
    const struct channel_ops *ops);
void uplink_close(void); /* also inside ops, and when it is not open */

/* Deliver now what the master has said already. */
void uplink_hear(void);

/* What is wrong with a generation, as material_report has it. */
void uplink_problem(uint32_t generation, int level, const struct origin *origin,
    const char *text);
/* The answer to PREPARE. */
void uplink_prepared(uint32_t generation, bool good);
/* The answer to COMMIT. */
void uplink_committed(uint32_t generation);
/* The answer to each ABORT, and to each STOP_LISTENER (generation 0). */
void uplink_done(uint32_t generation);

/* What plugins wish for.  0, or -1 with errno: ENOTCONN without a master. */
int uplink_ask_reload(void);
int uplink_ask_stop_listener(const char *name, const char *plugin,
    bool close_active);

#endif
