/*
 * control.c: the listening end of the control socket: who may come in, and how
 * many.  A peer that may not is told so before a byte of it is read.
 */

#include "master/control.h"

#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "address.h"
#include "error.h"
#include "log.h"
#include "master/bind.h"
#include "master/control_conn.h"
#include "settings.h"

#define CLIENTS_MAX 64
#define ACCEPTS_PER_PASS 64 /* then others have their turn */
#define BACKLOG 1024	    /* clients that wait for their turn */
#define PAUSE_MS 1000	    /* out of descriptors: until some are closed */
#define REFUSALS_PER_S 5    /* log lines */

struct control {
	struct event_base *base;
	const struct control_subject *subject;
	struct address address;
	struct stat bound;
	int fd;
	gid_t gid; /* (gid_t)-1: no group */
	struct event *readable, *pause;
	struct log_limit refused;
	unsigned int count;
	TAILQ_HEAD(, control_conn) clients;
};

static bool
in_groups(int fd, gid_t gid)
{
	gid_t few[32], *groups = few;
	socklen_t size = sizeof(few);
	bool found = false;
	size_t i;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) == -1) {
		/* ERANGE says in size how many there are. */
		if (errno != ERANGE || (groups = malloc(size)) == NULL)
			return false;
		if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) == -1)
			size = 0;
	}
	for (i = 0; i < size / sizeof(gid_t); i++)
		if (groups[i] == gid)
			found = true;
	if (groups != few)
		free(groups);
	return found;
}

static bool
may_come_in(const struct control *control, int fd, const struct ucred *peer)
{
	if (peer->uid == 0 || peer->uid == geteuid())
		return true;
	return control->gid != (gid_t)-1 &&
	    (peer->gid == control->gid || in_groups(fd, control->gid));
}

/* One line, if the socket takes it: a new one always does. */
static void
turn_away(int fd, const char *members, const char *why)
{
	char line[512];
	int length;

	length = snprintf(line, sizeof(line),
	    "{\"ok\": false%s, \"error\": \"%s\"}\n", members, why);
	send(fd, line, (size_t)length, MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
}

static void
turn_away_stranger(struct control *control, int fd, const struct ucred *peer)
{
	uint32_t skipped;
	char why[256];

	snprintf(why, sizeof(why),
	    "uid %u may not use this socket: it is for root, uid %u%s",
	    (unsigned int)peer->uid, (unsigned int)geteuid(),
	    control->gid != (gid_t)-1
		? " and the members of control_group"
		: "; control_group in the configuration can name a group");
	if (log_limit(&control->refused, REFUSALS_PER_S, &skipped))
		log_warnx("control socket: refused uid %u, process %d",
		    (unsigned int)peer->uid, (int)peer->pid);
	turn_away(fd, ", \"denied\": true", why);
}

static void
on_client_gone(void *arg, struct control_conn *conn)
{
	struct control *control = arg;

	TAILQ_REMOVE(&control->clients, conn, link);
	control->count--;
}

static void
take_client(struct control *control, int fd)
{
	struct control_conn *conn;
	socklen_t size = sizeof(struct ucred);
	struct ucred peer;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == -1) {
		close(fd);
		return;
	}
	if (!may_come_in(control, fd, &peer)) {
		turn_away_stranger(control, fd, &peer);
		return;
	}
	if (control->count >= CLIENTS_MAX) {
		turn_away(fd, ", \"busy\": true",
		    "too many clients use the control socket; try again in a "
		    "few seconds");
		return;
	}
	conn = control_conn_new(control->base, fd, control->subject,
	    on_client_gone, control);
	if (conn == NULL) {
		log_warn("control socket: cannot serve a client");
		return;
	}
	conn->uid = peer.uid;
	conn->pid = peer.pid;
	TAILQ_INSERT_TAIL(&control->clients, conn, link);
	control->count++;
}

