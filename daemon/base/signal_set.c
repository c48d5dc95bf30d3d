/* signal_set.c: what all processes do about signals. */

#include "base/signal_set.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

void
signal_block_all(void)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
}

void
signal_unblock_all(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

void
signal_ignore_failures(void)
{
	/*
	 * SIGTTOU: after `stty tostop` a terminal would stop a process that
	 * logs.
	 */
	static const int ignored[] = { SIGPIPE, SIGXFSZ, SIGTTIN, SIGTTOU };

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
}

const char *
signal_name(int number, char text[SIGNAL_NAME_MAX])
{
	const char *name = sigabbrev_np(number);

	if (name != NULL)
		snprintf(text, SIGNAL_NAME_MAX, "SIG%s", name);
	else if (number >= SIGRTMIN && number <= SIGRTMAX)
		snprintf(text, SIGNAL_NAME_MAX, "SIGRTMIN+%d",
		    number - SIGRTMIN);
	else
		snprintf(text, SIGNAL_NAME_MAX, "signal %d", number);
	return text;
}
