/*
 * spawn.c: fork and exec.  Through exec a child gets an address layout of its
 * own, none of our memory, and none of our descriptors.  It gets a session of
 * its own, too: a process in the session of a terminal can type there.
 */

#include "master/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/libc_data.h"
#include "base/log.h"
#include "base/same_file.h"
#include "base/title.h"
#include "base/valgrind.h"
#include "ipc/msg.h"
#include "master/log_process.h"
#include "master/output.h"
#include "master/output_json.h"

#define RELAY_MS 1000 /* at our end, for output that is still on its way */
#define RELAY_POLL_MS 2
#define OOM_SCORE_MORE 100 /* than the master's; thousandths of all memory */
#define OOM_SCORE_MAX 1000

/* For each standard descriptor: the pipe to its relay process; -1: none. */
struct relays {
	int fds[3];
	pid_t pids[3];
	bool started;
};

static struct relays relays_text = { .fds = { -1, -1, -1 } };
/* In front of a log of objects, for what plugins print, once it is needed. */
static struct relays relays_json = { .fds = { -1, -1, -1 } };
/* The pipe of the log process, once there is one. */
static struct relays relays_log = { .fds = { -1, -1, -1 } };

static struct relays *
relays_now(void)
{
	return log_process_runs() ? &relays_log : &relays_text;
}

/*
 * Where plugins print, if not where a child's own lines go: what they print is
 * not to be taken for lines of ours.  -1: it is the same.
 */
static int
printed_now(void)
{
	if (log_process_runs())
		return log_process_printed();
	if (log_format() == LOG_FORMAT_JSON)
		return relays_json.fds[STDERR_FILENO];
	return -1;
}

bool
spawn_is_untrusted(const char *role)
{
	return strcmp(role, "reader") != 0;
}

/*
 * A worker drains when the master dies.  It must ask for this signal again
 * after it has changed its user.
 */
static int
death_signal(const char *role)
{
	return strcmp(role, "worker") == 0 ? SIGTERM : SIGKILL;
}

/*
 * Signals that the master handles get their default action again.  Those that
 * people send to all processes named sluiced, but mean for the master, are
 * ignored, and so are those that the kernel sends where a call can fail with
 * errno instead.
 */
static void
reset_signals(void)
{
	static const int ignored[] = { SIGHUP, SIGINT, SIGQUIT, SIGUSR1,
		SIGUSR2, SIGPWR, SIGPIPE, SIGXFSZ, SIGXCPU, SIGTTIN, SIGTTOU };
	struct sigaction action;
	int number;

	memset(&action, 0, sizeof(action));
	action.sa_handler = SIG_DFL;
	for (number = 1; number < NSIG; number++)
		sigaction(number, &action, NULL);
	action.sa_handler = SIG_IGN;
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		sigaction(ignored[i], &action, NULL);
	sigemptyset(&action.sa_mask);
	sigprocmask(SIG_SETMASK, &action.sa_mask, NULL);
}

/*
 * The variables of our environment that plugin code gets.  Everything else
 * could be a secret, or speak for the daemon, as NOTIFY_SOCKET does.
 * sluiced(8) has the same list.
 */
