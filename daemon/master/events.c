/* events.c: hands events on. */

#include "master/events.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/log_line.h"
#include "master/crashes.h"

static void (*follower)(void *arg, const struct event *event);
static void *follower_arg;

static const char *const names[] = {
	[EVENT_VERDICT] = "verdict",
	[EVENT_ROLLBACK] = "rollback",
	[EVENT_CANARY] = "canary",
	[EVENT_CRASH] = "crash",
	[EVENT_HANG] = "hang",
	[EVENT_SLOW] = "slow",
	[EVENT_CERTIFICATE] = "certificate",
	[EVENT_LISTENER] = "listener",
	[EVENT_COMMAND] = "command",
	[EVENT_STOP] = "stop",
};

const char *
event_name(enum event_kind kind)
{
	return names[kind];
}

enum event_kind
event_named(const char *name, size_t length)
{
	enum event_kind kind;

	for (kind = 0; kind < EVENT_KINDS; kind++)
		if (strlen(names[kind]) == length &&
		    memcmp(names[kind], name, length) == 0)
			break;
	return kind;
}

void
events_follow(void (*on_event)(void *arg, const struct event *event), void *arg)
{
	follower = on_event;
	follower_arg = arg;
}

void
event_tell(const struct event *event)
{
	if (follower != NULL)
		follower(follower_arg, event);
}

void
event_log(enum event_kind kind, enum log_level level, const char *fmt, ...)
{
	char text[LOG_MESSAGE_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_at(level, "%s", text);
	event_tell(
	    &(struct event){ .kind = kind, .level = level, .text = text });
}

void
event_tell_crash(const struct crash *crash)
{
	char text[CRASH_HOW_MAX + 64];

	snprintf(text, sizeof(text), "worker %u (pid %d) %s", crash->worker + 1,
	    (int)crash->pid, crash->how);
	event_tell(&(struct event){
	    .kind = EVENT_CRASH,
	    .level = LOG_LEVEL_ERROR,
	    .text = text,
	    .worker = crash->worker + 1,
	    .pid = crash->pid,
	    .generation = crash->generation,
	    .lost = crash->connections,
	    .report = crash->text,
	});
}
