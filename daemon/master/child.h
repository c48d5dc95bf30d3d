/*
 * child.h: the processes that the master starts.  Each is a fresh sluiced with
 * a role and a channel; how it ended is told in words.
 */

#ifndef SLUICE_MASTER_CHILD_H
#define SLUICE_MASTER_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct child;
struct children;
struct error;
struct event_base;
struct hello;
struct msg;

struct child_ops {
	/*
	 * A message, whose texts are borrowed; msg->fd, which only a reader can
	 * send, is the callee's to keep or close.
	 */
	void (*on_message)(void *arg, struct msg *msg);
	/*
	 * It ended, and all its messages were delivered.  The last call: the
	 * child is freed afterwards.  how: "was killed by SIGSEGV", "exited
	 * with status 1", borrowed; clean: it exited with status 0, by itself.
	 */
	void (*on_gone)(void *arg, const char *how, bool clean);
};

/* Reaps from now on.  NULL: no memory. */
struct children *children_new(struct event_base *base);
/* Reap now those that have ended, as a deadline does before it kills. */
void children_reap(struct children *children);
/* Kills and forgets what is left. */
void children_free(struct children *children);

/* Every child started from now on logs debug lines. */
void children_verbose(struct children *children);

/*
 * Start one. hello_fd is borrowed, or -1; hello->master_pid is set here.
 * Returns a child that is freed by its on_gone or by child_free(), or NULL.
 */
struct child *child_spawn(struct children *children, const char *role,
    const struct hello *hello, int hello_fd, const struct child_ops *ops,
    void *arg, struct error *err);

/*
 * A process that is our child, though we have not started it: the program that
 * ran in this process before has.  It has no channel here.  As child_spawn();
 * NULL: no memory.
 */
struct child *child_adopt(struct children *children, pid_t pid,
    const struct child_ops *ops, void *arg);

pid_t child_pid(const struct child *child);
/* Our end of its channel, borrowed; -1: it is closed. */
int child_channel_fd(const struct child *child);

/* As channel_send(). */
int child_send(struct child *child, const struct msg *msg);

/*
 * Kill it unless it ends, or this is called again, within ms.  0: no deadline.
 * Before that its messages are read, and a child that could not run gets more
 * time, up to a minute in all.  Its end is reported as "took longer than 5 s".
 */
void child_deadline(struct child *child, unsigned int ms);

/*
 * Send it SIGABRT, so that it leaves a report; its end is reported with this
 * reason.  Its deadline is cancelled: kill it if it does not end.
 */
void child_abort(struct child *child, const char *reason);

/* Its messages and its end go to other ops from now on. */
void child_pass(struct child *child, const struct child_ops *ops, void *arg);

/*
 * Kill it now; on_gone follows from the loop.  reason: "broke the protocol",
 * borrowed for ever.
 */
void child_kill(struct child *child, const char *reason);

/*
 * Kill and forget it: no calls follow.  NULL is fine; also inside its
 * callbacks.
 */
void child_free(struct child *child);

#endif
