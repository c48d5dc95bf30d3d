/*
 * conf_fixture.h: what the check_conf_*.c and check_settings.c need: reading
 * a configuration from a string, and looking for the problems that were found
 * in it.  Each program includes it once.
 */

#ifndef SLUICE_TESTS_CONF_FIXTURE_H
#define SLUICE_TESTS_CONF_FIXTURE_H

#include "fixture.h"

#include <stdint.h>

#include "base/log.h"
#include "config/settings.h"
#include "reader/conf.h"
#include "reader/problems.h"

#define LISTENERS                                           \
	"listeners = ( { name = \"a\"; plugin = \"echo\"; " \
	"listen = \"127.0.0.1:7007\"; } );\n"

static struct problems problems;

static inline void
dump(void)
{
	uint32_t i;

	for (i = 0; i < problems.count; i++)
		fprintf(stderr, "%s:%u: %d %s\n", problems.list[i].file,
		    problems.list[i].line, problems.list[i].level,
		    problems.list[i].text);
}

static inline struct settings *
read_text(const char *text)
{
	return conf_read(fixture_text("sluice.conf", text), &problems);
}

/* Read a configuration that must be good. */
static inline struct settings *
good(const char *text)
{
	struct settings *settings = read_text(text);

	if (problems.errors > 0)
		dump();
	ck_assert_uint_eq(problems.errors, 0);
	ck_assert_ptr_nonnull(settings);
	return settings;
}

static inline void
done(struct settings *settings)
{
	settings_free(settings);
	problems_done(&problems);
}

static inline const struct problem *
find_problem(int level, const char *file, uint32_t line, const char *part)
{
	uint32_t i;

	for (i = 0; i < problems.count; i++)
		if (problems.list[i].level == level &&
		    strstr(problems.list[i].file, file) != NULL &&
		    problems.list[i].line == line &&
		    strstr(problems.list[i].text, part) != NULL)
			return &problems.list[i];
	return NULL;
}

static inline void
expect(int level, const char *file, uint32_t line, const char *part)
{
	if (find_problem(level, file, line, part) == NULL) {
		dump();
		ck_abort_msg("no problem at %s:%u with \"%s\"", file, line,
		    part);
	}
}

/* Exactly one mistake, at this line, with these words. */
static inline void
one_mistake(const char *text, uint32_t line, const char *part)
{
	struct settings *settings = read_text(text);

	expect(LOG_LEVEL_ERROR, "/sluice.conf", line, part);
	if (problems.errors != 1)
		dump();
	ck_assert_uint_eq(problems.errors, 1);
	done(settings);
}

/* The same for a line in a listener, which stands on line 4. */
static inline void
one_listener_mistake(const char *text, const char *part)
{
	char file[4096];

	snprintf(file, sizeof(file),
	    "listeners = (\n"
	    "  { name = \"a\"; plugin = \"echo\";\n"
	    "    listen = [ \"127.0.0.1:7007\" ];\n"
	    "%s\n"
	    "  }\n);\n",
	    text);
	one_mistake(file, 4, part);
}

#endif
