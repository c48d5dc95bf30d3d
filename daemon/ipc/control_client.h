/*
 * control_client.h: asks a running sluiced one thing over its control socket,
 * and gets one answer.
 *
 * For any process: it blocks until its deadline, but needs no event loop,
 * prints nothing, ends nothing, raises no SIGPIPE and keeps nothing between
 * two calls.  Threads may ask at the same time.
 */

#ifndef SLUICE_CONTROL_CLIENT_H
#define SLUICE_CONTROL_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/control_words.h"

struct error;

#define CONTROL_NO_LIMIT UINT32_MAX /* as long as it takes */

/* All borrowed. */
struct control_request {
	const char *socket; /* its path */
	/*
	 * For err when sluiced is not there: how to name another socket; or
	 * NULL.
	 */
	const char *hint;
	enum control_command command;
	struct control_values values;
	/*
	 * The time to be let in: to connect, and to try again while sluiced
	 * serves as many clients as it can.  0: one try.
	 */
	uint32_t enter_ms;
	/*
	 * The time for the whole answer, counted from its request; a verdict
	 * (control_waits()) takes as long as a reload may take.  A call lasts
	 * no longer than both times together.
	 */
	uint32_t answer_ms;
};

enum control_outcome {
	CONTROL_DONE,
	CONTROL_REFUSED, /* for the reasons in the answer */
	CONTROL_BUSY,	 /* sluiced was busy for all of enter_ms */
	CONTROL_DENIED	 /* this user may not ask */
};

/* Owned by whoever asked. */
struct control_answer {
	enum control_outcome outcome;
	json_t *json; /* an object, with "ok" as a boolean */
	/* The same as text: one line with its newline, then a NUL. */
	char *text;
	size_t length; /* without the NUL */
};

/*
 * 0: there is an answer, good or bad.  -1: there is none, *ret_answer is as it
 * was, err says where, why and what to do now, and errno is the cause: of
 * socket(2), connect(2) and the like, or
 *	ETIMEDOUT  sluiced is there, but took too long
 *	EPROTO     what came was broken off, too long, or not from sluiced
 */
int control_ask(const struct control_request *request,
    struct control_answer *ret_answer, struct error *err);

/*
 * The same for a command that is answered by many lines, until sluiced ends.
 * on_line gets each as an object, and as text with its newline, both borrowed;
 * the first has "ok".  It returns false to hear no more.  answer_ms is for the
 * first line.
 * 0: on_line has returned false.  -1: as for control_ask(); EPROTO also when
 * sluiced has ended the connection.
 */
int control_ask_on(const struct control_request *request,
    bool (*on_line)(void *arg, const json_t *json, const char *text), void *arg,
    struct error *err);

/* It may be called twice, and on an answer that is all zero. */
void control_answer_done(struct control_answer *answer);

/* Members of an answer: "" or 0 if the member is missing or of another type. */
const char *answer_string(const json_t *value);
const char *answer_text(const json_t *object, const char *name);
long long answer_number(const json_t *object, const char *name);
/*
 * Does this worker, of the answer to `status`, serve?  It goes on to do so while
 * it prepares another generation.
 */
bool answer_worker_serves(const json_t *worker);

#endif
