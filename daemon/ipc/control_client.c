/* control_client.c: one line to the control socket, and one line back. */

#include "ipc/control_client.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/time_text.h"

#define ANSWER_MIN (64u << 10)
#define ANSWER_MAX (8u << 20) /* bytes; sluiced says 6 MiB at most */
#define BUSY_PAUSE_MS 100     /* few clients take longer */

/* One try. */
struct exchange {
	const struct control_request *request; /* borrowed */
	struct error *err;
	int fd;
	char *text; /* of the answer so far */
	size_t length, room;
	bool begun; /* there was a whole line */
};

static uint64_t
deadline_in(uint32_t ms)
{
	return ms == CONTROL_NO_LIMIT ? UINT64_MAX : clock_ms() + ms;
}

static uint64_t
left_until(uint64_t deadline)
{
	uint64_t now = clock_ms();

	return deadline > now ? deadline - now : 0;
}

/* NULL: sluiced does not seem to be there. */
static const char *
what_now(int error)
{
	switch (error) {
	case EACCES:
	case EPERM:
		return "only root, its own user and the members of "
		       "control_group may use it";
	case EPIPE: /* after a first line */
		return "it has stopped, or was upgraded: ask again";
	case ETIMEDOUT:
		return "it does not answer: see its log";
	case EILSEQ:
	case EMSGSIZE:
		return "the command line is at fault";
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
		return "the shortage is here, not in sluiced: try again later";
	default:
		return NULL;
	}
}

/* Sets the sentence in err, and errno.  Returns -1. */
static int
fail(const struct exchange *exchange, int error, const char *what,
    const char *why)
{
	const struct control_request *request = exchange->request;
	const char *now = what_now(error), *hint = "";

	if (now == NULL) {
		now = "is it running, with control = \"...\" in its "
		      "configuration?";
		hint = request->hint != NULL ? request->hint : "";
	}
	error_set(exchange->err, "%s sluiced at %.256s%s; %s%s%s", what,
	    request->socket, why, now, *hint != '\0' ? "  " : "", hint);
	errno = error;
	return -1;
}

static int
fail_sys(const struct exchange *exchange, int error, const char *what)
{
	char why[128];

	snprintf(why, sizeof(why), ": %s", error_text(error));
	return fail(exchange, error, what, why);
}

/* The server has closed. */
static int
fail_broken(const struct exchange *exchange, const char *what)
{
	fail(exchange, exchange->begun ? EPIPE : EPROTO, what, "");
	errno = EPROTO;
	return -1;
}

static int
fail_late(const struct exchange *exchange, uint32_t ms, const char *what)
{
	char why[64], time[TIME_TEXT_MAX];

	snprintf(why, sizeof(why), " within %s", duration_text(ms, time));
	return fail(exchange, ETIMEDOUT, what, why);
}

/*
 * With a full backlog connect(2) waits for as long as SO_SNDTIMEO says; poll(2)
 * cannot limit that.
 */
