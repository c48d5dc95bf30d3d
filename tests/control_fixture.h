/*
 * control_fixture.h: a process that stands in for sluiced behind a control
 * socket, and a client of it.  Each program includes it once.
 */

#ifndef SLUICE_TESTS_CONTROL_FIXTURE_H
#define SLUICE_TESTS_CONTROL_FIXTURE_H

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/error.h"
#include "fixture.h"
#include "ipc/control_client.h"

#define LONG_MS 60000 /* no test takes so long, unless it fails */
#define SHORT_MS 200

/* Serve an accepted connection; number counts from 0.  The caller closes it. */
typedef void serve(int fd, unsigned int number);

static int listening;
static pid_t server;
static struct control_answer answer;
static struct error err;

static inline void
serve_for_ever(serve *how)
{
	unsigned int number;
	int fd;

	signal(SIGPIPE, SIG_IGN);
	for (number = 0;; number++) {
		fd = accept(listening, NULL, NULL);
		if (fd == -1)
			_exit(1);
		how(fd, number);
		close(fd);
	}
}

/* Start the process that stands in for sluiced.  NULL: nothing accepts. */
static inline void
start(serve *how)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	snprintf(un.sun_path, sizeof(un.sun_path), "%s",
	    fixture_path("socket"));
	listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(listening, (struct sockaddr *)&un, sizeof(un)),
	    0);
	ck_assert_int_eq(listen(listening, how != NULL ? 16 : 0), 0);
	if (how == NULL)
		return;
	server = fork();
	ck_assert_int_ne(server, -1);
	if (server == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* also when the test fails */
		serve_for_ever(how);
	}
}

static inline void
stop(void)
{
	control_answer_done(&answer);
	if (server > 0) {
		kill(server, SIGKILL);
		waitpid(server, NULL, 0);
		server = 0;
	}
	close(listening);
}

static inline void
say(int fd, const char *text)
{
	send(fd, text, strlen(text), 0);
}

/* Read the request.  A NUL replaces its newline. */
static inline void
hear(int fd, char line[CONTROL_REQUEST_MAX])
{
	size_t length = 0;
	ssize_t got = 1;

	while (got > 0 && (length == 0 || line[length - 1] != '\n')) {
		got = recv(fd, line + length, CONTROL_REQUEST_MAX - length, 0);
		length += got > 0 ? (size_t)got : 0;
	}
	line[length > 0 ? length - 1 : 0] = '\0';
}

/* Wait until the other end has closed. */
static inline void
stay(int fd)
{
	char line[CONTROL_REQUEST_MAX];

	while (recv(fd, line, sizeof(line), 0) > 0)
		;
}

static inline struct control_request
request_for(enum control_command command, const struct control_values *values)
{
	static const struct control_values none;

	return (struct control_request){
		.socket = fixture_path("socket"),
		.hint = "or so",
		.command = command,
		.values = values != NULL ? *values : none,
		.enter_ms = LONG_MS,
		.answer_ms = LONG_MS,
	};
}

static inline int
ask(uint32_t enter_ms, uint32_t answer_ms)
{
	struct control_request request = request_for(CONTROL_STATUS, NULL);

	request.enter_ms = enter_ms;
	request.answer_ms = answer_ms;
	return control_ask(&request, &answer, &err);
}

static inline void
expect_answer(enum control_outcome outcome, const char *text)
{
	ck_assert_msg(ask(LONG_MS, LONG_MS) == 0, "%s", err.text);
	ck_assert_int_eq(answer.outcome, outcome);
	ck_assert_str_eq(answer.text, text);
	ck_assert_uint_eq(answer.length, strlen(text));
	ck_assert(json_is_object(answer.json));
}

static inline void
expect_none(uint32_t enter_ms, uint32_t answer_ms, int error, const char *what)
{
	ck_assert_int_eq(ask(enter_ms, answer_ms), -1);
	ck_assert_msg(errno == error, "%s: %s", strerror(errno), err.text);
	ck_assert_msg(strstr(err.text, what) != NULL, "%s", err.text);
	ck_assert_ptr_null(answer.json);
	ck_assert_ptr_null(answer.text);
}

static inline void
on_alarm(int number)
{
	(void)number;
}

static inline void
set_alarm(suseconds_t every_us)
{
	const struct sigaction action = { .sa_handler = on_alarm };
	const struct itimerval timer = { { 0, every_us }, { 0, every_us } };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

#endif
