/* control_path.c: the file of the control socket. */

#include "master/control_path.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "master/aside.h"
#include "master/bind.h"
#include "master/handover.h"

#define BACKLOG 1024 /* clients that wait to be accepted */

void
control_path_init(struct control_path *path, const struct settings *settings)
{
	struct sockaddr_un *un = &path->address.u.un;

	memset(path, 0, sizeof(*path));
	path->fd = -1;
	path->rights.mode = settings->control_bits;
	path->rights.owner.uid = (uid_t)-1;
	path->rights.owner.gid = settings->control_gid;
	path->address.kind = ADDRESS_UNIX;
	un->sun_family = AF_UNIX;
	snprintf(un->sun_path, sizeof(un->sun_path), "%s", settings->control);
	path->address.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
	    strlen(un->sun_path) + 1);
}

const char *
control_path_text(const struct control_path *path)
{
	return path->address.u.un.sun_path;
}

/*
 * Make a missing directory such as /run/sluice, but not those above it: the
 * path may be mistyped.  control_mode decides who may use the socket, so
 * everybody may enter the directory, whatever the umask.
 */
static int
make_directory(const char *path, struct error *err)
{
	char *parent = strdup(path), *slash;
	mode_t mask;
	int rc = 0;

	slash = parent != NULL ? strrchr(parent, '/') : NULL;
	if (slash != NULL && slash != parent) {
		*slash = '\0';
		mask = umask(S_IWGRP | S_IWOTH);
		rc = mkdir(parent, 0755);
		if (rc == 0)
			log_info("made the directory %s for the control socket",
			    parent);
		else if (errno == EEXIST)
			rc = 0;
		else
			error_sys(err,
			    "cannot make the directory %s for the control "
			    "socket",
			    parent);
		umask(mask);
	}
	free(parent);
	return rc;
}

int
control_path_open(struct control_path *path, struct error *err)
{
	if (make_directory(control_path_text(path), err) == -1)
		return -1;
	path->fd = bind_unix(&path->address, &path->rights, &path->bound, err);
	if (path->fd == -1)
		return -1;
	if (listen(path->fd, BACKLOG) == -1)
		return error_sys(err, "cannot listen on unix:%s",
		    control_path_text(path));
	return 0;
}

void
control_path_hand_over(const struct control_path *path,
    struct handover *handover)
{
	handover_fd(handover, path->fd);
	if (path->fd == -1)
		return;
	address_pack(&path->address, &handover->packer);
	handover_path(handover, &path->bound, &path->rights);
}

void
control_path_take_over(struct control_path *path, struct taken *taken)
{
	path->fd = taken_fd(taken);
	if (path->fd == -1)
		return;
	address_unpack(&path->address, &taken->unpacker);
	taken_path(taken, &path->bound, &path->rights);
}

static int
change_rights(struct control_path *taken, const struct unix_rights *rights,
    struct error *err)
{
	struct unix_rights next;
	struct error cause;
	int fd, result;

	/* A path that is gone is made anew later, with these. */
	fd = bind_unix_ours(&taken->address, &taken->bound);
	if (fd != -1) {
		bind_unix_given_up(&taken->rights, rights, &taken->bound,
		    &next);
		result = bind_unix_rights(fd, &next, &cause);
		close(fd);
		if (result == -1)
			return error_set(err, "unix:%s: %s",
			    control_path_text(taken), cause.text);
	}
	taken->rights = *rights;
	return 0;
}

int
control_path_use(struct control_path *path, struct control_path *taken,
    struct error *err)
{
	if (taken->fd == -1 || !address_equal(&path->address, &taken->address))
		return 0;
	if (change_rights(taken, &path->rights, err) == -1)
		return -1;
	*path = *taken;
	taken->fd = -1;
	return 1;
}

void
control_path_give_back(struct control_path *path, struct control_path *taken)
{
	*taken = *path;
	path->fd = -1;
}

/* The path, if it is still the socket that we bound there. */
static void
remove_path(const struct control_path *path)
{
	int fd = bind_unix_ours(&path->address, &path->bound);

	if (fd == -1)
		return;
	if (unlink(control_path_text(path)) == -1)
		log_warn("control socket: cannot remove %s",
		    control_path_text(path));
	close(fd);
}

void
control_path_step_aside(struct control_path *path)
{
	struct sockaddr_un *un = &path->address.u.un;
	char aside[sizeof(un->sun_path)];

	if (!bind_unix_is_there(&path->address, &path->bound))
		return;
	if (snprintf(aside, sizeof(aside), "%s.%d", un->sun_path,
		(int)getpid()) >= (int)sizeof(aside) ||
	    rename(un->sun_path, aside) == -1) {
		remove_path(path);
		return;
	}
	memcpy(un->sun_path, aside, sizeof(aside));
	log_info("control socket: renamed to %s until sluiced has stopped",
	    aside);
}

void
control_path_close(struct control_path *path)
{
	if (path->fd == -1)
		return;
	/* While our socket is open its inode number is not used again. */
	remove_path(path);
	aside_drop(path->fd);
	path->fd = -1;
}
