/* connect_race.c: one socket for each address of a name, until one is connected. */

#include "worker/connect_race.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <sluice.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/container_of.h"
#include "base/error.h"
#include "base/fail.h"
#include "config/address.h"
#include "worker/connect_socket.h"
#include "worker/engine.h"
#include "worker/names.h"
#include "worker/ours.h"
#include "worker/timers.h"
#include "worker/transport.h"

/* A socket that may be connected to one of several addresses. */
struct attempt {
	int fd; /* -1: it has failed, or was never begun */
	struct endpoint_address to;
	struct event *event;
};

struct race {
	const struct connect_plan *plan;
	void (*news)(void *arg);
	void *arg;
	struct timer timer;		   /* for the next address */
	uint64_t next_ms;		   /* when it is to be tried */
	unsigned int next;		   /* attempt */
	unsigned int running;		   /* attempts */
	unsigned int tried[NAME_FAMILIES]; /* addresses of the answer */
	enum name_family last;		   /* of the last attempt */
	struct attempt attempts[NAME_ADDRESSES_MAX];
	struct stream_fault fault; /* of the last one that has failed */
	char text[ADDRESS_TEXT_MAX + 128];
	struct stream_fault silence; /* of the last one, while it runs */
	char silence_text[ADDRESS_TEXT_MAX + 32];
};

static void
attempt_end(struct race *race, struct attempt *attempt)
{
	if (attempt->event != NULL)
		event_free(attempt->event);
	attempt->event = NULL;
	if (attempt->fd != -1) {
		ours_close(attempt->fd);
		race->running--;
	}
	attempt->fd = -1;
}

static void
attempt_cb(evutil_socket_t fd, short what, void *arg)
{
	struct race *race = arg;

	(void)fd;
	(void)what;
	race->news(race->arg);
}

static void
on_next(struct timer *timer)
{
	struct race *race = container_of(timer, struct race, timer);

	race->news(race->arg);
}

/* Did the attempt fail because this host does not have what it takes? */
static bool
is_ours(int error)
{
	return error == ENETUNREACH || error == EAFNOSUPPORT ||
	    error == EADDRNOTAVAIL;
}

/*
 * An attempt has failed: if no other succeeds, this is told.  That a host without
 * IPv6 does not reach it says less than how the other addresses failed.
 */
static void
note_failure(struct race *race, const struct endpoint_address *to, int error)
{
	char text[ADDRESS_TEXT_MAX];

	if (race->fault.why != SL_WHY_NONE && is_ours(error))
		return;
	race->fault = (struct stream_fault){ SL_WHY_CONNECT, SL_STAGE_CONNECT,
		error, race->text };
	snprintf(race->text, sizeof(race->text), "%s: %s",
	    sockaddr_text(&to->sa, to->len, text), error_text(error));
}

/*
 * The next address: families take turns, beginning with IPv6, as RFC 8305 asks
 * for.  More may have come since the last one.  Returns false: none is left.
 */
static bool
choose_next(const struct race *race, const struct name_answer *answer,
    enum name_family *ret)
{
	enum name_family other = race->next > 0 ? race->last : NAME_V4;
	enum name_family turn = other == NAME_V6 ? NAME_V4 : NAME_V6;

	if (race->next == NAME_ADDRESSES_MAX)
		return false;
	if (race->tried[turn] == answer->families[turn].count)
		turn = other;
	*ret = turn;
	return race->tried[turn] < answer->families[turn].count;
}

/* Take it, with its port. */
static void
take_next(struct race *race, const struct name_answer *answer,
    enum name_family family, struct endpoint_address *to)
{
	const union name_address *from =
	    &answer->families[family].list[race->tried[family]++];

	race->last = family;
	memset(to, 0, sizeof(*to));
	to->len = family == NAME_V4 ? sizeof(from->in) : sizeof(from->in6);
	memcpy(&to->storage, from, to->len);
	/* sin_port and sin6_port are at the same place. */
	((struct sockaddr_in *)&to->storage)->sin_port =
	    htons(race->plan->port);
}

