/*
 * answers.h: what a child that runs plugin code says to the master: messages
 * in shared memory, and a bell.  No descriptor can come this way, and nothing
 * that the child does to either of them makes the master wait.
 */

#ifndef SLUICE_ANSWERS_H
#define SLUICE_ANSWERS_H

struct answers;
struct error;
struct msg;
struct packet;

/* The master makes both ends.  NULL: errno. */
struct answers *answers_new(void);

/*
 * The child opens its end of them, and takes the descriptors over.  NULL:
 * errno.
 */
struct answers *answers_open(int memory, int bell);

void answers_free(struct answers *answers); /* NULL is fine */

/*
 * The memory, for the child to open.  The caller owns it now and closes it once
 * the child has it: other processes of the same user would find it in /proc,
 * and could answer in the child's name.
 */
int answers_take_memory(struct answers *answers);

/*
 * Borrowed.  It becomes readable each time that something was put: wait for the
 * edge, since nobody reads it.
 */
int answers_bell(const struct answers *answers);

/*
 * The child.  0, or -1 with errno: EAGAIN while the master is behind; or as
 * msg_encode().
 */
int answers_put(struct answers *answers, const struct packet *packet);

/* The same, for a child that has nothing better to do than to wait. */
int answers_say(struct answers *answers, const struct msg *msg);

/*
 * The master: the next one, whose texts are in room.  1, or -1 with EAGAIN for
 * nothing there, or EBADMSG for what is not one of ours, and err says why.
 */
int answers_get(struct answers *answers, struct packet *room, struct msg *ret,
    struct error *err);

#endif
