/* error.c: errors as sentences. */

#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/plain_locale.h"

/* strerror(3) in English, whatever a plugin has chosen. */
static const char *
words(int error)
{
	locale_t before = plain_locale_begin();
	const char *text = strerror(error);

	plain_locale_end(before);
	return text;
}

/* Limits that are easily overlooked, and how they are raised. */
static const struct advice {
	int error, resource;
	const char *name, *unit, *how;
} advices[] = {
	/* It holds for files in memory, too. */
	{ EFBIG, RLIMIT_FSIZE, "RLIMIT_FSIZE", " bytes",
	    "ulimit -f or LimitFSIZE= in the unit" },
	{ EMFILE, RLIMIT_NOFILE, "RLIMIT_NOFILE", "",
	    "ulimit -n or LimitNOFILE= in the unit" },
};

const char *
error_text(int error)
{
	const struct advice *advice = advices;
	static char text[192];
	struct rlimit limit;

	if (error == EACCES) {
		snprintf(text, sizeof(text), "%s for uid %u, gid %u",
		    words(error), (unsigned int)geteuid(),
		    (unsigned int)getegid());
		return text;
	}
	while (advice->error != error)
		if (++advice == advices + sizeof(advices) / sizeof(*advices))
			return words(error);
	if (getrlimit(advice->resource, &limit) == -1 ||
	    limit.rlim_cur == RLIM_INFINITY)
		return words(error);
	snprintf(text, sizeof(text),
	    "%s: the limit %s is %llu%s; raise it with %s", words(error),
	    advice->name, (unsigned long long)limit.rlim_cur, advice->unit,
	    advice->how);
	return text;
}

/* Errors quote text from operators and peers, and become lines of the log. */
static void
one_line(char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

int
error_set(struct error *err, const char *fmt, ...)
{
	char text[ERROR_TEXT_MAX];
	va_list ap;

	/* Format into a copy, since an argument may be the old text. */
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	one_line(text);
	memcpy(err->text, text, sizeof(text));
	return -1;
}

int
error_sys(struct error *err, const char *fmt, ...)
{
	char text[ERROR_TEXT_MAX];
	int saved = errno;
	size_t used;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	used = strlen(text);
	snprintf(text + used, sizeof(text) - used, ": %s", error_text(saved));
	one_line(text);
	memcpy(err->text, text, sizeof(text));
	errno = saved;
	return -1;
}
