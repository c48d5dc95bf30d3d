/*
 * check_upgrade_trial.c: what another binary says in a trial, and how long it
 * may take.  The binary is this program, which does what its "configuration"
 * says.
 */

#include "fixture.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "master/child.h"
#include "master/handover.h"
#include "master/upgrade_trial.h"

#define LONG_MS 60000
#define SHORT_MS 50

static struct event_base *base;
static struct children *children;
static struct upgrade_trial *trial;
static bool over, verdict;
static char version[64], reason[512], said[16384];

/* The side of the binary. */

static void
say_first(void)
{
	printf(TRIAL_FIRST "%d: sluiced 9.9\n", HANDOVER_FORMAT);
	fflush(stdout);
}

/* With one child in its session, and one in its own, as a reader is. */
static void
hang_with_children(const char *config)
{
	int fd = open(strchr(config, ':') + 1, O_WRONLY);

	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setsid();
	} else {
		fork();
	}
	if (write(fd, "x", 1) == 1)
		for (;;)
			pause();
}

/* A child that has our pipe stays until the test closes the FIFO. */
static void
leave_a_child(const char *config)
{
	char byte;
	int fd;

	if (fork() != 0)
		return;
	fd = open(strchr(config, ':') + 1, O_RDONLY);
	_exit(read(fd, &byte, 1) == 0 ? 0 : 1);
}

static int
be_the_binary(const char *config)
{
	if (strcmp(config, "chatty") == 0) {
		say_first();
		for (int i = 0; i < 9999; i++)
			printf("line %d\n", i);
		puts(TRIAL_LAST);
	} else if (strcmp(config, "chatty-no") == 0) {
		say_first();
		for (int i = 0; i < 9999; i++)
			printf("line %d\n", i);
		puts("no");
		return 1;
	} else if (strcmp(config, "one-line") == 0) {
		for (int i = 0; i < 99999; i++)
			putchar('a' + i % 26);
	} else if (strcmp(config, "nul") == 0) {
		say_first();
		fwrite("a\0b\n", 1, 4, stdout);
		puts(TRIAL_LAST);
	} else if (strcmp(config, "crash") == 0) {
		say_first();
		puts("about to crash");
		fflush(stdout);
		raise(SIGKILL);
	} else if (strcmp(config, "good") == 0) {
		say_first();
		puts(TRIAL_LAST);
	} else if (strncmp(config, "daemon:", 7) == 0) {
		say_first();
		puts(TRIAL_LAST);
		fflush(stdout);
		leave_a_child(config);
	} else if (strncmp(config, "hang:", 5) == 0) {
		hang_with_children(config);
	} else if (strncmp(config, "hang-first:", 11) == 0) {
		say_first();
		hang_with_children(config);
	}
	return 0;
}

/* The side of the test. */

static void
on_done(void *arg, bool good, const char *version_text, const char *text,
    const char *lines)
{
	ck_assert_ptr_eq(arg, &over);
	over = true;
	verdict = good;
	snprintf(version, sizeof(version), "%s", version_text);
	snprintf(reason, sizeof(reason), "%s", text);
	snprintf(said, sizeof(said), "%s", lines);
}

static void
begin(const char *path, const char *config, uint64_t limit_ms)
{
	static const struct upgrade_trial_ops ops = { .on_done = on_done };
	struct upgrade_job job = { .path = path,
		.config = config,
		.limit_ms = limit_ms };

	base = event_base_new();
	children = children_new(base);
	job.program = open(path, O_PATH | O_CLOEXEC);
	ck_assert_int_ne(job.program, -1);
	trial = upgrade_trial_new(base, children, &job, &ops, &over);
	ck_assert_ptr_nonnull(trial);
	close(job.program);
}

/* As root we may not be allowed to execute what lies where we were built. */
static const char *
copy_of_self(const char *name, mode_t mode)
{
	static char bytes[1 << 16];
	const char *path = fixture_path(name);
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), to;
	ssize_t got;

	to = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
	while ((got = read(from, bytes, sizeof(bytes))) > 0)
		ck_assert_int_eq(write(to, bytes, (size_t)got), got);
	ck_assert_int_eq(fchmod(to, mode), 0);
	close(from);
	close(to);
	return path;
}

static void
finish(void)
{
	while (!over)
		ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0);
	children_free(children);
	event_base_free(base);
}

static void
run(const char *config)
{
	begin(copy_of_self("program", 0755), config, LONG_MS);
	finish();
}

START_TEST(a_good_one_may_say_much)
{
	run("chatty");
	ck_assert(verdict);
	ck_assert_str_eq(version, "sluiced 9.9");
	ck_assert_str_eq(reason, "");
}
END_TEST

START_TEST(of_much_the_newest_lines_are_kept)
{
	run("chatty-no");
	ck_assert(!verdict);
	ck_assert_str_eq(version, "sluiced 9.9");
	ck_assert_str_eq(reason, "no");
	ck_assert_ptr_nonnull(strstr(said, "line 9998"));
	ck_assert_int_eq(strncmp(said, "line ", 5), 0);
	ck_assert_ptr_null(strstr(said, "line 1\n"));
}
END_TEST

START_TEST(a_line_without_end_is_no_answer)
{
	run("one-line");
	ck_assert(!verdict);
	ck_assert_str_eq(version, "");
	ck_assert_ptr_nonnull(strstr(reason, "it is not a sluiced"));
	ck_assert_uint_gt(strlen(said), 1000);
}
END_TEST

