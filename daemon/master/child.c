/*
 * child.c: starts processes and sees them end.  A child is gone when it was
 * reaped and its channel has been read to the end.  A child that cannot even be
 * killed is given up, so that the master does not wait for ever.
 */

#include "master/child.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fail.h"
#include "base/log.h"
#include "ipc/answers.h"
#include "ipc/channel.h"
#include "ipc/msg.h"
#include "master/child_internal.h"
#include "master/spawn.h"

#define EXIT_MS \
	5000 /* from the end of its channel: for destructors of plugins */
#define REAP_MS 5000	  /* from SIGKILL: longer only if stuck in the kernel */
#define LAST_REAP_MS 1000 /* when we ourselves leave */
#define REAP_POLL_MS 2

static void
child_destroy(struct child *child)
{
	LIST_REMOVE(child, entry);
	channel_free(child->channel);
	if (child->timer != NULL)
		event_free(child->timer);
	free(child);
}

static void
describe_exit(int status, char *text, size_t size)
{
	const char *name;

	if (WIFSIGNALED(status)) {
		name = sigabbrev_np(WTERMSIG(status));
		if (name != NULL)
			snprintf(text, size, "was killed by SIG%s%s", name,
			    WCOREDUMP(status) ? " (core dumped)" : "");
		else
			snprintf(text, size, "was killed by signal %d",
			    WTERMSIG(status));
	} else if (WEXITSTATUS(status) == SPAWN_FAILED_STATUS) {
		snprintf(text, size, "could not be executed");
	} else {
		snprintf(text, size, "exited with status %d",
		    WEXITSTATUS(status));
	}
}

void
child_forget(struct child *child)
{
	child->ops = NULL;
	channel_free(child->channel);
	child->channel = NULL;
	child_end_timer(child);
}

void
child_reaped(struct child *child, int status)
{
	char how[160], exit_text[80];
	const struct child_ops *ops;
	bool clean;

	child->pid = -1;
	if (child->channel != NULL)
		channel_pump(child->channel);
	/* Its last message may have made its owner forget it. */
	ops = child->ops;
	if (ops != NULL) {
		describe_exit(status, exit_text, sizeof(exit_text));
		if (child->killed)
			snprintf(how, sizeof(how), "%s and was killed",
			    child->reason);
		else if (child->aborted)
			snprintf(how, sizeof(how), "%s and was aborted",
			    child->reason);
		else
			snprintf(how, sizeof(how), "%s", exit_text);
		clean = !child->killed && WIFEXITED(status) &&
		    WEXITSTATUS(status) == 0;
		child_forget(child);
		ops->on_gone(child->arg, how, clean);
	}
	child_destroy(child);
}

void
children_reap(struct children *children)
{
	struct child *child;
	pid_t pid;
	int status;

	/*
	 * Wait for any pid: as the first process of a container we inherit
	 * orphans.
	 */
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		LIST_FOREACH(child, &children->list, entry)
			if (child->pid == pid)
				break;
		if (child != NULL)
			child_reaped(child, status);
	}
}

static void
children_reap_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	children_reap(arg);
}

static void
on_channel_message(void *arg, struct msg *msg)
{
	struct child *child = arg;

	if (child->ops != NULL)
		child->ops->on_message(child->arg, msg);
	else if (msg->fd != -1)
		close(msg->fd);
}

static void
on_channel_close(void *arg, const struct error *err)
{
	struct child *child = arg;

	channel_free(child->channel);
	child->channel = NULL;
	if (child->pid == -1 || child->killed || child->aborted)
		return;
	if (err != NULL) {
		snprintf(child->words, sizeof(child->words), "sent %s",
		    err->text);
		child_kill(child, child->words);
		return;
	}
	child->reason = "did not exit";
	child_set_timer(child, EXIT_MS);
}

static const struct channel_ops channel_ops = {
	.on_message = on_channel_message,
	.on_close = on_channel_close,
};

struct children *
children_new(struct event_base *base)
{
	struct children *children = calloc(1, sizeof(*children));

	if (children == NULL)
		return NULL;
	children->base = base;
	LIST_INIT(&children->list);
	children->sigchld =
	    evsignal_new(base, SIGCHLD, children_reap_cb, children);
	if (children->sigchld == NULL ||
	    event_add(children->sigchld, NULL) == -1) {
		children_free(children);
		return NULL;
	}
	return children;
}

/* So that no child outlives us, unless the kernel needs long to end it. */
static void
kill_and_reap(struct children *children)
{
	static const struct timespec pause = { 0, REAP_POLL_MS * 1000000 };
	struct child *child;
	unsigned int left, waited;

	LIST_FOREACH(child, &children->list, entry)
		if (child->pid > 0)
			kill(child->pid, SIGKILL);
	for (waited = 0; waited < LAST_REAP_MS; waited += REAP_POLL_MS) {
		left = 0;
		LIST_FOREACH(child, &children->list, entry) {
			if (child->pid > 0 &&
			    waitpid(child->pid, NULL, WNOHANG) != 0)
				child->pid = -1;
			left += child->pid > 0;
		}
		if (left == 0)
			return;
		nanosleep(&pause, NULL);
	}
}

