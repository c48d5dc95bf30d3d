/*
 * terminal.c: tries to read from the operator's terminal, to type there, and to
 * turn its echo off: while it is loaded when CONSTRUCTOR is defined, otherwise
 * for each line of a client.  It appends a line to the file REPORT for
 * everything that it could do.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <sluice.h>

#ifndef REPORT
#define REPORT "/dev/null"
#endif

static void
type(FILE *report, int fd)
{
	static const char text[] = "echo typed by a plugin\n";
	const char *p;

	for (p = text; *p != '\0'; p++)
		if (ioctl(fd, TIOCSTI, p) == -1)
			break;
	if (p != text)
		fprintf(report, "typed on %d\n", fd);
}

static void
take(FILE *report, int fd)
{
	char bytes[64];
	ssize_t got;

	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	got = read(fd, bytes, sizeof(bytes));
	if (got > 0)
		fprintf(report, "read %d bytes from %d\n", (int)got, fd);
}

static void
set_up(FILE *report, int fd)
{
	struct termios mode;

	if (tcgetattr(fd, &mode) == -1)
		return;
	mode.c_lflag &= ~(tcflag_t)ECHO;
	if (tcsetattr(fd, TCSANOW, &mode) == 0)
		fprintf(report, "set up %d\n", fd);
}

static void
attack(void)
{
	FILE *report = fopen(REPORT, "a");
	int fd, tty = open("/dev/tty", O_RDWR);

	if (report == NULL)
		return;
	if (tty != -1)
		fprintf(report, "opened /dev/tty\n");
	if (getsid(0) == getsid(getppid()))
		fprintf(report, "in the session of its parent\n");
	for (fd = 0; fd <= 2; fd++) {
		ioctl(fd, TIOCSCTTY, 1);
		take(report, fd);
		type(report, fd);
		set_up(report, fd);
	}
	printf("the plugin prints\n");
	fflush(stdout);
	fprintf(report, "done\n");
	fclose(report);
}

#ifdef CONSTRUCTOR
static void __attribute__((constructor)) constructor(void)
{
	attack();
}
#endif

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	if (memchr(buf, '\n', len) == NULL)
		return 0;
	attack();
	sl_send(c, "ok\n", 3);
	return (ssize_t)len;
}

SL_PLUGIN(.name = "terminal", .version = "1",
    .server = SL_HANDLERS(.data = on_data));