static void
control_accept_cb(evutil_socket_t listening, short what, void *arg)
{
	static const struct timeval pause = { PAUSE_MS / 1000, 0 };
	struct control *control = arg;
	unsigned int i;
	int fd;

	(void)what;
	for (i = 0; i < ACCEPTS_PER_PASS; i++) {
		fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd != -1) {
			take_client(control, fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
		    errno == ENOMEM) {
			log_warn("control socket: cannot accept");
			event_del(control->readable);
			event_add(control->pause, &pause);
		}
		return;
	}
}

static void
control_resume_cb(evutil_socket_t fd, short what, void *arg)
{
	struct control *control = arg;

	(void)fd;
	(void)what;
	event_add(control->readable, NULL);
}

/*
 * /run/sluice, where nobody made it; but not a whole path of mistakes.  Who may
 * use the socket is up to control_mode, so everybody may pass through, whatever
 * the umask.
 */
static void
make_directory(const char *path)
{
	char *parent = strdup(path), *slash;
	mode_t mask;

	slash = parent != NULL ? strrchr(parent, '/') : NULL;
	if (slash != NULL && slash != parent) {
		*slash = '\0';
		mask = umask(S_IWGRP | S_IWOTH);
		if (mkdir(parent, 0755) == 0)
			log_info("made the directory %s for the control socket",
			    parent);
		umask(mask);
	}
	free(parent);
}

static int
listen_at(struct control *control, const struct settings *settings,
    struct error *err)
{
	const struct listener_settings rights = {
		.unix_mode = settings->control_bits,
		.unix_uid = (uid_t)-1,
		.unix_gid = settings->control_gid,
	};
	struct sockaddr_un *un = &control->address.u.un;

	control->address.kind = ADDRESS_UNIX;
	un->sun_family = AF_UNIX;
	snprintf(un->sun_path, sizeof(un->sun_path), "%s", settings->control);
	control->address.len =
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
		strlen(un->sun_path) + 1);
	make_directory(settings->control);
	control->fd = bind_unix(&control->address, &rights, &control->bound, err);
	if (control->fd == -1)
		return -1;
	if (listen(control->fd, BACKLOG) == -1)
		return error_sys(err, "cannot listen on unix:%s",
		    settings->control);
	return 0;
}

struct control *
control_new(struct event_base *base, const struct settings *settings,
    const struct control_subject *subject, struct error *err)
{
	struct control *control = calloc(1, sizeof(*control));
	struct error cause;

	if (control == NULL) {
		error_sys(err, "control socket");
		return NULL;
	}
	TAILQ_INIT(&control->clients);
	control->base = base;
	control->subject = subject;
	control->gid = settings->control_gid;
	control->fd = -1;
	if (listen_at(control, settings, &cause) == -1) {
		error_set(err,
		    "%s; it is the control socket: set control to a path that "
		    "can be used, or leave it out",
		    cause.text);
		goto fail;
	}
	control->readable = event_new(base, control->fd, EV_READ | EV_PERSIST,
	    control_accept_cb, control);
	control->pause = event_new(base, -1, 0, control_resume_cb, control);
	if (control->readable == NULL || control->pause == NULL ||
	    event_add(control->readable, NULL) == -1) {
		error_set(err, "control socket: out of memory");
		goto fail;
	}
	return control;
fail:
	control_free(control);
	return NULL;
}

/* The path, if it is still the socket that we bound there. */
static void
remove_path(const struct control *control)
{
	int fd = bind_unix_ours(&control->address, &control->bound);

	if (fd == -1)
		return;
	unlink(control->address.u.un.sun_path);
	close(fd);
}

void
control_free(struct control *control)
{
	struct control_conn *conn;

	if (control == NULL)
		return;
	while ((conn = TAILQ_FIRST(&control->clients)) != NULL) {
		TAILQ_REMOVE(&control->clients, conn, link);
		control_conn_free(conn);
	}
	if (control->readable != NULL)
		event_free(control->readable);
	if (control->pause != NULL)
		event_free(control->pause);
	if (control->fd != -1) {
		remove_path(control);
		close(control->fd);
	}
	free(control);
}
