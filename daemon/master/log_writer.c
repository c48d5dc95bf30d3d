/*
 * log_writer.c: the pipe is always read, so that nobody waits for us.  A thread
 * writes (log_sink.c), and another one opens files: a disk may hang.
 */

#include "master/log_writer.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log_file.h"
#include "base/log_line.h"
#include "base/log_sink.h"
#include "master/log_lines.h"

/*
 * For a file that is new to us, before lines go to standard error instead: the
 * reader has just found that it can be opened.
 */
#define OPEN_MS 1000
#define LOOK_MS 500   /* whether the file takes lines again */
#define LEAVE_MS 1000 /* at the end, for the disk */

static struct {
	struct log_order order; /* the last one */
	bool in_file;		/* lines go to a file */
	char path[PATH_MAX];	/* of that file */
	bool failing;		/* it takes no lines, and we have said so */
	struct log_style style; /* of what we say ourselves */
	struct log_loss *loss;
	char bytes[2 * LOG_LINE_MAX];
	size_t there;
} writer = { .style = { .role = "log", .piped = true } };

/* A file that a thread opens. */
static struct {
	bool running;
	bool again; /* a newer order came meanwhile */
	bool reopen;
	int done; /* eventfd: the thread has ended */
	char path[PATH_MAX];
	int fd; /* -1: err */
	struct error err;
} opener = { .done = -1 };