void
children_free(struct children *children)
{
	struct child *child;

	if (children == NULL)
		return;
	kill_and_reap(children);
	while ((child = LIST_FIRST(&children->list)) != NULL)
		child_destroy(child);
	if (children->sigchld != NULL)
		event_free(children->sigchld);
	free(children);
}

void
children_verbose(struct children *children)
{
	children->verbose = true;
}

static int
send_hello(struct child *child, const struct hello *hello, int fd)
{
	struct msg msg = { .type = MSG_HELLO, .fd = fd, .hello = *hello };

	msg.hello.master_pid = (uint32_t)getpid();
	return channel_send(child->channel, &msg);
}

/*
 * Make the socket pair, and for a child that we do not trust the ring for its
 * answers.  Returns how many descriptors the child needs, or -1.
 */
static int
make_channel(struct child *child, const char *role, int ret_fds[SPAWN_FDS_MAX])
{
	enum channel_side side = CHANNEL_BOTH;
	struct answers *answers = NULL;
	int pair[2], count = 0;

	if (spawn_is_untrusted(role)) {
		answers = answers_new();
		if (answers == NULL)
			return -1;
		side = CHANNEL_MASTER;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1) {
		answers_free(answers);
		return -1;
	}
	child->channel = channel_new(child->children->base, side, pair[0],
	    answers, &channel_ops, child);
	if (child->channel == NULL) {
		close(pair[1]);
		return -1;
	}
	ret_fds[count++] = pair[1];
	if (answers != NULL) {
		ret_fds[count++] = answers_take_memory(answers);
		ret_fds[count++] = answers_bell(answers);
	}
	return count;
}

/* By errno.  EAGAIN of fork(2) is a limit, and there are several. */
static void
cannot_start(const char *role, struct error *err)
{
	if (errno == EAGAIN)
		error_set(err,
		    "cannot start a %s: no more processes are allowed; see "
		    "ulimit -u for uid %u, TasksMax= in the unit, and pids.max "
		    "of the cgroup",
		    role, (unsigned int)getuid());
	else
		error_sys(err, "cannot start a %s", role);
}

struct child *
child_spawn(struct children *children, const char *role,
    const struct hello *hello, int hello_fd, const struct child_ops *ops,
    void *arg, struct error *err)
{
	struct child *child;
	int fds[SPAWN_FDS_MAX], count;

	child = calloc(1, sizeof(*child));
	if (child == NULL) {
		cannot_start(role, err);
		return NULL;
	}
	child->children = children;
	child->arg = arg;
	child->pid = -1;
	LIST_INSERT_HEAD(&children->list, child, entry);
	child->timer = event_new(children->base, -1, 0, child_timer_cb, child);
	if (child->timer == NULL ||
	    (count = make_channel(child, role, fds)) == -1)
		goto fail;
	if (send_hello(child, hello, hello_fd) == 0)
		child->pid =
		    spawn(role, children->verbose, fds, (unsigned int)count);
	close(fds[0]);
	if (count > 1)
		close(fds[1]); /* the memory; the bell stays ours as well */
	if (child->pid == -1)
		goto fail;
	child->ops = ops;
	return child;
fail:
	cannot_start(role, err);
	child_destroy(child);
	return NULL;
}

struct child *
child_adopt(struct children *children, pid_t pid, const struct child_ops *ops,
    void *arg)
{
	struct child *child = calloc(1, sizeof(*child));

	if (child == NULL)
		return NULL;
	child->timer = event_new(children->base, -1, 0, child_timer_cb, child);
	if (child->timer == NULL) {
		free(child);
		return NULL;
	}
	child->children = children;
	child->pid = pid;
	child->ops = ops;
	child->arg = arg;
	LIST_INSERT_HEAD(&children->list, child, entry);
	return child;
}

int
child_channel_fd(const struct child *child)
{
	return child->channel != NULL ? channel_fd(child->channel) : -1;
}

pid_t
child_pid(const struct child *child)
{
	return child->pid;
}

int
child_send(struct child *child, const struct msg *msg)
{
	if (child->channel == NULL)
		return fail(EPIPE);
	return channel_send(child->channel, msg);
}

void
child_abort(struct child *child, const char *reason)
{
	if (child->killed || child->pid == -1)
		return;
	child->reason = reason;
	child->aborted = true;
	child_end_timer(child);
	kill(child->pid, SIGABRT);
}

void
child_pass(struct child *child, const struct child_ops *ops, void *arg)
{
	child->ops = ops;
	child->arg = arg;
}

void
child_kill(struct child *child, const char *reason)
{
	if (child->killed || child->pid == -1)
		return;
	child->reason = reason;
	child->killed = true;
	kill(child->pid, SIGKILL);
	child_set_timer(child, REAP_MS);
}

void
child_free(struct child *child)
{
	if (child == NULL)
		return;
	if (child->pid > 0)
		kill(child->pid, SIGKILL);
	child_forget(child);
}
