/*
 * news.c: one question at a time, over a socket that stays.  Nothing here waits:
 * a master that is busy, or stopped in a debugger, makes the news old, and the
 * page says so.
 */

#include "status/news.h"

#include <errno.h>
#include <event2/event.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "ipc/control_client.h"
#include "ipc/control_words.h"

#define ROOM_MIN (16u << 10)
#define ROOM_MAX (8u << 20) /* the master says 6 MiB at most */

static struct {
	const struct news_ops *ops;
	void *arg;
	int fd; /* -1: not yet */
	struct event_base *base;
	struct event *readable, *late, *poll;
	enum control_command asks; /* CONTROL_COMMANDS: nothing */
	bool is_late;
	char *line; /* of the answer so far */
	size_t length, room;
	json_t *status, *crashes;
	char *text;
	uint64_t done_ms;  /* of the last answer, good or bad */
	uint64_t point_ms; /* of the last point of the history */
	struct news last;
} news;

static const struct timeval poll_every = { NEWS_POLL_MS / 1000,
	NEWS_POLL_MS % 1000 * 1000 };
static const struct timeval answer_within = { NEWS_ANSWER_MS / 1000,
	NEWS_ANSWER_MS % 1000 * 1000 };

const struct news *
news_last(void)
{
	return &news.last;
}

/* The socket is of no more use: the master ends this process. */
static void
give_up(const char *why)
{
	log_errorx("the master %s", why);
	event_del(news.readable);
	event_base_loopbreak(news.base);
}

static void
ask(enum control_command command)
{
	char line[64];
	int length = snprintf(line, sizeof(line), "{\"command\":\"%s\"}\n",
	    control_words[command].name);

	news.asks = command;
	/* A line of this size fits, since nothing else is on its way. */
	if (send(news.fd, line, (size_t)length, MSG_DONTWAIT | MSG_NOSIGNAL) !=
	    length)
		give_up("takes no question");
	event_add(news.late, &answer_within);
}

static void
tell(void)
{
	uint64_t now = clock_ms();

	news.ops->on_news(news.arg);
	if (news.last.trouble == NULL &&
	    now - news.point_ms >= NEWS_POLL_MS - NEWS_FRESH_MS / 2) {
		news.point_ms = now;
		news.ops->on_point(news.arg);
	}
}

static void
answered(void)
{
	event_del(news.late);
	news.asks = CONTROL_COMMANDS;
	news.is_late = false;
	news.last.crashes = news.crashes;
	news.last.trouble = NULL;
	news.last.came_ms = news.done_ms = clock_ms();
	news.last.number++;
	tell();
	malloc_trim(0); /* the heap stays as small as what is kept */
}

/* It is out of memory, or has more to say than fits into an answer. */
static void
failed(void)
{
	event_del(news.late);
	news.asks = CONTROL_COMMANDS;
	news.is_late = false;
	news.length = 0;
	news.done_ms = clock_ms();
	news.last.trouble =
	    "the master cannot answer: see what sluicectl status says";
	tell();
}

/* Has it crashed more often than we have seen? */
static bool
crashes_are_old(void)
{
	return answer_number(news.status, "crashes") !=
	    answer_number(news.crashes, "count");
}

/* A whole line has come: keep it. */
static void
take_answer(void)
{
	json_t *json;

	/* Two answers at once would be twice the memory. */
	if (news.asks == CONTROL_STATUS) {
		json_decref(news.status);
		news.last.status = news.status = NULL;
	}
	json = json_loadb(news.line, news.length, 0, NULL);
	if (!json_is_true(json_object_get(json, "ok"))) {
		json_decref(json);
		failed();
		return;
	}
	if (news.asks == CONTROL_CRASHES) {
		json_decref(news.crashes);
		news.crashes = json;
		news.length = 0;
		answered();
		return;
	}
	free(news.text);
	news.last.status = news.status = json;
	news.last.text = news.text = news.line;
	news.last.length = news.length;
	news.line = NULL;
	news.length = news.room = 0;
	if (crashes_are_old())
		ask(CONTROL_CRASHES);
	else
		answered();
}

/* 0, or -1: there is no memory, or the answer is too long. */
static int
make_room(void)
{
	size_t room = news.room == 0 ? ROOM_MIN : 2 * news.room;
	char *line;

	if (news.length < news.room)
		return 0;
	if (room > ROOM_MAX || (line = realloc(news.line, room)) == NULL)
		return -1;
	news.line = line;
	news.room = room;
	return 0;
}

/* It is gone, or another program by now.  Whoever waits has old news. */
static void
lose(void)
{
	event_free(news.readable);
	news.readable = NULL;
	close(news.fd);
	news.fd = -1;
	event_del(news.late);
	event_del(news.poll);
	news.asks = CONTROL_COMMANDS;
	news.last.trouble = "the master has hung up";
	tell();
	news.ops->on_lost(news.arg);
}

static void
news_read_cb(evutil_socket_t fd, short what, void *arg)
{
	ssize_t got;

	(void)what;
	(void)arg;
	if (make_room() == -1) {
		give_up("gave an answer that is too long for our memory");
		return;
	}
	got = recv(fd, news.line + news.length, news.room - news.length,
	    MSG_DONTWAIT);
	if (got == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		lose();
		return;
	}
	if (news.asks == CONTROL_COMMANDS) {
		give_up("answers unasked");
		return;
	}
	news.length += (size_t)got;
	/* It says one line for each of ours. */
	if (news.line[news.length - 1] == '\n')
		take_answer();
}

/* It may still come. */
static void
news_late_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	news.is_late = true;
	news.last.trouble = "the master does not answer";
	tell();
}

static void
news_poll_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	event_add(news.poll, &poll_every);
	news_want();
}

bool
news_want(void)
{
	if (news.fd == -1)
		return true;
	if (news.asks != CONTROL_COMMANDS)
		return news.is_late;
	if (news.done_ms != 0 && clock_ms() - news.done_ms < NEWS_FRESH_MS)
		return true;
	ask(CONTROL_STATUS);
	return false;
}

int
news_connect(int fd)
{
	if (news.fd != -1) {
		close(fd);
		return 0;
	}
	news.fd = fd;
	news.readable =
	    event_new(news.base, fd, EV_READ | EV_PERSIST, news_read_cb, NULL);
	if (news.readable == NULL || event_add(news.readable, NULL) == -1)
		return -1;
	news_poll_cb(-1, 0, NULL);
	return 0;
}

int
news_init(struct event_base *base, const struct news_ops *ops, void *arg)
{
	news.base = base;
	news.ops = ops;
	news.arg = arg;
	news.fd = -1;
	news.asks = CONTROL_COMMANDS;
	news.last.trouble = "the master has not answered yet";
	news.late = event_new(base, -1, 0, news_late_cb, NULL);
	news.poll = event_new(base, -1, 0, news_poll_cb, NULL);
	return news.late != NULL && news.poll != NULL ? 0 : -1;
}

void
news_done(void)
{
	if (news.readable != NULL)
		event_free(news.readable);
	if (news.late != NULL)
		event_free(news.late);
	if (news.poll != NULL)
		event_free(news.poll);
	if (news.fd != -1)
		close(news.fd);
	json_decref(news.status);
	json_decref(news.crashes);
	free(news.text);
	free(news.line);
}
