/*
 * stamp.c: answers each line with the plugin's version, the number of lines
 * from this connection, and the line.  The number is kept in the connection's
 * user pointer, so it shows whether state survived a reload.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice.h>

#ifndef VERSION
#define VERSION "v1"
#endif
#ifndef STATE_VERSION
#define STATE_VERSION 1
#endif
#ifndef FLAGS
#define FLAGS (SL_MANY_WORKERS | SL_UNLOADABLE)
#endif

#define ANSWER_MAX 256

struct count {
	uint64_t lines;
};

static const struct sl_option options[] = {
	{ "greeting", SL_OPTION_STRING, "", "said behind the version" },
	{ 0 },
};

/* Leave the newest connection in the environment, for images loaded later. */
static void
remember(struct sl_conn *c)
{
	char text[32];

	snprintf(text, sizeof(text), "%p", (void *)c);
	setenv("STAMP_NEWEST", text, 1);
}

static int
stamp_open(struct sl_conn *c)
{
	struct count *count = calloc(1, sizeof(*count));

	if (count == NULL)
		return -1;
	sl_set_data(c, count);
	remember(c);
	return 0;
}

static ssize_t
stamp_data(struct sl_conn *c, const void *buf, size_t len)
{
	const char *line = buf, *stop = line + len, *newline;
	struct count *count = sl_data(c);
	char text[ANSWER_MAX];
	int n;

	while ((newline = memchr(line, '\n', (size_t)(stop - line))) != NULL) {
		n = snprintf(text, sizeof(text), "%s%s %" PRIu64 " %.*s\n",
		    VERSION,
		    sl_option_string(sl_options(sl_service(c)), "greeting"),
		    ++count->lines, (int)(newline - line), line);
		sl_send(c, text, (size_t)n);
		line = newline + 1;
	}
	return line - (const char *)buf;
}

static void
stamp_close(struct sl_conn *c, const struct sl_error *why)
{
	(void)why;
	free(sl_data(c));
}

#ifdef TERMINATE
/* The first `migrate` terminates the newest connection. */
static void
terminate_newest(void)
{
	const char *text = getenv("STAMP_NEWEST");
	void *newest;

	if (text != NULL && sscanf(text, "%p", &newest) == 1)
		sl_terminate(newest);
	unsetenv("STAMP_NEWEST");
}
#else
#define terminate_newest() ((void)0)
#endif

#ifdef MIGRATE
/*
 * Add MIGRATE to the count.  A connection that has sent exactly one line
 * refuses to migrate.
 */
static int
stamp_migrate(struct sl_conn *c, uint32_t from_version)
{
	struct count *count = sl_data(c);

	sl_log(sl_service(c), SL_LOG_INFO,
	    "migrate from %" PRIu32 " after %" PRIu64, from_version,
	    count->lines);
	terminate_newest();
	if (count->lines == 1)
		return -1;
	count->lines += MIGRATE;
	return 0;
}
#else
#define stamp_migrate NULL
#endif

SL_PLUGIN(.name = "stamp", .version = VERSION,
    .summary = "says which code answered", .flags = FLAGS,
    .state_version = STATE_VERSION, .options = options,
    .migrate = stamp_migrate,
    .server = SL_HANDLERS(.open = stamp_open, .data = stamp_data,
	.close = stamp_close));
