/*
 * log_syslog.c: the lines of RFC 3164 as syslog(3) sends them, which every
 * syslog daemon and the journal can read.  syslog(3) itself would wait, and
 * would not say what it has lost.
 */

#include "master/log_syslog.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log_line.h"
#include "master/log_lines.h"

#define TAG "sluiced"
#define HEAD_MAX 64	 /* "<30>Nov  7 12:34:56 sluiced[4194304]: " */
#define PATIENCE_MS 1000 /* for a daemon that is behind, or is not there */
#define LOOK_MS 10	 /* for one that is not there: how often */
#define SHORTEST 8	 /* bytes of text that are worth a datagram */
/* How often to try one that has used up our patience: a try is a few calls. */
#define RETRY_MS 100

static struct {
	struct sockaddr_un address;
	int facility;
	pid_t pid;
	int fd;	     /* -1: not connected */
	int error;   /* 0: it takes lines; else why it does not */
	uint64_t at; /* of the last try since then */
} to = { .fd = -1 };

void
log_syslog_leave(void)
{
	if (to.fd != -1)
		close(to.fd);
	to.fd = -1;
}

void
log_syslog_use(const char *path, int facility, pid_t pid)
{
	log_syslog_leave();
	to.address.sun_family = AF_UNIX;
	snprintf(to.address.sun_path, sizeof(to.address.sun_path), "%s", path);
	to.facility = facility;
	to.pid = pid;
	to.error = 0;
}

static int
reach(void)
{
	int fd, saved;

	if (to.fd != -1)
		return 0;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return -1;
	if (connect(fd, (const struct sockaddr *)&to.address,
		sizeof(to.address)) == 0) {
		to.fd = fd;
		return 0;
	}
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static int
send_once(const char *line, size_t head, size_t length)
{
	while (reach() == 0) {
		if (send(to.fd, line, length, MSG_NOSIGNAL) != -1)
			return 0;
		if (errno == EINTR)
			continue;
		if (errno != EMSGSIZE || length <= head + SHORTEST)
			break;
		length = log_lines_cut(line, head + (length - head) / 2);
	}
	return -1;
}

/* Whatever it was, the next try looks for the socket anew. */
static void
wait_for_room(void)
{
	struct pollfd room = { .fd = to.fd, .events = POLLOUT };

	if (errno == EAGAIN) {
		poll(&room, 1, PATIENCE_MS);
		return;
	}
	log_syslog_leave();
	poll(NULL, 0, LOOK_MS);
}

/* May it still be behind, or about to be started? */
static bool
is_worth_waiting(int error)
{
	return error == EAGAIN || error == ECONNREFUSED || error == ENOENT ||
	    error == ENOTCONN;
}

/* 0, or -1 with errno. */
static int
send_patiently(const char *line, size_t head, size_t length)
{
	uint64_t begin = clock_ms();
	int error;

	while (send_once(line, head, length) == -1) {
		error = errno;
		if (to.error != 0 || !is_worth_waiting(error) ||
		    clock_ms() - begin >= PATIENCE_MS) {
			log_syslog_leave();
			to.at = clock_ms();
			errno = error;
			return -1;
		}
		wait_for_room();
	}
	return 0;
}

/* "Nov  7 12:34:56": in local time, and in English whatever the locale is. */
static size_t
put_head(char head[HEAD_MAX], int level)
{
	static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May",
		"Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	time_t now = time(NULL);
	struct tm when;

	if (localtime_r(&now, &when) == NULL)
		memset(&when, 0, sizeof(when));
	return (size_t)snprintf(head, HEAD_MAX,
	    "<%d>%s %2d %02d:%02d:%02d " TAG "[%d]: ", to.facility | level,
	    months[when.tm_mon], when.tm_mday, when.tm_hour, when.tm_min,
	    when.tm_sec, (int)to.pid);
}

int
log_syslog_send(int level, const char *text, size_t length)
{
	char line[HEAD_MAX + LOG_LINE_MAX];
	size_t head;

	if (to.error != 0 && clock_ms() - to.at < RETRY_MS) {
		errno = to.error;
		return -1;
	}
	head = put_head(line, level);
	if (length > LOG_LINE_MAX)
		length = LOG_LINE_MAX;
	memcpy(line + head, text, length);
	if (send_patiently(line, head, head + length) == -1) {
		to.error = errno;
		return -1;
	}
	to.error = 0;
	return 0;
}
