/* check_log_sink.c: a log whose reader is slow or gone never makes us wait. */

#include <linux/userfaultfd.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>

#include "log_fixture.h"

static void
fill_and_resume(void)
{
	char *last;

	alarm(60); /* nothing may block */
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

START_TEST(a_stopped_reader_of_a_pipe_loses_lines_without_a_wait)
{
	capture(0);
	fill_and_resume();
}
END_TEST

START_TEST(a_stopped_reader_of_a_socket_loses_lines_without_a_wait)
{
	capture(SOCK_STREAM);
	fill_and_resume();
}
END_TEST

/* Log until the terminal shows `what`. */
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

START_TEST(a_terminal_that_nobody_reads_loses_lines_without_a_wait)
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
	alarm(60); /* nothing may block */
	for (unsigned int i = 0; i < 20000; i++)
		log_info("line %u of a log that nobody reads", i);
	/* A terminal shows with some delay what was written. */
	await("lines were lost: nobody read");
	await("here again\n");
}
END_TEST

/* Let the file at stderr grow by so many bytes more. */
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

START_TEST(a_line_that_was_cut_ends_with_a_newline)
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
	ck_assert_int_eq(line[30], '\n'); /* 30 bytes of "cut" */
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

/* A page that blocks whoever reads it, or NULL without userfaultfd. */
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

/* Does the process sleep in this system call? */
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

/* Fork a process that holds the pipe, in write(2), until it is killed. */
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

START_TEST(a_pipe_that_another_writer_holds_does_not_block)
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

START_TEST(a_dying_process_waits_for_its_last_lines)
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

START_TEST(a_forked_process_still_logs)
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

START_TEST(a_closed_reader_does_no_harm)
{
	capture(0);
	close(log_end);
	signal(SIGPIPE, SIG_IGN);
	log_info("nobody hears this");
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_stopped_reader_of_a_pipe_loses_lines_without_a_wait,
		a_stopped_reader_of_a_socket_loses_lines_without_a_wait,
		a_terminal_that_nobody_reads_loses_lines_without_a_wait,
		a_line_that_was_cut_ends_with_a_newline,
		a_file_gets_its_lines_from_a_thread_in_order,
		a_pipe_that_another_writer_holds_does_not_block,
		a_dying_process_waits_for_its_last_lines,
		a_forked_process_still_logs,
		a_closed_reader_does_no_harm,
		NULL,
	};

	return fixture_run("log_sink", tests);
}
