/*
 * sticky.c: echoes.  A line "! TRICK" plays a trick on those listening sockets
 * of this worker that have the connection's local address.  The answer is
 * "done", or "deny" if the kernel did not allow it.
 */

#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <sluice.h>

#ifndef FLAGS
#define FLAGS SL_MANY_WORKERS
#endif

union any {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_un un;
};

static bool denied;

static void
set(int fd, int level, int name, int value)
{
	setsockopt(fd, level, name, &value, sizeof(value));
}

/* k: what the filter returns for each packet or client. */
static void
attach(int fd, int name, unsigned int k)
{
	struct sock_filter code[] = { { BPF_RET | BPF_K, 0, 0, k } };
	struct sock_fprog program = { 1, code };

	if (setsockopt(fd, SOL_SOCKET, name, &program, sizeof(program)) == -1)
		denied = true;
}

static void
play(int fd, const char *trick)
{
	const struct sockaddr nowhere = { .sa_family = AF_UNSPEC };
	const struct linger linger = { 1, 3600 };
	const struct timeval time = { 1, 0 };

	if (strcmp(trick, "shutdown") == 0) {
		shutdown(fd, SHUT_RDWR);
	} else if (strcmp(trick, "disconnect") == 0) {
		connect(fd, &nowhere, sizeof(nowhere));
	} else if (strcmp(trick, "filter") == 0) {
		attach(fd, SO_ATTACH_FILTER, 0);
	} else if (strcmp(trick, "locked") == 0) {
		attach(fd, SO_ATTACH_FILTER, 0);
		set(fd, SOL_SOCKET, SO_LOCK_FILTER, 1);
	} else if (strcmp(trick, "clamp") == 0) {
		set(fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, 3000);
	} else if (strcmp(trick, "choose") == 0) {
		attach(fd, SO_ATTACH_REUSEPORT_CBPF, 0);
	} else if (strcmp(trick, "backlog") == 0) {
		listen(fd, 1);
	} else if (strcmp(trick, "options") == 0) {
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
		set(fd, SOL_SOCKET, SO_RCVLOWAT, 100000);
		set(fd, SOL_SOCKET, SO_RCVBUF, 2048);
		set(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, 30);
		set(fd, IPPROTO_IP, IP_MINTTL, 255);
		fcntl(fd, F_SETFL, 0);
	}
}

static bool
is_it(int fd, const union any *here)
{
	union any address = { .sa = { 0 } };
	socklen_t length = sizeof(address);
	int listens = 0;

	if (getsockname(fd, &address.sa, &length) == -1 ||
	    address.sa.sa_family != here->sa.sa_family)
		return false;
	if (here->sa.sa_family == AF_INET)
		return address.in.sin_port == here->in.sin_port &&
		    fcntl(fd, F_GETFL) != -1 &&
		    (length = sizeof(listens),
			getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens,
			    &length)) == 0 &&
		    listens != 0;
	return strcmp(address.un.sun_path, here->un.sun_path) == 0;
}

static void
play_all(struct sl_conn *c, const char *trick)
{
	union any here = { .sa = { 0 } };
	socklen_t length = sizeof(here);
	int fd, own = sl_fd(c);

	getsockname(own, &here.sa, &length);
	for (fd = 3; fd < 1024; fd++)
		if (fd != own && is_it(fd, &here))
			play(fd, trick);
}

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	char trick[32] = "";
	const char *text = buf;

	if (len > 3 && memcmp(text, "! ", 2) == 0) {
		snprintf(trick, sizeof(trick), "%.*s", (int)(len - 3),
		    text + 2);
		play_all(c, trick);
		sl_write(c, denied ? "deny" : "done", 4);
	} else {
		sl_write(c, buf, len);
	}
	return (ssize_t)len;
}

SL_PLUGIN(.name = "sticky", .version = "1.0", .flags = FLAGS,
    .server = SL_HANDLERS(.data = on_data));
