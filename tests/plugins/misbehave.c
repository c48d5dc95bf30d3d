/*
 * misbehave.c: does what the macros CONSTRUCTOR, CHECK and START say: while it
 * is loaded, in `check` and in `start`.
 */

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sluice.h>

#include "ring.h"

#ifndef CONSTRUCTOR
#define CONSTRUCTOR ""
#endif
#ifndef CHECK
#define CHECK ""
#endif
#ifndef START
#define START ""
#endif

static void
on_signal(int number)
{
	(void)number;
}

static void *
sleep_on(void *arg)
{
	for (;;)
		pause();
	return arg;
}

/* Die as by the kernel, without the report of a sanitizer. */
static void
die_by(int number)
{
	signal(number, SIG_DFL);
	raise(number);
}

static void
start_process(const char *what)
{
	pid_t pid = fork();

	if (pid > 0 && strcmp(what, "fork and wait") == 0)
		waitpid(pid, NULL, 0);
	if (pid > 0 && strcmp(what, "fork and crash") == 0)
		die_by(SIGSEGV);
	if (pid != 0)
		return;
	if (strcmp(what, "fork and wait") == 0 ||
	    strcmp(what, "fork and leave") == 0)
		_exit(0);
	if (strcmp(what, "daemon") == 0) {
		setsid();
		if (fork() != 0)
			_exit(0);
	}
	if (strcmp(what, "fork twice") == 0)
		fork();
	if (strcmp(what, "fork on") != 0)
		sleep_on(NULL);
}

static void
change_descriptors(const char *what)
{
	int fd;

	if (strcmp(what, "close all") == 0)
		for (fd = 0; fd < 100; fd++)
			close(fd);
	else if (strcmp(what, "close channel") == 0)
		close(3);
	else if (strcmp(what, "close output") == 0)
		close(2);
	else if (strcmp(what, "replace channel") == 0)
		dup2(open("/dev/null", O_RDWR), 3);
	else if (strcmp(what, "open") == 0)
		fd = open("/dev/null", O_RDWR);
}

static void
change_signals(const char *what)
{
	sigset_t mask;

	if (strcmp(what, "handle SIGTERM") == 0)
		signal(SIGTERM, on_signal);
	else if (strcmp(what, "ignore SIGCHLD") == 0)
		signal(SIGCHLD, SIG_IGN);
	else if (strcmp(what, "default SIGPIPE") == 0)
		signal(SIGPIPE, SIG_DFL);
	else if (strcmp(what, "block") == 0) {
		sigfillset(&mask);
		sigprocmask(SIG_SETMASK, &mask, NULL);
	}
}

static void
act(const char *what)
{
	pthread_t thread;

	if (strcmp(what, "crash") == 0)
		die_by(SIGSEGV);
	else if (strcmp(what, "abort") == 0)
		die_by(SIGABRT);
	else if (strcmp(what, "exit") == 0)
		exit(0);
	else if (strcmp(what, "exit at once") == 0)
		_exit(7);
	else if (strcmp(what, "loop") == 0)
		for (;;)
			__asm__ volatile("");
	else if (strcmp(what, "sleep") == 0)
		sleep_on(NULL);
	else if (strcmp(what, "garbage") == 0) {
		ring_put(ring_find(), "garbage", 7);
		sleep_on(NULL); /* or the next message is read with it */
	} else if (strcmp(what, "thread") == 0)
		pthread_create(&thread, NULL, sleep_on, NULL);
	else if (strncmp(what, "fork", 4) == 0 || strcmp(what, "daemon") == 0)
		start_process(what);
	change_descriptors(what);
	change_signals(what);
}

static void __attribute__((constructor)) constructor(void)
{
	act(CONSTRUCTOR);
}

static int
on_check(const struct sl_options *options, struct sl_error *err)
{
	(void)options;
	if (strcmp(CHECK, "refuse") == 0)
		return sl_refuse(err, NULL, "never");
	act(CHECK);
	return 0;
}

static int
on_start(struct sl_service *service)
{
	(void)service;
	act(START);
	return strcmp(START, "fail") == 0 ? -1 : 0;
}

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	return sl_write(c, buf, len);
}

SL_PLUGIN(.name = "misbehave", .version = "1.0", .flags = SL_MANY_WORKERS,
    .check = on_check, .start = on_start,
    .server = SL_HANDLERS(.data = on_data));
