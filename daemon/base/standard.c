/* standard.c: what is printed has to arrive, or somebody has to know. */

#include "base/standard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "base/libc_data.h"

static bool stdout_was_closed;

/* The lowest free descriptor becomes this one. */
static int
open_null(int fd)
{
	return open("/dev/null", fd == STDIN_FILENO ? O_RDONLY : O_WRONLY);
}

int
standard_open(const char *program)
{
	int fd;

	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) != -1)
			continue;
		if (open_null(fd) != fd) {
			fprintf(stderr, "%s: cannot open /dev/null: %s\n",
			    program, error_text(errno));
			return -1;
		}
		if (fd == STDOUT_FILENO)
			stdout_was_closed = true;
	}
	return 0;
}

int
standard_move(int fd)
{
	int moved = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	int error = errno, null;

	close(fd);
	null = open_null(fd);
	/* A thread of a plugin may have been faster. */
	if (null > STDERR_FILENO)
		close(null);
	errno = error;
	return moved;
}

int
standard_printed(const char *program)
{
	const char *why = "standard output is closed";

	/* A write that failed before has left a mark, but no errno. */
	if (fflush(stdout) == EOF)
		why = error_text(errno);
	else if (ferror(stdout))
		why = "standard output takes no more";
	else if (!stdout_was_closed)
		return 0;
	fprintf(stderr, "%s: cannot print: %s\n", program, why);
	return -1;
}
