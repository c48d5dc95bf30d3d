/*
 * lines.c: answers each line with its number and its length.  Shows framing:
 * `data` consumes whole lines only; the daemon keeps the rest and presents it
 * again together with the input that follows.
 */

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice.h>

#define ANSWER_MAX 64 /* two 64-bit numbers and the words around them */

struct reader {
	uint64_t number; /* of lines that were answered */
};

static const struct sl_option options[] = {
	{ "max_length", SL_OPTION_SIZE, "4KiB",
	    "longest line, without its end; keep it below limits.read_buffer" },
	{ 0 },
};

static int
lines_check(const struct sl_options *o, struct sl_error *err)
{
	if (sl_option_size(o, "max_length") == 0)
		return sl_refuse(err, "max_length", "must be at least 1");
	return 0;
}

static int
lines_open(struct sl_conn *c)
{
	struct reader *reader = calloc(1, sizeof(*reader));

	if (reader == NULL)
		return -1;
	sl_set_data(c, reader);
	return 0;
}

/* Send a whole answer.  Returns whether there is room for another. */
static bool
answer(struct sl_conn *c, const char *text, size_t len)
{
	ssize_t taken = sl_write(c, text, len);

	if (taken == (ssize_t)len)
		return true;
	/*
	 * Send the rest above the high mark, so that no half answer has to be
	 * remembered: lines_data() has asked for the room.  Since the write was
	 * short, the daemon presents the lines that are left when there is more.
	 * If there is no memory, nothing sensible can follow half an answer.
	 */
	if (taken >= 0 && sl_send(c, text + taken, len - (size_t)taken) == -1)
		sl_terminate(c);
	return false;
}

/* The length of a line without a carriage return at its end. */
static size_t
length(const char *line, const char *end)
{
	return (size_t)(end - line) - (end > line && end[-1] == '\r');
}

static bool
answer_line(struct sl_conn *c, size_t len)
{
	struct reader *reader = sl_data(c);
	char text[ANSWER_MAX];
	int n;

	n = snprintf(text, sizeof(text), "%" PRIu64 ": %zu\n", ++reader->number,
	    len);
	return answer(c, text, (size_t)n);
}

static void
tell_too_long(struct sl_conn *c)
{
	static const char text[] = "error: line too long\n";

	sl_send(c, text, sizeof(text) - 1);
}

static ssize_t
lines_data(struct sl_conn *c, const void *buf, size_t len)
{
	const char *line = buf, *stop = line + len, *newline;
	uint64_t max = sl_option_size(sl_options(sl_service(c)), "max_length");
	bool more;

	while ((newline = memchr(line, '\n', (size_t)(stop - line))) != NULL) {
		size_t n = length(line, newline);

		if (n > max)
			break;
		/* A line counts once: only if its answer can be sent, too. */
		if (sl_room(c) < ANSWER_MAX)
			return line - (const char *)buf;
		more = answer_line(c, n);
		line = newline + 1;
		if (!more)
			return line - (const char *)buf;
	}
	if (length(line, stop) > max) {
		tell_too_long(c);
		sl_close(c);
		return (ssize_t)len;
	}
	return line - (const char *)buf;
}

/* If limits.read_buffer is below max_length, the daemon ends it first. */
static void
lines_error(struct sl_conn *c, const struct sl_error *err)
{
	if (err->why == SL_WHY_INPUT_LIMIT)
		tell_too_long(c);
}

static void
lines_close(struct sl_conn *c, const struct sl_error *why)
{
	(void)why;
	free(sl_data(c));
}

SL_PLUGIN(.name = "lines", .version = "1.0",
    .summary = "answers each line with its number and length",
    .flags = SL_MANY_WORKERS | SL_UNLOADABLE, .state_version = 1,
    .options = options, .check = lines_check,
    .server = SL_HANDLERS(.open = lines_open, .data = lines_data,
	.error = lines_error, .close = lines_close));
