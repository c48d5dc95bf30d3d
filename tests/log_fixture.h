/*
 * log_fixture.h: a log that the test reads.  Each program includes it once.
 */

#ifndef SLUICE_TESTS_LOG_FIXTURE_H
#define SLUICE_TESTS_LOG_FIXTURE_H

#include <fcntl.h>
#include <sys/socket.h>

#include "base/log.h"
#include "fixture.h"

#define LONG 100000

static int log_end = -1;
static char text[2 * LONG];

/*
 * From here on stderr is a pipe, or a socket for SOCK_STREAM.  Each test is a
 * process of its own.
 */
static inline void
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
static inline const char *
logged(void)
{
	ssize_t got = read(log_end, text, sizeof(text) - 1);

	text[got > 0 ? got : 0] = '\0';
	return text;
}

/* The same without the time at its beginning. */
static inline const char *
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

#endif