START_TEST(a_nul_hides_nothing)
{
	run("nul");
	ck_assert(verdict);
}
END_TEST

START_TEST(a_crash_is_told)
{
	run("crash");
	ck_assert(!verdict);
	ck_assert_str_eq(reason,
	    "it ended without an answer; it was killed by SIGKILL");
	ck_assert_str_eq(said, "about to crash\n");
}
END_TEST

START_TEST(nothing_at_all_is_told)
{
	run("nothing");
	ck_assert(!verdict);
	ck_assert_ptr_nonnull(strstr(reason, "it is not a sluiced"));
}
END_TEST

static const char *
with_fifo(const char *how)
{
	static char config[256];
	const char *fifo = fixture_path("fifo");

	ck_assert_int_eq(mkfifo(fifo, 0600), 0);
	snprintf(config, sizeof(config), "%s:%s", how, fifo);
	return config;
}

START_TEST(what_it_leaves_behind_does_not_hold_it_up)
{
	const char *config = with_fifo("daemon");
	int fd = open(fixture_path("fifo"), O_RDWR | O_CLOEXEC);

	run(config);
	ck_assert(verdict);
	close(fd);
}
END_TEST

/* Returns the FIFO, which ends when it and its two children are gone. */
static int
begin_to_hang(const char *how, uint64_t limit_ms)
{
	char byte;
	int fd;

	begin(copy_of_self("program", 0755), with_fifo(how), limit_ms);
	fd = open(fixture_path("fifo"), O_RDONLY | O_CLOEXEC);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(read(fd, &byte, 1), 1);
	return fd;
}

/* Waits until it and its children have closed their end. */
static void
expect_all_gone(int fd)
{
	char byte;

	ck_assert_int_eq(read(fd, &byte, 1), 0);
	close(fd);
}

START_TEST(one_that_hangs_is_killed_with_its_children)
{
	int fd = begin_to_hang("hang", SHORT_MS);

	finish();
	ck_assert(!verdict);
	ck_assert_str_eq(reason,
	    "it said nothing for 50 ms that a sluiced would say");
	expect_all_gone(fd);
}
END_TEST

START_TEST(one_that_hangs_later_is_named)
{
	int fd = begin_to_hang("hang-first", SHORT_MS);

	finish();
	ck_assert(!verdict);
	ck_assert_str_eq(version, "sluiced 9.9");
	ck_assert_str_eq(reason, "it took longer than 50 ms");
	expect_all_gone(fd);
}
END_TEST

START_TEST(one_that_is_called_off_is_killed_as_well)
{
	int fd = begin_to_hang("hang", LONG_MS);

	upgrade_trial_free(trial);
	expect_all_gone(fd);
	ck_assert(!over);
}
END_TEST

START_TEST(one_that_has_ended_in_time_is_not_late)
{
	siginfo_t info;

	begin(copy_of_self("program", 0755), "good", 1);
	/* Nobody looks until it has ended. */
	ck_assert_int_eq(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0);
	finish();
	ck_assert(verdict);
}
END_TEST

static void
run_file(const char *path)
{
	begin(path, "good", LONG_MS);
	finish();
}

START_TEST(root_executes_nothing_that_others_can_write)
{
	const char *path = copy_of_self("program", 0757);

	if (geteuid() != 0) {
		fprintf(stderr, "skipped: only root has this rule\n");
		return;
	}
	run_file(path);
	ck_assert(!verdict);
	ck_assert_ptr_nonnull(
	    strstr(reason, "cannot be trusted: the file /tmp/sluice-check."));
	ck_assert_ptr_nonnull(
	    strstr(reason, "can be written to by everybody; take that"));
}
END_TEST

START_TEST(root_asks_who_can_replace_it_as_well)
{
	const char *path = copy_of_self("program", 0755);

	if (geteuid() != 0) {
		fprintf(stderr, "skipped: only root has this rule\n");
		return;
	}
	ck_assert_int_eq(chmod(fixture_dir, 0770), 0);
	run_file(path);
	ck_assert(!verdict);
	ck_assert_ptr_nonnull(strstr(reason, "the directory "));
	ck_assert_ptr_nonnull(strstr(reason, "can be written to by its group"));
}
END_TEST

START_TEST(what_only_root_can_write_is_executed)
{
	run_file(copy_of_self("program", 0755));
	ck_assert(verdict);
}
END_TEST

int
main(int argc, char **argv)
{
	const TTest *const tests[] = {
		a_good_one_may_say_much,
		of_much_the_newest_lines_are_kept,
		a_line_without_end_is_no_answer,
		a_nul_hides_nothing,
		a_crash_is_told,
		nothing_at_all_is_told,
		what_it_leaves_behind_does_not_hold_it_up,
		one_that_hangs_is_killed_with_its_children,
		one_that_hangs_later_is_named,
		one_that_is_called_off_is_killed_as_well,
		one_that_has_ended_in_time_is_not_late,
		root_executes_nothing_that_others_can_write,
		root_asks_who_can_replace_it_as_well,
		what_only_root_can_write_is_executed,
		NULL,
	};

	if (argc == 4 && strcmp(argv[1], "--child") == 0)
		return be_the_binary(argv[3]);
	return fixture_run("upgrade_trial", tests);
}
