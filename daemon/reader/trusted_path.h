/*
 * trusted_path.h: open a file, and learn on the way whether somebody who is
 * not trusted could put another in its place.
 */

#ifndef SLUICE_TRUSTED_PATH_H
#define SLUICE_TRUSTED_PATH_H

#include <sys/types.h>

struct error;

/* Who may own what lies on the path, besides root; twice the same is fine. */
struct trusted_users {
	uid_t uid[2];
};

/*
 * Open path for reading, component by component, so that what was looked at
 * is what is opened; symbolic links are followed, and the directories they
 * lead through are looked at as well.  Each component has to belong to root or
 * a trusted user, and nobody else may be able to write to it, unless it is a
 * directory with the sticky bit.
 *
 * Returns the descriptor, or -1 with one sentence that begins with the path.
 * doubt is one sentence about the first component that breaks the rule, which
 * does not keep the file from being opened, or "".
 */
int trusted_path_open(const char *path, const struct trusted_users *users,
    struct error *doubt, struct error *err);

#endif
