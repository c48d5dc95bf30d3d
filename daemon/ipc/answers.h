/*
 * answers.h: what a child that runs plugin code says to the master: messages
 * in shared memory, and a bell.  No descriptor can come this way, and nothing
 * that the child does to either of them makes the master wait.
 */

#ifndef SLUICE_ANSWERS_H
#define SLUICE_ANSWERS_H

#include <stddef.h>
#include <stdint.h>

struct answers;
struct msg;

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

/* The child: as msg_send(); -1 with EAGAIN while the master is behind. */
int answers_put(struct answers *answers, uint32_t type, uint32_t generation,
    const uint32_t arg[4], const void *payload, size_t length);

/* The same, for a child that has nothing better to do than to wait. */
int answers_say(struct answers *answers, uint32_t type, uint32_t generation,
    const uint32_t arg[4], const void *payload, size_t length);

/*
 * A MSG_PROBLEM, by answers_say(); level is enum log_level; file may be NULL.
 */
int answers_say_problem(struct answers *answers, uint32_t generation, int level,
    const char *file, uint32_t line, const char *text);

/*
 * The master: 1, or -1 with EAGAIN for nothing there, EBADMSG for no message.
 */
int answers_get(struct answers *answers, struct msg *ret);

#endif
