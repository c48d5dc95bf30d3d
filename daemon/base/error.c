/* error.c: errors as sentences. */

#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

const char *
error_text(int error)
{
	static char text[192];
	struct rlimit limit;

	if (error != EFBIG || getrlimit(RLIMIT_FSIZE, &limit) == -1 ||
	    limit.rlim_cur == RLIM_INFINITY)
		return strerror(error);
	/*
	 * The limit holds for files in memory, too, which is easily overlooked.
	 */
	snprintf(text, sizeof(text),
	    "%s: the limit RLIMIT_FSIZE is %llu bytes; raise it with ulimit -f "
	    "or LimitFSIZE= in the unit",
	    strerror(error), (unsigned long long)limit.rlim_cur);
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
