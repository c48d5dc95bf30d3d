/*
 * uplink.h: what a worker says to its master, and the channel for it.  There is
 * one uplink, as there is one engine.  Once the master is gone, messages are
 * dropped.
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
 * Open the channel on CHILD_CHANNEL_FD.  Takes answers over.  ops, which get
 * the master's messages, are borrowed.  Returns 0, or -1 with errno.
 */
int uplink_open(struct event_base *base, struct answers *answers,
    const struct channel_ops *ops);
void uplink_close(void); /* safe inside ops, and when it is not open */

/* Deliver the messages that the master has sent already. */
void uplink_hear(void);

/* Report a problem of a generation: a material_report. */
void uplink_problem(uint32_t generation, int level, const struct origin *origin,
    const char *text);
/* The answer to PREPARE. */
void uplink_prepared(uint32_t generation, bool good);
/* The answer to COMMIT. */
void uplink_committed(uint32_t generation);
/* The answer to each ABORT, and to each STOP_LISTENER (generation 0). */
void uplink_done(uint32_t generation);
/* The answer to MSG_TICKETS, if the keys cannot be taken. */
void uplink_no_tickets(void);

/* The answer to MSG_LIST. */
void uplink_listed(uint32_t serial);

/* A callback was slow, for whoever follows sluicectl events. */
void uplink_slow(unsigned int callback, uint64_t ms, const char *listener,
    const char *plugin, const char *text);

/* Requests of plugins.  Return 0, or -1; ENOTCONN: the master is gone. */
int uplink_ask_reload(void);
int uplink_ask_stop_listener(const char *name, const char *plugin,
    bool close_active);

#endif
