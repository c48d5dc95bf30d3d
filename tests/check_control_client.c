/*
 * check_control_client.c: what a process can rely on that asks sluiced over its
 * control socket, whatever answers there.
 */

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/ioctl.h>
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

/* A connection that was let in, and its number from 0.  It is closed after. */
typedef void serve(int fd, unsigned int number);

static int listening;
static pid_t server;
static struct control_answer answer;
static struct error err;

static void
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

/*
 * What stands in for sluiced, in a process of its own.  NULL: nobody accepts.
 */
static void
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
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails, too */
		serve_for_ever(how);
	}
}

static void
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

static void
say(int fd, const char *text)
{
	send(fd, text, strlen(text), 0);
}

/* The request, with a NUL where its newline was. */
static void
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

/* Until the other end has gone. */
static void
stay(int fd)
{
	char line[CONTROL_REQUEST_MAX];

	while (recv(fd, line, sizeof(line), 0) > 0)
		;
}

static struct control_request
request_for(enum control_command command, unsigned int flags)
{
	return (struct control_request){
		.socket = fixture_path("socket"),
		.hint = "or so",
		.command = command,
		.flags = flags,
		.enter_ms = LONG_MS,
		.answer_ms = LONG_MS,
	};
}

static int
ask(uint32_t enter_ms, uint32_t answer_ms)
{
	struct control_request request = request_for(CONTROL_STATUS, 0);

	request.enter_ms = enter_ms;
	request.answer_ms = answer_ms;
	return control_ask(&request, &answer, &err);
}

static void
expect_answer(enum control_outcome outcome, const char *text)
{
	ck_assert_msg(ask(LONG_MS, LONG_MS) == 0, "%s", err.text);
	ck_assert_int_eq(answer.outcome, outcome);
	ck_assert_str_eq(answer.text, text);
	ck_assert_uint_eq(answer.length, strlen(text));
	ck_assert(json_is_object(answer.json));
}

static void
expect_none(uint32_t enter_ms, uint32_t answer_ms, int error, const char *what)
{
	ck_assert_int_eq(ask(enter_ms, answer_ms), -1);
	ck_assert_msg(errno == error, "%s: %s", strerror(errno), err.text);
	ck_assert_msg(strstr(err.text, what) != NULL, "%s", err.text);
	ck_assert_ptr_null(answer.json);
	ck_assert_ptr_null(answer.text);
}

static void
serve_back(int fd, unsigned int number)
{
	char line[CONTROL_REQUEST_MAX], back[CONTROL_REQUEST_MAX + 64];

	(void)number;
	hear(fd, line);
	snprintf(back, sizeof(back), "{\"ok\": true, \"asked\": %s}\n", line);
	say(fd, back);
}

START_TEST(a_request_is_one_line_of_json)
{
	static const struct {
		enum control_command command;
		unsigned int flags;
		const char *line;
	} all[] = {
		{ CONTROL_STATUS, 0, "{\"command\": \"status\"}" },
		{ CONTROL_RELOAD, CONTROL_RELOAD_FORCE,
		    "{\"command\": \"reload\", \"force\": true}" },
		{ CONTROL_RELOAD, CONTROL_RELOAD_WAIT | CONTROL_RELOAD_FORCE,
		    "{\"command\": \"reload\", \"wait\": true, \"force\": true}" },
	};
	struct control_request request;
	json_t *expected;

	start(serve_back);
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		request = request_for(all[i].command, all[i].flags);
		ck_assert_int_eq(control_ask(&request, &answer, &err), 0);
		ck_assert_int_eq(answer.outcome, CONTROL_DONE);
		expected = json_loads(all[i].line, 0, NULL);
		ck_assert(json_equal(json_object_get(answer.json, "asked"),
		    expected));
		json_decref(expected);
		control_answer_done(&answer);
	}
	stop();
}
END_TEST

static const char *shared_path;

