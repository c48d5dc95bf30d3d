/*
 * log_writer.c: the pipe is always read, so that nobody waits for us.  A thread
 * writes to files (log_sink.c), and another one opens them: a disk may hang.
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
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log_file.h"
#include "base/log_line.h"
#include "base/log_sink.h"
#include "base/same_file.h"
#include "master/log_lines.h"
#include "master/log_target.h"

/*
 * For a file that is new to us, before lines go to standard error instead: the
 * reader has just found that it can be opened.
 */
#define OPEN_MS 1000
#define LOOK_MS 500    /* whether the file takes lines again */
#define LEAVE_MS 1000  /* at the end, for the disk */
#define FOLLOW_MS 1000 /* without a master: between looks at the path */

struct inbox {
	int fd; /* -1: nobody can write there any more */
	size_t (*next)(const char *bytes, size_t there, bool all,
	    struct log_piece *ret);
	char bytes[2 * LOG_LINE_MAX];
	size_t there;
};

static struct {
	struct log_order order; /* the last one */
	struct inbox lines, printed;
	struct stat file;     /* that we write to */
	bool follows;	      /* the path: nobody will tell us to */
	uint64_t looked_ms;   /* when we have looked at it */
	unsigned int missing; /* looks since then that found nothing */
} writer = {
	.lines = { .fd = LOG_WRITER_LINES, .next = log_lines_next },
	.printed = { .fd = LOG_WRITER_PRINTED, .next = log_lines_next_printed },
};

/* A file that a thread opens. */
static struct {
	bool running;
	bool again; /* a newer order came meanwhile */
	bool reopen;
	bool follow; /* only if another file is there now */
	int done;    /* eventfd: the thread has ended */
	char path[PATH_MAX];
	bool same;	  /* follow: there is none */
	int fd;		  /* -1: err */
	struct stat file; /* that was opened */
	struct error err;
} opener = { .done = -1 };
static void
put_pieces(struct inbox *inbox, bool all)
{
	struct log_piece piece;
	size_t used = 0, taken;

	while (used < inbox->there &&
	    (taken = inbox->next(inbox->bytes + used, inbox->there - used, all,
		 &piece)) > 0) {
		log_target_put(&piece);
		used += taken;
	}
	memmove(inbox->bytes, inbox->bytes + used, inbox->there - used);
	inbox->there -= used;
}

/* Opening. */

/*
 * Is another file there?  Whoever has renamed ours may be about to make the next
 * one, which would fail if we made it: so it has to be missing twice.
 */
static bool
was_replaced(void)
{
	struct stat now;

	if (lstat(opener.path, &now) == -1)
		return errno == ENOENT && writer.missing++ > 0;
	writer.missing = 0;
	return !same_inode(&now, &writer.file);
}

static void *
open_it(void *arg)
{
	const uint64_t one = 1;

	(void)arg;
	opener.fd = -1;
	opener.same = opener.follow && !was_replaced();
	if (!opener.same)
		opener.fd = log_file_open(opener.path, &opener.err);
	if (opener.fd != -1)
		fstat(opener.fd, &opener.file);
	if (write(opener.done, &one, sizeof(one)) == -1)
		return NULL; /* cannot be: the counter is 0 */
	return NULL;
}

static void
run_opener(void)
{
	pthread_t thread;

	opener.running = true;
	memcpy(opener.path, writer.order.file, sizeof(opener.path));
	if (pthread_create(&thread, NULL, open_it, NULL) == 0)
		pthread_detach(thread);
	else
		open_it(NULL); /* it may have to wait */
}

static void
start_opening(bool reopen)
{
	opener.reopen = reopen;
	opener.follow = false;
	run_opener();
}

/*
 * After an upgrade, or when the master was killed, we write for workers that
 * were ours until they end, and hear of no SIGUSR1.
 */
static void
follow(void)
{
	uint64_t now_ms = clock_ms();

	if (!writer.follows || opener.running ||
	    !log_target_is_file(writer.order.file) ||
	    now_ms - writer.looked_ms < FOLLOW_MS)
		return;
	writer.looked_ms = now_ms;
	opener.reopen = opener.follow = true;
	run_opener();
}

