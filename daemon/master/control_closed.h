/*
 * control_closed.h: a control socket that was taken over, as long as we have no
 * configuration, and so no commands: each client is told why.
 */

#ifndef SLUICE_MASTER_CONTROL_CLOSED_H
#define SLUICE_MASTER_CONTROL_CLOSED_H

#include <jansson.h>
#include <stdbool.h>

struct control_closed;
struct event_base;

/* fd: it listens; borrowed.  why: a sentence, copied.  NULL: no memory. */
struct control_closed *control_closed_new(struct event_base *base, int fd,
    const char *why);
void control_closed_free(struct control_closed *closed); /* NULL is fine */

/*
 * Send one line, if the socket takes it, as a new socket always does, and drop
 * the client.  Takes the descriptor and the reply; NULL: nothing is sent.
 */
void control_reply_and_drop(int fd, json_t *reply);
/* The verdict for a client that waits, whose descriptor is taken. */
void control_tell_last(int fd, bool good, const char *reasons,
    const char *verdict);

#endif
