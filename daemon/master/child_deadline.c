/*
 * child_deadline.c: how long a child may take, and what follows when it takes
 * longer: a last look, then SIGKILL.  If it does not end then, it is given up.
 */

#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/time_text.h"
#include "ipc/channel.h"
#include "master/child.h"
#include "master/child_internal.h"
#include "master/event_in.h"
#include "master/process.h"

/* If a timer is this late, we were stopped, and probably the child as well. */
#define LATE_MS 500
/* More time in all, beyond its deadline, for a child that could not run. */
#define GRANT_MS 60000

void
child_end_timer(struct child *child)
{
	child->due_ms = 0;
	if (child->timer != NULL)
		event_del(child->timer);
}

static void
arm(struct child *child, unsigned int ms)
{
	child->ms = ms;
	child->due_ms = clock_ms() + ms;
	/* Out of memory for a timer: the deadline is now. */
	if (event_in(child->timer, ms) == -1)
		event_active(child->timer, EV_TIMEOUT, 0);
}

void
child_set_timer(struct child *child, unsigned int ms)
{
	struct process_view view;

	if (child->pid > 0 && process_look(child->pid, &view))
		child->cpu_ms = view.cpu_ms;
	arm(child, ms);
}

/*
 * Could it not use its time?  We may have been stopped or suspended together,
 * it may have waited for the disk or the processor, or a debugger holds it.  A
 * child that stops itself gets no more time.
 */
static bool
had_no_time(const struct child *child)
{
	struct process_view view;
	pid_t tracer;

	if (clock_ms() > child->due_ms + LATE_MS)
		return true;
	if (!process_look(child->pid, &view))
		return false;
	switch (view.state) {
	case 'D':
		return true;
	case 'R': /* what it has used of the time granted counts as well */
		return view.cpu_ms - child->cpu_ms < child->ms / 2;
	case 't':
		tracer = process_tracer(child->pid);
		return tracer != 0 && tracer != getpid();
	default:
		return false;
	}
}

/* A last look before it is killed.  Returns true when it need not be. */
static bool
child_last_look(struct child *child)
{
	uint64_t due_ms = child->due_ms;

	/* A message that it sent in time may not have been read yet. */
	if (child->channel != NULL)
		channel_pump(child->channel);
	if (child->due_ms != due_ms || child->killed || child->aborted)
		return true;
	if (child->granted_ms + child->ms > GRANT_MS || !had_no_time(child))
		return false;
	child->granted_ms += child->ms;
	log_debug("process %d could not run: it gets %u ms more",
	    (int)child->pid, child->ms);
	arm(child, child->ms);
	return true;
}

static void
child_give_up(struct child *child)
{
	const struct child_ops *ops = child->ops;
	struct process_view view;
	const char *held = NULL;

	if (process_look(child->pid, &view))
		held = process_held_text(&view);
	log_errorx("process %d cannot be killed%s%s; it is given up",
	    (int)child->pid, held != NULL ? ", as it " : "",
	    held != NULL ? held : "");
	child_forget(child);
	if (ops != NULL)
		ops->on_gone(child->arg, "cannot be killed", false);
}

void
child_timer_cb(int fd, short what, void *arg)
{
	struct child *child = arg;
	int status;

	(void)fd;
	(void)what;
	/* The SIGCHLD of its end may be handled after this timer. */
	if (child->pid > 0 &&
	    waitpid(child->pid, &status, WNOHANG) == child->pid)
		child_reaped(child, status);
	else if (child->killed)
		child_give_up(child);
	else if (!child_last_look(child))
		child_kill(child, child->reason);
}

void
child_deadline(struct child *child, unsigned int ms)
{
	char time[TIME_TEXT_MAX];

	if (child->killed || child->aborted || child->channel == NULL)
		return; /* an earlier one is running */
	snprintf(child->words, sizeof(child->words), "took longer than %s",
	    duration_text(ms, time));
	child->reason = child->words;
	child->granted_ms = 0;
	if (ms == 0)
		child_end_timer(child);
	else
		child_set_timer(child, ms);
}
