/*
 * conduct.c: compares the process before and after a constructor.  What a
 * constructor changes would harm every plugin of a worker, and often only
 * later: the channel to the master is closed, a signal is no longer handled, or
 * a child keeps the sockets open.
 */

#include "worker/conduct.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "ipc/msg.h"

#define SPARE_FD_MAX 4000 /* high, but not in the way of a small limit */
#define KILL_ROUNDS 100	  /* give up on children that fork faster than this */
#define KILL_PAUSE_NS 1000000

/*
 * Our descriptors to the master.  Without the first, the master thinks that we
 * are dead.  Without the second, we cannot tell it anything.
 */
static const int joints[] = { CHILD_CHANNEL_FD, CHILD_BELL_FD };
#define JOINTS (sizeof(joints) / sizeof(joints[0]))

static pid_t parent; /* of the next child */

static void
before_fork(void)
{
	parent = getpid();
}

/* A child is killed when its parent ends, however that ends. */
static void
in_child(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(EXIT_FAILURE); /* the parent has ended already */
}

static int
spare_number(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == -1 ||
	    limit.rlim_cur > SPARE_FD_MAX)
		return SPARE_FD_MAX;
	return limit.rlim_cur > 0 ? (int)limit.rlim_cur - 1 : 0;
}

int
conduct_init(struct conduct *conduct, struct error *err)
{
	memset(conduct, 0, sizeof(*conduct));
	conduct->pid = getpid();
	for (unsigned int i = 0; i < JOINTS; i++)
		conduct->spare[i] = -1;
	for (unsigned int i = 0; i < JOINTS; i++) {
		conduct->spare[i] =
		    fcntl(joints[i], F_DUPFD_CLOEXEC, spare_number() - (int)i);
		if (conduct->spare[i] == -1)
			return error_sys(err, "cannot watch over constructors");
	}
	/* Children of children become ours when their parents end. */
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) == -1 ||
	    pthread_atfork(before_fork, NULL, in_child) != 0)
		return error_set(err, "cannot watch over children");
	return 0;
}

void
conduct_done(struct conduct *conduct)
{
	for (unsigned int i = 0; i < JOINTS; i++)
		if (conduct->spare[i] != -1)
			close(conduct->spare[i]);
	free(conduct->files);
	conduct->files = NULL;
	conduct->file_count = 0;
}

static int
note_file(struct conduct *conduct, int fd)
{
	struct conduct_file *larger;
	struct stat st;

	if (fstat(fd, &st) == -1)
		return 0;
	larger = reallocarray(conduct->files, conduct->file_count + 1,
	    sizeof(*larger));
	if (larger == NULL)
		return -1;
	conduct->files = larger;
	larger[conduct->file_count++] = (struct conduct_file){
		.fd = fd,
		.dev = st.st_dev,
		.ino = st.st_ino,
	};
	return 0;
}

static int
note_files(struct conduct *conduct, struct error *err)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;
	int fd, result = 0;

	if (dir == NULL)
		return error_sys(err, "/proc/self/fd");
	conduct->file_count = 0;
	while (result == 0 && (entry = readdir(dir)) != NULL) {
		fd = atoi(entry->d_name);
		if (entry->d_name[0] != '.' && fd != dirfd(dir))
			result = note_file(conduct, fd);
	}
	closedir(dir);
	return result == 0 ? 0 : error_set(err, "out of memory");
}

int
conduct_note(struct conduct *conduct, struct error *err)
{
	int number;

	for (number = 1; number < _NSIG; number++)
		sigaction(number, NULL, &conduct->actions[number]);
	sigprocmask(SIG_SETMASK, NULL, &conduct->mask);
	return note_files(conduct, err);
}

/* Kill the children of one thread.  Returns whether there were any. */
static bool
kill_children_of(const char *thread)
{
	char path[64];
	bool found = false;
	FILE *file;
	int pid;

	snprintf(path, sizeof(path), "/proc/self/task/%.20s/children", thread);
	file = fopen(path, "re");
	if (file == NULL)
		return false;
	while (fscanf(file, "%d", &pid) == 1) {
		kill(pid, SIGKILL);
		found = true;
	}
	fclose(file);
	return found;
}

