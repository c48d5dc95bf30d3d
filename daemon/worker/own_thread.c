/*
 * own_thread.c: names the thread and the file that a call came from.  It runs
 * in that thread, so it looks at nothing that the worker changes.
 */

#include "worker/own_thread.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

_Thread_local bool own_thread __attribute__((tls_model("local-exec")));

static void __attribute__((constructor)) note_main_thread(void)
{
	own_thread = true;
}

/* The file that has this code; an image is /proc/PID/fd/N, a link to a memfd. */
static const char *
file_of(const void *code, char text[PATH_MAX])
{
	static const char memfd[] = "/memfd:", gone[] = " (deleted)";
	Dl_info info;
	ssize_t len;

	if (dladdr(code, &info) == 0 || info.dli_fname == NULL)
		return "code of no file";
	len = readlink(info.dli_fname, text, PATH_MAX - 1);
	if (len == -1)
		return info.dli_fname;
	text[len] = '\0';
	if (strncmp(text, memfd, strlen(memfd)) != 0)
		return text;
	if (len > (ssize_t)strlen(gone) &&
	    strcmp(text + len - strlen(gone), gone) == 0)
		text[len - (ssize_t)strlen(gone)] = '\0';
	return text + strlen(memfd);
}

void
own_thread_refuse(const char *call, const void *caller)
{
	static atomic_flag said = ATOMIC_FLAG_INIT;
	char text[PATH_MAX];

	if (!atomic_flag_test_and_set(&said))
		log_warnx(
		    "%s calls %s() in thread %d, and only the thread that "
		    "runs its callbacks may: this and all such calls "
		    "fail; see \"Threads\" in sluice_plugin(3)",
		    file_of(caller, text), call, (int)gettid());
	errno = EPERM;
}
