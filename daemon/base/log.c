/*
 * log.c: lines to stderr, one write(2) each.  Whoever reads them may be slow or
 * stopped.  Then lines are lost, but we never wait (log_sink.c).
 */

#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log_line.h"
#include "base/log_sink.h"

#define SWITCH_MS 100 /* for lines on their way, when the log goes elsewhere */

static struct {
	struct log_style style;
	enum log_level level;
	bool verbose;
	bool apart; /* standard error leads elsewhere */
} log_state = { .style.role = "sluiced", .level = LOG_LEVEL_INFO };

static bool
stderr_is_journal(const struct stat *st)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;

	return stream != NULL && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
	    dev == (unsigned long long)st->st_dev &&
	    ino == (unsigned long long)st->st_ino;
}

void
log_init(const char *role)
{
	struct stat st;

	log_state.style.role = role;
	if (log_state.apart)
		return; /* it says nothing of where our lines go */
	log_state.style.journal = !log_state.style.piped &&
	    fstat(STDERR_FILENO, &st) == 0 && stderr_is_journal(&st);
	log_sink_open();
}

bool
log_is_journal(void)
{
	return log_state.style.journal;
}

void
log_piped(void)
{
	log_state.style.piped = true;
	log_state.style.journal = false;
}

bool
log_is_piped(void)
{
	return log_state.style.piped;
}

void
log_leave_pipe(void)
{
	log_state.style.piped = false;
	log_sink_close();
}

void
log_pipe(int fd)
{
	/* Those that wait look as their reader wants them, who is another. */
	if (!log_state.style.piped)
		log_sink_settle(SWITCH_MS);
	log_piped();
	log_sink_use(fd);
}

void
log_never_wait(void)
{
	log_sink_background();
}

void
log_leave_stderr(int fd, bool both)
{
	log_sink_leave_stderr(fd, both);
	log_state.apart = true;
}

void
log_set_level(enum log_level level)
{
	log_state.level = level;
}

void
log_configure(enum log_level level, enum log_format format)
{
	log_state.level = level;
	log_state.style.format = format;
}

enum log_format
log_format(void)
{
	return log_state.style.format;
}

void
log_verbose(void)
{
	log_state.verbose = true;
}

bool
log_enabled(enum log_level level)
{
	return log_state.verbose || level <= log_state.level;
}

static void
line_write(struct log_line *line, uint64_t told)
{
	line->text[line->length++] = '\n';
	log_sink_write(line->text, line->length, told);
}

/* Logged before the first line that gets through again. */
static void
tell_lost(void)
{
	struct log_line line;
	uint64_t lost;
	int error;

	lost = log_sink_take_lost(&error);
	if (lost == 0)
		return;
	log_line_lost(&line, &log_state.style, lost, error);
	line_write(&line, lost);
}

static void
emit(enum log_level level, const char *message, const struct log_field *fields,
    unsigned int count)
{
	struct log_line line;
	int saved = errno;

	tell_lost();
	log_line_build(&line, &log_state.style, level, message, fields, count);
	line_write(&line, 0);
	errno = saved;
}

void
log_as_it_is(const char *text)
{
	struct log_line line;

	log_line_copy(&line, text);
	line_write(&line, 0);
}

void
log_dying(const char *message)
{
	struct log_line line;

	log_line_build_simple(&line, &log_state.style, LOG_LEVEL_ERROR,
	    message);
	line.text[line.length++] = '\n';
	log_sink_write_dying(line.text, line.length);
}

void
log_settle(unsigned int most_ms)
{
	log_sink_settle(most_ms);
}

void
log_vat(enum log_level level, const char *fmt, va_list ap)
{
	char message[LOG_MESSAGE_MAX];

	if (!log_enabled(level))
		return;
	vsnprintf(message, sizeof(message), fmt, ap);
	emit(level, message, NULL, 0);
}

void
log_at(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_vat(level, fmt, ap);
	va_end(ap);
}

/* The message, and what errno says. */
static void __attribute__((format(printf, 2, 0)))
emit_errno(enum log_level level, const char *fmt, va_list ap)
{
	char message[LOG_MESSAGE_MAX];
	int saved = errno;
	size_t length;

	if (!log_enabled(level))
		return;
	vsnprintf(message, sizeof(message), fmt, ap);
	length = strlen(message);
	snprintf(message + length, sizeof(message) - length, ": %s",
	    error_text(saved));
	errno = saved;
	emit(level, message, NULL, 0);
}

#define LOGGER(name, how, level)        \
	void name(const char *fmt, ...) \
	{                               \
		va_list ap;             \
                                        \
		va_start(ap, fmt);      \
		how(level, fmt, ap);    \
		va_end(ap);             \
	}

LOGGER(log_error, emit_errno, LOG_LEVEL_ERROR)
LOGGER(log_errorx, log_vat, LOG_LEVEL_ERROR)
LOGGER(log_warn, emit_errno, LOG_LEVEL_WARN)
LOGGER(log_warnx, log_vat, LOG_LEVEL_WARN)
LOGGER(log_info, log_vat, LOG_LEVEL_INFO)
LOGGER(log_debug, log_vat, LOG_LEVEL_DEBUG)

void
log_fields(enum log_level level, const char *prefix,
    const struct log_field *fields, unsigned int count)
{
	if (log_enabled(level))
		emit(level, prefix, fields, count);
}
