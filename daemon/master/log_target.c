/* log_target.c: the form of a line depends on who reads it. */

#include "master/log_target.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log_line.h"
#include "base/log_sink.h"
#include "master/log_lines.h"
#include "master/log_syslog.h"

#define SWITCH_MS 100 /* for lines on their way, when the log goes elsewhere */

/* Bytes of what a plugin prints in one line, which escapes make 4 times as long. */
#define PRINTED_MAX (LOG_MESSAGE_MAX / 2 - 64)

enum kind { KIND_STDERR, KIND_FILE, KIND_SYSLOG };

static struct {
	enum kind kind;
	char path[PATH_MAX];	/* of the file, or of the socket */
	bool failing;		/* it takes no lines, and we have said so */
	struct log_style style; /* of what we say ourselves */
	struct log_loss *loss;
	uint64_t lost; /* datagrams, and not told yet */
	int error;     /* of the last of them */
} target = { .style = { .role = "log", .piped = true } };

void
log_target_init(struct log_loss *loss)
{
	target.loss = loss;
	log_sink_show_loss(loss);
	log_init("log");
	log_sink_background();
}

void
log_target_format(enum log_format format)
{
	target.style.format = format;
}

/* Standard error and files. */

static void
put_sink(const char *text, size_t length)
{
	char line[LOG_LINE_MAX]; /* as long as the sink takes */
	struct log_style style = target.style;
	struct log_line told;
	uint64_t lost;
	int error;

	log_sink_await_room();
	style.piped = false;
	style.journal = target.kind == KIND_STDERR && log_is_journal();
	lost = log_sink_take_lost(&error);
	if (lost > 0) {
		log_line_lost(&told, &style, lost, error);
		told.text[told.length++] = '\n';
		log_sink_write(told.text, told.length, lost);
	}
	if (length > sizeof(line) - 1)
		length = sizeof(line) - 1;
	memcpy(line, text, length);
	line[length++] = '\n';
	log_sink_write(line, length, 0);
}

static void
put_stderr(const struct log_piece *piece)
{
	char text[LOG_LINE_MAX + 8];
	const char *bare;
	size_t length;

	if (!log_is_journal()) {
		put_sink(piece->text, piece->length);
		return;
	}
	log_lines_bare(piece, &bare, &length);
	length = (size_t)snprintf(text, sizeof(text), "<%d>%.*s", piece->level,
	    (int)length, bare);
	put_sink(text, length < sizeof(text) ? length : sizeof(text) - 1);
}

/* Syslog. */

/* 0, or -1: it was lost. */
static int
send_piece(const struct log_piece *piece)
{
	const char *bare;
	size_t length;

	log_lines_bare(piece, &bare, &length);
	if (log_syslog_send(piece->level, bare, length) == 0) {
		atomic_store(&target.loss->error, 0);
		return 0;
	}
	target.error = errno;
	atomic_store(&target.loss->error, target.error);
	return -1;
}

/* A line of ours as it comes through the pipe. */
static void
as_piece(struct log_line *line, struct log_piece *ret)
{
	log_lines_next(line->text, line->length, true, ret);
}

/* 0, or -1: it takes no lines yet. */
static int
tell_lost(void)
{
	struct log_piece piece;
	struct log_line line;

	if (target.lost == 0)
		return 0;
	log_line_lost(&line, &target.style, target.lost, target.error);
	as_piece(&line, &piece);
	if (send_piece(&piece) == -1)
		return -1;
	target.lost = 0;
	return 0;
}

static void
put_syslog(const struct log_piece *piece)
{
	if (piece->length == 0)
		return; /* an empty line says nothing there */
	if (tell_lost() == 0 && send_piece(piece) == 0)
		return;
	target.lost++;
	atomic_fetch_add(&target.loss->lines, 1);
}

/* All of them. */

static void
put(const struct log_piece *piece)
{
	switch (target.kind) {
	case KIND_STDERR:
		put_stderr(piece);
		break;
	case KIND_FILE:
		put_sink(piece->text, piece->length);
		break;
	case KIND_SYSLOG:
		put_syslog(piece);
		break;
	}
}

/*
 * What a plugin has printed: an object in a log of objects, and for the syslog
 * daemon a line without control characters.
 */
static void
put_wrapped(const struct log_piece *piece)
{
	const struct log_style style = { .role = "output",
		.format = target.style.format,
		.piped = true };
	char text[PRINTED_MAX + 1];
	struct log_piece whole;
	struct log_line line;

	for (size_t i = 0; i < piece->length; i++)
		text[i] = piece->text[i] != '\0' ? piece->text[i] : ' ';
	text[piece->length] = '\0';
	log_line_build(&line, &style, (enum log_level)piece->level, text, NULL,
	    0);
	as_piece(&line, &whole);
	put(&whole);
}

