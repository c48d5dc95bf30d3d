/*
 * control_closed.h: a control socket that was taken over, as long as we have no
 * configuration, and so no commands: each client is told why.
 */

#ifndef SLUICE_MASTER_CONTROL_CLOSED_H
#define SLUICE_MASTER_CONTROL_CLOSED_H

#include <jansson.h>

struct control_closed;
struct event_base;

/* fd: it listens; borrowed.  why: a sentence, copied.  NULL: no memory. */
struct control_closed *control_closed_new(struct event_base *base, int fd,
    const char *why);
void control_closed_free(struct control_closed *closed); /* NULL is fine */

/* Answer a client that waits: the reply is taken, and so is the descriptor. */
void control_answer_last(int fd, json_t *reply);

#endif
