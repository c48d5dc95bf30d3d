/* check_log_syslog.c: datagrams to a syslog daemon that is slow, or gone. */

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>

#include "base/log_line.h"
#include "fixture.h"
#include "master/log_syslog.h"

static size_t datagram_max; /* 0: what the kernel takes */
static bool reads_when_waited_for;
static int daemon_fd;
static char got[2 * LOG_LINE_MAX];

/* Instead of libc's: a kernel with less room. */
ssize_t
send(int fd, const void *bytes, size_t length, int flags)
{
	if (datagram_max != 0 && length > datagram_max) {
		errno = EMSGSIZE;
		return -1;
	}
	return sendto(fd, bytes, length, flags, NULL, 0);
}

static void
start_daemon(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "%s",
	    fixture_path("log"));
	daemon_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	ck_assert_int_eq(
	    bind(daemon_fd, (struct sockaddr *)&address, sizeof(address)), 0);
}

/* Its socket stays, as of one that was killed. */
static void
kill_daemon(void)
{
	close(daemon_fd);
}

static void
stop_daemon(void)
{
	kill_daemon();
	unlink(fixture_path("log"));
}

static void
begin(void)
{
	alarm(60); /* nothing may block */
	start_daemon();
	log_syslog_use(fixture_path("log"), LOG_LOCAL3, 4711);
}

static int
say(const char *text)
{
	return log_syslog_send(LOG_WARNING, text, strlen(text));
}

/* The next datagram, or "". */
static const char *
take(void)
{
	ssize_t length = recv(daemon_fd, got, sizeof(got) - 1, 0);

	got[length > 0 ? length : 0] = '\0';
	return got;
}

/* What follows the tag. */
static const char *
take_text(void)
{
	const char *text = strstr(take(), "]: ");

	return text != NULL ? text + 3 : "";
}

static unsigned int next_number;

/* It was "line 0", and so on. */
static void
expect_next(void)
{
	char text[32];

	snprintf(text, sizeof(text), "]: line %u", next_number++);
	ck_assert_msg(strstr(got, text) != NULL, "%s: %s", got, text);
}

/* Instead of libc's: a daemon that reads only when somebody waits for it. */
int
poll(struct pollfd *fds, nfds_t count, int ms)
{
	const struct timespec most = { ms / 1000, ms % 1000 * 1000000 };

	if (!reads_when_waited_for)
		return ppoll(fds, count, &most, NULL);
	ck_assert_str_ne(take_text(), "");
	expect_next();
	return 1;
}

START_TEST(a_line_is_as_syslog_3_sends_it)
{
	char month[4], clock[9], text[32], form[32];
	unsigned int priority, day, pid;
	time_t now = time(NULL), then;
	struct tm when;

	begin();
	ck_assert_int_eq(say("worker 1: text"), 0);
	ck_assert_int_eq(sscanf(take(), "<%u>%3s %2u %8s sluiced[%u]: %31[^@]",
			     &priority, month, &day, clock, &pid, text),
	    6);
	ck_assert_uint_eq(priority, LOG_LOCAL3 | LOG_WARNING);
	ck_assert_uint_eq(pid, 4711);
	ck_assert_str_eq(text, "worker 1: text");
	/* Tests have the locale C, and so has the form. */
	for (then = now; then <= time(NULL); then++) {
		strftime(form, sizeof(form), "%b %e %H:%M:%S",
		    localtime_r(&then, &when));
		if (strncmp(got + strcspn(got, ">") + 1, form, 15) == 0)
			return;
	}
	ck_abort_msg("not now: %s", got);
}
END_TEST

START_TEST(a_daemon_that_was_started_again_misses_nothing)
{
	begin();
	ck_assert_int_eq(say("one"), 0);
	ck_assert_str_eq(take_text(), "one");
	stop_daemon();
	start_daemon();
	ck_assert_int_eq(say("two"), 0);
	ck_assert_str_eq(take_text(), "two");
	kill_daemon();
	unlink(fixture_path("log"));
	start_daemon();
	ck_assert_int_eq(say("three"), 0);
	ck_assert_str_eq(take_text(), "three");
}
END_TEST

/* Until it takes a line; a try is made only now and then. */
static void
say_until_taken(const char *text)
{
	while (say(text) == -1)
		poll(NULL, 0, 1);
}

