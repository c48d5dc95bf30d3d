/* transport_connect.c: the socket of a connection that we make. */

#include "worker/transport_connect.h"

#include <errno.h>
#include <event2/event.h>
#include <sluice.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "worker/connect_race.h"
#include "worker/names.h"

struct connect {
	struct connect_plan plan;
	unsigned int *in_progress;
	void (*news)(void *arg);
	void *arg;
	struct name_query *query;
	struct race *race;		/* NULL: there is no name */
	struct stream_fault unresolved; /* why the name has no address */
};

static void
connect_free(struct connect *connect)
{
	--*connect->in_progress;
	race_free(connect->race);
	names_forget(connect->query);
	free((char *)connect->plan.host);
	free(connect);
}

/* The socket is connected: what follows is a plain stream. */
static int
hand_on(struct stream *stream)
{
	connect_free(stream->state);
	stream->state = NULL;
	stream->transport = &transport_plain;
	stream->recv_needs = EV_READ;
	stream->phase = PHASE_OPEN;
	return 0;
}

/* The one address is known. */
static int
start_single(struct stream *stream, const struct connect *connect)
{
	const struct connect_plan *plan = &connect->plan;

	if (stream->fd == -1) {
		stream->fd = connect_begin(plan, &plan->to);
		if (stream->fd == -1)
			return -1;
		stream->recv_needs = EV_WRITE;
	}
	return connect_look(stream->fd, &plan->to) == -1 ? -1 : hand_on(stream);
}

/* The addresses are known: several of them. */
static int
start_race(struct stream *stream, const struct connect *connect)
{
	int fd = race_run(connect->race, names_answer(connect->query));

	if (fd == -1)
		return -1; /* fault() says why */
	stream->fd = fd;
	return hand_on(stream);
}

static void
tell(void *arg)
{
	struct connect *connect = arg;

	connect->news(connect->arg);
}

/* Look the name up. */
static int
start_resolve(struct stream *stream, struct connect *connect)
{
	const struct name_answer *answer;

	if (connect->query == NULL)
		connect->query = names_ask(connect->plan.host, tell, connect);
	if (connect->query == NULL)
		return -1;
	answer = names_answer(connect->query);
	if (answer == NULL)
		return fail(EAGAIN);
	if (answer->families[NAME_V6].count + answer->families[NAME_V4].count ==
	    0) {
		connect->unresolved = (struct stream_fault){ SL_WHY_RESOLVE,
			SL_STAGE_RESOLVE, 0, answer->error };
		return fail(ENOENT);
	}
	stream->phase = PHASE_CONNECT;
	return 0;
}

static int
connect_start(struct stream *stream)
{
	struct connect *connect = stream->state;

	if (connect->race == NULL)
		return start_single(stream, connect);
	/* All the sockets have events of their own until one has won. */
	stream->recv_needs = EV_WRITE;
	return stream->phase == PHASE_RESOLVE ? start_resolve(stream, connect)
					      : start_race(stream, connect);
}

static const struct stream_fault *
connect_fault(const struct stream *stream)
{
	const struct connect *connect = stream->state;

	if (connect->unresolved.why != SL_WHY_NONE)
		return &connect->unresolved;
	return connect->race != NULL ? race_fault(connect->race) : NULL;
}

static int
connect_error(const struct stream *stream)
{
	return stream->fd != -1 ? transport_plain.error(stream) : 0;
}

static uint32_t
connect_unread(const struct stream *stream)
{
	(void)stream;
	return 0;
}

static void
connect_close(struct stream *stream, bool hard)
{
	connect_free(stream->state);
	stream->state = NULL;
	if (stream->fd != -1)
		transport_plain.close(stream, hard);
}

static const struct transport transport_connect = {
	.name = "connect",
	.start = connect_start,
	.fault = connect_fault,
	.error = connect_error,
	.unread = connect_unread,
	.close = connect_close,
};

/* What only a host needs.  Returns 0, or -1 with ENOMEM. */
static int
add_race(struct connect *connect, const char *host)
{
	connect->plan.host = strdup(host);
	connect->race = race_new(&connect->plan, tell, connect);
	return connect->plan.host != NULL && connect->race != NULL ? 0 : -1;
}

int
stream_connect(struct stream *ret_stream, const struct connect_plan *plan,
    unsigned int *in_progress)
{
	struct connect *connect = calloc(1, sizeof(*connect));

	if (connect == NULL)
		return -1;
	connect->plan = *plan;
	connect->plan.host = NULL;
	connect->in_progress = in_progress;
	++*in_progress;
	if (plan->host != NULL && add_race(connect, plan->host) == -1) {
		connect_free(connect);
		return fail(ENOMEM);
	}
	*ret_stream = (struct stream){
		.transport = &transport_connect,
		.state = connect,
		.fd = -1,
		.send_needs = EV_WRITE,
		.phase = plan->host != NULL ? PHASE_RESOLVE : PHASE_CONNECT,
		.is_unix = plan->to.sa.sa_family == AF_UNIX,
		.outgoing = true,
	};
	return 0;
}

void
stream_connect_news(struct stream *stream, void (*news)(void *arg), void *arg)
{
	struct connect *connect = stream->state;

	connect->news = news;
	connect->arg = arg;
}
