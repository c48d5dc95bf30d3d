/*
 * output.c: a child writes to open files of its own.  Offset, O_NONBLOCK and
 * O_APPEND belong to the open file, so a plugin that had ours could change them
 * for us and for the shell.  A child does not get a terminal at all: it could
 * read what is typed there, type, or turn the echo off.
 */

#include "master/output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROMPT_MS 50 /* to wait for the rest of a line */

int
output_open_anew(int fd)
{
	char path[32];
	int flags = O_WRONLY | O_CLOEXEC | O_NOCTTY, opened;
	struct stat st;

	if (fstat(fd, &st) == -1)
		return -1;
	/* With O_APPEND all writes go to the end, also after a truncation. */
	if (S_ISREG(st.st_mode))
		flags |= O_APPEND;
	/*
	 * Do not wait for a pipe without a reader, or a serial line without a
	 * carrier.
	 */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	opened = open(path, flags | O_NONBLOCK);
	if (opened != -1)
		fcntl(opened, F_SETFL, flags);
	return opened;
}

/*
 * Is it something that cannot be read, and that cannot be shut down for others?
 */
static bool
is_harmless(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags == -1 || (flags & O_ACCMODE) == O_WRONLY;
}

bool
output_needs_relay(int fd)
{
	int opened;

	if (isatty(fd))
		return true;
	opened = output_open_anew(fd);
	if (opened == -1)
		return !is_harmless(fd);
	close(opened);
	return false;
}

static int
place(int fd, int relay, int null)
{
	int opened = -1;

	/* Without a relay a child does not get the terminal. */
	if (relay != -1 || !isatty(fd))
		opened = output_open_anew(relay != -1 ? relay : fd);
	if (opened == -1)
		opened = relay;
	if (opened == -1 && is_harmless(fd))
		return 0;
	return dup2(opened != -1 ? opened : null, fd);
}

int
output_place(const int relays[3])
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC | O_NOCTTY), fd;

	if (null == -1 || dup2(null, STDIN_FILENO) == -1)
		return -1;
	for (fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++)
		if (place(fd, relays[fd], null) == -1)
			return -1;
	return 0;
}

int
output_show(const char *bytes, size_t length)
{
	ssize_t put;

	while (length > 0) {
		put = write(STDOUT_FILENO, bytes, length);
		if (put == -1 && errno != EINTR)
			return -1;
		if (put > 0) {
			bytes += put;
			length -= (size_t)put;
		}
	}
	return 0;
}

/*
 * How much to write now: whole lines, since the master writes there, too, or a
 * full buffer.
 */
static size_t
whole_lines(const char *bytes, size_t there, size_t room)
{
	const char *newline = memrchr(bytes, '\n', there);

	if (newline != NULL)
		return (size_t)(newline - bytes) + 1;
	return there == room ? there : 0;
}

void
output_relay(int from)
{
	struct pollfd pfd = { .fd = from, .events = POLLIN };
	char bytes[4096];
	size_t there = 0, whole;
	ssize_t got;

	for (;;) {
		if (there > 0 && poll(&pfd, 1, PROMPT_MS) == 0) {
			if (output_show(bytes, there) == -1)
				return;
			there = 0;
		}
		got = read(from, bytes + there, sizeof(bytes) - there);
		if (got == -1 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		there += (size_t)got;
		whole = whole_lines(bytes, there, sizeof(bytes));
		if (output_show(bytes, whole) == -1)
			return;
		there -= whole;
		memmove(bytes, bytes + whole, there);
	}
	output_show(bytes, there);
}

static int given[3] = { -1, -1, -1 };

static void
leave_at_the_end(void)
{
	int fd;

	for (fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++)
		if (given[fd] != -1)
			lseek(given[fd], 0, SEEK_END);
}

/*
 * A file of another user, such as StandardError=file: of a unit with User=: the
 * open file is changed for all that share it.  It stays so when we end: they
 * write where the file ends, as they would have done, and workers may go on.
 */
static void
append_as_it_is(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags != -1)
		fcntl(fd, F_SETFL, flags | O_APPEND);
}

void
output_append(void)
{
	struct stat st;
	int fd, opened;

	for (fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode))
			continue;
		opened = output_open_anew(fd);
		if (opened == -1) {
			append_as_it_is(fd);
			continue;
		}
		given[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		dup2(opened, fd);
		close(opened);
	}
	atexit(leave_at_the_end);
}
