/*
 * inherited.c: as sd_listen_fds(3).  The sockets stay open for the life of the
 * daemon: a later reload may name one that is not used today.
 */

#include "master/inherited.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "master/aside.h"
#include "master/handover.h"

#define FIRST_FD 3

/* A whole number in the environment, or 0. */
static unsigned long
env_number(const char *name)
{
	const char *text = getenv(name);
	unsigned long value;
	char *end;

	if (text == NULL || *text < '0' || *text > '9')
		return 0;
	errno = 0;
	value = strtoul(text, &end, 10);
	return *end == '\0' && errno == 0 ? value : 0;
}

/*
 * The next name of the colon-separated list, or "unknown", as systemd says,
 * when there is none.
 */
static char *
next_name(const char **list)
{
	const char *start = *list;
	size_t length;

	if (start == NULL)
		return strdup("unknown");
	length = strcspn(start, ":");
	*list = start[length] == ':' ? start + length + 1 : NULL;
	return length == 0 ? strdup("unknown") : strndup(start, length);
}

static int
take_sockets(struct inherited *inherited, unsigned long count)
{
	const char *names = getenv("LISTEN_FDNAMES");
	struct inherited_socket *socket;
	unsigned long i;
	int flags;

	inherited->sockets = calloc(count, sizeof(*inherited->sockets));
	if (inherited->sockets == NULL)
		return -1;
	for (i = 0; i < count; i++) {
		socket = &inherited->sockets[i];
		socket->fd = FIRST_FD + (int)i;
		socket->name = next_name(&names);
		if (socket->name == NULL)
			return -1;
		inherited->count++;
		flags = fcntl(socket->fd, F_GETFL);
		fcntl(socket->fd, F_SETFD, FD_CLOEXEC);
		aside_refuse(socket->fd);
		if (flags != -1)
			fcntl(socket->fd, F_SETFL, flags | O_NONBLOCK);
	}
	return 0;
}

int
inherited_take(struct inherited *ret)
{
	unsigned long count = 0;
	long most = sysconf(_SC_OPEN_MAX);
	int result = 0;

	memset(ret, 0, sizeof(*ret));
	if (env_number("LISTEN_PID") == (unsigned long)getpid())
		count = env_number("LISTEN_FDS");
	if (most > 0 && count > (unsigned long)most)
		count = 0; /* more than can be open: not from systemd */
	close_range(FIRST_FD + (unsigned int)count, ~0U, 0);
	if (count > 0)
		result = take_sockets(ret, count);
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	if (result == -1)
		inherited_done(ret);
	return result;
}

void
inherited_hand_over(const struct inherited *inherited,
    struct handover *handover)
{
	pack_u32(&handover->packer, inherited->count);
	for (unsigned int i = 0; i < inherited->count; i++) {
		pack_string(&handover->packer, inherited->sockets[i].name);
		handover_fd(handover, inherited->sockets[i].fd);
	}
}

int
inherited_take_over(struct inherited *ret, struct taken *taken)
{
	uint32_t count = unpack_count(&taken->unpacker, sizeof(uint32_t));
	struct inherited_socket *socket;

	memset(ret, 0, sizeof(*ret));
	ret->sockets = calloc((size_t)count + 1, sizeof(*ret->sockets));
	if (ret->sockets == NULL)
		return -1;
	while (ret->count < count) {
		socket = &ret->sockets[ret->count];
		socket->name = unpack_string(&taken->unpacker);
		socket->fd = taken_fd(taken);
		if (socket->name == NULL)
			return -1;
		ret->count++;
	}
	return 0;
}

void
inherited_done(struct inherited *inherited)
{
	for (unsigned int i = 0; i < inherited->count; i++) {
		aside_close(inherited->sockets[i].fd);
		free(inherited->sockets[i].name);
	}
	free(inherited->sockets);
	memset(inherited, 0, sizeof(*inherited));
}

unsigned int
inherited_count(const struct inherited *inherited, const char *name)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < inherited->count; i++)
		if (strcmp(inherited->sockets[i].name, name) == 0)
			count++;
	return count;
}

static int
check_socket(int fd, const char *name, struct error *err)
{
	int type = 0, listening = 0;
	socklen_t length = sizeof(type);

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == -1)
		return error_sys(err,
		    "what systemd passed as \"%s\" is not a socket", name);
	length = sizeof(listening);
	if (type != SOCK_STREAM ||
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) ==
		-1 ||
	    listening == 0)
		return error_set(err,
		    "the socket \"%s\" from systemd is not a "
		    "listening stream socket",
		    name);
	return fd;
}

int
inherited_fd(const struct inherited *inherited, const char *name,
    unsigned int number, struct error *err)
{
	for (unsigned int i = 0; i < inherited->count; i++)
		if (strcmp(inherited->sockets[i].name, name) == 0 &&
		    number-- == 0)
			return check_socket(inherited->sockets[i].fd, name,
			    err);
	return error_set(err, "systemd passed no socket named \"%s\"", name);
}
