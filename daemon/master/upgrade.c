/*
 * upgrade.c: the steps of an upgrade, up to the exec, which only returns when
 * it fails.  The program that is executed is the one that was tried, even if
 * its file is replaced in between: both use the same descriptor.
 */

#include "master/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/libc_data.h"
#include "base/log.h"
#include "base/title.h"
#include "master/events.h"
#include "master/handover.h"
#include "master/notify.h"
#include "master/upgrade_trial.h"

#define SETTLE_MS 1000 /* for log lines that are on their way */
/* The reader may wait for names, and the probe for plugins. */
#define TRIAL_MS 90000

struct upgrade {
	struct event_base *base;
	struct children *children;
	const char *config;
	const struct upgrade_ops *ops;
	void *arg;
	struct upgrade_trial *trial;
	int program; /* -1: no upgrade runs */
	struct upgrade_waiter waiter;
	/* Where our binary was when we started; a new one is put there. */
	char path[PATH_MAX];
};

struct upgrade *
upgrade_new(struct event_base *base, struct children *children,
    const char *config, const struct upgrade_ops *ops, void *arg)
{
	static const char deleted[] = " (deleted)";
	struct upgrade *upgrade = calloc(1, sizeof(*upgrade));
	ssize_t length;

	if (upgrade == NULL)
		return NULL;
	upgrade->base = base;
	upgrade->children = children;
	upgrade->config = config;
	upgrade->ops = ops;
	upgrade->arg = arg;
	upgrade->program = -1;
	length = readlink("/proc/self/exe", upgrade->path,
	    sizeof(upgrade->path) - 1);
	if (length > (ssize_t)strlen(deleted) &&
	    strcmp(upgrade->path + length - strlen(deleted), deleted) == 0)
		upgrade->path[length - (ssize_t)strlen(deleted)] = '\0';
	return upgrade;
}

/* It is over. */
static void
forget(struct upgrade *upgrade)
{
	if (upgrade->program != -1)
		close(upgrade->program);
	upgrade->program = -1;
	upgrade->trial = NULL;
	memset(&upgrade->waiter, 0, sizeof(upgrade->waiter));
}

void
upgrade_free(struct upgrade *upgrade)
{
	if (upgrade == NULL)
		return;
	upgrade_trial_free(upgrade->trial);
	forget(upgrade);
	free(upgrade);
}

void
upgrade_forget(struct upgrade *upgrade, const void *arg)
{
	if (upgrade->waiter.arg == arg)
		memset(&upgrade->waiter, 0, sizeof(upgrade->waiter));
}

static void __attribute__((format(printf, 3, 4)))
refuse(const struct upgrade_waiter *waiter, const char *lines, const char *fmt,
    ...)
{
	char text[1024], line[1100];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(line, sizeof(line), "upgrade refused: %s; nothing has changed",
	    text);
	event_log(EVENT_VERDICT, LOG_LEVEL_ERROR, "%s", line);
	if (waiter->on_refused != NULL)
		waiter->on_refused(waiter->arg, lines, line);
}

static void
log_lines(const char *lines)
{
	size_t length;

	while (*lines != '\0') {
		length = strcspn(lines, "\n");
		log_errorx("upgrade: %.*s", (int)length, lines);
		lines += length + (lines[length] == '\n');
	}
}

/* From here on only a failure returns. */
static void
execute(struct upgrade *upgrade, const char *version)
{
	struct handover handover = { .count = 0 };
	int memfd, error;

	pack_u32(&handover.packer, HANDOVER_FORMAT);
	pack_u32(&handover.packer, (uint32_t)getpid());
	pack_string(&handover.packer, PACKAGE_VERSION);
	handover_fd(&handover,
	    upgrade->waiter.on_refused != NULL ? upgrade->waiter.fd : -1);
	upgrade->ops->hand_over(upgrade->arg, &handover);
	memfd = handover_seal(&handover);
	if (memfd == -1) {
		refuse(&upgrade->waiter, "",
		    "cannot hand over what is to go over: %s", strerror(errno));
		handover_done(&handover);
		forget(upgrade);
		return;
	}
	notify_reloading();
	if (handover_announce(memfd) == 0 && notify_hand_over() == 0) {
		log_info(
		    "executing %s, %s, in the place of sluiced " PACKAGE_VERSION,
		    upgrade->path, version);
		log_settle(SETTLE_MS);
		handover_keep(&handover, true);
		execveat(upgrade->program, "", title_args(), environ,
		    AT_EMPTY_PATH);
	}
	error = errno;
	handover_keep(&handover, false);
	notify_take_back();
	handover_take_back();
	close(memfd);
	handover_done(&handover);
	notify_ready();
	refuse(&upgrade->waiter, "", "cannot execute %s: %s", upgrade->path,
	    strerror(error));
	forget(upgrade);
}

static void
on_trial_done(void *arg, bool good, const char *version, const char *text,
    const char *lines)
{
	struct upgrade *upgrade = arg;
	const char *why_not = upgrade->ops->why_not(upgrade->arg);

	upgrade->trial = NULL;
	if (good && why_not == NULL) {
		execute(upgrade, version);
		return;
	}
	log_lines(lines);
	if (good)
		refuse(&upgrade->waiter, "", "%s", why_not);
	else
		refuse(&upgrade->waiter, lines, "%s%s%s: %s", upgrade->path,
		    *version != '\0' ? ", " : "", version, text);
	forget(upgrade);
}

void
upgrade_stop(struct upgrade *upgrade)
{
	if (upgrade->program == -1)
		return;
	upgrade_trial_free(upgrade->trial);
	refuse(&upgrade->waiter, "", "sluiced is stopping");
	forget(upgrade);
}

static const struct upgrade_trial_ops trial_ops = {
	.on_done = on_trial_done,
};

void
upgrade_request(struct upgrade *upgrade, const char *who,
    const struct upgrade_waiter *waiter)
{
	static const struct upgrade_waiter nobody = { .fd = -1 };
	const char *why_not = upgrade->ops->why_not(upgrade->arg);
	struct upgrade_job job = { .path = upgrade->path,
		.config = upgrade->config,
		.limit_ms = TRIAL_MS };

	if (waiter == NULL)
		waiter = &nobody;
	if (upgrade->program != -1)
		why_not = "an upgrade has begun already";
	if (why_not != NULL) {
		refuse(waiter, "", "%s", why_not);
		return;
	}
	event_log(EVENT_COMMAND, LOG_LEVEL_INFO, "upgrade (%s): trying %s", who,
	    upgrade->path);
	upgrade->program = open(upgrade->path, O_PATH | O_CLOEXEC);
	job.program = upgrade->program;
	if (upgrade->program != -1)
		upgrade->trial = upgrade_trial_new(upgrade->base,
		    upgrade->children, &job, &trial_ops, upgrade);
	if (upgrade->trial == NULL) {
		refuse(waiter, "", "cannot try %s: %s", upgrade->path,
		    strerror(errno));
		forget(upgrade);
		return;
	}
	upgrade->waiter = *waiter;
}
