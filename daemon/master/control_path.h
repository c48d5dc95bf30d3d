/*
 * control_path.h: the control socket as a file: bound, checked, and given up
 * for a successor.
 */

#ifndef SLUICE_MASTER_CONTROL_PATH_H
#define SLUICE_MASTER_CONTROL_PATH_H

#include <stdbool.h>
#include <sys/stat.h>

#include "config/address.h"
#include "config/settings.h"

struct error;
struct handover;
struct taken;

struct control_path {
	struct address address;
	struct stat bound;
	struct unix_rights rights;
	int fd; /* the listening socket; -1: none */
};

void control_path_init(struct control_path *path,
    const struct settings *settings);

/*
 * Bind and listen.  A socket there that no process listens on is replaced.  0,
 * or -1 with err.
 */
int control_path_open(struct control_path *path, struct error *err);

/* The same over an upgrade.  No fd: there is none. */
void control_path_hand_over(const struct control_path *path,
    struct handover *handover);
void control_path_take_over(struct control_path *path, struct taken *taken);
/*
 * Use the one that was taken if it is at the same path, with the rights that are
 * asked for now; else leave it alone.  1: it is used; 0: it is not; -1: the
 * rights cannot be set.
 */
int control_path_use(struct control_path *path, struct control_path *taken,
    struct error *err);
/* It cannot be used after all: it is again as it was taken. */
void control_path_give_back(struct control_path *path,
    struct control_path *taken);

const char *control_path_text(const struct control_path *path);

/*
 * Rename it to PATH.PID, where clients can still use it, so that another daemon
 * can have the path.  If that name is too long, remove it.
 */
void control_path_step_aside(struct control_path *path);

/* Closes it, and removes the path if it is still ours. */
void control_path_close(struct control_path *path);

#endif
