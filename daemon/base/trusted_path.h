/*
 * trusted_path.h: open a file, and find out whether an untrusted user could
 * replace it.
 */

#ifndef SLUICE_TRUSTED_PATH_H
#define SLUICE_TRUSTED_PATH_H

#include <sys/types.h>

struct error;

/*
 * The users, besides root, that may own the files on the path; they may be
 * equal, or root.
 */
struct trusted_users {
	uid_t uid[2];
};

/*
 * Open path as open_file() does, component by component, so that what was checked is
 * what is opened; symbolic links are followed, and the directories they lead
 * through are checked as well.  Each component has to belong to root or a
 * trusted user, and nobody else may be able to write to it, unless it is a
 * directory with the sticky bit.
 *
 * Returns the descriptor, or -1 with errno.  doubt is "", or one sentence about
 * the first component that breaks the rule, and the command that repairs it;
 * this does not keep the file from being opened.
 */
int trusted_path_open(const char *path, const struct trusted_users *users,
    struct error *doubt);

#endif
