/* descriptors.c: by trying, and by looking into /proc. */

#include "base/descriptors.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define OWN_FILES "/proc/self/fd"

#define NEEDED 3 /* a file or socket, a copy or path, and one in between */

bool
descriptors_used_up(void)
{
	int fds[NEEDED], count = 0;

	while (count < NEEDED &&
	    (fds[count] = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)) != -1)
		count++;
	for (int i = 0; i < count; i++)
		close(fds[i]);
	return count < NEEDED;
}

static uint32_t
count_entries(void)
{
	DIR *directory = opendir(OWN_FILES);
	const struct dirent *entry;
	uint32_t count = 0;

	if (directory == NULL) /* for want of one more, all are open */
		return errno == EMFILE ? descriptors_max() : 0;
	while ((entry = readdir(directory)) != NULL)
		if (entry->d_name[0] != '.')
			count++;
	closedir(directory);
	return count > 0 ? count - 1 : 0; /* one was the directory */
}

uint32_t
descriptors_open(void)
{
	struct stat st;

	/* Since Linux 6.2 the kernel tells; before that it says 0. */
	if (stat(OWN_FILES, &st) == 0 && st.st_size > 0)
		return (uint32_t)st.st_size;
	return count_entries();
}

uint32_t
descriptors_max(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
		return 0;
	return limit.rlim_cur < UINT32_MAX ? (uint32_t)limit.rlim_cur
					   : UINT32_MAX;
}
