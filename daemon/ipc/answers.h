/*
 * answers.h: what a child that runs plugin code sends to the master: messages
 * in shared memory, and a bell (an eventfd) that announces them.  No descriptor
 * can come this way, and nothing that the child does to either of them makes
 * the master wait.
 */

#ifndef SLUICE_ANSWERS_H
#define SLUICE_ANSWERS_H

struct answers;
struct error;
struct msg;
struct packet;

/* The master makes both ends.  NULL: errno. */
struct answers *answers_new(void);

/* The child opens its end, and takes the descriptors over.  NULL: errno. */
struct answers *answers_open(int memory, int bell);

void answers_free(struct answers *answers); /* NULL is fine */

/*
 * The memory, for the child to open.  The caller owns it now and closes it once
 * the child has it: otherwise processes of the same user could open it through
 * /proc, and answer in the child's name.
 */
int answers_take_memory(struct answers *answers);

/*
 * Borrowed.  It becomes readable with each message.  Wait for the edge, since
 * it is never read.
 */
int answers_bell(const struct answers *answers);

/*
 * The child.  0, or -1 with errno: EAGAIN while the master is behind; or as
 * msg_encode().
 */
int answers_put(struct answers *answers, const struct packet *packet);

/* The same, but wait until the master is no longer behind. */
int answers_say(struct answers *answers, const struct msg *msg);

/*
 * The master: get the next message, whose texts are in room.  1, or -1 with
 * errno: EAGAIN when there is none; EBADMSG when it is not valid, and err says
 * why.
 */
int answers_get(struct answers *answers, struct packet *room, struct msg *ret,
    struct error *err);

#endif
