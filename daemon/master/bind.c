/*
 * bind.c: listening sockets, up to bind(2).  Every TCP socket is in an
 * SO_REUSEPORT group, so a second daemon of the same user could share our port
 * unnoticed.  So the first one of a group gets SO_REUSEPORT when it listens:
 * of two daemons that start at once, one fails then.
 */

#include "master/bind.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/same_file.h"
#include "config/address.h"
#include "config/settings.h"
#include "master/aside.h"

#define PORT_START "/proc/sys/net/ipv4/ip_unprivileged_port_start"
/* For the lock of a directory: far more than another daemon needs. */
#define LOCK_MS 1000
#define LOCK_POLL_MS 5

static int
set_flag(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value));
}

/* The lowest port that needs no capability. */
static unsigned int
unprivileged_port(void)
{
	FILE *file = fopen(PORT_START, "re");
	unsigned int port = 1024;

	if (file == NULL)
		return port;
	if (fscanf(file, "%u", &port) != 1)
		port = 1024;
	fclose(file);
	return port;
}

static int
needs_capability(const struct address *address, unsigned int first,
    struct error *err)
{
	char text[ADDRESS_TEXT_MAX];

	return error_set(err,
	    "cannot listen on %s: ports below %u need the capability "
	    "CAP_NET_BIND_SERVICE, which uid %u does not have here; start "
	    "sluiced as root, set AmbientCapabilities=CAP_NET_BIND_SERVICE in "
	    "the unit, or lower the sysctl "
	    "net.ipv4.ip_unprivileged_port_start",
	    address_text(address, text), first, (unsigned int)geteuid());
}

/* What helps against an errno of bind(2) that does not say so itself. */
static const char *
bind_help(const struct address *address, int error)
{
	if (address->kind == ADDRESS_TCP && error == EADDRINUSE)
		return "; stop the other program, which ss -ltnp shows, or "
		       "choose another port";
	if (address->kind == ADDRESS_TCP && error == EADDRNOTAVAIL)
		return "; this machine does not have the address: see ip "
		       "address, or set the sysctl net.ipv4.ip_nonlocal_bind if "
		       "it comes later";
	if (address->kind != ADDRESS_TCP &&
	    (error == ENOENT || error == ENOTDIR))
		return "; make the directory, or choose another path";
	return "";
}

static int
cannot_bind(const struct address *address, struct error *err)
{
	char text[ADDRESS_TEXT_MAX];
	unsigned int first;
	int saved = errno;

	if (saved == EACCES && address->kind == ADDRESS_TCP &&
	    address_port(address) < (first = unprivileged_port()))
		return needs_capability(address, first, err);
	errno = saved;
	return error_set(err, "cannot listen on %s: %s%s",
	    address_text(address, text), error_text(saved),
	    bind_help(address, saved));
}

