/*
 * spawn.c: fork and exec.  Through exec a child gets an address layout of its
 * own, none of our memory, and none of our descriptors.
 */

#include "master/spawn.h"

#include <sys/prctl.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "msg.h"

bool
spawn_runs_plugins(const char *role)
{
	return strcmp(role, "reader") != 0;
}

/* A worker shall drain when the master dies; it asks for that anew after it changed its user. */
static int
death_signal(const char *role)
{
	return strcmp(role, "worker") == 0 ? SIGTERM : SIGKILL;
}

/*
 * What the master handles is the default again; what people send to all of us
 * for the master's sake is ignored, and so is what the kernel sends where a
 * call can fail with a cause.
 */
static void
reset_signals(void)
{
	static const int ignored[] = { SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2,
		SIGPWR, SIGPIPE, SIGXFSZ, SIGXCPU, SIGTTIN, SIGTTOU };
	struct sigaction action;
	size_t i;
	int number;

	memset(&action, 0, sizeof(action));
	action.sa_handler = SIG_DFL;
	for (number = 1; number < NSIG; number++)
		sigaction(number, &action, NULL);
	action.sa_handler = SIG_IGN;
	for (i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		sigaction(ignored[i], &action, NULL);
	sigemptyset(&action.sa_mask);
	sigprocmask(SIG_SETMASK, &action.sa_mask, NULL);
}

/* What the service manager tells us is for us alone; a plugin must not speak for the daemon. */
static void
forget_service_manager(void)
{
	static const char *const names[] = { "NOTIFY_SOCKET", "LISTEN_PID",
		"LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID", "WATCHDOG_USEC" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unsetenv(names[i]);
}

/* First out of the way, since one may stand where another belongs. */
static int
place_fds(const int *fds, unsigned int count)
{
	int aside[SPAWN_FDS_MAX];
	unsigned int i;

	for (i = 0; i < count; i++) {
		aside[i] = fcntl(fds[i], F_DUPFD_CLOEXEC,
		    CHILD_CHANNEL_FD + SPAWN_FDS_MAX);
		if (aside[i] == -1)
			return -1;
	}
	for (i = 0; i < count; i++)
		if (dup2(aside[i], CHILD_CHANNEL_FD + (int)i) == -1)
			return -1;
	/* All of ours are close-on-exec; this is for what a library opened. */
	return close_range(CHILD_CHANNEL_FD + count, ~0U, 0);
}

static void __attribute__((noreturn))
become(const char *role, bool verbose, const int *fds, unsigned int count,
    pid_t master)
{
	const char *argv[] = { "sluiced", "--child", role,
		verbose ? "-v" : NULL, NULL };
	int null;

	prctl(PR_SET_PDEATHSIG, death_signal(role));
	if (getppid() != master)
		_exit(0); /* it died before we asked */
	reset_signals();
	forget_service_manager();
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null != -1)
		dup2(null, STDIN_FILENO);
	if (place_fds(fds, count) == -1)
		_exit(SPAWN_FAILED_STATUS);
	/* The running program, also when its file was replaced. */
	execv("/proc/self/exe", (char *const *)(uintptr_t)argv);
	_exit(SPAWN_FAILED_STATUS);
}

pid_t
spawn(const char *role, bool verbose, const int *fds, unsigned int count)
{
	sigset_t all, old;
	pid_t master = getpid(), pid;
	int saved;

	/* Until exec the child shares libevent's signal pipe: it must catch nothing. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	pid = fork();
	if (pid == 0)
		become(role, verbose, fds, count, master);
	saved = errno;
	sigprocmask(SIG_SETMASK, &old, NULL);
	errno = saved;
	return pid;
}