/* Repeat until none is left: the children of a killed child become ours. */
static void
kill_children(void)
{
	static const struct timespec pause = { 0, KILL_PAUSE_NS };
	const struct dirent *entry;
	unsigned int round;
	DIR *dir;

	for (round = 0; round < KILL_ROUNDS; round++) {
		dir = opendir("/proc/self/task");
		if (dir == NULL)
			return;
		while ((entry = readdir(dir)) != NULL)
			if (entry->d_name[0] != '.')
				kill_children_of(entry->d_name);
		closedir(dir);
		while (waitpid(-1, NULL, WNOHANG | __WALL) > 0)
			continue;
		if (waitpid(-1, NULL, WNOHANG | __WALL) == -1)
			return;
		nanosleep(&pause, NULL);
	}
}

static bool
forked(void)
{
	pid_t pid;

	do
		pid = waitpid(-1, NULL, WNOHANG | __WALL);
	while (pid == -1 && errno == EINTR);
	return pid != -1;
}

static bool
still_open(const struct conduct_file *file)
{
	struct stat st;

	return fstat(file->fd, &st) == 0 && st.st_dev == file->dev &&
	    st.st_ino == file->ino;
}

/* Restore our descriptors to the master, so that we can report. */
static void
rejoin(const struct conduct *conduct)
{
	for (unsigned int i = 0; i < JOINTS; i++)
		for (uint32_t j = 0; j < conduct->file_count; j++)
			if (conduct->files[j].fd == joints[i] &&
			    !still_open(&conduct->files[j]))
				dup2(conduct->spare[i], joints[i]);
}

/* Returns how many were closed or replaced; text gets the first numbers. */
static unsigned int
lost_files(const struct conduct *conduct, int closed, char text[64])
{
	unsigned int lost = 0;
	size_t used = 0;

	for (uint32_t i = 0; i < conduct->file_count; i++) {
		if (conduct->files[i].fd == closed ||
		    still_open(&conduct->files[i]))
			continue;
		if (lost++ < 4)
			used += (size_t)snprintf(text + used, 64 - used, "%s%d",
			    used > 0 ? ", " : "", conduct->files[i].fd);
	}
	if (lost > 4)
		snprintf(text + used, 64 - used, ", ...");
	return lost;
}

static bool
same_action(const struct sigaction *a, const struct sigaction *b)
{
	int number;

	if (a->sa_handler != b->sa_handler || a->sa_flags != b->sa_flags)
		return false;
	for (number = 1; number < _NSIG; number++)
		if (sigismember(&a->sa_mask, number) !=
		    sigismember(&b->sa_mask, number))
			return false;
	return true;
}

/* The first signal that is handled in another way, or 0. */
static int
changed_action(const struct conduct *conduct)
{
	struct sigaction now;
	int number;

	for (number = 1; number < _NSIG; number++)
		if (sigaction(number, NULL, &now) == 0 &&
		    !same_action(&now, &conduct->actions[number]))
			return number;
	return 0;
}

static bool
changed_mask(const struct conduct *conduct)
{
	sigset_t now;
	int number;

	sigprocmask(SIG_SETMASK, NULL, &now);
	for (number = 1; number < _NSIG; number++)
		if (sigismember(&now, number) !=
		    sigismember(&conduct->mask, number))
			return true;
	return false;
}

static int
tell_files(unsigned int lost, const char *which, struct error *err)
{
	return error_set(err,
	    "its constructor closed or replaced %s that %s not its own (%s)",
	    lost == 1 ? "a descriptor" : "descriptors",
	    lost == 1 ? "is" : "are", which);
}

static int
tell_signal(int number, struct error *err)
{
	const char *name = sigabbrev_np(number);

	if (name == NULL)
		return error_set(err,
		    "its constructor changed the handler of signal %d", number);
	return error_set(err, "its constructor changed the handler of SIG%s",
	    name);
}

int
conduct_check(struct conduct *conduct, int closed, struct error *err)
{
	unsigned int lost;
	char which[64];
	int number;

	if (getpid() != conduct->pid)
		_exit(EXIT_FAILURE); /* a forked child; the parent reports it */
	lost = lost_files(conduct, closed, which);
	rejoin(conduct);
	if (forked()) {
		kill_children();
		return error_set(err,
		    "its constructor started another process");
	}
	if (lost > 0)
		return tell_files(lost, which, err);
	number = changed_action(conduct);
	if (number != 0)
		return tell_signal(number, err);
	if (changed_mask(conduct))
		return error_set(err,
		    "its constructor changed which signals are blocked");
	return 0;
}