/* NULL: all went well. */
static void *
ask_often(void *arg)
{
	enum control_command command = *(enum control_command *)arg;
	const struct control_request request = {
		.socket = shared_path,
		.command = command,
		.enter_ms = LONG_MS,
		.answer_ms = LONG_MS,
	};
	struct control_answer own;
	struct error why;
	const json_t *asked;

	for (unsigned int i = 0; i < 50; i++) {
		if (control_ask(&request, &own, &why) == -1)
			return arg;
		asked = json_object_get(own.json, "asked");
		if (strcmp(json_string_value(json_object_get(asked, "command")),
			control_words[command].name) != 0)
			return arg;
		control_answer_done(&own);
	}
	return NULL;
}

START_TEST(threads_may_ask_at_the_same_time)
{
	static enum control_command commands[CONTROL_COMMANDS];
	pthread_t threads[CONTROL_COMMANDS];
	void *failed;

	start(serve_back);
	shared_path = fixture_path("socket");
	for (unsigned int i = 0; i < CONTROL_COMMANDS; i++) {
		commands[i] = (enum control_command)i;
		ck_assert_int_eq(
		    pthread_create(&threads[i], NULL, ask_often, &commands[i]),
		    0);
	}
	for (unsigned int i = 0; i < CONTROL_COMMANDS; i++) {
		ck_assert_int_eq(pthread_join(threads[i], &failed), 0);
		ck_assert_ptr_null(failed);
	}
	stop();
}
END_TEST

START_TEST(only_verdicts_take_long)
{
	ck_assert(!control_waits(CONTROL_STATUS, 0));
	ck_assert(!control_waits(CONTROL_GENERATIONS, 0));
	ck_assert(!control_waits(CONTROL_CRASHES, 0));
	ck_assert(!control_waits(CONTROL_RELOAD, CONTROL_RELOAD_FORCE));
	ck_assert(control_waits(CONTROL_RELOAD, CONTROL_RELOAD_WAIT));
	ck_assert(control_waits(CONTROL_ROLLBACK, 0));
}
END_TEST

static void
serve_outcomes(int fd, unsigned int number)
{
	static const char *const lines[] = {
		"{\"ok\":false,\"error\":\"no\"}\n",
		"{\"ok\":false,\"denied\":true,\"error\":\"no\"}\n",
		"{\"ok\":true,\"denied\":1}\n",
	};
	char line[CONTROL_REQUEST_MAX];

	hear(fd, line);
	say(fd, lines[number]);
}

START_TEST(an_answer_says_how_it_is_meant)
{
	start(serve_outcomes);
	expect_answer(CONTROL_REFUSED, "{\"ok\":false,\"error\":\"no\"}\n");
	control_answer_done(&answer);
	expect_answer(CONTROL_DENIED,
	    "{\"ok\":false,\"denied\":true,\"error\":\"no\"}\n");
	control_answer_done(&answer);
	expect_answer(CONTROL_DONE, "{\"ok\":true,\"denied\":1}\n");
	stop();
}
END_TEST

/* Each byte is a read of its own. */
static void
serve_bytes(int fd, unsigned int number)
{
	const char *p = "{\"ok\": true, \"generation\": 4}\n";
	char line[CONTROL_REQUEST_MAX];
	int left;

	(void)number;
	hear(fd, line);
	for (; *p != '\0'; p++) {
		send(fd, p, 1, 0);
		while (ioctl(fd, SIOCOUTQ, &left) == 0 && left > 0)
			poll(NULL, 0, 1);
	}
	stay(fd);
}

START_TEST(an_answer_in_pieces_is_whole_at_its_newline)
{
	/* The other end stays open, so that only the newline can end it. */
	start(serve_bytes);
	expect_answer(CONTROL_DONE, "{\"ok\": true, \"generation\": 4}\n");
	ck_assert_int_eq(
	    json_integer_value(json_object_get(answer.json, "generation")), 4);
	stop();
}
END_TEST

static void
on_alarm(int number)
{
	(void)number;
}