static void
put_sink(const char *text, size_t length)
{
	char line[LOG_LINE_MAX]; /* as long as the sink takes */
	struct log_style style = writer.style;
	struct log_line told;
	uint64_t lost;
	int error;

	log_sink_await_room();
	style.piped = false;
	style.journal = !writer.in_file && log_is_journal();
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

static void
put(const struct log_piece *piece)
{
	if (writer.in_file)
		put_sink(piece->text, piece->length);
	else
		put_stderr(piece);
}

/* What a plugin has printed becomes an object. */
static void
put_wrapped(const struct log_piece *piece)
{
	const struct log_style style = { .role = "output",
		.format = LOG_FORMAT_JSON };
	struct log_piece object = { .level = piece->level, .ours = true };
	char text[LOG_LINE_MAX];
	struct log_line line;

	for (size_t i = 0; i < piece->length; i++)
		text[i] = piece->text[i] != '\0' ? piece->text[i] : ' ';
	text[piece->length] = '\0';
	log_line_build(&line, &style, (enum log_level)piece->level, text, NULL,
	    0);
	object.text = line.text;
	object.length = line.length;
	put(&object);
}

static void
put_pieces(bool all)
{
	struct log_piece piece;
	size_t used = 0, taken;

	while (used < writer.there &&
	    (taken = log_lines_next(writer.bytes + used, writer.there - used,
		 all, &piece)) > 0) {
		if (piece.ours || writer.order.format == LOG_FORMAT_TEXT)
			put(&piece);
		else if (piece.length > 0)
			put_wrapped(&piece);
		used += taken;
	}
	memmove(writer.bytes, writer.bytes + used, writer.there - used);
	writer.there -= used;
}

static void __attribute__((format(printf, 2, 3)))
say(enum log_level level, const char *fmt, ...)
{
	char message[LOG_MESSAGE_MAX];
	struct log_piece piece;
	struct log_line line;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	log_line_build(&line, &writer.style, level, message, NULL, 0);
	if (log_lines_next(line.text, line.length, true, &piece) > 0)
		put(&piece);
}

/*
 * Where people look when the file does not grow.  It must not be full, since
 * we do not wait.
 */
static void __attribute__((format(printf, 2, 3)))
say_aside(enum log_level level, const char *fmt, ...)
{
	struct pollfd room = { .fd = STDERR_FILENO, .events = POLLOUT };
	struct log_style style = { .role = "log",
		.format = writer.order.format,
		.journal = log_is_journal() };
	char message[LOG_MESSAGE_MAX];
	struct log_line line;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	log_line_build(&line, &style, level, message, NULL, 0);
	line.text[line.length++] = '\n';
	if (poll(&room, 1, 0) == 1 && (room.revents & POLLOUT) != 0 &&
	    write(STDERR_FILENO, line.text, line.length) == -1)
		return;
}

/* Opening. */

static void *
open_it(void *arg)
{
	const uint64_t one = 1;

	(void)arg;
	opener.fd = log_file_open(opener.path, &opener.err);
	if (write(opener.done, &one, sizeof(one)) == -1)
		return NULL; /* cannot be: the counter is 0 */
	return NULL;
}

static void
start_opening(bool reopen)
{
	pthread_t thread;

	opener.running = true;
	opener.reopen = reopen;
	memcpy(opener.path, writer.order.file, sizeof(opener.path));
	if (pthread_create(&thread, NULL, open_it, NULL) == 0)
		pthread_detach(thread);
	else
		open_it(NULL); /* it may have to wait */
}

static void
use_stderr(void)
{
	writer.in_file = writer.failing = false;
	log_sink_open();
}

static void
use_file(void)
{
	bool same = writer.in_file && strcmp(writer.path, opener.path) == 0;

	if (!same && !writer.in_file)
		say_aside(LOG_LEVEL_INFO, "from here on the log is in %s",
		    opener.path);
	else if (!same)
		say(LOG_LEVEL_INFO, "from here on the log is in %s",
		    opener.path);
	log_sink_use(opener.fd);
	writer.in_file = true;
	memcpy(writer.path, opener.path, sizeof(writer.path));
	if (opener.reopen)
		say(LOG_LEVEL_INFO, "opened %s again", writer.path);
}

/* The new file cannot be opened. */
static void
stay(void)
{
	static const char what[] = "log.file: %s; %s, until SIGUSR1 or a "
				   "reload opens it";
	bool same = writer.in_file && strcmp(writer.path, opener.path) == 0;
	const char *meanwhile = same
	    ? "the log goes on in the file that was open"
	    : "the log goes to standard error";

	if (!same && writer.in_file)
		use_stderr();
	if (same)
		say_aside(LOG_LEVEL_ERROR, what, opener.err.text, meanwhile);
	say(LOG_LEVEL_ERROR, what, opener.err.text, meanwhile);
}

static void
opened(void)
{
	uint64_t count;

	if (read(opener.done, &count, sizeof(count)) == -1)
		return;
	opener.running = false;
	if (!opener.again && opener.fd == -1)
		stay();
	else if (!opener.again)
		use_file();
	else if (opener.fd != -1)
		close(opener.fd);
	if (opener.again && writer.order.file[0] != '\0')
		start_opening(opener.reopen);
	opener.again = false;
}

static void
await_opening(void)
{
	struct pollfd pfd = { .fd = opener.done, .events = POLLIN };

	if (poll(&pfd, 1, OPEN_MS) == 1)
		opened();
}

static void
obey(const struct log_order *order)
{
	bool other = strcmp(order->file, writer.order.file) != 0;
	bool reopen = order->reopen;

	writer.order = *order;
	writer.style.format = order->format;
	if (order->file[0] == '\0') {
		opener.again = opener.running;
		if (writer.in_file) {
			say(LOG_LEVEL_INFO,
			    "from here on the log is at standard error");
			use_stderr();
		}
	} else if (opener.running) {
		opener.again = true;
		opener.reopen = reopen;
	} else if (other || reopen || !writer.in_file) {
		start_opening(reopen);
		if (!writer.in_file || other)
			await_opening();
	}
}

static void
read_orders(void)
{
	static struct log_order order;

	while (recv(LOG_WRITER_ORDERS, &order, sizeof(order), MSG_DONTWAIT) ==
	    (ssize_t)sizeof(order))
		obey(&order);
}

/* Whoever has a full disk is told once, and again when it has room. */
static void
look_at_file(void)
{
	int error = atomic_load(&writer.loss->error);

	if (!writer.in_file || writer.failing == (error != 0))
		return;
	writer.failing = error != 0;
	if (writer.failing)
		say_aside(LOG_LEVEL_ERROR,
		    "%s takes no lines: %s; lines are lost, and counted",
		    writer.path, error_text(error));
	else
		say_aside(LOG_LEVEL_INFO, "%s takes lines again", writer.path);
}

/* Returns false at the end. */
static bool
read_pipe(void)
{
	ssize_t got = read(LOG_WRITER_PIPE, writer.bytes + writer.there,
	    sizeof(writer.bytes) - writer.there);

	if (got == -1 && errno == EINTR)
		return true;
	if (got > 0)
		writer.there += (size_t)got;
	put_pieces(got <= 0);
	return got > 0;
}

void
log_writer_run(struct log_loss *loss)
{
	struct pollfd pfds[] = {
		{ .fd = LOG_WRITER_PIPE, .events = POLLIN },
		{ .fd = LOG_WRITER_ORDERS, .events = POLLIN },
		{ .fd = -1, .events = POLLIN },
	};
	bool more = true;

	writer.loss = loss;
	log_sink_show_loss(loss);
	log_init("log");
	log_sink_background();
	opener.done = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pfds[2].fd = opener.done;
	while (more) {
		if (poll(pfds, 3, LOOK_MS) == -1 && errno != EINTR)
			break;
		if ((pfds[1].revents & POLLIN) != 0)
			read_orders();
		else if (pfds[1].revents != 0)
			pfds[1].fd = -1; /* the master is gone */
		if (pfds[2].revents != 0)
			opened();
		if (pfds[0].revents != 0)
			more = read_pipe();
		look_at_file();
	}
	log_sink_settle(LEAVE_MS);
}