static int
bind_stream(const struct address *address, bool reuseport)
{
	int fd, saved;

	fd = socket(address->u.sa.sa_family,
	    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return -1;
	if (address->u.sa.sa_family == AF_UNIX)
		aside_refuse(fd);
	if (address->kind == ADDRESS_TCP &&
	    set_flag(fd, SOL_SOCKET, SO_REUSEADDR, 1) == -1)
		goto fail;
	if (reuseport && set_flag(fd, SOL_SOCKET, SO_REUSEPORT, 1) == -1)
		goto fail;
	if (address->u.sa.sa_family == AF_INET6 &&
	    set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY, !address->dual) == -1)
		goto fail;
	if (bind(fd, &address->u.sa, address->len) == -1)
		goto fail;
	return fd;
fail:
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static void
to_ipv4(const struct address *dual, struct address *ret)
{
	*ret = (struct address){ .kind = ADDRESS_TCP };
	ret->u.in.sin_family = AF_INET;
	ret->u.in.sin_port = dual->u.in6.sin6_port;
	ret->u.in.sin_addr.s_addr = htonl(INADDR_ANY);
	ret->len = sizeof(ret->u.in);
}

static bool
no_ipv6(int error)
{
	return error == EAFNOSUPPORT || error == EPROTONOSUPPORT ||
	    error == EADDRNOTAVAIL;
}

int
bind_tcp(const struct address *address, bool joins, bool port_is_ours,
    struct error *err)
{
	struct address ipv4;
	int fd;

	if (!joins && address_port(address) != 0) {
		fd = bind_stream(address, false);
		if (fd != -1)
			return fd;
		if (errno == EADDRINUSE && !port_is_ours)
			return cannot_bind(address, err);
	}
	fd = bind_stream(address, true);
	if (fd == -1 && address->dual && no_ipv6(errno)) {
		to_ipv4(address, &ipv4);
		return bind_tcp(&ipv4, joins, port_is_ours, err);
	}
	if (fd == -1)
		return cannot_bind(address, err);
	return fd;
}

int
bind_share(int fd)
{
	return set_flag(fd, SOL_SOCKET, SO_REUSEPORT, 1);
}

int
bind_abstract(const struct address *address, struct error *err)
{
	int fd = bind_stream(address, false);

	return fd == -1 ? cannot_bind(address, err) : fd;
}

/*
 * Connect, to see whether a process listens there.  Returns the errno of the
 * attempt, or 0 when it worked.
 */
static int
connect_error(const struct address *address)
{
	int fd, error = 0;

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return errno;
	/* Whoever listens there may send us anything, descriptors too. */
	shutdown(fd, SHUT_RD);
	if (connect(fd, &address->u.sa, address->len) == -1)
		error = errno;
	close(fd);
	return error;
}

/*
 * Make room for our socket.  Only a socket that no process listens on is
 * removed.
 */
static int
remove_stale(const struct address *address, struct error *err)
{
	const char *path = address->u.un.sun_path;
	struct stat before, after;
	int error;

	if (lstat(path, &before) == -1)
		return errno == ENOENT ? 0 : cannot_bind(address, err);
	if (!S_ISSOCK(before.st_mode))
		return error_set(err,
		    "cannot listen on unix:%s: the file there "
		    "is not a socket",
		    path);
	error = connect_error(address);
	if (error == ENOENT)
		return 0;
	if (error == 0 || error == EAGAIN || error == EPROTOTYPE)
		return error_set(err,
		    "cannot listen on unix:%s: another "
		    "process listens there",
		    path);
	if (error != ECONNREFUSED) {
		errno = error;
		return error_sys(err,
		    "cannot listen on unix:%s: cannot tell "
		    "whether the socket there is in use",
		    path);
	}
	if (lstat(path, &after) == -1)
		return errno == ENOENT ? 0 : cannot_bind(address, err);
	if (!same_inode(&before, &after))
		return error_set(err,
		    "cannot listen on unix:%s: another process "
		    "is replacing it at this moment",
		    path);
	if (unlink(path) == -1 && errno != ENOENT)
		return error_sys(err, "cannot remove the stale socket %s",
		    path);
	return 0;
}

int
bind_unix_ours(const struct address *address, const struct stat *bound)
{
	struct stat now;
	int fd;

	fd = open(address->u.un.sun_path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1)
		return -1;
	if (fstat(fd, &now) == 0 && S_ISSOCK(now.st_mode) &&
	    same_inode(&now, bound))
		return fd;
	close(fd);
	errno = ENOENT;
	return -1;
}

bool
bind_unix_is_there(const struct address *address, const struct stat *bound)
{
	struct stat now;

	if (lstat(address->u.un.sun_path, &now) == -1)
		return errno != ENOENT && errno != ENOTDIR;
	return S_ISSOCK(now.st_mode) && same_inode(&now, bound);
}

void
bind_unix_given_up(const struct unix_rights *before,
    const struct unix_rights *now, const struct stat *bound,
    struct unix_rights *ret)
{
	*ret = *now;
	if (ret->mode == (uint32_t)-1 && before->mode != (uint32_t)-1)
		ret->mode = bound->st_mode & 07777;
	if (ret->owner.uid == (uid_t)-1 && before->owner.uid != (uid_t)-1)
		ret->owner.uid = bound->st_uid;
	if (ret->owner.gid == (gid_t)-1 && before->owner.gid != (gid_t)-1)
		ret->owner.gid = bound->st_gid;
}

int
bind_unix_rights(int path_fd, const struct unix_rights *rights,
    struct error *err)
{
	const struct unix_owner *owner = &rights->owner;
	char path[32];
	struct stat now;

	if (fstat(path_fd, &now) == -1)
		return error_sys(err, "cannot look at the socket");
	if (((owner->uid != (uid_t)-1 && owner->uid != now.st_uid) ||
		(owner->gid != (gid_t)-1 && owner->gid != now.st_gid)) &&
	    fchownat(path_fd, "", owner->uid, owner->gid, AT_EMPTY_PATH) == -1)
		return error_set(err,
		    "cannot change the owner of the socket: %s%s",
		    error_text(errno),
		    errno == EPERM
			? "; leave out owner, or start sluiced as root"
			: "");
	if (rights->mode == (uint32_t)-1 ||
	    rights->mode == (now.st_mode & 07777))
		return 0;
	/*
	 * Through its descriptor: a link that was put at the path in the
	 * meantime is not followed.
	 */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", path_fd);
	if (chmod(path, (mode_t)rights->mode) == -1)
		return error_sys(err, "cannot change the mode of the socket");
	return 0;
}

/*
 * Two daemons that start at once must not both find the same stale socket: the
 * second would remove the first one's new one.  So they take turns, with a lock
 * of the directory: it needs no file that might be left behind, and no right to
 * write.  Returns -1: there is no lock, or another process keeps it.
 */
static int
lock_directory(const char *path)
{
	static const struct timespec pause = { 0, LOCK_POLL_MS * 1000000 };
	static int tries = LOCK_MS / LOCK_POLL_MS;
	struct sockaddr_un un;
	char *slash;
	int fd;

	snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
	slash = strrchr(un.sun_path, '/');
	if (slash != NULL)
		slash[slash == un.sun_path] = '\0';
	fd = open(slash != NULL ? un.sun_path : ".",
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		return -1;
	for (int i = 0; i < tries; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return fd;
		if (errno != EWOULDBLOCK && errno != EINTR)
			break; /* not on this file system */
		nanosleep(&pause, NULL);
	}
	/* Whoever keeps it is not a daemon that starts: do not wait again. */
	if (errno == EWOULDBLOCK)
		tries = 1;
	close(fd);
	return -1;
}

static void
unlock_directory(int fd)
{
	if (fd == -1)
		return;
	/* A process that was forked meanwhile has it, too. */
	flock(fd, LOCK_UN);
	close(fd);
}

/* By the only daemon that does so in this directory now. */
static int
bind_locked(const struct address *address, const struct unix_rights *rights,
    struct stat *ret_stat, struct error *err)
{
	const char *path = address->u.un.sun_path;
	struct error cause;
	mode_t mask = 0;
	int fd, path_fd = -1;

	if (remove_stale(address, err) == -1)
		return -1;
	/*
	 * The socket must never be open to more users than its mode says, not
	 * even for a moment.
	 */
	if (rights->mode != (uint32_t)-1)
		mask = umask(0777 & ~(mode_t)rights->mode);
	fd = bind_stream(address, false);
	if (rights->mode != (uint32_t)-1)
		umask(mask);
	if (fd == -1)
		return cannot_bind(address, err);
	/* A socket that does not listen yet looks like a stale one. */
	if (listen(fd, SOMAXCONN) == -1) {
		cannot_bind(address, err);
		unlink(path);
		goto fail;
	}
	path_fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (path_fd == -1 || fstat(path_fd, ret_stat) == -1) {
		cannot_bind(address, err);
		goto fail;
	}
	/*
	 * Whoever can write to the directory may have put a link to some other
	 * file there.
	 */
	if (!S_ISSOCK(ret_stat->st_mode)) {
		error_set(err,
		    "cannot listen on unix:%s: another process is "
		    "replacing it at this moment",
		    path);
		goto fail;
	}
	if (rights->mode != (uint32_t)-1)
		ret_stat->st_mode = S_IFSOCK | (0777 & ~mask);
	if (bind_unix_rights(path_fd, rights, &cause) == -1) {
		error_set(err, "cannot listen on unix:%s: %s", path,
		    cause.text);
		unlink(path);
		goto fail;
	}
	close(path_fd);
	return fd;
fail:
	if (path_fd != -1)
		close(path_fd);
	close(fd);
	return -1;
}

int
bind_unix(const struct address *address, const struct unix_rights *rights,
    struct stat *ret_stat, struct error *err)
{
	int lock = lock_directory(address->u.un.sun_path), fd;

	fd = bind_locked(address, rights, ret_stat, err);
	unlock_directory(lock);
	return fd;
}