/* Nothing of a long line is lost: it becomes several. */
static void
put_printed(const struct log_piece *piece)
{
	struct log_piece part = *piece;
	size_t left = piece->length;

	for (; left > 0; left -= part.length, part.text += part.length) {
		part.length = left;
		if (left > PRINTED_MAX)
			part.length = log_lines_cut(part.text, PRINTED_MAX);
		put_wrapped(&part);
	}
}

/* In a text that people read it stays as it is, unless it looks like ours. */
static bool
may_stay(const struct log_piece *piece)
{
	return target.style.format == LOG_FORMAT_TEXT &&
	    target.kind != KIND_SYSLOG && !piece->plain && !piece->object;
}

void
log_target_put(const struct log_piece *piece)
{
	if (piece->ours || may_stay(piece))
		put(piece);
	else
		put_printed(piece);
}

void
log_target_say(enum log_level level, const char *fmt, ...)
{
	char message[LOG_MESSAGE_MAX];
	struct log_piece piece;
	struct log_line line;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	log_line_build(&line, &target.style, level, message, NULL, 0);
	as_piece(&line, &piece);
	put(&piece);
}

/* Standard error may be shared, so O_NONBLOCK is for an open file of our own. */
static void
write_aside(const char *line, size_t length)
{
	struct pollfd room = { .fd = STDERR_FILENO, .events = POLLOUT };
	int fd;

	if (send(STDERR_FILENO, line, length, MSG_DONTWAIT | MSG_NOSIGNAL) !=
		-1 ||
	    errno != ENOTSOCK)
		return;
	fd = open("/proc/self/fd/2",
	    O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd != -1)
		room.fd = fd;
	if (poll(&room, 1, 0) == 1 && (room.revents & POLLOUT) != 0 &&
	    write(room.fd, line, length) == -1)
		errno = 0; /* there is no other place to say it */
	if (fd != -1)
		close(fd);
}

void
log_target_say_aside(enum log_level level, const char *fmt, ...)
{
	struct log_style style = target.style;
	char message[LOG_MESSAGE_MAX];
	struct log_line line;
	va_list ap;

	style.piped = false;
	style.journal = log_is_journal();
	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	log_line_build(&line, &style, level, message, NULL, 0);
	line.text[line.length++] = '\n';
	write_aside(line.text, line.length);
}

/* Where it goes. */

static void
leave(void)
{
	/* What waits for a file has the form that is read there. */
	if (target.kind == KIND_FILE)
		log_sink_settle(SWITCH_MS);
	if (target.kind == KIND_SYSLOG)
		log_syslog_leave();
	target.failing = false;
	atomic_store(&target.loss->error, 0);
}

/* What the syslog daemon did not take is said where the log goes on. */
static void
arrive(enum kind kind)
{
	struct log_piece piece;
	struct log_line line;

	target.kind = kind;
	if (kind == KIND_SYSLOG || target.lost == 0)
		return;
	log_line_lost(&line, &target.style, target.lost, target.error);
	target.lost = 0;
	as_piece(&line, &piece);
	put(&piece);
}

void
log_target_use_stderr(void)
{
	bool file = target.kind == KIND_FILE;

	leave();
	if (file)
		log_sink_open();
	arrive(KIND_STDERR);
}

void
log_target_use_file(int fd, const char *path)
{
	if (target.kind != KIND_FILE)
		leave();
	log_sink_use(fd);
	snprintf(target.path, sizeof(target.path), "%s", path);
	arrive(KIND_FILE);
}

void
log_target_use_syslog(const char *path, int facility, pid_t pid)
{
	if (target.kind == KIND_FILE)
		log_target_use_stderr();
	else
		leave();
	log_syslog_use(path, facility, pid);
	snprintf(target.path, sizeof(target.path), "%s", path);
	arrive(KIND_SYSLOG);
}

bool
log_target_is_stderr(void)
{
	return target.kind == KIND_STDERR;
}

bool
log_target_is_file(const char *path)
{
	return target.kind == KIND_FILE && strcmp(target.path, path) == 0;
}

void
log_target_look(void)
{
	int error;

	/* Without another line nobody would hear of those that were lost. */
	if (target.kind == KIND_SYSLOG)
		tell_lost();
	error = atomic_load(&target.loss->error);
	if (target.kind == KIND_STDERR || target.failing == (error != 0))
		return;
	target.failing = error != 0;
	if (target.failing)
		log_target_say_aside(LOG_LEVEL_ERROR,
		    "%s takes no lines: %s; lines are lost, and counted",
		    target.path,
		    error == EAGAIN ? "nobody reads them, or not fast enough"
				    : error_text(error));
	else
		log_target_say_aside(LOG_LEVEL_INFO, "%s takes lines again",
		    target.path);
}
