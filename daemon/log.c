/*
 * log.c: lines to stderr, one write(2) each.  Whoever reads the other end may
 * be slow or stopped: then lines are lost, never time.
 */

#include "log.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log_line.h"

enum sink { SINK_FILE, SINK_PIPE, SINK_SOCKET };

static struct {
	struct log_style style;
	enum log_level level;
	bool verbose;
	enum sink sink;
	uint64_t lost;
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
	log_state.sink = SINK_FILE;
	log_state.style.journal = false;
	if (fstat(STDERR_FILENO, &st) == -1)
		return;
	if (S_ISFIFO(st.st_mode))
		log_state.sink = SINK_PIPE;
	else if (S_ISSOCK(st.st_mode))
		log_state.sink = SINK_SOCKET;
	log_state.style.journal = stderr_is_journal(&st);
}

void
log_configure(enum log_level level, enum log_format format)
{
	log_state.level = level;
	log_state.style.format = format;
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

/* Returns false when nobody takes the line now. */
static bool
line_write(struct log_line *line)
{
	struct pollfd pfd = { .fd = STDERR_FILENO, .events = POLLOUT };
	struct iovec iov;
	ssize_t written;

	line->text[line->length++] = '\n';
	if (poll(&pfd, 1, 0) != 1 || (pfd.revents & POLLOUT) == 0)
		return false;
	if (log_state.sink == SINK_SOCKET) {
		written = send(STDERR_FILENO, line->text, line->length,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
		return written > 0;
	}
	if (log_state.sink == SINK_PIPE) {
		/* Another process may fill the pipe behind our poll; old kernels cannot say "now or never". */
		iov.iov_base = line->text;
		iov.iov_len = line->length;
		written = pwritev2(STDERR_FILENO, &iov, 1, -1, RWF_NOWAIT);
		if (written > 0)
			return true;
		if (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL)
			return false;
	}
	do
		written = write(STDERR_FILENO, line->text, line->length);
	while (written == -1 && errno == EINTR);
	return written > 0;
}

static void
emit(enum log_level level, const char *message, const struct log_field *fields,
    unsigned int count)
{
	struct log_line line;
	char text[96];
	int saved = errno;

	if (log_state.lost > 0) {
		snprintf(text, sizeof(text),
		    "%llu lines were lost: nobody read the log",
		    (unsigned long long)log_state.lost);
		log_line_build(&line, &log_state.style, LOG_LEVEL_WARN, text,
		    NULL, 0);
		if (!line_write(&line)) {
			log_state.lost++;
			errno = saved;
			return;
		}
		log_state.lost = 0;
	}
	log_line_build(&line, &log_state.style, level, message, fields, count);
	if (!line_write(&line))
		log_state.lost++;
	errno = saved;
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
	    strerror(saved));
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

bool
log_limit(struct log_limit *limit, uint32_t burst, uint32_t *ret_skipped)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	if (limit->second != (uint64_t)now.tv_sec) {
		limit->second = (uint64_t)now.tv_sec;
		limit->count = 0;
	}
	if (limit->count >= burst) {
		limit->skipped++;
		return false;
	}
	limit->count++;
	*ret_skipped = limit->skipped;
	limit->skipped = 0;
	return true;
}
