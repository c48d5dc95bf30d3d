/*
 * notify.c: datagrams to the service manager.  Its queue is short, and we do
 * not wait for it: what does not fit is kept and sent again.
 */

#include "master/notify.h"

#include <errno.h>
#include <event2/event.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "master/event_in.h"

#define RETRY_MS 100
#define EXTEND_EVERY_MS 5000
#define EXTEND_TEXT "EXTEND_TIMEOUT_USEC=15000000" /* three times that */
/*
 * In the time that the manager gives us.  If the loop was late by more than one
 * beat, one is left out on purpose, and the next still comes in time.
 */
#define BEATS 4
/*
 * The longest queue is ready, reloading, ready, stopping: a reload that is over
 * before the manager has heard of it is left out.
 */
#define WAITING_MAX 4

enum state { STATE_READY, STATE_RELOADING, STATE_STOPPING };

struct said {
	enum state state;
	char text[80];
};

static struct {
	int fd; /* -1: no service manager */
	struct sockaddr_un address;
	socklen_t length;
	/* What it has not taken yet. */
	struct said waiting[WAITING_MAX];
	unsigned int count;
	char status[512];
	bool status_waits, told_full;
	uint64_t beat_ms, beat_due_ms; /* 0: no watchdog */
	struct event *retry, *extend, *beat;
} notify = { .fd = -1 };

static void
set_timer(struct event *timer, uint64_t ms)
{
	if (timer != NULL)
		event_in(timer, ms);
}

/* Returns false when it has to be sent again later. */
static bool
send_text(const char *text)
{
	if (sendto(notify.fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT,
		(const struct sockaddr *)&notify.address, notify.length) != -1)
		return true;
	if (errno == EAGAIN || errno == ENOBUFS || errno == EINTR ||
	    errno == ENOMEM) {
		if (!notify.told_full)
			log_warn("the service manager does not take \"%s\"; "
				 "trying again",
			    text);
		notify.told_full = true;
		return false;
	}
	log_warn("cannot tell the service manager \"%s\"", text);
	return true;
}

/* The status text first, so that it is known when we say that we are ready. */
static bool
send_waiting(void)
{
	if (notify.status_waits && !send_text(notify.status))
		return false;
	notify.status_waits = false;
	while (notify.count > 0) {
		if (!send_text(notify.waiting[0].text))
			return false;
		notify.count--;
		memmove(notify.waiting, notify.waiting + 1,
		    notify.count * sizeof(*notify.waiting));
	}
	notify.told_full = false;
	return true;
}

static void
flush(void)
{
	if (!send_waiting())
		set_timer(notify.retry, RETRY_MS);
}

static void
notify_retry_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	flush();
}

/* A lost message does no harm: the timer sends another. */
static void
notify_extend_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	send_text(EXTEND_TEXT);
	set_timer(notify.extend, EXTEND_EVERY_MS);
}

static void
notify_beat_cb(evutil_socket_t fd, short what, void *arg)
{
	uint64_t now = clock_ms();

	(void)fd;
	(void)what;
	(void)arg;
	if (now > notify.beat_due_ms + notify.beat_ms)
		log_warnx("the master's event loop was %llu ms late; leaving "
			  "out one WATCHDOG=1 to the service manager",
		    (unsigned long long)(now - notify.beat_due_ms));
	else
		send_text("WATCHDOG=1");
	notify.beat_due_ms = clock_ms() + notify.beat_ms;
	set_timer(notify.beat, notify.beat_ms);
}

static void
add_state(enum state state, const char *text)
{
	struct said *last = &notify.waiting[notify.count];

	if (notify.count >= 2 && state == STATE_RELOADING &&
	    last[-1].state == STATE_READY && last[-2].state == STATE_RELOADING)
		notify.count -= 2;
	else if (notify.count == WAITING_MAX ||
	    (notify.count >= 1 && last[-1].state == state))
		notify.count--;
	last = &notify.waiting[notify.count++];
	last->state = state;
	snprintf(last->text, sizeof(last->text), "%s", text);
}

static void
say_state(enum state state, const char *text)
{
	if (notify.fd == -1)
		return;
	add_state(state, text);
	flush();
	if (notify.extend == NULL)
		return;
	if (state == STATE_READY)
		event_del(notify.extend);
	else
		notify_extend_cb(-1, 0, NULL);
}

/*
 * A whole number of the environment, or 0; it is removed, so that no child sees
 * it.
 */
