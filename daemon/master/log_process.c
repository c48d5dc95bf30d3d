/*
 * log_process.c: starts the log process, tells it where to write, and starts it
 * again.  Nothing here waits for it, but at our end.
 */

#include "master/log_process.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/log_sink.h"
#include "base/title.h"
#include "config/settings.h"
#include "master/event_in.h"
#include "master/log_writer.h"
#include "master/spawn.h"

/* For a burst of some thousand lines; the usual 64 KiB hold a few hundred. */
#define PIPE_SIZE (1 << 20)
#define AGAIN_MS 1000 /* before it is started again */
#define LEAVE_MS 2000 /* at our end, for lines on their way to the disk */
#define POLL_MS 2

struct pipe {
	int read, write; /* -1: not started */
};

static struct {
	struct event_base *base;
	struct pipe lines;   /* of ours, with a mark */
	struct pipe printed; /* by plugins, which it does not believe */
	int orders;	     /* the socket; -1: it does not run now */
	pid_t pid;
	struct event *ended, *again;
	struct event *room;    /* for an order that found none; NULL as ended */
	struct log_loss *loss; /* shared with it */
	struct log_order order;
} process = {
	.lines = { -1, -1 },
	.printed = { -1, -1 },
	.orders = -1,
};

void
log_process_init(struct event_base *base)
{
	process.base = base;
}

/* "/proc/self/fd/7": an open file of its own, with flags of its own. */
int
log_process_new_lines(void)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", process.lines.write);
	return open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
}

bool
log_process_runs(void)
{
	return process.lines.write != -1;
}

int
log_process_lines(void)
{
	return process.lines.write;
}

int
log_process_printed(void)
{
	return process.printed.write;
}

const struct log_loss *
log_process_loss(void)
{
	return process.loss;
}

__attribute__((noreturn)) static void
become(int orders)
{
	int printed;

	/* Those for the master; it ends when nobody can write any more. */
	signal(SIGTERM, SIG_IGN);
	log_leave_pipe();
	/* First away: one may have the number that the other is to get. */
	orders = fcntl(orders, F_DUPFD_CLOEXEC, LOG_WRITER_FDS);
	printed = fcntl(process.printed.read, F_DUPFD_CLOEXEC, LOG_WRITER_FDS);
	if (orders == -1 || printed == -1 ||
	    dup2(process.lines.read, LOG_WRITER_LINES) == -1 ||
	    dup2(orders, LOG_WRITER_ORDERS) == -1 ||
	    dup2(printed, LOG_WRITER_PRINTED) == -1)
		_exit(EXIT_FAILURE);
	close_range(LOG_WRITER_FDS, ~0U, 0);
	title_set("log");
	log_writer_run(process.loss);
	_exit(EXIT_SUCCESS);
}

/* It takes the last order, however many it has not read. */
static void
send_order(void)
{
	if (process.orders == -1)
		return; /* it is told when it is started again */
	if (send(process.orders, &process.order, sizeof(process.order),
		MSG_DONTWAIT | MSG_NOSIGNAL) == -1) {
		if (errno == EAGAIN && event_add(process.room, NULL) == 0)
			return;
		if (errno != EPIPE && errno != ECONNRESET)
			log_warn("cannot tell the log process where to write; "
				 "it is told again by the next reload or "
				 "SIGUSR1");
	}
	process.order.reopen = false;
}

static void
room_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	send_order();
}

static void
free_events(void)
{
	if (process.ended != NULL)
		event_free(process.ended);
	if (process.room != NULL)
		event_free(process.room);
	process.ended = process.room = NULL;
}

static int start(struct error *err);

static void
again_cb(evutil_socket_t fd, short what, void *arg)
{
	struct error err;

	(void)fd;
	(void)what;
	(void)arg;
	if (start(&err) == -1) {
		log_errorx("%s", err.text);
		event_in(process.again, AGAIN_MS);
		return;
	}
	log_warnx("the log process has ended, and was started again; lines "
		  "that it had taken may be lost");
}

/* Its end of the socket was closed. */
static void
ended_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)what;
	(void)arg;
	free_events();
	close(fd);
	process.orders = -1;
	event_in(process.again, AGAIN_MS);
}