static void
set_alarm(suseconds_t every_us)
{
	const struct sigaction action = { .sa_handler = on_alarm };
	const struct itimerval timer = { { 0, every_us }, { 0, every_us } };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

START_TEST(signals_interrupt_nothing)
{
	start(serve_bytes);
	set_alarm(1000);
	expect_answer(CONTROL_DONE, "{\"ok\": true, \"generation\": 4}\n");
	set_alarm(0);
	stop();
}
END_TEST

static void
serve_two_lines(int fd, unsigned int number)
{
	char line[CONTROL_REQUEST_MAX];

	(void)number;
	hear(fd, line);
	say(fd, "{\"ok\":true}\n{\"ok\":false}\n");
}

START_TEST(the_first_line_is_the_answer)
{
	start(serve_two_lines);
	expect_answer(CONTROL_DONE, "{\"ok\":true}\n");
	stop();
}
END_TEST

#define LARGE (3u << 20)

static void
serve_large(int fd, unsigned int number)
{
	static char text[LARGE + 1];
	char line[CONTROL_REQUEST_MAX];

	(void)number;
	memset(text, ' ', LARGE);
	memcpy(text, "{\"ok\":true", 10);
	text[LARGE - 2] = '}';
	text[LARGE - 1] = '\n';
	hear(fd, line);
	say(fd, text);
}

START_TEST(a_large_answer_is_taken_whole)
{
	start(serve_large);
	ck_assert_msg(ask(LONG_MS, LONG_MS) == 0, "%s", err.text);
	ck_assert_uint_eq(answer.length, LARGE);
	ck_assert_uint_eq(strlen(answer.text), LARGE);
	stop();
}
END_TEST

static void
serve_without_end(int fd, unsigned int number)
{
	char line[CONTROL_REQUEST_MAX], text[4096];

	(void)number;
	memset(text, 'x', sizeof(text));
	hear(fd, line);
	while (send(fd, text, sizeof(text), 0) > 0)
		;
}

START_TEST(too_long_an_answer_is_given_up)
{
	start(serve_without_end);
	expect_none(LONG_MS, CONTROL_NO_LIMIT, EPROTO,
	    "too long an answer from");
	stop();
}
END_TEST

static const char *const nonsense[] = { "\n", "x\n", "{\n", "[]\n", "null\n",
	"{}\n", "{\"ok\":1}\n", "{\"ok\":\"true\"}\n", "{\"ok\":true} {}\n",
	"{\"ok\":true,\"error\":\"\xff\"}\n", NULL };

static void
serve_nonsense(int fd, unsigned int number)
{
	char line[CONTROL_REQUEST_MAX];

	hear(fd, line);
	say(fd, nonsense[number]);
}

START_TEST(what_is_no_answer_of_sluiced_is_refused)
{
	start(serve_nonsense);
	for (unsigned int i = 0; nonsense[i] != NULL; i++)
		expect_none(LONG_MS, LONG_MS, EPROTO,
		    "cannot understand the answer of");
	stop();
}
END_TEST

static void
serve_half(int fd, unsigned int number)
{
	char line[CONTROL_REQUEST_MAX];

	hear(fd, line);
	if (number > 0)
		say(fd, "{\"ok\":true}");
}

START_TEST(an_answer_that_breaks_off_is_none)
{
	start(serve_half);
	expect_none(LONG_MS, LONG_MS, EPROTO, "no answer from");
	expect_none(LONG_MS, LONG_MS, EPROTO, "no answer from");
	ck_assert_ptr_nonnull(strstr(err.text, "is it running"));
	ck_assert_ptr_nonnull(strstr(err.text, fixture_path("socket")));
	ck_assert_ptr_nonnull(strstr(err.text, "?  or so"));
	stop();
}
END_TEST

static void
serve_nothing(int fd, unsigned int number)
{
	(void)fd;
	(void)number;
}

static void
serve_unasked(int fd, unsigned int number)
{
	(void)number;
	say(fd, "{\"ok\":false,\"denied\":true,\"error\":\"no\"}\n");
}

START_TEST(one_that_hangs_up_unasked_does_no_harm)
{
	/*
	 * Often enough for some to hang up before they are asked: no SIGPIPE.
	 */
	start(serve_nothing);
	for (unsigned int i = 0; i < 300; i++) {
		ck_assert_int_eq(ask(LONG_MS, LONG_MS), -1);
		ck_assert_msg(errno == EPROTO || errno == ECONNRESET, "%s",
		    err.text);
	}
	stop();
}
END_TEST

START_TEST(an_answer_before_the_question_is_heard)
{
	start(serve_unasked);
	for (unsigned int i = 0; i < 300; i++) {
		expect_answer(CONTROL_DENIED,
		    "{\"ok\":false,\"denied\":true,\"error\":\"no\"}\n");
		control_answer_done(&answer);
	}
	stop();
}
END_TEST

static void
serve_silence(int fd, unsigned int number)
{
	(void)number;
	stay(fd);
}

START_TEST(silence_ends_at_the_deadline)
{
	uint64_t begun = clock_ms();

	start(serve_silence);
	expect_none(LONG_MS, SHORT_MS, ETIMEDOUT, "within 200 ms");
	ck_assert_uint_ge(clock_ms() - begun, SHORT_MS);
	ck_assert_ptr_nonnull(strstr(err.text, "see its log"));
	ck_assert_ptr_null(strstr(err.text, "or so"));
	expect_none(0, 0, ETIMEDOUT, "within 0 s");
	stop();
}
END_TEST

static void
serve_drops(int fd, unsigned int number)
{
	(void)number;
	while (send(fd, " ", 1, 0) == 1)
		poll(NULL, 0, SHORT_MS / 10);
}

START_TEST(the_deadline_is_for_the_whole_answer)
{
	start(serve_drops);
	expect_none(LONG_MS, SHORT_MS, ETIMEDOUT, "no answer from");
	stop();
}
END_TEST

static int asleep[2] = { -1, -1 };

/*
 * In the place of the C library's: with `asleep` we are stopped in here, after
 * telling the server, until there is an answer and the deadline has passed.
 */
int
poll(struct pollfd *fds, nfds_t count, int ms)
{
	struct timespec limit = { ms / 1000, ms % 1000 * 1000000L };
	uint64_t until = clock_ms() + (uint64_t)ms;

	if (asleep[1] == -1)
		return ppoll(fds, count, ms < 0 ? NULL : &limit, NULL);
	ck_assert_int_eq(write(asleep[1], "", 1), 1);
	ck_assert_int_eq(ppoll(fds, count, NULL, NULL), 1);
	while (clock_ms() <= until)
		usleep(1000);
	return 0;
}

static void
serve_sleeper(int fd, unsigned int number)
{
	char byte;

	(void)number;
	if (read(asleep[0], &byte, 1) == 1)
		say(fd, "{\"ok\":true}\n");
	stay(fd);
}

START_TEST(an_answer_in_time_counts_however_late_we_look)
{
	ck_assert_int_eq(pipe(asleep), 0);
	start(serve_sleeper);
	ck_assert_msg(ask(LONG_MS, 5 * SHORT_MS) == 0, "%s", err.text);
	ck_assert_str_eq(answer.text, "{\"ok\":true}\n");
	stop();
}
END_TEST

#define BUSY "{\"ok\":false,\"busy\":true,\"error\":\"too many\"}\n"

static void
serve_busy_twice(int fd, unsigned int number)
{
	char line[CONTROL_REQUEST_MAX];

	if (number < 2) {
		say(fd, BUSY);
		return;
	}
	hear(fd, line);
	say(fd, "{\"ok\":true}\n");
}

static void
serve_busy(int fd, unsigned int number)
{
	char text[128];

	snprintf(text, sizeof(text),
	    "{\"ok\":false,\"busy\":true,\"error\":\"too many\",\"number\":%u}\n",
	    number);
	say(fd, text);
}

START_TEST(a_busy_one_is_asked_again)
{
	start(serve_busy_twice);
	expect_answer(CONTROL_DONE, "{\"ok\":true}\n");
	stop();
}
END_TEST

START_TEST(one_that_stays_busy_says_so)
{
	uint64_t begun = clock_ms();
	json_int_t number;

	start(serve_busy);
	ck_assert_int_eq(ask(0, LONG_MS), 0);
	ck_assert_int_eq(answer.outcome, CONTROL_BUSY);
	number = json_integer_value(json_object_get(answer.json, "number"));
	ck_assert_int_eq(number, 0);
	control_answer_done(&answer);

	ck_assert_int_eq(ask(SHORT_MS, LONG_MS), 0);
	ck_assert_int_eq(answer.outcome, CONTROL_BUSY);
	number = json_integer_value(json_object_get(answer.json, "number"));
	ck_assert_int_ge(number, 1);
	ck_assert_uint_ge(clock_ms() - begun, SHORT_MS);
	stop();
}
END_TEST

START_TEST(one_that_lets_nobody_in_ends_at_the_deadline)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd, rc;

	start(NULL);
	snprintf(un.sun_path, sizeof(un.sun_path), "%s",
	    fixture_path("socket"));
	do {
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		rc = connect(fd, (struct sockaddr *)&un, sizeof(un));
	} while (rc == 0);
	ck_assert_int_eq(errno, EAGAIN);
	expect_none(SHORT_MS, LONG_MS, ETIMEDOUT, "cannot reach");
	ck_assert_ptr_nonnull(strstr(err.text, "within 200 ms"));
	expect_none(0, LONG_MS, ETIMEDOUT, "cannot reach");
	set_alarm(1000);
	expect_none(SHORT_MS, LONG_MS, ETIMEDOUT, "cannot reach");
	set_alarm(0);
	stop();
}
END_TEST

