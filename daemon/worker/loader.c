/* loader.c: loads images by the path of their descriptors. */

#include "worker/loader.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memfd.h"
#include "base/valgrind.h"

#define NAME_MAX_BYTES 64

/*
 * With the pid and not "self", so that a debugger finds the file as well.
 * valgrind does not: it looks for symbols under the name in /proc/PID/maps, and
 * a memfd has none.  So there is a copy in a file for it.
 */
static const char *
name(int fd, char text[NAME_MAX_BYTES])
{
	snprintf(text, NAME_MAX_BYTES,
	    valgrind_runs_us() ? "/tmp/sluiced-valgrind.%d.%d.so"
			       : "/proc/%d/fd/%d",
	    (int)getpid(), fd);
	return text;
}

/* Copy what is behind fd to this file.  Returns 0, or -1. */
static int
copy_for_valgrind(int fd, const char *path)
{
	struct stat st;
	int file, rc;

	if (fstat(fd, &st) == -1)
		return -1;
	file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
	if (file == -1)
		return -1;
	rc = memfd_copy(fd, (size_t)st.st_size, file);
	close(file);
	return rc;
}

void *
loader_open(int fd, bool own_first)
{
	char text[NAME_MAX_BYTES];

	name(fd, text);
	if (valgrind_runs_us() && copy_for_valgrind(fd, text) == -1) {
		/* What is there may be somebody else's. */
		log_warn("%s: cannot be made, and valgrind needs it", text);
		return NULL;
	}
	return dlopen(text,
	    RTLD_NOW | RTLD_LOCAL | (own_first ? RTLD_DEEPBIND : 0));
}

void *
loader_close(void *handle, int fd)
{
	char text[NAME_MAX_BYTES];

	if (handle != NULL)
		dlclose(handle);
	if (fd == -1)
		return NULL;
	if (handle != NULL)
		handle = dlopen(name(fd, text), RTLD_NOW | RTLD_NOLOAD);
	if (handle != NULL)
		return handle;
	if (valgrind_runs_us())
		unlink(name(fd, text));
	close(fd);
	return NULL;
}

const char *
loader_error(int fd)
{
	const char *error = dlerror();
	char text[NAME_MAX_BYTES];
	size_t len = strlen(name(fd, text));

	if (error == NULL)
		return "unknown error";
	if (strncmp(error, text, len) == 0 &&
	    strncmp(error + len, ": ", 2) == 0)
		error += len + 2;
	return error;
}