/* An attempt has begun: if there is no time for its end, this is told. */
static void
note_silence(struct race *race, const struct endpoint_address *to)
{
	char text[ADDRESS_TEXT_MAX];

	race->silence = (struct stream_fault){ SL_WHY_CONNECT, SL_STAGE_CONNECT,
		ETIMEDOUT, race->silence_text };
	snprintf(race->silence_text, sizeof(race->silence_text),
	    "%s does not answer", sockaddr_text(&to->sa, to->len, text));
}

/* Begin the next attempt.  Returns its descriptor, or -1 if it has failed. */
static int
begin_next(struct race *race, const struct name_answer *answer,
    enum name_family family)
{
	struct attempt *attempt = &race->attempts[race->next++];
	const struct connect_plan *plan = race->plan;
	bool fits;

	take_next(race, answer, family, &attempt->to);
	fits = plan->from.len == 0 ||
	    plan->from.sa.sa_family == attempt->to.sa.sa_family;
	attempt->fd =
	    fits ? connect_begin(plan, &attempt->to) : fail(EAFNOSUPPORT);
	if (attempt->fd == -1) {
		note_failure(race, &attempt->to, errno);
		return -1;
	}
	race->running++;
	note_silence(race, &attempt->to);
	race->next_ms = engine_now() + CONNECT_STAGGER_MS;
	attempt->event = event_new(engine.base, attempt->fd,
	    EV_WRITE | EV_PERSIST, attempt_cb, race);
	if (attempt->event == NULL || event_add(attempt->event, NULL) == -1) {
		attempt_end(race, attempt);
		note_failure(race, &attempt->to, ENOMEM);
		return -1;
	}
	return attempt->fd;
}

/* Has this attempt won?  If it has failed, it ends. */
static bool
has_won(struct race *race, struct attempt *attempt)
{
	int error;

	if (attempt->fd == -1)
		return false;
	if (connect_look(attempt->fd, &attempt->to) == 0)
		return true;
	error = errno;
	if (error == EAGAIN)
		return false;
	note_failure(race, &attempt->to, error);
	attempt_end(race, attempt);
	return false;
}

/* Take the socket out.  Returns it. */
static int
win(struct race *race, struct attempt *attempt)
{
	int fd = attempt->fd;

	event_free(attempt->event);
	attempt->event = NULL;
	attempt->fd = -1;
	race->running--;
	return fd;
}

struct race *
race_new(const struct connect_plan *plan, void (*news)(void *arg), void *arg)
{
	struct race *race = calloc(1, sizeof(*race));

	if (race == NULL)
		return NULL;
	race->plan = plan;
	race->news = news;
	race->arg = arg;
	if (timers_attach(engine.timers, &race->timer, on_next) == -1) {
		free(race);
		return NULL;
	}
	return race;
}

void
race_free(struct race *race)
{
	if (race == NULL)
		return;
	for (unsigned int i = 0; i < race->next; i++)
		attempt_end(race, &race->attempts[i]);
	timers_detach(engine.timers, &race->timer);
	free(race);
}

int
race_run(struct race *race, const struct name_answer *answer)
{
	enum name_family family;
	bool more;

	for (unsigned int i = 0; i < race->next; i++)
		if (has_won(race, &race->attempts[i]))
			return win(race, &race->attempts[i]);
	while ((more = choose_next(race, answer, &family)) &&
	    (race->running == 0 || engine_now() >= race->next_ms)) {
		struct attempt *attempt = &race->attempts[race->next];

		if (begin_next(race, answer, family) != -1 &&
		    has_won(race, attempt))
			return win(race, attempt);
	}
	if (more)
		timers_set(engine.timers, &race->timer, race->next_ms);
	else if (race->running == 0 &&
	    (answer->complete || race->next == NAME_ADDRESSES_MAX))
		return fail(ECONNREFUSED);
	return fail(EAGAIN);
}

const struct stream_fault *
race_fault(const struct race *race)
{
	/* While others are running, the failure of one decides nothing. */
	if (race->running > 0)
		return &race->silence;
	return race->fault.why != SL_WHY_NONE ? &race->fault : NULL;
}
