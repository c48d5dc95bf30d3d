/*
 * control.c: the listening end of the control socket: who may use it, and how
 * many at once.  A path that was removed is made again, so that clients can
 * find it.  A peer that may not use it is refused before a byte is read from
 * it.
 */

#include "master/control.h"

#include <errno.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/log_limit.h"
#include "config/settings.h"
#include "master/aside.h"
#include "master/bind.h"
#include "master/control_closed.h"
#include "master/control_conn.h"
#include "master/control_path.h"
#include "master/event_in.h"

#define CLIENTS_MAX 64
#define ACCEPTS_PER_PASS 64 /* then other events have their turn */
#define PAUSE_MS 1000	    /* out of descriptors: until some are closed */
#define REFUSALS_PER_S 5    /* log lines */
#define CHECK_MS 250	    /* how often the path is checked */

struct control {
	struct event_base *base;
	const struct control_subject *subject;
	struct control_path path;
	bool aside; /* a successor may have the path */
	struct event *readable, *pause, *check;
	char told[ERROR_TEXT_MAX]; /* the logged problem of the path; or "" */
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

	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) == -1) {
		/* After ERANGE, size says how many there are. */
		if (errno != ERANGE || (groups = malloc(size)) == NULL)
			return false;
		if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) ==
		    -1)
			size = 0;
	}
	for (size_t i = 0; i < size / sizeof(gid_t); i++)
		if (groups[i] == gid)
			found = true;
	if (groups != few)
		free(groups);
	return found;
}

static bool
may_come_in(const struct control *control, int fd, const struct ucred *peer)
{
	gid_t group = control->path.rights.owner.gid;

	if (peer->uid == 0 || peer->uid == geteuid())
		return true;
	return group != (gid_t)-1 &&
	    (peer->gid == group || in_groups(fd, group));
}

static void
turn_away(int fd, const char *member, const char *why)
{
	control_reply_and_drop(fd,
	    json_pack("{s:b, s:b, s:s}", "ok", 0, member, 1, "error", why));
}

static void
sum_up_refused(struct log_limit *limit, uint32_t skipped)
{
	(void)limit;
	log_warnx("control socket: refused %u more clients", skipped);
}