START_TEST(nobody_there_is_told_with_the_cause)
{
	static char path[200];
	struct control_request request = request_for(CONTROL_STATUS, 0);

	start(NULL);
	close(listening);
	expect_none(LONG_MS, LONG_MS, ECONNREFUSED,
	    "Connection refused; is it");
	unlink(request.socket);
	expect_none(LONG_MS, LONG_MS, ENOENT, "No such file");
	ck_assert_ptr_nonnull(strstr(err.text, request.socket));
	ck_assert_ptr_nonnull(strstr(err.text, "?  or so"));

	memset(path, 'x', sizeof(path) - 1);
	request.socket = path;
	request.hint = NULL;
	ck_assert_int_eq(control_ask(&request, &answer, &err), -1);
	ck_assert_int_eq(errno, ENAMETOOLONG);
	ck_assert_ptr_nonnull(strstr(err.text, path));
	ck_assert_int_eq(err.text[strlen(err.text) - 1], '?');
}
END_TEST

static void
serve_mixed(int fd, unsigned int number)
{
	char line[CONTROL_REQUEST_MAX];

	hear(fd, line);
	switch (number % 4) {
	case 0:
		say(fd, "{\"ok\":true}\n");
		break;
	case 1:
		say(fd, "nonsense\n");
		break;
	case 2:
		stay(fd);
		break;
	case 3:
		break;
	}
}

