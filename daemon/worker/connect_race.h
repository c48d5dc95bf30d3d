/*
 * connect_race.h: the addresses of a name are tried as RFC 8305 says: one after
 * the other, each CONNECT_STAGGER_MS after the one before or as soon as that
 * has failed.  The first to answer is taken, and the others are closed.
 */

#ifndef SLUICE_CONNECT_RACE_H
#define SLUICE_CONNECT_RACE_H

struct connect_plan;
struct name_answer;
struct race;
struct stream_fault;

#define CONNECT_STAGGER_MS 250

/*
 * news(arg) says that race_run() should be called, and is not called from
 * inside of it.  The plan is borrowed.  NULL: ENOMEM.
 */
struct race *race_new(const struct connect_plan *plan, void (*news)(void *arg),
    void *arg);
void race_free(struct race *race); /* NULL is fine */

/*
 * Look at all that run, and begin what is due.  The answer may have more
 * addresses than the last time.  Returns the socket that is connected, which is
 * the caller's then, or -1 with errno: EAGAIN: not yet; ECONNREFUSED: all have
 * failed, as race_fault() says.
 */
int race_run(struct race *race, const struct name_answer *answer);

/* Why it failed, or would fail if it ended now; NULL: no reason so far. */
const struct stream_fault *race_fault(const struct race *race);

#endif