static void
turn_away_stranger(struct control *control, int fd, const struct ucred *peer)
{
	char why[256];

	snprintf(why, sizeof(why),
	    "uid %u may not use this socket: it is for root, uid %u%s",
	    (unsigned int)peer->uid, (unsigned int)geteuid(),
	    control->path.rights.owner.gid != (gid_t)-1
		? " and the members of control_group"
		: "; control_group in the configuration can name a group");
	if (log_limit(&control->refused, REFUSALS_PER_S, NULL))
		log_warnx("control socket: refused uid %u, process %d",
		    (unsigned int)peer->uid, (int)peer->pid);
	turn_away(fd, "denied", why);
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
		aside_drop(fd);
		return;
	}
	if (!may_come_in(control, fd, &peer)) {
		turn_away_stranger(control, fd, &peer);
		return;
	}
	if (control->count >= CLIENTS_MAX) {
		turn_away(fd, "busy",
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
	struct control *control = arg;
	int fd;

	(void)what;
	for (unsigned int i = 0; i < ACCEPTS_PER_PASS; i++) {
		fd = accept4(listening, NULL, NULL,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd != -1) {
			take_client(control, fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
		    errno == ENOMEM) {
			log_warn("control socket: cannot accept");
			event_del(control->readable);
			event_in(control->pause, PAUSE_MS);
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

/* NULL: errno. */
static struct event *
watch_socket(struct control *control, int fd)
{
	struct event *readable = event_new(control->base, fd,
	    EV_READ | EV_PERSIST, control_accept_cb, control);

	if (readable != NULL && event_add(readable, NULL) == -1) {
		event_free(readable);
		readable = NULL;
	}
	return readable;
}

static void
tell_once(struct control *control, const char *problem)
{
	if (strcmp(control->told, problem) != 0)
		log_warnx("control socket: %s; sluicectl cannot reach sluiced",
		    problem);
	snprintf(control->told, sizeof(control->told), "%s", problem);
}

/*
 * No new client can find the old socket; those that have connected are still
 * served.
 */
static void
make_anew(struct control *control)
{
	struct control_path next = control->path;
	struct event *readable = NULL;
	struct error err;

	next.fd = -1;
	if (control_path_open(&next, &err) == 0 &&
	    (readable = watch_socket(control, next.fd)) == NULL)
		error_set(&err, "out of memory");
	if (readable == NULL) {
		tell_once(control, err.text);
		control_path_close(&next);
		return;
	}
	control_accept_cb(control->path.fd, 0, control);
	event_free(control->readable);
	aside_drop(control->path.fd);
	control->readable = readable;
	control->path = next;
	control->told[0] = '\0';
	log_info("control socket: %s was gone and has been made again",
	    control_path_text(&control->path));
}

static void
control_check_cb(evutil_socket_t fd, short what, void *arg)
{
	struct control *control = arg;

	(void)fd;
	(void)what;
	event_in(control->check, CHECK_MS);
	if (bind_unix_is_there(&control->path.address, &control->path.bound))
		return;
	/*
	 * Another process may be about to use a path where something is: only a
	 * reload takes that away.
	 */
	if (access(control_path_text(&control->path), F_OK) == -1)
		make_anew(control);
	else
		tell_once(control, "something else is at its path");
}

void
control_check(struct control *control)
{
	if (control == NULL || control->aside ||
	    bind_unix_is_there(&control->path.address, &control->path.bound))
		return;
	control->told[0] = '\0';
	make_anew(control);
}

void
control_step_aside(struct control *control)
{
	if (control == NULL || control->aside)
		return;
	control->aside = true;
	event_del(control->check);
	control_path_step_aside(&control->path);
}

/* Any process of our own user may use the socket. */
static void
warn_of_plugins(const struct settings *settings)
{
	const struct origin *at = &settings->control_origin;

	if (!settings_workers_apart(settings))
		log_warnx("%s:%u: control: the workers run as uid %u, as the "
			  "master does, so every plugin can command sluiced; "
			  "to prevent that %s, or leave out control",
		    at->file, at->line, (unsigned int)geteuid(),
		    geteuid() == 0 ? "set another user"
				   : "start sluiced as root");
}

struct control *
control_new(struct event_base *base, const struct settings *settings,
    const struct control_subject *subject, struct control_path *taken,
    struct error *err)
{
	struct control *control = calloc(1, sizeof(*control));
	struct error cause;
	int used = 0;

	if (control == NULL) {
		error_sys(err, "control socket");
		return NULL;
	}
	TAILQ_INIT(&control->clients);
	control->base = base;
	control->subject = subject;
	control->refused.sum_up = sum_up_refused;
	control_path_init(&control->path, settings);
	used = control_path_use(&control->path, taken, &cause);
	if (used == -1 ||
	    (used == 0 && control_path_open(&control->path, &cause) == -1)) {
		error_set(err,
		    "%s; it is the control socket: set control to a path that "
		    "can be used, or leave it out",
		    cause.text);
		goto fail;
	}
	control->pause = event_new(base, -1, 0, control_resume_cb, control);
	control->check = event_new(base, -1, 0, control_check_cb, control);
	if (control->pause == NULL || control->check == NULL ||
	    (control->readable = watch_socket(control, control->path.fd)) ==
		NULL ||
	    event_in(control->check, CHECK_MS) == -1) {
		error_set(err, "control socket: out of memory");
		goto fail;
	}
	warn_of_plugins(settings);
	return control;
fail:
	if (used == 1)
		control_path_give_back(&control->path, taken);
	control_free(control);
	return NULL;
}

void
control_hand_over(const struct control *control, struct handover *handover)
{
	static const struct control_path none = { .fd = -1 };

	control_path_hand_over(control != NULL ? &control->path : &none,
	    handover);
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
	if (control->check != NULL)
		event_free(control->check);
	control_path_close(&control->path);
	free(control);
}