static uint64_t
take_number(const char *name)
{
	const char *text = getenv(name);
	uint64_t value;
	char *end;

	if (text == NULL)
		return 0;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end != '\0' || errno != 0)
		value = 0;
	unsetenv(name);
	return value;
}

/* As sd_watchdog_enabled(3). */
static void
start_beat(struct event_base *base)
{
	bool other = getenv("WATCHDOG_PID") != NULL;
	uint64_t pid = take_number("WATCHDOG_PID");
	uint64_t us = take_number("WATCHDOG_USEC");

	if (us == 0 || (other && pid != (uint64_t)getpid()))
		return;
	notify.beat = event_new(base, -1, 0, notify_beat_cb, NULL);
	notify.beat_ms = us / 1000 / BEATS;
	if (notify.beat_ms == 0)
		notify.beat_ms = 1;
	notify.beat_due_ms = clock_ms();
	set_timer(notify.beat, 0);
}

/* Returns false when it is not a name of a socket. */
static bool
take_address(const char *name)
{
	size_t length = strlen(name);

	if ((name[0] != '/' && name[0] != '@') || length < 2 ||
	    length >= sizeof(notify.address.sun_path))
		return false;
	memset(&notify.address, 0, sizeof(notify.address));
	notify.address.sun_family = AF_UNIX;
	memcpy(notify.address.sun_path, name, length);
	notify.length =
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
	if (name[0] == '@')
		notify.address.sun_path[0] = '\0';
	else
		notify.length++;
	return true;
}

void
notify_init(struct event_base *base)
{
	const char *name = getenv("NOTIFY_SOCKET");

	if (name == NULL)
		return;
	if (take_address(name)) {
		notify.fd = socket(AF_UNIX,
		    SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (notify.fd == -1)
			log_warn("cannot talk to the service manager");
	} else {
		log_warnx("NOTIFY_SOCKET=%s is neither a path nor an abstract "
			  "name; the service manager is not told when sluiced "
			  "is ready",
		    name);
	}
	unsetenv("NOTIFY_SOCKET");
	if (notify.fd == -1)
		return;
	notify.retry = event_new(base, -1, 0, notify_retry_cb, NULL);
	notify.extend = event_new(base, -1, 0, notify_extend_cb, NULL);
	set_timer(notify.extend, EXTEND_EVERY_MS); /* we are starting */
	start_beat(base);
}

static void
free_event(struct event **event)
{
	if (*event != NULL)
		event_free(*event);
	*event = NULL;
}

void
notify_done(void)
{
	if (notify.fd == -1)
		return;
	send_waiting();
	free_event(&notify.retry);
	free_event(&notify.extend);
	free_event(&notify.beat);
	close(notify.fd);
	notify.fd = -1;
}

int
notify_hand_over(void)
{
	char name[sizeof(notify.address.sun_path) + 1], text[24];

	if (notify.fd == -1)
		return 0;
	send_waiting();
	memcpy(name, notify.address.sun_path, sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	name[notify.length - offsetof(struct sockaddr_un, sun_path)] = '\0';
	if (name[0] == '\0')
		name[0] = '@';
	if (setenv("NOTIFY_SOCKET", name, 1) == -1)
		return -1;
	if (notify.beat == NULL)
		return 0;
	snprintf(text, sizeof(text), "%llu",
	    (unsigned long long)notify.beat_ms * BEATS * 1000);
	return setenv("WATCHDOG_USEC", text, 1);
}

void
notify_take_back(void)
{
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
}

void
notify_ready(void)
{
	say_state(STATE_READY, "READY=1");
}

void
notify_reloading(void)
{
	struct timespec now;
	char text[80];

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%llu",
	    (unsigned long long)now.tv_sec * 1000000 +
		(unsigned long long)now.tv_nsec / 1000);
	say_state(STATE_RELOADING, text);
}

void
notify_stopping(void)
{
	say_state(STATE_STOPPING, "STOPPING=1");
}

void
notify_status(const char *fmt, ...)
{
	size_t length = strlen("STATUS=");
	char *text = notify.status;
	va_list ap;

	if (notify.fd == -1)
		return;
	strcpy(text, "STATUS=");
	va_start(ap, fmt);
	vsnprintf(text + length, sizeof(notify.status) - length, fmt, ap);
	va_end(ap);
	/* One line: a second one would be another variable. */
	for (; text[length] != '\0'; length++)
		if (text[length] == '\n')
			text[length] = ' ';
	notify.status_waits = true;
	flush();
}
