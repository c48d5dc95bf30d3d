/*
 * title.c: process titles.  The kernel shows the bytes that held argv.  When
 * those do not end in a NUL, it goes on into the environment that follows them.
 * So the environment is copied elsewhere, and its place is used too.
 */

#include "base/title.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/libc_data.h"

static char *title_start;
static size_t title_room;
/* The copies are kept here so that they do not count as leaks. */
static char **args_copy __attribute__((used));
static char **title_env __attribute__((used));

/* In one piece, so that a string that unsetenv(3) removes is not a leak. */
static char **
copy_strings(char **strings, size_t count)
{
	size_t size = (count + 1) * sizeof(char *), i;
	char **copy, *at;

	for (i = 0; i < count; i++)
		size += strlen(strings[i]) + 1;
	copy = malloc(size);
	if (copy == NULL)
		return NULL;
	at = (char *)(copy + count + 1);
	for (i = 0; i < count; i++) {
		copy[i] = at;
		at = stpcpy(at, strings[i]) + 1;
	}
	copy[count] = NULL;
	return copy;
}

char **
title_init(int argc, char **argv)
{
	char **args, **env, *end;
	size_t env_count;

	/* Started through /proc/self/exe, the name would be "exe". */
	prctl(PR_SET_NAME, "sluiced");
	if (argc < 1)
		return argv;
	for (env_count = 0; environ[env_count] != NULL; env_count++)
		continue;
	args = copy_strings(argv, (size_t)argc);
	if (args == NULL)
		return NULL;
	env = copy_strings(environ, env_count);
	if (env == NULL)
		return NULL;
	/*
	 * Use only strings that directly follow argv[0]; others may have been
	 * moved.
	 */
	end = argv[0];
	for (size_t i = 0; i < (size_t)argc; i++)
		if (argv[i] == end)
			end = argv[i] + strlen(argv[i]) + 1;
	for (size_t i = 0; i < env_count; i++)
		if (environ[i] == end)
			end = environ[i] + strlen(environ[i]) + 1;
	environ = title_env = env;
	args_copy = args;
	title_start = argv[0];
	title_room = (size_t)(end - argv[0]);
	return args;
}

char **
title_args(void)
{
	return args_copy;
}

void
title_set(const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (title_start == NULL)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	memset(title_start, '\0', title_room);
	snprintf(title_start, title_room, "sluiced: %s", text);
}
