/*
 * reload_patience.c: a transaction waits for workers, and logs for which.  No
 * worker is ended for being late: before COMMIT a reload is refused, and a
 * rollback goes on without those that do not answer; after COMMIT it waits.
 * The watchdog deals with workers that hang.
 *
 * It counts its own ticks, so time in which the master did not run does not
 * count.
 */

#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/error.h"
#include "base/log.h"
#include "master/doing.h"
#include "master/event_in.h"
#include "master/gen.h"
#include "master/reload_internal.h"

#define TICK_MS 1000
#define ANSWER_S 5   /* for those that serve; they do nothing else meanwhile */
#define COME_UP_S 30 /* to come up; the watchdog is faster if one hangs */
#define SAY_S 60     /* between two lines about the same wait */

static void
set_timer(struct reload *reload)
{
	event_in(reload->deadline, TICK_MS);
}

void
reload_patience_begin(struct reload *reload)
{
	reload->ticks = 0;
	set_timer(reload);
}

void
reload_patience_end(struct reload *reload)
{
	event_del(reload->deadline);
}

bool
reload_was_held_up(const struct reload *reload)
{
	return reload->held_up;
}

/* Log which workers it waits for, and what they do. */
static void
say_waiting(struct reload *reload, const char *what)
{
	char doing[DOING_MAX];

	for (uint32_t i = 0; i < workers_count(reload->workers); i++) {
		if (!workers_waits_for(reload->workers, i))
			continue;
		workers_doing(reload->workers,
		    workers_place(reload->workers, i), reload->next, doing);
		log_warnx("reload: waiting for worker %u %s: %s", i + 1, what,
		    doing);
	}
}

/*
 * The problem is the plugin's if the board shows late workers in its code of
 * this generation, else the workers'.
 */
static void
tell_late(struct reload *reload)
{
	uint32_t i, index, first = 0, count = workers_count(reload->workers);
	char names[160] = "", how[64], doing[DOING_MAX];
	const char *callback;
	size_t used = 0;

	snprintf(how, sizeof(how), "did not answer within %d s", ANSWER_S);
	for (i = 0; i < count; i++) {
		if (!workers_waits_for(reload->workers, i))
			continue;
		if (!workers_in_callback(reload->workers, i, reload->next,
			&callback, &index)) {
			workers_doing(reload->workers,
			    workers_place(reload->workers, i), reload->next,
			    doing);
			verdict_say(&reload->verdict, "worker %u %s: %s", i + 1,
			    how, doing);
			continue;
		}
		if (used == 0)
			first = i;
		if (used + 16 < sizeof(names))
			used +=
			    (size_t)snprintf(names + used, sizeof(names) - used,
				"%sworker %u", used == 0 ? "" : ", ", i + 1);
	}
	if (used > 0)
		reload_tell_trouble(reload, first, names, how);
}

/*
 * Workers that are still busy with what was called off before, or still coming
 * up.
 */
static void
tell_unsettled(struct reload *reload)
{
	char doing[DOING_MAX];

	for (uint32_t i = 0; i < workers_count(reload->workers); i++) {
		if (!workers_waits_for(reload->workers, i))
			continue;
		workers_doing(reload->workers,
		    workers_place(reload->workers, i), NULL, doing);
		verdict_say(&reload->verdict,
		    "worker %u is not ready for another generation: %s", i + 1,
		    doing);
	}
}

static void
refuse(struct reload *reload)
{
	if (reload->state == RELOAD_SETTLE)
		tell_unsettled(reload);
	else
		tell_late(reload);
	reload->held_up = true;
	workers_abort(reload->workers, reload->next);
	reload_fail(reload);
}

/* A rollback does not wait for workers that hang in the code it leaves. */
static void
leave_behind(struct reload *reload)
{
	say_waiting(reload, "no longer; it follows when it answers again");
	reload->waiting = workers_leave_behind(reload->workers, reload->next);
	reload_go_on(reload);
}

/* Do we wait for a worker that has connections to lose? */
static bool
some_serve(const struct reload *reload)
{
	for (uint32_t i = 0; i < workers_count(reload->workers); i++)
		if (workers_waits_for(reload->workers, i) &&
		    !workers_is_new(reload->workers, i))
			return true;
	return false;
}

/* Before COMMIT: refuse the reload, or go on without them. */
static void
lose_patience(struct reload *reload)
{
	bool serve = some_serve(reload);

	/* At the start there is nothing to keep: leave it to the watchdog. */
	if (!serve && reload->committed == NULL) {
		if (reload->ticks % SAY_S == ANSWER_S)
			say_waiting(reload, "to start");
	} else if (reload->ticks >= COME_UP_S ||
	    (serve && reload->kind == KIND_RELOAD &&
		reload->ticks >= ANSWER_S)) {
		refuse(reload);
	} else if (serve && reload->ticks == ANSWER_S) {
		leave_behind(reload);
	}
}

void
reload_late_cb(int fd, short what, void *arg)
{
	struct reload *reload = arg;

	(void)fd;
	(void)what;
	reload->ticks++;
	set_timer(reload);
	switch (reload->state) {
	case RELOAD_SETTLE:
		if (reload->ticks == 1)
			say_waiting(reload, "to get ready");
		lose_patience(reload);
		break;
	case RELOAD_PREPARE:
		lose_patience(reload);
		break;
	case RELOAD_COMMIT:
	case RELOAD_BACK:
		if (reload->ticks % SAY_S == ANSWER_S)
			say_waiting(reload,
			    reload->state == RELOAD_COMMIT ? "to commit"
							   : "to go back");
		break;
	default:
		reload_patience_end(reload);
		break;
	}
}