static int
start(struct error *err)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1)
		return error_sys(err, "cannot start the log process");
	process.ended =
	    event_new(process.base, pair[0], EV_READ, ended_cb, NULL);
	process.room =
	    event_new(process.base, pair[0], EV_WRITE, room_cb, NULL);
	if (process.ended == NULL || process.room == NULL ||
	    event_add(process.ended, NULL) == -1)
		goto fail;
	process.pid = spawn_fork();
	if (process.pid == 0)
		become(pair[1]);
	if (process.pid == -1)
		goto fail;
	close(pair[1]);
	process.orders = pair[0];
	send_order();
	return 0;
fail:
	error_sys(err, "cannot start the log process");
	free_events();
	close(pair[0]);
	close(pair[1]);
	return -1;
}

static int
make_pipe(struct pipe *pipe, struct error *err)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) == -1)
		return error_sys(err, "cannot start the log process");
	/* If we may not, it is short. */
	fcntl(ends[1], F_SETPIPE_SZ, PIPE_SIZE);
	pipe->read = ends[0];
	pipe->write = ends[1];
	return 0;
}

static void
close_pipe(struct pipe *pipe)
{
	if (pipe->read != -1)
		close(pipe->read);
	if (pipe->write != -1)
		close(pipe->write);
	pipe->read = pipe->write = -1;
}

static int
make_shared(struct error *err)
{
	process.again = event_new(process.base, -1, 0, again_cb, NULL);
	process.loss = mmap(NULL, sizeof(*process.loss), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (process.loss == MAP_FAILED)
		process.loss = NULL;
	if (process.again != NULL && process.loss != NULL)
		return 0;
	return error_sys(err, "cannot start the log process");
}

/* Wait until it has written what we said, unless its disk hangs. */
static void
end(void)
{
	static const struct timespec pause = { 0, POLL_MS * 1000000 };

	log_settle(LEAVE_MS / 2);
	log_leave_pipe();
	close_pipe(&process.lines);
	close_pipe(&process.printed);
	for (unsigned int ms = 0;
	     ms < LEAVE_MS && waitpid(process.pid, NULL, WNOHANG) == 0;
	     ms += POLL_MS)
		nanosleep(&pause, NULL);
}

static void
undo(void)
{
	close_pipe(&process.lines);
	close_pipe(&process.printed);
	if (process.loss != NULL)
		munmap(process.loss, sizeof(*process.loss));
	process.loss = NULL;
	if (process.again != NULL)
		event_free(process.again);
	process.again = NULL;
}

int
log_process_prepare(const struct log_settings *settings, struct error *err)
{
	int own;

	if ((settings->file == NULL && settings->syslog == SYSLOG_OFF) ||
	    log_process_runs())
		return 0;
	process.order = (struct log_order){ .format = log_format() };
	if (make_pipe(&process.lines, err) == -1 ||
	    make_pipe(&process.printed, err) == -1) {
		undo();
		return -1;
	}
	own = log_process_new_lines();
	if (own == -1)
		own = fcntl(process.lines.write, F_DUPFD_CLOEXEC, 0);
	if (own == -1) {
		error_sys(err, "cannot start the log process");
	} else if (make_shared(err) == 0 && start(err) == 0) {
		atexit(end);
		log_pipe(own);
		return 0;
	} else {
		close(own);
	}
	undo();
	return -1;
}

void
log_process_aim(const struct log_settings *settings)
{
	if (!log_process_runs())
		return;
	process.order = (struct log_order){
		.reopen = process.order.reopen, /* it may not be sent yet */
		.format = (enum log_format)settings->format,
		.facility = (int)settings->syslog,
		.pid = getpid(),
	};
	if (settings->file != NULL)
		snprintf(process.order.file, sizeof(process.order.file), "%s",
		    settings->file);
	else if (settings->syslog != SYSLOG_OFF)
		snprintf(process.order.socket, sizeof(process.order.socket),
		    "%s", settings->syslog_socket);
	send_order();
}

bool
log_process_reopen(void)
{
	if (process.order.file[0] == '\0' && process.order.socket[0] == '\0')
		return false;
	process.order.reopen = true;
	send_order();
	return true;
}

void
log_process_detach(void)
{
	free_events();
	if (process.again != NULL)
		event_free(process.again);
	process.again = NULL;
}
