/*
 * output_json.c: nothing that comes here is a line of ours, whatever it looks
 * like.  A line is shown as it is while the log is text.
 */

#include "master/output_json.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/log_line.h"
#include "master/log_lines.h"
#include "master/output.h"

#define PROMPT_MS 50 /* to wait for the rest of a line */
#define PIECE_MAX \
	(LOG_MESSAGE_MAX / 2) /* longer lines become several objects */

/* The format of the log, which the master may change. */
static _Atomic int *shared;

int
output_json_init(void)
{
	if (shared != NULL)
		return 0;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		shared = NULL;
	output_json_format(log_format());
	return shared != NULL ? 0 : -1;
}

void
output_json_format(enum log_format format)
{
	if (shared != NULL)
		*shared = (int)format;
}

/* A line that a plugin has printed, or a part of it. */
static int
wrap(const char *bytes, size_t length)
{
	const struct log_style style = {
		.role = "output",
		.format = LOG_FORMAT_JSON,
		.journal = log_is_journal(),
	};
	char text[PIECE_MAX + 1];
	struct log_line line;

	if (length == 0)
		return 0;
	for (size_t i = 0; i < length; i++)
		text[i] = bytes[i] != '\0' ? bytes[i] : ' ';
	text[length] = '\0';
	log_line_build(&line, &style, LOG_LEVEL_INFO, text, NULL, 0);
	line.text[line.length++] = '\n';
	return output_show(line.text, line.length);
}

/*
 * Show one line, or a part of one.  all: do not wait for the rest.  Returns the
 * bytes that were used, 0: more is needed, or -1: the other end is gone.
 */
static ssize_t
show_one(const char *bytes, size_t there, bool all)
{
	const char *newline = memchr(bytes, '\n', there);
	size_t length = newline != NULL ? (size_t)(newline - bytes) : there;
	bool whole = newline != NULL || all;

	if (*shared == LOG_FORMAT_TEXT) {
		if (!whole && there < LOG_LINE_MAX)
			return 0;
		length += newline != NULL;
		return output_show(bytes, length) == 0 ? (ssize_t)length : -1;
	}
	if (length > PIECE_MAX)
		length = log_lines_cut(bytes, PIECE_MAX);
	else if (!whole)
		return 0;
	if (wrap(bytes, length) == -1)
		return -1;
	return (ssize_t)length + (length < there && bytes[length] == '\n');
}

/* Returns the bytes that are left, or -1: the other end is gone. */
static ssize_t
show_lines(char *bytes, size_t there, bool all)
{
	size_t used = 0;
	ssize_t one = 1;

	while (used < there && one > 0) {
		one = show_one(bytes + used, there - used, all);
		if (one == -1)
			return -1;
		used += (size_t)one;
	}
	memmove(bytes, bytes + used, there - used);
	return (ssize_t)(there - used);
}

void
output_json_relay(int from)
{
	struct pollfd pfd = { .fd = from, .events = POLLIN };
	char bytes[2 * LOG_LINE_MAX];
	ssize_t left = 0, got;
	bool late;

	for (;;) {
		late = left > 0 && poll(&pfd, 1, PROMPT_MS) == 0;
		got = late
		    ? 0
		    : read(from, bytes + left, sizeof(bytes) - (size_t)left);
		if (got == -1 && errno == EINTR)
			continue;
		if (!late && got <= 0)
			break;
		left = show_lines(bytes, (size_t)(left + got), late);
		if (left == -1)
			return;
	}
	show_lines(bytes, (size_t)left, true);
}