/* Say it where people have looked until now. */
static void __attribute__((format(printf, 1, 2)))
say_before(const char *fmt, ...)
{
	char message[LOG_MESSAGE_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	if (log_target_is_stderr())
		log_target_say_aside(LOG_LEVEL_INFO, "%s", message);
	else
		log_target_say(LOG_LEVEL_INFO, "%s", message);
}

static void
use_file(void)
{
	if (!log_target_is_file(opener.path))
		say_before("from here on the log is in %s", opener.path);
	log_target_use_file(opener.fd, opener.path);
	writer.file = opener.file;
	writer.missing = 0;
	if (opener.reopen)
		log_target_say(LOG_LEVEL_INFO, "opened %s again", opener.path);
}

/* The new file cannot be opened. */
static void
stay(void)
{
	static const char what[] = "log.file: %s; %s, until SIGUSR1 or a "
				   "reload opens it";
	bool same = log_target_is_file(opener.path);
	const char *meanwhile = same
	    ? "the log goes on in the file that was open"
	    : "the log goes to standard error";

	if (!same && !log_target_is_stderr())
		log_target_use_stderr();
	if (same)
		log_target_say_aside(LOG_LEVEL_ERROR, what, opener.err.text,
		    meanwhile);
	log_target_say(LOG_LEVEL_ERROR, what, opener.err.text, meanwhile);
	writer.follows = false; /* or this would be said every second */
}

static void
opened(void)
{
	uint64_t count;

	if (read(opener.done, &count, sizeof(count)) == -1)
		return;
	opener.running = false;
	if (opener.same)
		return;
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
to_file(const struct log_order *order, bool other)
{
	if (opener.running) {
		opener.again = true;
		opener.reopen = order->reopen;
		return;
	}
	if (!other && !order->reopen && log_target_is_file(order->file))
		return;
	start_opening(order->reopen);
	if (other || !log_target_is_file(order->file))
		await_opening();
}

static void
to_syslog(const struct log_order *order, bool other)
{
	if (other)
		say_before("from here on the log is sent to %s", order->socket);
	if (other || order->reopen)
		log_target_use_syslog(order->socket, order->facility,
		    order->pid);
	if (order->reopen)
		log_target_say(LOG_LEVEL_INFO, "connected to %s again",
		    order->socket);
}

static void
to_stderr(void)
{
	if (log_target_is_stderr())
		return;
	log_target_say(LOG_LEVEL_INFO,
	    "from here on the log is at standard error");
	log_target_use_stderr();
}

static void
obey(const struct log_order *order)
{
	bool other = strcmp(order->file, writer.order.file) != 0 ||
	    strcmp(order->socket, writer.order.socket) != 0 ||
	    order->facility != writer.order.facility;

	writer.order = *order;
	log_target_format(order->format);
	if (order->file[0] != '\0') {
		to_file(order, other);
		return;
	}
	opener.again = opener.running; /* and is not used */
	if (order->socket[0] != '\0')
		to_syslog(order, other);
	else
		to_stderr();
}

/* Returns false when the master is gone. */
static bool
read_orders(void)
{
	static struct log_order order;
	ssize_t got;

	while ((got = recv(LOG_WRITER_ORDERS, &order, sizeof(order),
		    MSG_DONTWAIT)) == (ssize_t)sizeof(order))
		obey(&order);
	return got == -1 && (errno == EAGAIN || errno == EINTR);
}

static void
read_inbox(struct inbox *inbox)
{
	ssize_t got = read(inbox->fd, inbox->bytes + inbox->there,
	    sizeof(inbox->bytes) - inbox->there);

	if (got == -1 && errno == EINTR)
		return;
	if (got > 0)
		inbox->there += (size_t)got;
	else
		inbox->fd = -1;
	put_pieces(inbox, got <= 0);
}

/* What a plugin has printed so far comes before a line that follows it. */
static void
read_pipes(bool lines, bool printed)
{
	if (printed)
		read_inbox(&writer.printed);
	if (!lines)
		return;
	put_pieces(&writer.printed, true);
	read_inbox(&writer.lines);
}

static void
leave_master(void)
{
	close(LOG_WRITER_ORDERS);
	writer.follows = true;
}

void
log_writer_run(struct log_loss *loss)
{
	struct pollfd pfds[] = {
		{ .events = POLLIN },
		{ .events = POLLIN },
		{ .fd = LOG_WRITER_ORDERS, .events = POLLIN },
		{ .events = POLLIN },
	};

	log_target_init(loss);
	opener.done = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pfds[3].fd = opener.done;
	while (writer.lines.fd != -1 || writer.printed.fd != -1) {
		pfds[0].fd = writer.lines.fd;
		pfds[1].fd = writer.printed.fd;
		if (poll(pfds, 4, LOOK_MS) == -1) {
			if (errno != EINTR)
				break;
			continue;
		}
		if (pfds[2].revents != 0 && !read_orders()) {
			leave_master();
			pfds[2].fd = -1;
		}
		if (pfds[3].revents != 0)
			opened();
		if (pfds[0].revents != 0 || pfds[1].revents != 0)
			follow();
		read_pipes(pfds[0].revents != 0, pfds[1].revents != 0);
		log_target_look();
	}
	log_sink_settle(LEAVE_MS);
}