START_TEST(a_daemon_that_is_gone_loses_lines_until_it_is_back)
{
	begin();
	ck_assert_int_eq(say("one"), 0);
	kill_daemon();
	ck_assert_int_eq(say("two"), -1);
	ck_assert_int_eq(errno, ECONNREFUSED);
	unlink(fixture_path("log"));
	while (say("three") == -1 && errno == ECONNREFUSED)
		poll(NULL, 0, 1);
	ck_assert_int_eq(errno, ENOENT);
	start_daemon();
	say_until_taken("four");
	ck_assert_str_eq(take_text(), "four");
	ck_assert_int_eq(say("five"), 0);
}
END_TEST

START_TEST(what_is_not_a_datagram_socket_is_not_waited_for)
{
	begin();
	stop_daemon();
	fixture_text("log", "a file");
	ck_assert_int_eq(say("one"), -1);
	ck_assert_int_eq(errno, ECONNREFUSED);
	unlink(fixture_path("log"));
	mkdir(fixture_path("log"), 0755);
	while (say("two") == -1 && errno != ECONNREFUSED)
		poll(NULL, 0, 1);
	rmdir(fixture_path("log"));
	start_daemon();
	say_until_taken("three");
}
END_TEST

/* Returns how many it took. */
static unsigned int
fill(void)
{
	unsigned int taken = 0;

	while (say("line") == 0)
		taken++;
	ck_assert_int_eq(errno, EAGAIN);
	return taken;
}

START_TEST(a_daemon_that_does_not_read_is_waited_for_once)
{
	unsigned int taken;
	clock_t begun;

	begin();
	taken = fill();
	begun = clock();
	for (unsigned int i = 0; i < 20000; i++)
		ck_assert_int_eq(say("lost"), -1);
	ck_assert_int_lt(clock() - begun, 10 * CLOCKS_PER_SEC);
	while (taken-- > 0)
		ck_assert_str_eq(take_text(), "line");
	say_until_taken("next");
	ck_assert_str_eq(take_text(), "next");
}
END_TEST

/* The kernel queues a few datagrams: ten, unless the system says otherwise. */
START_TEST(a_daemon_that_is_behind_misses_nothing)
{
	char text[32];

	begin();
	reads_when_waited_for = true;
	for (unsigned int i = 0; i < 20000; i++) {
		snprintf(text, sizeof(text), "line %u", i);
		ck_assert_int_eq(say(text), 0);
	}
	while (*take_text() != '\0')
		expect_next();
	ck_assert_uint_eq(next_number, 20000);
}
END_TEST

START_TEST(a_long_line_is_cut_between_characters)
{
	char text[LOG_LINE_MAX];
	size_t length, head;

	begin();
	memset(text, 'x', sizeof(text));
	ck_assert_int_eq(log_syslog_send(LOG_INFO, text, sizeof(text)), 0);
	ck_assert_uint_eq(strlen(take_text()), sizeof(text));
	/* Two bytes each, from the second byte on. */
	for (size_t i = 1; i + 1 < sizeof(text); i += 2)
		memcpy(text + i, "\xc3\xa9", 2);
	head = (size_t)(strstr(got, "]: ") + 3 - got);
	for (datagram_max = head + 40; datagram_max < head + 60;
	     datagram_max++) {
		ck_assert_int_eq(log_syslog_send(LOG_INFO, text, sizeof(text)),
		    0);
		length = strlen(take_text());
		ck_assert_uint_ge(length, 19);
		ck_assert_uint_eq(length % 2, 1);
		ck_assert_int_eq(memcmp(strstr(got, "]: ") + 3, text, length),
		    0);
	}
	datagram_max = 1;
	ck_assert_int_eq(say("lost"), -1);
	ck_assert_int_eq(errno, EMSGSIZE);
	datagram_max = 0;
	say_until_taken("next");
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_line_is_as_syslog_3_sends_it,
		a_daemon_that_was_started_again_misses_nothing,
		a_daemon_that_is_gone_loses_lines_until_it_is_back,
		what_is_not_a_datagram_socket_is_not_waited_for,
		a_daemon_that_does_not_read_is_waited_for_once,
		a_daemon_that_is_behind_misses_nothing,
		a_long_line_is_cut_between_characters,
		NULL,
	};

	return fixture_run("log_syslog", tests);
}
