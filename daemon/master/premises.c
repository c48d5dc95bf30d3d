/*
 * premises.c: the limit of descriptors, /proc, /dev/null, and memory that may be
 * executed.
 */

#include "master/premises.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memfd.h"

#define DESCRIPTORS_MIN 16 /* with fewer, no worker can be started */

/* Every connection costs one, and children inherit the limit. */
static int
check_descriptors(struct error *err)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
		return 0;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) == -1)
		log_warn("cannot raise the limit of descriptors");
	if (limit.rlim_max >= DESCRIPTORS_MIN)
		return 0;
	return error_set(err,
	    "the limit RLIMIT_NOFILE lets a process have %llu open files, and "
	    "at least %d are needed; raise it with ulimit -n or LimitNOFILE= "
	    "in the unit",
	    (unsigned long long)limit.rlim_max, DESCRIPTORS_MIN);
}

/* Programs and plugins are executed and loaded by names in /proc. */
static int
check_proc(struct error *err)
{
	char text[32] = "";

	if (readlink("/proc/self", text, sizeof(text) - 1) == -1)
		return error_sys(err,
		    "/proc is not mounted here, which is needed to load "
		    "plugins; mount it with mount -t proc proc /proc");
	if (atol(text) != (long)getpid())
		return error_set(err,
		    "/proc belongs to another pid namespace (it shows us as %s "
		    "instead of %ld), so plugins cannot be loaded; mount one "
		    "for this namespace, as unshare --mount-proc does",
		    text, (long)getpid());
	return 0;
}

/* Every child begins with it. */
static int
check_null(struct error *err)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (fd == -1)
		return error_set(err,
		    "cannot open /dev/null for reading and writing: %s; "
		    "processes need it, so make /dev complete here",
		    error_text(errno));
	close(fd);
	return 0;
}

static int
check_memory(struct error *err)
{
	int fd = memfd_new("sluice", true), saved = errno;

	if (fd != -1) {
		close(fd);
		return 0;
	}
	if (saved != EACCES)
		return 0; /* a plugin may tell more */
	return error_set(err,
	    "the kernel refuses files in memory that may be executed, which "
	    "plugins are loaded from; set the sysctl vm.memfd_noexec, which is "
	    "2 here, to 1 or 0");
}

int
premises_check(struct error *err)
{
	if (check_descriptors(err) == -1 || check_proc(err) == -1 ||
	    check_null(err) == -1)
		return -1;
	return check_memory(err);
}
