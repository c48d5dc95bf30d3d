/*
 * log_sink.c: standard error, opened anew: O_NONBLOCK and O_APPEND belong to
 * the open file, and the one that we were given is shared with the shell.
 */

#include "base/log_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log_line.h"
#include "base/same_file.h"

#define WAITING_MAX (1u << 20) /* bytes: a burst of some ten thousand lines */
/* While another process writes at the terminal: each try, and how many. */
#define BUSY_MS 5
#define BUSY_MAX 20
/* For the reader of a pipe that is behind: from then on its lines are lost. */
#define READER_MS 1000
#define LEAVE_MS 1000 /* at the end, for what still waits to be written */

enum kind { KIND_DIRECT, KIND_SOCKET, KIND_SLOW };

static struct {
	_Atomic enum kind kind;
	_Atomic int fd; /* -1: standard error itself */
	bool cut;	/* the last line was cut off */
	bool stalled;	/* it takes nothing */
	uint64_t lost;	/* and not told yet */
	int error;	/* of the last line that was lost */
} sink = { .kind = KIND_DIRECT, .fd = -1 };

static struct log_loss own_loss;
static struct log_loss *loss = &own_loss;

/*
 * Lines that wait for the thread: a ring of entries, each a head and its bytes.
 */
static struct {
	pthread_mutex_t lock; /* for all of this, and for sink.lost */
	pthread_cond_t work;
	char *ring; /* NULL: no thread */
	size_t begin;
	_Atomic size_t used;
	bool allowed;
	atomic_bool hung;    /* it made no room for as long as we wait */
	atomic_bool writing; /* the thread is writing what it took */
} queue = { .lock = PTHREAD_MUTEX_INITIALIZER,
	.work = PTHREAD_COND_INITIALIZER };

struct head {
	size_t length;
	uint64_t told; /* it says how many were lost; 0: an ordinary line */
};

static int
sink_fd(void)
{
	return sink.fd != -1 ? sink.fd : STDERR_FILENO;
}

/*
 * A terminal also says EAGAIN while another process writes there, such as the
 * one that copies what the children write.  That is over in a moment.  One that
 * is full or stopped is waited for only once, until it takes something again.
 * The thread has more time: the reader of its pipe may be a process of ours
 * that has not been its turn for a while.
 */
static bool
is_busy(unsigned int tries)
{
	struct pollfd room = { .fd = sink_fd(), .events = POLLOUT };
	int ms = sink.kind == KIND_DIRECT ? BUSY_MS : READER_MS;

	if (sink.kind != KIND_SOCKET && !sink.stalled && tries < BUSY_MAX &&
	    poll(&room, 1, ms) == 1 && room.revents == POLLOUT)
		return true;
	sink.stalled = true;
	errno = EAGAIN;
	return false;
}

/* Returns the bytes that were taken, or -1. */
static ssize_t
write_some(const char *bytes, size_t length)
{
	unsigned int tries = 0;
	ssize_t written;

	do {
		if (sink.kind == KIND_SOCKET)
			written = send(sink_fd(), bytes, length,
			    MSG_DONTWAIT | MSG_NOSIGNAL);
		else
			written = write(sink_fd(), bytes, length);
	} while (written == -1 &&
	    (errno == EINTR || (errno == EAGAIN && is_busy(tries++))));
	if (written == 0)
		errno = EAGAIN;
	if (written > 0)
		sink.stalled = false;
	return written > 0 ? written : -1;
}

/* 0, or -1 with errno when part of the line may be missing. */
static int
write_line(const char *line, size_t length)
{
	ssize_t written;

	/* So that the next line does not continue one that was cut off. */
	if (sink.cut && write_some("\n", 1) == -1)
		return -1;
	sink.cut = false;
	while (length > 0) {
		written = write_some(line, length);
		if (written == -1)
			return -1;
		line += written;
		length -= (size_t)written;
		sink.cut = length > 0;
	}
	return 0;
}

/* With the lock held. */
static void
count_lost(uint64_t told, int error)
{
	/* What could not be told has been counted already. */
	if (told == 0)
		atomic_fetch_add_explicit(&loss->lines, 1,
		    memory_order_relaxed);
	sink.lost += told == 0 ? 1 : told;
	sink.error = error;
	atomic_store_explicit(&loss->error, error, memory_order_relaxed);
}

