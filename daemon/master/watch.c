/*
 * watch.c: inotify says that something may have changed; then we look at the
 * files to see what changed, and whether it is complete.  So it does not matter
 * how an editor or a linker writes: in place, by a rename, or after a removal.
 */

#include "master/watch.h"

#include <errno.h>
#include <event2/event.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "master/event_in.h"
#include "master/watch_files.h"

#define TICK_MS 50	/* between two looks, while something goes on */
#define QUIET_TICKS 2	/* looks without a change: it is complete */
#define WRITING_MS 2000 /* how long to wait for a writer to close it */
#define POLL_MS 1000	/* what inotify cannot see, such as a moved parent */
#define DIRS_MAX 1024	/* more than any real configuration needs */

#define INTEREST                                                            \
	(IN_MODIFY | IN_CLOSE_WRITE | IN_CREATE | IN_MOVED_TO | IN_ATTRIB | \
	    IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF |     \
	    IN_ONLYDIR)

struct watch {
	const struct watch_ops *ops;
	void *arg;
	const char *config;
	int inotify; /* -1: there is none */
	struct event *readable, *tick, *poll;
	struct watch_files files;
	int dirs[DIRS_MAX];
	unsigned int dir_count;
	unsigned int quiet; /* looks in a row that found nothing new */
	bool reloading;
	bool told_dir;	     /* a directory that cannot be watched was logged */
	uint64_t changed_ms; /* when the change of this reload was first seen */
};

/* Watch one directory, or if it is missing the nearest one above it. */
static void
watch_dir(struct watch *watch, char *dir)
{
	char *slash;
	int wd;

	while ((wd = inotify_add_watch(watch->inotify, *dir ? dir : "/",
		    INTEREST)) == -1 &&
	    (errno == ENOENT || errno == ENOTDIR) &&
	    (slash = strrchr(dir, '/')) != NULL)
		*slash = '\0';
	for (unsigned int i = 0; i < watch->dir_count; i++)
		if (watch->dirs[i] == wd)
			return;
	if (wd == -1 && !watch->told_dir)
		log_warn("watch: cannot watch %s; looking every %d ms", dir,
		    POLL_MS);
	if (wd == -1)
		watch->told_dir = true;
	else if (watch->dir_count < DIRS_MAX)
		watch->dirs[watch->dir_count++] = wd;
}

static void
watch_dir_of(struct watch *watch, const char *path, bool pattern)
{
	char dir[PATH_MAX];
	char *slash;

	if (snprintf(dir, sizeof(dir), "%s%s", *path == '/' ? "" : "./",
		path) >= (int)sizeof(dir))
		return;
	slash = strrchr(dir, '/');
	*slash = '\0';
	if (pattern)
		watch_files_unescape(dir);
	watch_dir(watch, dir);
}

/* Directories come and go, and links point elsewhere. */
static void
watch_dirs(struct watch *watch)
{
	int before[DIRS_MAX];
	unsigned int count = watch->dir_count, i, k;
	struct watch_file *file;
	char *real;

	if (watch->inotify == -1)
		return;
	memcpy(before, watch->dirs, count * sizeof(*before));
	watch->dir_count = 0;
	LIST_FOREACH(file, &watch->files, link) {
		watch_dir_of(watch, file->path, file->is_pattern);
		real = realpath(file->path, NULL);
		if (real != NULL)
			watch_dir_of(watch, real, false);
		free(real);
	}
	for (i = 0; i < count; i++) {
		for (k = 0; k < watch->dir_count; k++)
			if (watch->dirs[k] == before[i])
				break;
		if (k == watch->dir_count)
			inotify_rm_watch(watch->inotify, before[i]);
	}
}

/* Something may have changed: look until nothing changes any more. */
static void
stir(struct watch *watch)
{
	watch->quiet = 0;
	if (watch->changed_ms == 0)
		watch->changed_ms = clock_ms();
	if (!event_pending(watch->tick, EV_TIMEOUT, NULL))
		event_in(watch->tick, TICK_MS);
}

/* Is one of the files still being written? */
static bool
being_written(struct watch *watch)
{
	struct watch_file *file;
	uint64_t now = clock_ms();

	LIST_FOREACH(file, &watch->files, link)
		if (file->writing_ms != 0 &&
		    now - file->writing_ms < WRITING_MS)
			return true;
	return false;
}

static void
tell_gone(struct watch *watch)
{
	struct watch_file *file;

	LIST_FOREACH(file, &watch->files, link) {
		if (file->seen != 0 || file->loaded == 0 || file->told_gone)
			continue;
		log_info("watch: %s is gone; waiting until it comes back, "
			 "another file changes, or SIGHUP asks for a reload",
		    file->path);
		file->told_gone = true;
	}
}

static void
decide(struct watch *watch)
{
	struct watch_file *file = watch_files_changed(&watch->files);
	const char *slash;
	char who[64];

	if (watch->reloading)
		return; /* watch_end() looks again */
	if (file == NULL) {
		watch->changed_ms = 0;
		tell_gone(watch);
		return;
	}
	slash = strrchr(file->path, '/');
	snprintf(who, sizeof(who), "watch: %.40s changed",
	    slash != NULL ? slash + 1 : file->path);
	watch->ops->on_change(watch->arg, who);
}

