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

#include "base/libc_data.h"
#include "master/event_in.h"
#include "master/handover.h"
#include "master/spawn.h"

/* The reader may wait for names, and the probe for plugins. */
#define TRIAL_MS 90000
#define SAID_MAX 8192

struct upgrade_trial {
	const char *path;
	const struct upgrade_trial_ops *ops;
	void *arg;
	pid_t pid;
	int pipe;
	struct event *readable, *deadline;
	bool late;
	size_t length;
	char said[SAID_MAX + 1];
};

__attribute__((noreturn)) static void
become(int program, int said, const char *path, const char *config)
{
	const char *argv[] = { "sluiced", "--child", "trial", config, NULL };
	int nothing = open("/dev/null", O_RDWR);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(nothing, STDIN_FILENO);
	dup2(said, STDOUT_FILENO);
	dup2(said, STDERR_FILENO);
	close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	execveat(program, "", (char *const *)(uintptr_t)argv, environ,
	    AT_EMPTY_PATH);
	/* The name of the descriptor would be gone when a script is read. */
	dprintf(STDOUT_FILENO, "cannot execute %s: %s\n", path,
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

/* Its first line is right: "1: sluiced 2.0". */
static void
judge(struct upgrade_trial *trial, char *first, char *rest)
{
	char *version = strchr(first, ':'), text[160];
	const char *last;
	int format = atoi(first);

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
		tell(trial, false, version, "it took longer than 90 s", rest);
		return;
	}
	last = last_line(rest);
	if (strcmp(last, TRIAL_LAST) == 0)
		tell(trial, true, version, "", "");
	else if (last == rest)
		tell(trial, false, version,
		    *rest != '\0' ? rest : "it ended without an answer", "");
	else
		tell(trial, false, version, last, rest);
}

static void
end(struct upgrade_trial *trial)
{
	char *rest = strchr(trial->said, '\n');

	if (rest != NULL)
		*rest++ = '\0';
	else
		rest = strchr(trial->said, '\0');
	if (strncmp(trial->said, TRIAL_FIRST, strlen(TRIAL_FIRST)) == 0)
		judge(trial, trial->said + strlen(TRIAL_FIRST), rest);
	else if (strncmp(trial->said, "cannot execute ", 15) == 0)
		tell(trial, false, "", trial->said, "");
	else if (trial->late)
		tell(trial, false, "",
		    "it said nothing for 90 s that a sluiced would say",
		    trial->said);
	else
		tell(trial, false, "",
		    "it is not a sluiced that can take over, or it cannot "
		    "start",
		    trial->said);
}

static void
trial_read_cb(evutil_socket_t fd, short what, void *arg)
{
	struct upgrade_trial *trial = arg;
	char away[1024];
	ssize_t got;

	(void)what;
	if (trial->length < SAID_MAX)
		got = read(fd, trial->said + trial->length,
		    SAID_MAX - trial->length);
	else
		got = read(fd, away, sizeof(away));
	if (got == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0)
		end(trial);
	else if (trial->length < SAID_MAX)
		trial->length += (size_t)got;
}

static void
trial_late_cb(evutil_socket_t fd, short what, void *arg)
{
	struct upgrade_trial *trial = arg;

	(void)fd;
	(void)what;
	trial->late = true;
	end(trial);
}

static int
start(struct upgrade_trial *trial, struct event_base *base, int program,
    const char *config)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) == -1)
		return -1;
	trial->pipe = ends[0];
	trial->readable = event_new(base, ends[0], EV_READ | EV_PERSIST,
	    trial_read_cb, trial);
	trial->deadline = event_new(base, -1, 0, trial_late_cb, trial);
	if (trial->readable == NULL || trial->deadline == NULL ||
	    event_add(trial->readable, NULL) == -1 ||
	    event_in(trial->deadline, TRIAL_MS) == -1) {
		close(ends[1]);
		return -1;
	}
	/* Only ours must not wait. */
	fcntl(ends[1], F_SETFL, 0);
	trial->pid = spawn_fork();
	if (trial->pid == 0)
		become(program, ends[1], trial->path, config);
	close(ends[1]);
	return trial->pid == -1 ? -1 : 0;
}

struct upgrade_trial *
upgrade_trial_new(struct event_base *base, int program, const char *path,
    const char *config, const struct upgrade_trial_ops *ops, void *arg)
{
	struct upgrade_trial *trial = calloc(1, sizeof(*trial));

	if (trial == NULL)
		return NULL;
	trial->path = path;
	trial->ops = ops;
	trial->arg = arg;
	trial->pid = trial->pipe = -1;
	if (start(trial, base, program, config) == 0)
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
	/*
	 * Reaped by child.c, perhaps by now: its session is only ours to kill
	 * when it was late, and then it is still there.
	 */
	if (trial->late)
		kill(-trial->pid, SIGKILL);
	if (trial->pipe != -1)
		close(trial->pipe);
	free(trial);
}