static void
count_written(void)
{
	if (atomic_load_explicit(&loss->error, memory_order_relaxed) != 0)
		atomic_store_explicit(&loss->error, 0, memory_order_relaxed);
}

/* The thread. */

static void
ring_copy(size_t at, void *bytes, size_t length, bool in)
{
	size_t first, offset = (queue.begin + at) % WAITING_MAX;
	char *p = bytes;

	first = WAITING_MAX - offset < length ? WAITING_MAX - offset : length;
	if (in) {
		memcpy(queue.ring + offset, p, first);
		memcpy(queue.ring, p + first, length - first);
	} else {
		memcpy(p, queue.ring + offset, first);
		memcpy(p + first, queue.ring, length - first);
	}
}

/* With the lock held.  Returns false when there is no room. */
static bool
put(const char *line, size_t length, uint64_t told)
{
	struct head head = { length, told };
	char *bytes = (char *)(uintptr_t)line;

	if (sizeof(head) + length > WAITING_MAX - queue.used)
		return false;
	ring_copy(queue.used, &head, sizeof(head), true);
	ring_copy(queue.used + sizeof(head), bytes, length, true);
	queue.used += sizeof(head) + length;
	pthread_cond_signal(&queue.work);
	return true;
}

/* With the lock held, and a line in the ring. */
static void
take(char line[LOG_LINE_MAX], struct head *ret)
{
	ring_copy(0, ret, sizeof(*ret), false);
	ring_copy(sizeof(*ret), line, ret->length, false);
	queue.used -= sizeof(*ret) + ret->length;
	queue.begin = (queue.begin + sizeof(*ret) + ret->length) % WAITING_MAX;
	if (queue.used == 0)
		queue.begin = 0; /* so that few lines touch little memory */
}

static void *
write_for_ever(void *arg)
{
	char line[LOG_LINE_MAX];
	struct head head;
	int rc;

	(void)arg;
	pthread_setname_np(pthread_self(), "sluiced: log");
	pthread_mutex_lock(&queue.lock);
	for (;;) {
		while (queue.used == 0)
			pthread_cond_wait(&queue.work, &queue.lock);
		queue.writing = true; /* before the ring looks empty */
		take(line, &head);
		pthread_mutex_unlock(&queue.lock);
		rc = write_line(line, head.length);
		pthread_mutex_lock(&queue.lock);
		queue.writing = queue.hung = false;
		if (rc == -1)
			count_lost(head.told, errno);
		else
			count_written();
	}
	return NULL;
}

static void
lock(void)
{
	pthread_mutex_lock(&queue.lock);
}

static void
unlock(void)
{
	pthread_mutex_unlock(&queue.lock);
}

/* A forked process does not have the thread, which the condition counts. */
static void
forget_thread(void)
{
	static const pthread_cond_t fresh = PTHREAD_COND_INITIALIZER;

	free(queue.ring);
	queue.ring = NULL;
	queue.allowed = false;
	queue.writing = false;
	queue.used = queue.begin = 0;
	memcpy(&queue.work, &fresh, sizeof(fresh));
	unlock();
}

void
log_sink_settle(unsigned int most_ms)
{
	static const struct timespec pause = { 0, 1000000 };

	/* Without the lock: a thread that has crashed may hold it. */
	while (queue.ring != NULL && (queue.used > 0 || queue.writing) &&
	    most_ms-- > 0)
		nanosleep(&pause, NULL);
}

void
log_sink_await_room(void)
{
	static const struct timespec pause = { 0, 1000000 };
	unsigned int left_ms = READER_MS;

	while (queue.ring != NULL && !queue.hung &&
	    WAITING_MAX - queue.used < sizeof(struct head) + LOG_LINE_MAX &&
	    left_ms-- > 0)
		nanosleep(&pause, NULL);
	if (left_ms == (unsigned int)-1)
		queue.hung = true;
}

static void
settle_at_exit(void)
{
	log_sink_settle(LEAVE_MS);
}

