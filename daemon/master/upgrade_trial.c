/*
 * upgrade_trial.c: our side of a trial.  The new binary may be anything, so it
 * is believed only what it says in the right words: an exit status of 0 would
 * be that of true(1), too.  It has no descriptor of ours but a pipe.
 */

#include "master/upgrade_trial.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/libc_data.h"
#include "base/same_file.h"
#include "base/time_text.h"
#include "base/trusted_path.h"
#include "master/child.h"
#include "master/event_in.h"
#include "master/handover.h"
#include "master/spawn.h"

/* Of what it says: the first line, if it is short, and the newest lines. */
#define SAID_MAX 8192
#define FIRST_MAX 512
#define PIPE_MAX 65536 /* that may wait in the pipe when it has ended */

/* What our own process says, instead of becoming the program. */
#define CANNOT "cannot be "

struct upgrade_trial {
	struct children *children;
	struct upgrade_job job;
	const struct upgrade_trial_ops *ops;
	void *arg;
	struct child *child; /* NULL: it has ended */
	pid_t pid;
	int pipe;
	struct event *readable, *deadline;
	bool late, looking;
	char how[160]; /* it ended, if it was not clean; or "" */
	size_t length;
	char said[SAID_MAX + 1];
};

/*
 * As root we must not execute what another user could have written.  That is
 * found out here, in a process that may wait for a disk and for names of users.
 */
static void
refuse_untrusted(const struct upgrade_job *job)
{
	static const struct trusted_users only_root = { { 0, 0 } };
	struct error doubt;
	int fd;

	if (geteuid() != 0)
		return;
	fd = trusted_path_open(job->path, &only_root, &doubt);
	if (fd != -1 && doubt.text[0] == '\0' &&
	    same_open_file(fd, job->program)) {
		close(fd);
		return;
	}
	if (fd == -1)
		error_sys(&doubt, CANNOT "found");
	else if (doubt.text[0] == '\0')
		error_set(&doubt,
		    CANNOT "executed: it was replaced in this moment");
	dprintf(STDOUT_FILENO, "%s\n", doubt.text);
	_exit(SPAWN_FAILED_STATUS);
}

__attribute__((noreturn)) static void
become(const struct upgrade_job *job, int said, pid_t master)
{
	const char *argv[] = { "sluiced", "--child", "trial", job->config,
		NULL };
	int nothing = open("/dev/null", O_RDWR);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != master)
		_exit(SPAWN_FAILED_STATUS); /* it died before we asked */
	dup2(nothing, STDIN_FILENO);
	dup2(said, STDOUT_FILENO);
	dup2(said, STDERR_FILENO);
	close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	refuse_untrusted(job);
	execveat(job->program, "", (char *const *)(uintptr_t)argv, environ,
	    AT_EMPTY_PATH);
	/* The name of the descriptor would be gone when a script is read. */
	dprintf(STDOUT_FILENO, CANNOT "executed: %s\n",
	    errno == ENOENT ? "it is a script, or its interpreter is missing"
			    : strerror(errno));
	_exit(SPAWN_FAILED_STATUS);
}

/* Cut off the last line, and return it. */
static char *
last_line(char *text)
{
	char *end = strchr(text, '\0'), *newline;

	if (end > text && end[-1] == '\n')
		end[-1] = '\0';
	newline = strrchr(text, '\n');
	if (newline == NULL)
		return text;
	*newline = '\0';
	return newline + 1;
}

static void
tell(struct upgrade_trial *trial, bool good, const char *version,
    const char *text, const char *lines)
{
	trial->ops->on_done(trial->arg, good, version, text, lines);
	upgrade_trial_free(trial);
}

static const char *
with_end(const struct upgrade_trial *trial, const char *what, char *text,
    size_t size)
{
	snprintf(text, size, "%s%s%s", what, *trial->how != '\0' ? "; it " : "",
	    trial->how);
	return text;
}

/* Its first line is right: "1: sluiced 2.0". */
static void
judge(struct upgrade_trial *trial, char *first, char *rest)
{
	char *version = strchr(first, ':'), text[256], time[TIME_TEXT_MAX];
	const char *last;
	int format = atoi(first);
	bool killed;

	version = version != NULL ? version + 1 : strchr(first, '\0');
	version += strspn(version, " ");
	if (format != HANDOVER_FORMAT) {
		snprintf(text, sizeof(text),
		    "it takes over format %d, and " PACKAGE_VERSION
		    " hands over format %d; a restart is needed",
		    format, HANDOVER_FORMAT);
		tell(trial, false, version, text, "");
		return;
	}
	if (trial->late) {
		snprintf(text, sizeof(text), "it took longer than %s",
		    duration_text(trial->job.limit_ms, time));
		tell(trial, false, version, text, rest);
		return;
	}
	killed = strncmp(trial->how, "was killed", 10) == 0;
	last = killed ? "" : last_line(rest);
	if (strcmp(last, TRIAL_LAST) == 0)
		tell(trial, true, version, "", "");
	else if (*last == '\0')
		tell(trial, false, version,
		    with_end(trial, "it ended without an answer", text,
			sizeof(text)),
		    rest);
	else if (last == rest)
		tell(trial, false, version, rest, "");
	else
		tell(trial, false, version, last, rest);
}

