/*
 * signals.c: a signalfd on the event loop.  It misses no signal that came
 * before the loop ran, and it knows the senders.
 */

#include "master/signals.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/log_limit.h"
#include "base/signal_set.h"

#define LINES_PER_S 20 /* for signals that mean nothing */
#define STACK_SIZE (64 << 10)

struct signals {
	int fd;
	struct event *readable;
	const struct signals_ops *ops;
	void *arg;
	struct log_limit limit;
	bool told_cpu;
};

/* Whoever sends one of these wants a core dump, or it is our own mistake. */
static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS,
	SIGTRAP };

/*
 * Left alone: libevent's, and those that stop a process or do nothing by
 * default.
 */
static const int others[] = { SIGCHLD, SIGTSTP, SIGCONT, SIGWINCH, SIGURG,
	SIGPIPE, SIGXFSZ, SIGTTIN, SIGTTOU };

/* Is it sent by a process?  Else by the kernel, which has no pid. */
static bool
has_sender(int code)
{
	return code == SI_USER || code == SI_QUEUE || code == SI_TKILL;
}

static void
tell_cpu_limit(struct signals *signals)
{
	struct rlimit limit;

	/* The kernel says it again every second. */
	if (signals->told_cpu || getrlimit(RLIMIT_CPU, &limit) == -1)
		return;
	signals->told_cpu = true;
	if (limit.rlim_max == RLIM_INFINITY)
		log_warnx("SIGXCPU: the master has used up its CPU time, the "
			  "soft limit RLIMIT_CPU; it goes on");
	else
		log_errorx("SIGXCPU: the master has used up its CPU time, the "
			   "soft limit RLIMIT_CPU; it goes on, and the kernel "
			   "kills it at the hard limit of %llu s: raise that "
			   "now with prlimit --pid %d --cpu=unlimited, and "
			   "for the next start with ulimit -t unlimited or "
			   "LimitCPU=infinity in the unit",
		    (unsigned long long)limit.rlim_max, (int)getpid());
}

static void
sum_up(struct log_limit *limit, uint32_t skipped)
{
	(void)limit;
	log_info("%u more signals had no meaning for sluiced", skipped);
}

static void
tell(struct signals *signals, const struct signalfd_siginfo *info,
    const char *name, bool reopened)
{
	char from[64] = "";

	if (!log_limit(&signals->limit, LINES_PER_S, NULL))
		return;
	if (has_sender(info->ssi_code))
		snprintf(from, sizeof(from), " from process %u (uid %u)",
		    info->ssi_pid, info->ssi_uid);
	if (info->ssi_signo == SIGUSR1)
		log_info("%s%s: %s", name, from,
		    reopened ? "opening the log file again"
			     : "there are no log files to reopen; nothing is "
			       "done");
	else
		log_info("%s%s has no meaning for sluiced; nothing is done",
		    name, from);
}

static void
obey(struct signals *signals, const struct signalfd_siginfo *info)
{
	char name[SIGNAL_NAME_MAX];

	signal_name((int)info->ssi_signo, name);
	switch (info->ssi_signo) {
	case SIGHUP:
		signals->ops->on_reload(signals->arg, name);
		break;
	case SIGTERM:
	case SIGINT:
		signals->ops->on_stop(signals->arg, name);
		break;
	case SIGQUIT:
		signals->ops->on_quit(signals->arg, name);
		break;
	case SIGUSR2:
		signals->ops->on_upgrade(signals->arg, name);
		break;
	case SIGUSR1:
		tell(signals, info, name,
		    signals->ops->on_reopen(signals->arg));
		break;
	case SIGXCPU:
		tell_cpu_limit(signals);
		break;
	default:
		tell(signals, info, name, false);
		break;
	}
}

static void
signals_readable_cb(evutil_socket_t fd, short what, void *arg)
{
	struct signalfd_siginfo info;

	(void)what;
	while (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		obey(arg, &info);
}

/* Log that the master dies; the core dump or the exit status says the rest. */
static void
on_fault(int number, siginfo_t *info, void *context)
{
	char name[SIGNAL_NAME_MAX], from[48] = "", text[160];

	(void)context;
	if (has_sender(info->si_code))
		snprintf(from, sizeof(from), " from process %d",
		    (int)info->si_pid);
	snprintf(text, sizeof(text),
	    "%s%s: the master dies; the workers drain and exit",
	    signal_name(number, name), from);
	log_dying(text);
	/* Blocked until we return; then it has its default effect. */
	raise(number);
}

static void
catch_faults(void)
{
	static char memory[STACK_SIZE]; /* ours may have overflowed */
	const stack_t stack = { .ss_sp = memory, .ss_size = sizeof(memory) };
	struct sigaction action = {
		.sa_sigaction = on_fault,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | (int)SA_RESETHAND,
	};
	struct sigaction now;

	sigaltstack(&stack, NULL);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		/* A sanitizer reports its own way. */
		if (sigaction(faults[i], NULL, &now) == 0 &&
		    now.sa_handler == SIG_DFL)
			sigaction(faults[i], &action, NULL);
}

/* Those that are taken from the descriptor stay blocked for ever. */
static void
choose(sigset_t *ret_taken)
{
	int number;

	sigfillset(ret_taken);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		sigdelset(ret_taken, faults[i]);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		sigdelset(ret_taken, others[i]);
	/*
	 * An ignored signal, as by nohup(1), would never reach the descriptor.
	 */
	for (number = 1; number < NSIG; number++)
		if (sigismember(ret_taken, number) == 1)
			signal(number, SIG_DFL);
}

struct signals *
signals_new(struct event_base *base, const struct signals_ops *ops, void *arg)
{
	struct signals *signals = calloc(1, sizeof(*signals));
	sigset_t taken;

	if (signals == NULL)
		return NULL;
	signals->ops = ops;
	signals->limit.sum_up = sum_up;
	signals->arg = arg;
	choose(&taken);
	signals->fd = signalfd(-1, &taken, SFD_NONBLOCK | SFD_CLOEXEC);
	if (signals->fd != -1)
		signals->readable = event_new(base, signals->fd,
		    EV_READ | EV_PERSIST, signals_readable_cb, signals);
	if (signals->readable == NULL ||
	    event_add(signals->readable, NULL) == -1) {
		signals_free(signals);
		return NULL;
	}
	catch_faults();
	sigprocmask(SIG_SETMASK, &taken, NULL);
	return signals;
}

void
signals_free(struct signals *signals)
{
	if (signals == NULL)
		return;
	if (signals->readable != NULL)
		event_free(signals->readable);
	if (signals->fd != -1)
		close(signals->fd);
	free(signals);
}
