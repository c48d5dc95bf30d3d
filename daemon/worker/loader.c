/* loader.c: loads images by the path of their descriptors. */

#include "worker/loader.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NAME_MAX_BYTES 64

/* With the pid and not "self", so that a debugger finds the file as well. */
static const char *
name(int fd, char text[NAME_MAX_BYTES])
{
	snprintf(text, NAME_MAX_BYTES, "/proc/%d/fd/%d", (int)getpid(), fd);
	return text;
}

void *
loader_open(int fd, bool own_first)
{
	char text[NAME_MAX_BYTES];

	return dlopen(name(fd, text),
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
	if (handle == NULL)
		close(fd);
	return handle;
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