static void
end(struct upgrade_trial *trial)
{
	char *rest, text[256], time[TIME_TEXT_MAX];

	trial->said[trial->length] = '\0';
	rest = strchr(trial->said, '\n');
	if (rest != NULL)
		*rest++ = '\0';
	else
		rest = strchr(trial->said, '\0');
	if (strncmp(trial->said, TRIAL_FIRST, strlen(TRIAL_FIRST)) == 0) {
		judge(trial, trial->said + strlen(TRIAL_FIRST), rest);
		return;
	}
	if (strncmp(trial->said, CANNOT, strlen(CANNOT)) == 0) {
		tell(trial, false, "", trial->said, rest);
		return;
	}
	if (rest > trial->said && rest[-1] == '\0')
		rest[-1] = '\n'; /* all of it is shown */
	if (trial->late)
		snprintf(text, sizeof(text),
		    "it said nothing for %s that a sluiced would say",
		    duration_text(trial->job.limit_ms, time));
	else
		with_end(trial,
		    "it is not a sluiced that can take over, or it cannot "
		    "start",
		    text, sizeof(text));
	tell(trial, false, "", text, trial->said);
}

/* Drop what is between the first line and the newest half of the rest. */
static void
make_room(struct upgrade_trial *trial)
{
	char *said = trial->said, *end = said + trial->length;
	char *newest = end - SAID_MAX / 2, *line;

	line = memchr(newest, '\n', (size_t)(end - newest));
	if (line != NULL && line + 1 < end)
		newest = line + 1;
	line = memchr(said, '\n', FIRST_MAX);
	if (line != NULL)
		said = line + 1;
	memmove(said, newest, (size_t)(end - newest));
	trial->length = (size_t)(said - trial->said) + (size_t)(end - newest);
}

/* Returns how much it has taken; 0: the end; -1: there is none now. */
static ssize_t
take(struct upgrade_trial *trial)
{
	char *place;
	ssize_t got;

	if (trial->length == SAID_MAX)
		make_room(trial);
	place = trial->said + trial->length;
	got = read(trial->pipe, place, SAID_MAX - trial->length);
	/* What comes behind a NUL is to be seen, too. */
	for (ssize_t i = 0; i < got; i++)
		if (place[i] == '\0')
			place[i] = ' ';
	if (got > 0)
		trial->length += (size_t)got;
	return got;
}

static void
trial_read_cb(evutil_socket_t fd, short what, void *arg)
{
	struct upgrade_trial *trial = arg;

	(void)fd;
	(void)what;
	/* How it ends is told by its end. */
	if (take(trial) == 0)
		event_del(trial->readable);
}

/* A process that it has started may still have the pipe. */
static void
take_rest(struct upgrade_trial *trial)
{
	ssize_t got = 1;

	for (size_t all = 0; got > 0 && all < PIPE_MAX; all += (size_t)got)
		got = take(trial);
}

static void
on_gone(void *arg, const char *how, bool clean)
{
	struct upgrade_trial *trial = arg;

	trial->child = NULL;
	if (!clean)
		snprintf(trial->how, sizeof(trial->how), "%s", how);
	take_rest(trial);
	if (!trial->looking)
		end(trial);
}

static const struct child_ops child_ops = {
	.on_gone = on_gone,
};

static void
trial_late_cb(evutil_socket_t fd, short what, void *arg)
{
	struct upgrade_trial *trial = arg;

	(void)fd;
	(void)what;
	/* It may have ended in time, and nobody has looked. */
	trial->looking = true;
	children_reap(trial->children);
	trial->late = trial->child != NULL;
	if (trial->late)
		take_rest(trial);
	end(trial);
}

static int
start(struct upgrade_trial *trial, struct event_base *base)
{
	pid_t master = getpid();
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) == -1)
		return -1;
	trial->pipe = ends[0];
	trial->readable = event_new(base, ends[0], EV_READ | EV_PERSIST,
	    trial_read_cb, trial);
	trial->deadline = event_new(base, -1, 0, trial_late_cb, trial);
	if (trial->readable == NULL || trial->deadline == NULL ||
	    event_add(trial->readable, NULL) == -1 ||
	    event_in(trial->deadline, trial->job.limit_ms) == -1) {
		close(ends[1]);
		return -1;
	}
	/* Only ours must not wait. */
	fcntl(ends[1], F_SETFL, 0);
	trial->pid = spawn_fork();
	if (trial->pid == 0)
		become(&trial->job, ends[1], master);
	close(ends[1]);
	if (trial->pid == -1)
		return -1;
	trial->child =
	    child_adopt(trial->children, trial->pid, &child_ops, trial);
	if (trial->child == NULL)
		kill(trial->pid, SIGKILL);
	return trial->child == NULL ? -1 : 0;
}

struct upgrade_trial *
upgrade_trial_new(struct event_base *base, struct children *children,
    const struct upgrade_job *job, const struct upgrade_trial_ops *ops,
    void *arg)
{
	struct upgrade_trial *trial = calloc(1, sizeof(*trial));

	if (trial == NULL)
		return NULL;
	trial->children = children;
	trial->job = *job;
	trial->ops = ops;
	trial->arg = arg;
	trial->pid = trial->pipe = -1;
	if (start(trial, base) == 0)
		return trial;
	upgrade_trial_free(trial);
	return NULL;
}

void
upgrade_trial_free(struct upgrade_trial *trial)
{
	if (trial == NULL)
		return;
	if (trial->readable != NULL)
		event_free(trial->readable);
	if (trial->deadline != NULL)
		event_free(trial->deadline);
	/* Its number cannot belong to others before it has been reaped. */
	if (trial->child != NULL)
		kill(-trial->pid, SIGKILL);
	child_free(trial->child);
	if (trial->pipe != -1)
		close(trial->pipe);
	free(trial);
}
