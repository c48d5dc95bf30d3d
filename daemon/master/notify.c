/*
 * notify.c: datagrams to the service manager.  A manager that does not read
 * loses them: it must not hold us up.
 */

#include "master/notify.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

static struct {
	int fd;
	struct sockaddr_un address;
	socklen_t length;
} notify = { .fd = -1 };

void
notify_init(void)
{
	const char *name = getenv("NOTIFY_SOCKET");
	size_t length;

	if (name == NULL)
		return;
	length = strlen(name);
	if ((name[0] != '/' && name[0] != '@') || length < 2 ||
	    length >= sizeof(notify.address.sun_path)) {
		log_warnx("NOTIFY_SOCKET=%s is neither a path nor an abstract "
			  "name; nobody is told that we are ready",
		    name);
		unsetenv("NOTIFY_SOCKET");
		return;
	}
	memset(&notify.address, 0, sizeof(notify.address));
	notify.address.sun_family = AF_UNIX;
	memcpy(notify.address.sun_path, name, length);
	notify.length =
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
	if (name[0] == '@')
		notify.address.sun_path[0] = '\0';
	else
		notify.length++;
	unsetenv("NOTIFY_SOCKET");
	notify.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (notify.fd == -1)
		log_warn("cannot talk to the service manager");
}

void
notify_done(void)
{
	if (notify.fd != -1)
		close(notify.fd);
	notify.fd = -1;
}

static void
notify_send(const char *text)
{
	if (notify.fd == -1)
		return;
	if (sendto(notify.fd, text, strlen(text), MSG_NOSIGNAL,
		(const struct sockaddr *)&notify.address, notify.length) == -1)
		log_warn("cannot tell the service manager \"%s\"", text);
}

void
notify_ready(void)
{
	notify_send("READY=1");
}

void
notify_reloading(void)
{
	struct timespec now;
	char text[80];

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%llu",
	    (unsigned long long)now.tv_sec * 1000000 +
		(unsigned long long)now.tv_nsec / 1000);
	notify_send(text);
}

void
notify_stopping(void)
{
	notify_send("STOPPING=1");
}

void
notify_status(const char *fmt, ...)
{
	char text[512] = "STATUS=";
	size_t length = strlen(text);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text + length, sizeof(text) - length, fmt, ap);
	va_end(ap);
	/* One line: a second one would be another variable. */
	for (; text[length] != '\0'; length++)
		if (text[length] == '\n')
			text[length] = ' ';
	notify_send(text);
}