START_TEST(nothing_stays_open)
{
	unsigned int before;

	start(serve_mixed);
	before = fixture_descriptors();
	for (unsigned int i = 0; i < 8; i++)
		if (ask(LONG_MS, i % 4 == 2 ? 1 : LONG_MS) == 0)
			control_answer_done(&answer);
	ck_assert_uint_eq(fixture_descriptors(), before);
	stop();
}
END_TEST

START_TEST(an_answer_can_be_dropped_twice)
{
	start(serve_unasked);
	ck_assert_int_eq(ask(LONG_MS, LONG_MS), 0);
	control_answer_done(&answer);
	control_answer_done(&answer);
	ck_assert_ptr_null(answer.text);
	stop();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_request_is_one_line_of_json,
		threads_may_ask_at_the_same_time,
		only_verdicts_take_long,
		an_answer_says_how_it_is_meant,
		an_answer_in_pieces_is_whole_at_its_newline,
		signals_interrupt_nothing,
		the_first_line_is_the_answer,
		a_large_answer_is_taken_whole,
		too_long_an_answer_is_given_up,
		what_is_no_answer_of_sluiced_is_refused,
		an_answer_that_breaks_off_is_none,
		one_that_hangs_up_unasked_does_no_harm,
		an_answer_before_the_question_is_heard,
		silence_ends_at_the_deadline,
		the_deadline_is_for_the_whole_answer,
		an_answer_in_time_counts_however_late_we_look,
		a_busy_one_is_asked_again,
		one_that_stays_busy_says_so,
		one_that_lets_nobody_in_ends_at_the_deadline,
		nobody_there_is_told_with_the_cause,
		nothing_stays_open,
		an_answer_can_be_dropped_twice,
		NULL,
	};

	return fixture_run("control_client", tests);
}
