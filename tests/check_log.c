/* check_log.c: lines of the log. */

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>

#include <jansson.h>

#include "base/log.h"
#include "fixture.h"

#define LONG 100000

static int log_end = -1;
static char text[2 * LONG];

/* Stderr is a pipe from here on; each test is a process of its own. */
static void
capture(int type)
{
	int pair[2];

	if (type == SOCK_STREAM)
		ck_assert_int_eq(socketpair(AF_UNIX, type, 0, pair), 0);
	else
		ck_assert_int_eq(pipe(pair), 0);
	log_end = pair[0];
	ck_assert_int_eq(dup2(pair[1], STDERR_FILENO), STDERR_FILENO);
	close(pair[1]);
	fcntl(log_end, F_SETFL, O_NONBLOCK);
	log_init("master");
	log_configure(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
}

/* What was logged since the last call. */
static const char *
logged(void)
{
	ssize_t got = read(log_end, text, sizeof(text) - 1);

	text[got > 0 ? got : 0] = '\0';
	return text;
}

/* The same, behind the time. */
static const char *
logged_line(void)
{
	const char *line = logged();

	/* 2026-11-20T05:00:00.123Z */
	ck_assert_uint_gt(strlen(line), 25);
	ck_assert_int_eq(line[10], 'T');
	ck_assert_int_eq(line[23], 'Z');
	ck_assert_int_eq(line[24], ' ');
	return line + 25;
}

static json_t *
logged_json(void)
{
	json_error_t error;
	json_t *line = json_loads(logged(), 0, &error);

	ck_assert_msg(line != NULL, "%s in: %s", error.text, text);
	return line;
}

static const char *
member(json_t *line, const char *name)
{
	return json_string_value(json_object_get(line, name));
}

START_TEST(a_line_has_time_level_role_and_message)
{
	capture(0);
	log_info("worker %d started", 1);
	ck_assert_str_eq(logged_line(), "info  master: worker 1 started\n");
	log_warnx("hm");
	ck_assert_str_eq(logged_line(), "warn  master: hm\n");
	errno = ENOENT;
	log_error("cannot open %s", "x");
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_str_eq(logged_line(),
	    "error master: cannot open x: No such file or directory\n");
}
END_TEST

START_TEST(the_level_decides_and_verbose_overrules)
{
	capture(0);
	log_debug("no");
	log_configure(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
	log_info("no");
	ck_assert_str_eq(logged(), "");
	log_verbose();
	log_debug("yes");
	ck_assert_str_eq(logged_line(), "debug master: yes\n");
}
END_TEST

START_TEST(a_message_is_one_line_without_control_characters)
{
	capture(0);
	log_info("a\nb\tc\x1b[31m\x7f d");
	ck_assert_str_eq(logged_line(),
	    "info  master: a\\nb\\tc\\x1b[31m\\x7f d\n");
}
END_TEST

START_TEST(what_is_no_printable_utf8_is_escaped)
{
	const struct log_field fields[] = {
		{ "name", "\xff \xc3\xa9\xc2\x9b", 0 },
	};

	capture(0);
	log_info("h\xc3\xa9 \xe2\x82\xac \xff\xc2 \xc2\x9b"
		 "2J \xed\xa0\x80");
	ck_assert_str_eq(logged_line(),
	    "info  master: h\xc3\xa9 \xe2\x82\xac \\xff\\xc2 "
	    "\\xc2\\x9b2J \\xed\\xa0\\x80\n");
	log_fields(LOG_LEVEL_INFO, "conn 1", fields, 1);
	ck_assert_str_eq(logged_line(),
	    "info  master: conn 1 name=\"\\xff \xc3\xa9\\xc2\\x9b\"\n");
}
END_TEST

START_TEST(fields_follow_the_message)
{
	const struct log_field fields[] = {
		{ "why", "peer", 0 },
		{ "in", NULL, 512 },
		{ "name", "a \"b\"\n", 0 },
		{ "none", "", 0 },
	};

	capture(0);
	log_fields(LOG_LEVEL_INFO, "conn 17 closed", fields, 4);
	ck_assert_str_eq(logged_line(),
	    "info  master: conn 17 closed why=peer "
	    "in=512 name=\"a \\\"b\\\"\\n\" none=\"\"\n");
}
END_TEST

START_TEST(json_has_the_same_as_members)
{
	const struct log_field fields[] = {
		{ "why", "peer", 0 },
		{ "in", NULL, 512 },
	};
	json_t *line;

	capture(0);
	log_configure(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	log_fields(LOG_LEVEL_WARN, "conn 17 closed", fields, 2);
	line = logged_json();
	ck_assert_str_eq(member(line, "level"), "warn");
	ck_assert_str_eq(member(line, "role"), "master");
	ck_assert_str_eq(member(line, "message"), "conn 17 closed");
	ck_assert_str_eq(member(line, "why"), "peer");
	ck_assert_int_eq(json_integer_value(json_object_get(line, "in")), 512);
	ck_assert_int_eq(text[strlen(text) - 1], '\n');
	json_decref(line);
}
END_TEST

START_TEST(json_escapes_what_is_not_utf8)
{
	/* stray byte; cut short; surrogate; too long a form; beyond Unicode */
	static const char *const bad[] = { "\xff", "\xe2\x82", "\xed\xa0\x80",
		"\xc0\xaf", "\xf4\x90\x80\x80" };
	char expected[64], one[8];
	json_t *line;

	capture(0);
	log_configure(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		log_info("<%s>", bad[i]);
		line = logged_json();
		strcpy(expected, "<");
		for (size_t k = 0; k < strlen(bad[i]); k++) {
			snprintf(one, sizeof(one), "\\x%02x",
			    (unsigned char)bad[i][k]);
			strcat(expected, one);
		}
		strcat(expected, ">");
		ck_assert_str_eq(member(line, "message"), expected);
		json_decref(line);
	}
	log_info("%s", "\xe2\x82\xac \xf0\x9f\x92\xa7 \"\\");
	line = logged_json();
	ck_assert_str_eq(member(line, "message"),
	    "\xe2\x82\xac \xf0\x9f\x92\xa7 \"\\");
	json_decref(line);
}
END_TEST

START_TEST(a_long_line_is_cut_and_stays_a_line)
{
	static char big[LONG];
	json_t *line;

	capture(0);
	memset(big, '\n', sizeof(big) - 1);
	log_info("%s", big);
	ck_assert_uint_le(strlen(logged()), 4096);
	ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
	/* Each becomes six bytes in json. */
	memset(big, '\x01', sizeof(big) - 1);
	log_configure(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	log_info("%s", big);
	line = logged_json();
	ck_assert_uint_le(strlen(text), 4096);
	ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
	json_decref(line);
}
END_TEST

static void
fill_and_resume(void)
{
	char *last;

	alarm(60); /* it must not block */
	for (unsigned int i = 0; i < 20000; i++)
		log_info("line %u of a log that nobody reads", i);
	while (*logged() != '\0')
		continue;
	log_info("here again");
	logged();
	ck_assert_ptr_nonnull(strstr(text, "lines were lost"));
	last = strstr(text, "here again\n");
	ck_assert_ptr_nonnull(last);
	log_info("and on");
	ck_assert_str_eq(logged_line(), "info  master: and on\n");
}

START_TEST(a_stopped_reader_of_a_pipe_costs_lines_not_time)
{
	capture(0);
	fill_and_resume();
}
END_TEST

START_TEST(a_stopped_reader_of_a_socket_costs_lines_not_time)
{
	capture(SOCK_STREAM);
	fill_and_resume();
}
END_TEST

/* Log until the terminal shows it. */
static void
await(const char *what)
{
	static char all[20 * LONG];
	size_t used = 0;
	ssize_t got;

	do {
		usleep(1000);
		log_info("here again");
		got = read(log_end, all + used, sizeof(all) - 1 - used);
		used += got > 0 ? (size_t)got : 0;
		all[used] = '\0';
	} while (strstr(all, what) == NULL);
}

START_TEST(a_terminal_that_nobody_reads_costs_lines_not_time)
{
	struct termios raw;
	int near;

	log_end = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
	if (log_end == -1 || unlockpt(log_end) == -1 ||
	    (near = open(ptsname(log_end), O_RDWR | O_NOCTTY)) == -1)
		return; /* there are no terminals here */
	ck_assert_int_eq(tcgetattr(near, &raw), 0);
	cfmakeraw(&raw);
	ck_assert_int_eq(tcsetattr(near, TCSANOW, &raw), 0);
	ck_assert_int_eq(dup2(near, STDERR_FILENO), STDERR_FILENO);
	close(near);
	log_init("master");
	alarm(60); /* it must not block */
	for (unsigned int i = 0; i < 20000; i++)
		log_info("line %u of a log that nobody reads", i);
	/* What is written takes a while to come out at the other end. */
	await("lines were lost: nobody read");
	await("here again\n");
}
END_TEST

/* A file as stderr that may have so many bytes more. */
static void
limit_file(rlim_t more)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };
	struct stat st;

	ck_assert_int_eq(fstat(STDERR_FILENO, &st), 0);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur =
	    more == RLIM_INFINITY ? limit.rlim_max : (rlim_t)st.st_size + more;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void
capture_file(void)
{
	char path[] = "/tmp/check_log.XXXXXX";

	log_end = mkstemp(path);
	ck_assert_int_ne(log_end, -1);
	ck_assert_int_eq(dup2(log_end, STDERR_FILENO), STDERR_FILENO);
	close(log_end);
	log_end = open(path, O_RDONLY);
	unlink(path);
	log_init("master");
	signal(SIGXFSZ, SIG_IGN);
}

START_TEST(a_line_that_was_cut_stays_a_line_by_itself)
{
	const char *line;

	capture_file();
	log_info("whole");
	limit_file(30);
	log_info("cut");
	log_info("lost");
	limit_file(RLIM_INFINITY);
	log_info("next");
	ck_assert_ptr_nonnull(strstr(logged(), "whole\n"));
	line = strstr(text, "whole\n") + strlen("whole\n");
	ck_assert_int_eq(line[30], '\n'); /* 30 bytes of the one that was cut */
	ck_assert_ptr_nonnull(
	    strstr(line, "warn  master: 2 lines were lost: File too large"));
	ck_assert_ptr_nonnull(strstr(line, "info  master: next\n"));
	ck_assert_ptr_null(strstr(line, "master: lost"));
}
END_TEST

static unsigned int
count_lines(const char *p)
{
	unsigned int count = 0;

	for (; *p != '\0'; p++)
		count += *p == '\n';
	return count;
}

START_TEST(a_file_gets_its_lines_from_a_thread_in_order)
{
	unsigned int number;
	const char *at;

	capture_file();
	log_never_wait();
	for (unsigned int i = 0; i < 1000; i++)
		log_info("line %u", i);
	alarm(60);
	do {
		usleep(1000);
		lseek(log_end, 0, SEEK_SET);
	} while (count_lines(logged()) < 1000);
	at = text;
	for (unsigned int i = 0; i < 1000; i++) {
		at = strstr(at, "master: line ");
		ck_assert_ptr_nonnull(at);
		ck_assert_int_eq(sscanf(at, "master: line %u", &number), 1);
		ck_assert_uint_eq(number, i);
		at++;
	}
}
END_TEST

/* Memory that never comes, or NULL where the kernel grants none. */
static char *
absent_page(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	void *page = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE),
	    PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	range.range.start = (uintptr_t)page;
	range.range.len = (size_t)sysconf(_SC_PAGESIZE);
	if (fd == -1 || page == MAP_FAILED || ioctl(fd, UFFDIO_API, &api) ||
	    ioctl(fd, UFFDIO_REGISTER, &range) == -1)
		return NULL;
	return page;
}

/* Is the process asleep in this system call? */
static bool
sleeps_in(pid_t pid, long call)
{
	char path[64];
	long number = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/syscall", (int)pid);
	file = fopen(path, "r");
	ck_assert_ptr_nonnull(file);
	if (fscanf(file, "%ld", &number) != 1)
		number = -1; /* "running" */
	fclose(file);
	return number == call;
}

/* Forks a process that holds the pipe until it is killed. */
static pid_t
hold_pipe(void)
{
	pid_t pid = fork();
	char *page;

	if (pid == 0) {
		page = absent_page();
		if (page != NULL)
			(void)!write(STDERR_FILENO, page, 1);
		_exit(0);
	}
	while (waitpid(pid, NULL, WNOHANG) == 0 && !sleeps_in(pid, SYS_write))
		usleep(1000);
	return pid;
}

START_TEST(a_pipe_that_another_writer_holds_costs_no_time)
{
	pid_t holder;

	capture(0);
	log_never_wait();
	holder = hold_pipe();
	alarm(60);
	log_info("written meanwhile");
	kill(holder, SIGKILL);
	while (strstr(logged(), "written meanwhile") == NULL)
		usleep(1000);
}
END_TEST

START_TEST(a_process_that_is_dying_gives_its_lines_time)
{
	pid_t holder, pid;

	capture(0);
	holder = hold_pipe();
	pid = fork();
	if (pid == 0) {
		log_never_wait();
		log_info("last words");
		log_settle(60000);
		raise(SIGKILL);
	}
	while (waitpid(pid, NULL, WNOHANG) == 0 &&
	    !sleeps_in(pid, SYS_clock_nanosleep))
		usleep(1000);
	kill(holder, SIGKILL);
	waitpid(pid, NULL, 0);
	ck_assert_ptr_nonnull(strstr(logged(), "last words"));
}
END_TEST

START_TEST(a_process_that_was_forked_off_still_logs)
{
	pid_t pid;
	int status;

	capture_file();
	log_never_wait();
	log_info("parent");
	pid = fork();
	if (pid == 0) {
		log_info("child");
		_exit(0); /* no thread, and nothing to wait for */
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	logged();
	ck_assert_ptr_nonnull(strstr(text, "master: child\n"));
}
END_TEST

START_TEST(the_time_is_that_of_the_calendar)
{
	char before[32], after[32];
	struct tm tm;
	time_t now;

	capture(0);
	do { /* until no second ended in between */
		now = time(NULL);
		strftime(before, sizeof(before), "%Y-%m-%dT%H:%M:%S",
		    gmtime_r(&now, &tm));
		log_info("x");
		now = time(NULL);
		strftime(after, sizeof(after), "%Y-%m-%dT%H:%M:%S",
		    gmtime_r(&now, &tm));
		logged();
	} while (strcmp(before, after) != 0);
	ck_assert_int_eq(strncmp(text, before, strlen(before)), 0);
}
END_TEST

START_TEST(a_reader_that_is_gone_does_no_harm)
{
	capture(0);
	close(log_end);
	signal(SIGPIPE, SIG_IGN);
	log_info("nobody hears this");
}
END_TEST

START_TEST(the_journal_gets_priorities_and_no_time)
{
	struct stat st;
	char stream[64];

	capture(SOCK_STREAM);
	ck_assert_int_eq(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu",
	    (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_init("worker 1");
	log_warnx("hm");
	ck_assert_str_eq(logged(), "<4>worker 1: hm\n");
	log_configure(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	log_info("hm");
	ck_assert_int_eq(strncmp(logged(), "<6>{\"time\":", 11), 0);
	/* Somebody else's stderr. */
	setenv("JOURNAL_STREAM", "1:1", 1);
	log_init("worker 1");
	log_info("hm");
	ck_assert_int_eq(logged()[0], '{');
}
END_TEST

START_TEST(a_limit_lets_a_burst_through_and_counts_the_rest)
{
	struct log_limit limit = { 0, 0, 0 };
	uint32_t skipped = 99;
	unsigned int let_through = 0;

	for (unsigned int i = 0; i < 1000; i++)
		let_through += log_limit(&limit, 3, &skipped);
	/* The second may have changed once meanwhile. */
	ck_assert_uint_ge(let_through, 3);
	ck_assert_uint_le(let_through, 6);
	limit.second--;
	ck_assert(log_limit(&limit, 3, &skipped));
	ck_assert_uint_gt(skipped, 0);
	ck_assert_uint_le(skipped, 1000 - let_through);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_line_has_time_level_role_and_message,
		the_level_decides_and_verbose_overrules,
		a_message_is_one_line_without_control_characters,
		what_is_no_printable_utf8_is_escaped,
		fields_follow_the_message,
		json_has_the_same_as_members,
		json_escapes_what_is_not_utf8,
		a_long_line_is_cut_and_stays_a_line,
		a_stopped_reader_of_a_pipe_costs_lines_not_time,
		a_stopped_reader_of_a_socket_costs_lines_not_time,
		a_terminal_that_nobody_reads_costs_lines_not_time,
		a_line_that_was_cut_stays_a_line_by_itself,
		a_file_gets_its_lines_from_a_thread_in_order,
		a_pipe_that_another_writer_holds_costs_no_time,
		a_process_that_is_dying_gives_its_lines_time,
		a_process_that_was_forked_off_still_logs,
		the_time_is_that_of_the_calendar,
		a_reader_that_is_gone_does_no_harm,
		the_journal_gets_priorities_and_no_time,
		a_limit_lets_a_burst_through_and_counts_the_rest,
		NULL,
	};

	return fixture_run("log", tests);
}