static bool
is_for_plugins(const char *variable)
{
	static const char *const names[] = { "PATH=", "TMPDIR=", "TZ=",
		"TZDIR=", "LANG=", "LANGUAGE=", "LC_",
		"LD_LIBRARY_PATH=", "LD_PRELOAD=", "GLIBC_TUNABLES=", "MALLOC_",
		"ASAN_OPTIONS=", "LSAN_OPTIONS=", "TSAN_OPTIONS=",
		"UBSAN_OPTIONS=", "JOURNAL_STREAM=" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncmp(variable, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

static void
reduce_environment(void)
{
	char **from, **to = environ;

	for (from = environ; *from != NULL; from++)
		if (is_for_plugins(*from))
			*to++ = *from;
	*to = NULL;
}

/* The lowest of these descriptors that is not below `from`; -1: none. */
static int
next_of(const int *fds, unsigned int count, int from)
{
	int next = -1;

	for (unsigned int i = 0; i < count; i++)
		if (fds[i] >= from && (next == -1 || fds[i] < next))
			next = fds[i];
	return next;
}

/*
 * Close the master's descriptors first.  Exec would close them, too, but if
 * the master has used up its limit there is no room for what follows.
 */
static void
close_others(const int *fds, unsigned int count)
{
	const int *relays = relays_now()->fds;
	int keep[SPAWN_FDS_MAX + 4], from, next;

	for (unsigned int i = 0; i < count; i++)
		keep[i] = fds[i];
	for (unsigned int i = 0; i < 3; i++)
		keep[count + i] = relays[i];
	keep[count + 3] = printed_now();
	for (from = STDERR_FILENO + 1;; from = next + 1) {
		next = next_of(keep, count + 4, from);
		if (next == -1)
			break;
		if (next > from)
			close_range((unsigned int)from, (unsigned int)next - 1,
			    0);
	}
	close_range((unsigned int)from, ~0U, 0);
}

/* First move all of them away: one may have the number another is to get. */
static int
place_fds(const int *fds, unsigned int count)
{
	int aside[SPAWN_FDS_MAX], printed = printed_now(), own = -1;

	for (unsigned int i = 0; i < count; i++) {
		aside[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, CHILD_PRINTED_FD + 1);
		if (aside[i] == -1)
			return -1;
	}
	if (printed != -1)
		own = output_open_anew(printed);
	if (own == -1)
		own = printed;
	if (own != -1 && own != CHILD_PRINTED_FD &&
	    dup2(own, CHILD_PRINTED_FD) == -1)
		return -1;
	if (own == CHILD_PRINTED_FD)
		fcntl(own, F_SETFD, 0);
	for (unsigned int i = 0; i < count; i++)
		if (dup2(aside[i], CHILD_CHANNEL_FD + (int)i) == -1)
			return -1;
	if (count < SPAWN_FDS_MAX &&
	    close_range(CHILD_CHANNEL_FD + count, CHILD_PRINTED_FD - 1, 0) ==
		-1)
		return -1;
	return close_range(CHILD_PRINTED_FD + (printed != -1), ~0U, 0);
}

/*
 * When memory runs out, the kernel is to end us before the master, which would
 * take everybody along, and before no other program that is like us.  If this
 * fails, only that preference is lost.
 */
static void
go_before_master(void)
{
	char text[16] = "";
	long score;
	int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);

	if (fd == -1)
		return;
	if (read(fd, text, sizeof(text) - 1) > 0) {
		score = strtol(text, NULL, 10) + OOM_SCORE_MORE;
		if (score < 0)
			score = 0;
		if (score > OOM_SCORE_MAX)
			score = OOM_SCORE_MAX;
		dprintf(fd, "%ld\n", score);
	}
	close(fd);
}

/*
 * With a relay, standard error is a pipe that still leads to the journal.  Tell
 * log.c so, which looks at this variable.
 */
static void
rename_journal(void)
{
	struct stat st;
	char text[64];

	if (fstat(STDERR_FILENO, &st) == -1)
		return;
	snprintf(text, sizeof(text), "%llu:%llu", (unsigned long long)st.st_dev,
	    (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", text, 1);
}

/*
 * The running program, also when its file was replaced.  Under valgrind that
 * link leads to valgrind, for all calls but readlink(2).
 */
static const char *
own_program(char path[PATH_MAX])
{
	static const char link[] = "/proc/self/exe";
	ssize_t len;

	if (!valgrind_runs_us())
		return link;
	len = readlink(link, path, PATH_MAX - 1);
	if (len == -1)
		return link;
	path[len] = '\0';
	return path;
}

__attribute__((noreturn)) static void
become(const char *role, bool verbose, const int *fds, unsigned int count,
    pid_t master)
{
	const char *argv[8] = { "sluiced", "--child", role };
	unsigned int argc = 3;
	char path[PATH_MAX];

	if (log_format() == LOG_FORMAT_JSON)
		argv[argc++] = "--json";
	if (log_process_runs())
		argv[argc++] = "--piped";
	if (printed_now() != -1)
		argv[argc++] = "--printed";
	if (verbose)
		argv[argc++] = "-v";

	prctl(PR_SET_PDEATHSIG, death_signal(role));
	if (getppid() != master)
		_exit(0); /* it died before we asked */
	reset_signals();
	if (spawn_is_untrusted(role))
		reduce_environment();
	setsid();
	close_others(fds, count);
	go_before_master();
	if (output_place(relays_now()->fds) == -1 ||
	    place_fds(fds, count) == -1)
		_exit(SPAWN_FAILED_STATUS);
	if (log_is_journal())
		rename_journal();
	execv(own_program(path), (char *const *)(uintptr_t)argv);
	_exit(SPAWN_FAILED_STATUS);
}

pid_t
spawn_fork(void)
{
	sigset_t all, old;
	int saved;
	pid_t pid;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	pid = fork();
	if (pid == 0) {
		reset_signals();
		setsid();
		return 0;
	}
	saved = errno;
	sigprocmask(SIG_SETMASK, &old, NULL);
	errno = saved;
	return pid;
}

/* Copy from the pipe to fd until no process can write to the pipe. */
__attribute__((noreturn)) static void
become_relay(int from, int fd, void (*relay)(int))
{
	dup2(fd, STDOUT_FILENO);
	dup2(from, STDIN_FILENO);
	close_range(STDERR_FILENO, ~0U, 0);
	title_set("output");
	relay(STDIN_FILENO);
	_exit(0);
}

static void
start_relay(struct relays *relays, int fd, void (*relay)(int))
{
	int pipes[2];
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC) == -1)
		return;
	pid = spawn_fork();
	if (pid == 0)
		become_relay(pipes[0], fd, relay);
	close(pipes[0]);
	if (pid == -1) {
		close(pipes[1]);
		return;
	}
	relays->fds[fd] = pipes[1];
	relays->pids[fd] = pid;
}

static void
close_relays(struct relays *relays)
{
	for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++)
		if (relays->pids[fd] != 0)
			close(relays->fds[fd]);
}

static void
await_relays(const struct relays *relays, unsigned int *waited)
{
	static const struct timespec pause = { 0, RELAY_POLL_MS * 1000000 };

	for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++)
		while (relays->pids[fd] != 0 && *waited < RELAY_MS &&
		    waitpid(relays->pids[fd], NULL, WNOHANG) == 0) {
			nanosleep(&pause, NULL);
			*waited += RELAY_POLL_MS;
		}
}

