/* check_conf_log.c: where the log goes. */

#include "conf_fixture.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>

START_TEST(the_log_is_at_standard_error_by_default)
{
	struct settings *settings = good(LISTENERS);

	ck_assert_ptr_null(settings->log.file);
	ck_assert_int_eq(settings->log.syslog, SYSLOG_OFF);
	ck_assert_str_eq(settings->log.syslog_socket, "/dev/log");
	done(settings);
}
END_TEST

START_TEST(syslog_is_a_facility_and_a_socket)
{
	struct settings *settings;

	settings = good("log : { syslog = \"local7\"; "
			"syslog_socket = \"absent\"; };\n" LISTENERS);
	ck_assert_int_eq(settings->log.syslog, LOG_LOCAL7);
	ck_assert_str_eq(settings->log.syslog_socket, fixture_path("absent"));
	done(settings);
	one_mistake("log : { syslog = \"local8\"; };\n" LISTENERS, 1, "local7");
	one_mistake("log : { syslog = \"kern\"; };\n" LISTENERS, 1, "user");
}
END_TEST

START_TEST(a_log_has_one_place)
{
	one_mistake(
	    "log : { file = \"x\";\nsyslog = \"daemon\"; };\n" LISTENERS, 2,
	    "log.file is set (line 1); remove one of them");
}
END_TEST

START_TEST(a_socket_without_a_facility_is_a_mistake)
{
	done(good("log : { syslog_socket = \"/dev/log\"; };\n" LISTENERS));
	one_mistake("log : {\nsyslog_socket = \"x\"; };\n" LISTENERS, 2,
	    "nothing is sent there; set log.syslog");
}
END_TEST

START_TEST(the_socket_is_one)
{
	fixture_text("file", "");
	one_mistake("log : { syslog = \"daemon\";\n"
		    "syslog_socket = \"file\"; };\n" LISTENERS,
	    2, "is not a socket");
}
END_TEST

START_TEST(the_path_of_a_socket_is_short)
{
	char text[512], path[120];

	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	snprintf(text, sizeof(text),
	    "log : { syslog = \"daemon\";\nsyslog_socket = \"%s\"; };\n%s",
	    path, LISTENERS);
	one_mistake(text, 2,
	    "has 119 bytes, and that of a socket may have 107");
}
END_TEST

#define IN_LOGS "log : {\nfile = \"logs/log\"; };\n" LISTENERS

START_TEST(a_file_is_not_another_one)
{
	mkdir(fixture_path("logs"), 0700);
	fixture_text("other", "");
	ck_assert_int_eq(link(fixture_path("other"), fixture_path("logs/log")),
	    0);
	one_mistake(IN_LOGS, 2, "is a hard link");
	unlink(fixture_path("logs/log"));
	ck_assert_int_eq(
	    symlink(fixture_path("other"), fixture_path("logs/log")), 0);
	one_mistake(IN_LOGS, 2, "is a symbolic link");
	unlink(fixture_path("logs/log"));
	mkfifo(fixture_path("logs/log"), 0600);
	one_mistake(IN_LOGS, 2, "is not a regular file");
}
END_TEST

static void
one_doubt(const char *part)
{
	struct settings *settings = good(IN_LOGS);

	expect(LOG_LEVEL_WARN, "/sluice.conf", 2, part);
	done(settings);
}

static void
no_doubt(void)
{
	struct settings *settings = good(IN_LOGS);

	ck_assert_uint_eq(problems.count, 0);
	done(settings);
}

START_TEST(a_directory_that_others_can_write_to_is_a_doubt)
{
	mkdir(fixture_path("logs"), 0700);
	no_doubt();
	chmod(fixture_path("logs"), 0707);
	one_doubt("can be written to by everybody");
	chmod(fixture_path("logs"), 01707);
	no_doubt();
	if (geteuid() != 0)
		return;
	ck_assert_int_eq(chown(fixture_path("logs"), 0, 65534), 0);
	chmod(fixture_path("logs"), 0770);
	one_doubt("can be written to by its group");
	ck_assert_int_eq(chown(fixture_path("logs"), 65534, 0), 0);
	one_doubt("belongs to user 65534, who could put");
	ck_assert_int_eq(chown(fixture_path("logs"), 0, 0), 0);
	fixture_text("logs/log", "");
	ck_assert_int_eq(chown(fixture_path("logs/log"), 65534, 0), 0);
	one_doubt("belongs to user 65534, who can read");
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		the_log_is_at_standard_error_by_default,
		syslog_is_a_facility_and_a_socket,
		a_log_has_one_place,
		a_socket_without_a_facility_is_a_mistake,
		the_socket_is_one,
		the_path_of_a_socket_is_short,
		a_file_is_not_another_one,
		a_directory_that_others_can_write_to_is_a_doubt,
		NULL,
	};

	return fixture_run("conf_log", tests);
}
