/* process.c: a few files of /proc, read anew each time. */

#include "master/process.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Flags of the kernel, which proc(5) shows as they are. */
#define FLAG_EXITING 0x4
#define FLAG_DUMPING_CORE 0x200

/* A file of /proc/PID as a string; "" when there is none. */
static void
read_proc(pid_t pid, const char *name, char *text, size_t size)
{
	char path[64];
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd != -1) {
		n = read(fd, text, size - 1);
		close(fd);
	}
	text[n > 0 ? n : 0] = '\0';
}

bool
process_look(pid_t pid, struct process_view *ret)
{
	unsigned long long user, system;
	long ticks = sysconf(_SC_CLK_TCK);
	unsigned int flags;
	const char *rest;
	char text[512];

	read_proc(pid, "stat", text, sizeof(text));
	/* The name before it may hold anything, also a parenthesis. */
	rest = strrchr(text, ')');
	if (rest == NULL || ticks <= 0 ||
	    sscanf(rest + 1,
		" %c %*d %*d %*d %*d %*d %u %*u %*u %*u %*u %llu %llu",
		&ret->state, &flags, &user, &system) != 4)
		return false;
	ret->cpu_ms = (user + system) * 1000 / (unsigned long long)ticks;
	ret->dying = ret->state == 'Z' ||
	    (flags & (FLAG_EXITING | FLAG_DUMPING_CORE)) != 0;
	return true;
}

bool
process_looks_dead(pid_t pid)
{
	struct process_view view;

	return process_look(pid, &view) &&
	    (view.dying || view.state == 'D' || view.state == 't');
}

uint64_t
process_memory(pid_t pid)
{
	unsigned long long pages;
	char text[128];

	read_proc(pid, "statm", text, sizeof(text));
	if (sscanf(text, "%*u %llu", &pages) != 1)
		return 0;
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

pid_t
process_tracer(pid_t pid)
{
	static const char key[] = "\nTracerPid:";
	const char *line;
	char text[2048];

	read_proc(pid, "status", text, sizeof(text));
	line = strstr(text, key);
	return line != NULL ? (pid_t)atoi(line + sizeof(key) - 1) : 0;
}

const char *
process_held_text(const struct process_view *view)
{
	switch (view->state) {
	case 'T':
		return "is stopped by a signal";
	case 't':
		return "is stopped by a debugger";
	case 'D':
		return "waits for the disk";
	default:
		return NULL;
	}
}

bool
process_held_up(const struct process_view *before,
    const struct process_view *now)
{
	if (process_held_text(now) != NULL)
		return true;
	return before != NULL && now->state == 'R' &&
	    now->cpu_ms == before->cpu_ms;
}
