/*
 * forker.c: forks without exec.  Each line is a command; the parent answers
 * with the pid of the child.
 */

#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <sluice.h>

static pid_t child;

/* The child stays alive, detached from the worker and from the test. */
__attribute__((noreturn)) static void
stay(void)
{
	static const struct rlimit none = { 0, 0 };
	int null = open("/dev/null", O_RDWR);

	/* The tests find the processes of a daemon by this limit. */
	setrlimit(RLIMIT_MSGQUEUE, &none);
	setsid();
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	close(null);
	for (;;)
		pause();
}

static void *
fork_in_thread(void *arg)
{
	child = fork();
	if (child == 0)
		stay();
	return arg;
}

/* Returns true in a child that shall return into the worker's code. */
static bool
do_fork(const char *how)
{
	pthread_t thread;

	if (strcmp(how, "thread") == 0) {
		if (pthread_create(&thread, NULL, fork_in_thread, NULL) == 0)
			pthread_join(thread, NULL);
		return false;
	}
	child = fork();
	if (child == 0 && strcmp(how, "return") != 0)
		stay();
	return child == 0;
}

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	const char *newline = memchr(buf, '\n', len);
	char how[16] = "", text[32];
	int n;

	if (newline == NULL ||
	    (size_t)(newline - (const char *)buf) >= sizeof(how))
		return 0;
	memcpy(how, buf, (size_t)(newline - (const char *)buf));
	if (strcmp(how, "close") == 0) {
		sl_close(c);
	} else if (strcmp(how, "say") == 0) {
		sl_send(c, "here\n", 5);
	} else if (!do_fork(how)) {
		n = snprintf(text, sizeof(text), "%d\n", (int)child);
		sl_send(c, text, (size_t)n);
	}
	return newline + 1 - (const char *)buf;
}

SL_PLUGIN(.name = "forker", .version = "1", .flags = SL_MANY_WORKERS,
    .server = SL_HANDLERS(.data = on_data));