/* 0, or -1: it cannot be started. */
static int
create_thread(void)
{
	static bool prepared;
	pthread_attr_t attributes;
	sigset_t all, before;
	pthread_t thread;
	int rc;

	if (!prepared &&
	    (atexit(settle_at_exit) != 0 ||
		pthread_atfork(lock, unlock, forget_thread) != 0))
		return -1;
	prepared = true;
	if (pthread_attr_init(&attributes) != 0)
		return -1;
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	/* Signals are for the main thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&thread, &attributes, write_for_ever, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return rc == 0 ? 0 : -1;
}

/*
 * With the lock held.  If the thread cannot be started we write directly, and
 * may have to wait.
 */
static void
start_thread(void)
{
	queue.allowed = false; /* one try is enough */
	queue.ring = malloc(WAITING_MAX);
	if (queue.ring != NULL && create_thread() == 0)
		return;
	free(queue.ring);
	queue.ring = NULL;
}

/* Opening. */

/* Open standard error once more.  -1: that is not possible. */
static int
open_anew(int flags)
{
	return open("/proc/self/fd/2", O_WRONLY | O_CLOEXEC | O_NOCTTY | flags);
}

/*
 * With the lock held; fd is ours from here on.  The thread may be writing: its
 * descriptor keeps its number, and leads elsewhere for the next line.
 */
static void
use(enum kind kind, int fd)
{
	int own = sink.fd, from = fd != -1 ? fd : STDERR_FILENO;

	if (own == -1) {
		sink.fd = fd;
	} else if (from != own) {
		dup3(from, own, O_CLOEXEC);
		if (fd != -1)
			close(fd);
	}
	sink.kind = kind;
	sink.cut = sink.stalled = false;
}

static void
use_stderr(void)
{
	struct stat st;
	int fd;

	if (fstat(STDERR_FILENO, &st) == -1) {
		use(KIND_DIRECT, -1);
	} else if (S_ISSOCK(st.st_mode)) {
		use(KIND_SOCKET, -1);
	} else if (S_ISREG(st.st_mode)) {
		/*
		 * With O_APPEND all our processes write at the end of the file,
		 * even after it was truncated.
		 */
		use(KIND_SLOW, open_anew(O_APPEND));
	} else if (S_ISCHR(st.st_mode) && !isatty(STDERR_FILENO)) {
		use(KIND_DIRECT, -1); /* /dev/null or similar */
	} else {
		/*
		 * A writer of a pipe may wait for other writers, even with
		 * O_NONBLOCK.
		 */
		fd = open_anew(O_NONBLOCK);
		use(fd == -1 || S_ISFIFO(st.st_mode) ? KIND_SLOW : KIND_DIRECT,
		    fd);
	}
}

void
log_sink_open(void)
{
	lock();
	use_stderr();
	unlock();
}

void
log_sink_use(int fd)
{
	lock();
	use(KIND_SLOW, fd);
	unlock();
}

void
log_sink_close(void)
{
	lock();
	if (sink.fd != -1)
		close(sink.fd);
	sink.fd = -1;
	unlock();
}

void
log_sink_show_loss(struct log_loss *where)
{
	lock();
	loss = where != NULL ? where : &own_loss;
	unlock();
}

const struct log_loss *
log_sink_loss(void)
{
	return loss;
}

void
log_sink_background(void)
{
	queue.allowed = true;
}

void
log_sink_leave_stderr(int fd, bool both)
{
	both = both || same_open_file(STDOUT_FILENO, STDERR_FILENO);
	lock();
	/* The thread may be writing: what it uses now stays open. */
	if (sink.fd == -1)
		sink.fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	if (sink.fd != -1) {
		dup2(fd, STDERR_FILENO);
		if (both)
			dup2(fd, STDOUT_FILENO);
	}
	unlock();
}

void
log_sink_write(const char *line, size_t length, uint64_t told)
{
	lock();
	if (sink.kind == KIND_SLOW && queue.allowed && queue.ring == NULL)
		start_thread();
	if (sink.kind == KIND_SLOW && queue.ring != NULL) {
		if (!put(line, length, told))
			count_lost(told, EAGAIN);
	} else if (write_line(line, length) == -1) {
		count_lost(told, errno);
	} else {
		count_written();
	}
	unlock();
}

uint64_t
log_sink_take_lost(int *ret_error)
{
	uint64_t lost;

	lock();
	lost = sink.lost;
	*ret_error = sink.error;
	sink.lost = 0;
	unlock();
	return lost;
}

void
log_sink_write_dying(const char *line, size_t length)
{
	/*
	 * Without the lock: the thread that holds it may be the one that
	 * crashed.
	 */
	write_line(line, length);
}