static int
limit_connect(int fd, uint64_t deadline)
{
	uint64_t ms = left_until(deadline);
	struct timeval limit = { 0, 0 }; /* for ever */

	if (deadline != UINT64_MAX) {
		limit.tv_sec = (time_t)(ms / 1000);
		limit.tv_usec = ms == 0 ? 1 : (suseconds_t)(ms % 1000) * 1000;
	}
	return setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

static int
enter(struct exchange *exchange, uint64_t deadline)
{
	const struct control_request *request = exchange->request;
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int rc;

	if (strlen(request->socket) >= sizeof(un.sun_path))
		return fail_sys(exchange, ENAMETOOLONG, "cannot reach");
	strcpy(un.sun_path, request->socket);
	exchange->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (exchange->fd == -1)
		return fail_sys(exchange, errno, "cannot reach");
	do {
		rc = limit_connect(exchange->fd, deadline);
		if (rc == 0)
			rc = connect(exchange->fd, (struct sockaddr *)&un,
			    sizeof(un));
	} while (rc == -1 && errno == EINTR && left_until(deadline) > 0);
	if (rc == 0)
		return 0;
	if (errno == EAGAIN || errno == EINTR)
		return fail_late(exchange, request->enter_ms, "cannot reach");
	return fail_sys(exchange, errno, "cannot reach");
}

/* NULL: no memory. */
static json_t *
numbers_of(const char *text)
{
	json_t *list = json_array();
	char *end = NULL;

	for (; list != NULL && *text != '\0'; text = end + (*end == ',')) {
		if (json_array_append_new(list,
			json_integer(strtoll(text, &end, 10))) == -1)
			break;
	}
	return list;
}

/* NULL: no memory, or EILSEQ. */
static json_t *
value_of(const struct control_option *option, const char *text)
{
	json_t *value;

	switch (option->kind) {
	case CONTROL_TEXT:
		value = json_string(text);
		if (value == NULL)
			errno = EILSEQ;
		return value;
	case CONTROL_NUMBER:
		return json_integer(strtoll(text, NULL, 10));
	case CONTROL_NUMBERS:
		return numbers_of(text);
	default:
		return json_true();
	}
}

/*
 * One line, owned by the caller.  NULL with ENOMEM, with EILSEQ for a value that
 * is not UTF-8, or with EMSGSIZE if it is too long.
 */
static char *
request_line(const struct control_request *request, size_t *ret_length)
{
	const struct control_word *word = &control_words[request->command];
	json_t *object = json_object();
	char *line = NULL;
	int rc;

	errno = ENOMEM;
	rc = json_object_set_new(object, "command", json_string(word->name));
	for (unsigned int i = 0; i < CONTROL_OPTIONS_MAX; i++)
		if (request->values.of[i] != NULL)
			rc |= json_object_set_new(object, word->options[i].name,
			    value_of(&word->options[i], request->values.of[i]));
	if (rc == 0)
		line = json_dumps(object, JSON_COMPACT);
	json_decref(object);
	if (line == NULL)
		return NULL;
	*ret_length = strlen(line);
	if (*ret_length >= CONTROL_REQUEST_MAX) {
		free(line);
		errno = EMSGSIZE;
		return NULL;
	}
	line[(*ret_length)++] = '\n'; /* where the NUL was */
	return line;
}

/* A new socket takes a line of this size at once, or never. */
static int
say(struct exchange *exchange)
{
	size_t length;
	char *line = request_line(exchange->request, &length);
	ssize_t sent;
	int error;

	if (line == NULL)
		return fail_sys(exchange, errno, "cannot talk to");
	do {
		sent = send(exchange->fd, line, length,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (sent == -1 && errno == EINTR);
	error = errno;
	free(line);
	/* A sluiced that turned us away has answered and closed already. */
	if (sent == (ssize_t)length ||
	    (sent == -1 && (error == EPIPE || error == ECONNRESET)))
		return 0;
	return fail_sys(exchange, sent == -1 ? error : EIO, "cannot talk to");
}

/* Make room for one byte more, and the NUL. */
static int
make_room(struct exchange *exchange)
{
	size_t room = exchange->room == 0 ? ANSWER_MIN : 2 * exchange->room;
	char *text;

	if (exchange->length + 1 < exchange->room)
		return 0;
	if (room > ANSWER_MAX)
		return fail(exchange, EPROTO, "too long an answer from", "");
	text = realloc(exchange->text, room);
	if (text == NULL)
		return fail_sys(exchange, ENOMEM, "no answer from");
	exchange->text = text;
	exchange->room = room;
	return 0;
}

/* Is there a whole line now? */
static bool
take(struct exchange *exchange, size_t got)
{
	char *newline = memchr(exchange->text + exchange->length, '\n', got);

	exchange->length += got;
	if (newline == NULL)
		return false;
	newline[1] = '\0'; /* ignore whatever follows it */
	exchange->length = (size_t)(newline + 1 - exchange->text);
	return true;
}

static void
wait_for(int fd, uint64_t deadline)
{
	struct pollfd poller = { .fd = fd, .events = POLLIN };
	uint64_t left = left_until(deadline);

	poll(&poller, 1, left > INT_MAX ? INT_MAX : (int)left);
}

/*
 * Append some bytes to the text; how many, or -1.  Read before looking at the
 * clock: an answer that has come counts, even if this process was stopped until
 * after the deadline.
 */
static ssize_t
hear(struct exchange *exchange, uint64_t deadline)
{
	const char *what = exchange->begun ? "no more from" : "no answer from";
	ssize_t got;

	if (make_room(exchange) == -1)
		return -1;
	for (;;) {
		got = recv(exchange->fd, exchange->text + exchange->length,
		    exchange->room - exchange->length - 1, MSG_DONTWAIT);
		if (got > 0)
			return got;
		if (got == 0)
			return fail_broken(exchange, what);
		if (errno != EAGAIN && errno != EINTR)
			return fail_sys(exchange, errno, what);
		if (left_until(deadline) > 0)
			wait_for(exchange->fd, deadline);
		else if (errno == EAGAIN)
			return fail_late(exchange, exchange->request->answer_ms,
			    what);
	}
}

static int
listen_for(struct exchange *exchange)
{
	uint64_t deadline = deadline_in(exchange->request->answer_ms);
	ssize_t got;

	do {
		got = hear(exchange, deadline);
		if (got == -1)
			return -1;
	} while (!take(exchange, (size_t)got));
	return 0;
}

static enum control_outcome
outcome_of(const json_t *json)
{
	if (json_is_true(json_object_get(json, "ok")))
		return CONTROL_DONE;
	if (json_is_true(json_object_get(json, "busy")))
		return CONTROL_BUSY;
	if (json_is_true(json_object_get(json, "denied")))
		return CONTROL_DENIED;
	return CONTROL_REFUSED;
}

/* Moves the text into the answer. */
static int
understand(struct exchange *exchange, struct control_answer *ret_answer)
{
	json_t *json = json_loadb(exchange->text, exchange->length, 0, NULL);

	if (!json_is_boolean(json_object_get(json, "ok"))) {
		json_decref(json);
		return fail(exchange, EPROTO, "cannot understand the answer of",
		    "");
	}
	*ret_answer = (struct control_answer){
		.outcome = outcome_of(json),
		.json = json,
		.text = exchange->text,
		.length = exchange->length,
	};
	exchange->text = NULL;
	return 0;
}

/* Release it, with errno as it was.  Returns rc. */
static int
end(struct exchange *exchange, int rc)
{
	int error = errno;

	if (exchange->fd != -1)
		close(exchange->fd);
	free(exchange->text);
	errno = error;
	return rc;
}

static int
ask_once(const struct control_request *request, uint64_t deadline,
    struct control_answer *ret_answer, struct error *err)
{
	struct exchange exchange = { .request = request, .err = err, .fd = -1 };
	int rc;

	rc = enter(&exchange, deadline);
	if (rc == 0)
		rc = say(&exchange);
	if (rc == 0)
		rc = listen_for(&exchange);
	if (rc == 0)
		rc = understand(&exchange, ret_answer);
	return end(&exchange, rc);
}

int
control_ask(const struct control_request *request,
    struct control_answer *ret_answer, struct error *err)
{
	uint64_t deadline = deadline_in(request->enter_ms), left;
	struct control_answer answer;

	for (;;) {
		if (ask_once(request, deadline, &answer, err) == -1)
			return -1;
		left = left_until(deadline);
		if (answer.outcome != CONTROL_BUSY || left == 0)
			break;
		control_answer_done(&answer);
		poll(NULL, 0, left < BUSY_PAUSE_MS ? (int)left : BUSY_PAUSE_MS);
	}
	*ret_answer = answer;
	return 0;
}

/* 1: on_line has heard enough; 0: it has not; -1. */
static int
give_line(struct exchange *exchange, size_t length,
    bool (*on_line)(void *arg, const json_t *json, const char *text), void *arg)
{
	char *end = exchange->text + length;
	json_t *json = json_loadb(exchange->text, length, 0, NULL);
	char after = *end; /* of the next line, or room for a NUL */
	bool more;

	if (!json_is_object(json)) {
		json_decref(json);
		return fail(exchange, EPROTO, "cannot understand the answer of",
		    "");
	}
	exchange->begun = true;
	*end = '\0';
	more = on_line(arg, json, exchange->text);
	*end = after;
	json_decref(json);
	exchange->length -= length;
	memmove(exchange->text, end, exchange->length);
	return !more;
}

static int
follow(struct exchange *exchange,
    bool (*on_line)(void *arg, const json_t *json, const char *text), void *arg)
{
	uint64_t deadline = deadline_in(exchange->request->answer_ms);
	const char *newline;
	ssize_t got;
	int rc = 0;

	while (rc == 0) {
		got = hear(exchange, exchange->begun ? UINT64_MAX : deadline);
		if (got == -1)
			return -1;
		exchange->length += (size_t)got;
		while (rc == 0 &&
		    (newline = memchr(exchange->text, '\n',
			 exchange->length)) != NULL)
			rc = give_line(exchange,
			    (size_t)(newline + 1 - exchange->text), on_line,
			    arg);
	}
	return rc == -1 ? -1 : 0;
}

int
control_ask_on(const struct control_request *request,
    bool (*on_line)(void *arg, const json_t *json, const char *text), void *arg,
    struct error *err)
{
	struct exchange exchange = { .request = request, .err = err, .fd = -1 };
	int rc;

	rc = enter(&exchange, deadline_in(request->enter_ms));
	if (rc == 0)
		rc = say(&exchange);
	if (rc == 0)
		rc = follow(&exchange, on_line, arg);
	return end(&exchange, rc);
}

void
control_answer_done(struct control_answer *answer)
{
	json_decref(answer->json);
	free(answer->text);
	memset(answer, 0, sizeof(*answer));
}

const char *
answer_string(const json_t *value)
{
	return json_is_string(value) ? json_string_value(value) : "";
}

const char *
answer_text(const json_t *object, const char *name)
{
	return answer_string(json_object_get(object, name));
}

long long
answer_number(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

bool
answer_worker_serves(const json_t *worker)
{
	return answer_number(worker, "generation") != 0 &&
	    strcmp(answer_text(worker, "state"), "leaving") != 0;
}