static void
watch_tick_cb(evutil_socket_t fd, short what, void *arg)
{
	struct watch *watch = arg;

	(void)fd;
	(void)what;
	if (watch_files_look(&watch->files) || being_written(watch))
		watch->quiet = 0;
	else
		watch->quiet++;
	if (watch->quiet < QUIET_TICKS)
		event_in(watch->tick, TICK_MS);
	else
		decide(watch);
}

static void
watch_poll_cb(evutil_socket_t fd, short what, void *arg)
{
	struct watch *watch = arg;

	(void)fd;
	(void)what;
	watch_dirs(watch);
	if (watch_files_look(&watch->files))
		stir(watch);
	event_in(watch->poll, POLL_MS);
}

static void
on_event(struct watch *watch, const struct inotify_event *event)
{
	struct watch_file *file = NULL;

	if (event->mask & IN_Q_OVERFLOW) {
		log_info("watch: too many changes at once; looking at all "
			 "files");
		stir(watch);
	}
	if (event->mask &
	    (IN_ISDIR | IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED |
		IN_Q_OVERFLOW)) {
		watch_dirs(watch);
		/* It may have come with files in it. */
		if (watch_files_look(&watch->files))
			stir(watch);
		return;
	}
	if (event->len > 0)
		file = watch_files_named(&watch->files, event->name);
	if (file == NULL) {
		/*
		 * Perhaps the target of a link; else the event is about a file
		 * we do not watch.
		 */
		if ((event->mask & IN_MODIFY) == 0 &&
		    watch_files_look(&watch->files))
			stir(watch);
		return;
	}
	file->writing_ms = event->mask & IN_MODIFY ? clock_ms() : 0;
	stir(watch);
}

static void
watch_readable_cb(evutil_socket_t fd, short what, void *arg)
{
	union {
		struct inotify_event align;
		char bytes[16384];
	} buf;
	const struct inotify_event *event;
	ssize_t n;

	(void)what;
	while ((n = read(fd, &buf, sizeof(buf))) > 0)
		for (char *at = buf.bytes; at < buf.bytes + n;
		     at += sizeof(*event) + event->len) {
			event = (const struct inotify_event *)(void *)at;
			on_event(arg, event);
		}
}

struct watch *
watch_new(struct event_base *base, const char *config,
    const struct watch_ops *ops, void *arg)
{
	struct watch *watch = calloc(1, sizeof(*watch));

	if (watch == NULL)
		return NULL;
	watch->ops = ops;
	watch->arg = arg;
	watch->config = config;
	LIST_INIT(&watch->files);
	watch->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (watch->inotify == -1)
		log_warn("watch: there is no inotify; looking every %d ms",
		    POLL_MS);
	else
		watch->readable = event_new(base, watch->inotify,
		    EV_READ | EV_PERSIST, watch_readable_cb, watch);
	watch->tick = event_new(base, -1, 0, watch_tick_cb, watch);
	watch->poll = event_new(base, -1, 0, watch_poll_cb, watch);
	if (watch->tick == NULL || watch->poll == NULL ||
	    (watch->inotify != -1 &&
		(watch->readable == NULL ||
		    event_add(watch->readable, NULL) == -1)) ||
	    watch_files_add(&watch->files, config, false) == -1) {
		watch_free(watch);
		return NULL;
	}
	watch_dirs(watch);
	event_in(watch->poll, POLL_MS);
	return watch;
}

void
watch_free(struct watch *watch)
{
	if (watch == NULL)
		return;
	if (watch->readable != NULL)
		event_free(watch->readable);
	if (watch->tick != NULL)
		event_free(watch->tick);
	if (watch->poll != NULL)
		event_free(watch->poll);
	if (watch->inotify != -1)
		close(watch->inotify);
	watch_files_clear(&watch->files);
	free(watch);
}

void
watch_begin(struct watch *watch)
{
	if (watch == NULL)
		return;
	watch->reloading = true;
	watch_files_begin(&watch->files);
	watch_files_add(&watch->files, watch->config, false);
}

void
watch_add(struct watch *watch, const char *pattern)
{
	if (watch != NULL &&
	    watch_files_add(&watch->files, pattern, true) == -1)
		log_warnx("watch: cannot watch %s: there are too many files, "
			  "or no memory",
		    pattern);
}

/* In colour on a terminal. */
static void
say(const struct watch *watch, bool good, unsigned int generation)
{
	double s = (double)(clock_ms() - watch->changed_ms) / 1000;
	char line[128];

	if (!isatty(STDERR_FILENO) || log_is_piped() ||
	    watch->changed_ms == 0 || log_format() == LOG_FORMAT_JSON)
		return;
	if (good)
		snprintf(line, sizeof(line),
		    "\033[32m-- generation %u is live, after %.2f s\033[0m",
		    generation, s);
	else
		snprintf(line, sizeof(line),
		    "\033[31m-- refused, after %.2f s; generation %u goes "
		    "on\033[0m",
		    s, generation);
	log_as_it_is(line);
}

void
watch_end(struct watch *watch, bool good, unsigned int generation)
{
	if (watch == NULL)
		return;
	say(watch, good, generation);
	watch->changed_ms = 0;
	watch->reloading = false;
	watch_files_end(&watch->files, good);
	watch_dirs(watch);
	/* A file that changed while the reader ran is read once more. */
	stir(watch);
}

void
watch_again(struct watch *watch)
{
	if (watch == NULL)
		return;
	watch_files_forget(&watch->files);
	stir(watch);
}