/* Before we exit, wait until the output of our children is written. */
static void
end_relays(void)
{
	unsigned int waited = 0;

	close_relays(&relays_text);
	close_relays(&relays_json);
	await_relays(&relays_text, &waited);
	await_relays(&relays_json, &waited);
}

static void
start_json(struct relays *relays)
{
	if (output_json_init() == 0)
		start_relay(relays, STDERR_FILENO, output_json_relay);
}

static void
start_text(struct relays *relays)
{
	if (relays->fds[STDOUT_FILENO] == -1 &&
	    output_needs_relay(STDOUT_FILENO))
		start_relay(relays, STDOUT_FILENO, output_relay);
	if (relays->fds[STDERR_FILENO] != -1)
		return;
	if (relays->fds[STDOUT_FILENO] != -1 &&
	    same_open_file(STDOUT_FILENO, STDERR_FILENO))
		relays->fds[STDERR_FILENO] = relays->fds[STDOUT_FILENO];
	else if (output_needs_relay(STDERR_FILENO))
		start_relay(relays, STDERR_FILENO, output_relay);
}

/* Only once, since the standard descriptors do not change. */
static void
start_relays(struct relays *relays)
{
	if (relays == &relays_log) {
		relays->fds[STDOUT_FILENO] = relays->fds[STDERR_FILENO] =
		    log_process_lines();
		return;
	}
	if (relays->started)
		return;
	if (!relays_text.started && !relays_json.started)
		atexit(end_relays);
	relays->started = true;
	if (relays == &relays_json)
		start_json(relays);
	else
		start_text(relays);
}

pid_t
spawn(const char *role, bool verbose, const int *fds, unsigned int count)
{
	sigset_t all, old;
	pid_t master = getpid(), pid;
	int saved;

	/*
	 * Until exec the child shares libevent's signal pipe, so it must handle
	 * no signal.
	 */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	start_relays(relays_now());
	if (!log_process_runs() && log_format() == LOG_FORMAT_JSON)
		start_relays(&relays_json);
	pid = fork();
	if (pid == 0)
		become(role, verbose, fds, count, master);
	saved = errno;
	sigprocmask(SIG_SETMASK, &old, NULL);
	errno = saved;
	return pid;
}

int
spawn_json_output(void)
{
	start_relays(&relays_json);
	return relays_json.fds[STDERR_FILENO];
}
