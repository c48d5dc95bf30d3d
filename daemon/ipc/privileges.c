/* privileges.c: a process that meets foreign code or input gives up all its privileges. */

#include "ipc/privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/dumpable.h"
#include "base/error.h"
#include "ipc/msg.h"

#define SETS 2 /* of 32 capabilities each, in this version of capset() */

/*
 * Empty the bounding set, so that no exec can give a capability, whether by a
 * file's capabilities or by root.
 */
static void
drop_bounds(void)
{
	int capability;

	/*
	 * EINVAL: there are no more.  EPERM: we may not drop any; no_new_privs
	 * has to be enough.
	 */
	for (capability = 0; capability < 32 * SETS; capability++)
		if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == -1)
			return;
}

/*
 * Also for a plain user: whoever started us may have given it capabilities.  Who
 * has none need not ask: a filter of system calls may refuse capset().
 */
static int
drop_capabilities(struct error *err)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct none[SETS], ours[SETS];

	memset(none, 0, sizeof(none));
	/* valgrind believes that only the first of both is filled in. */
	memset(ours, 0, sizeof(ours));
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == -1)
		return error_sys(err, "PR_CAP_AMBIENT_CLEAR_ALL");
	if (syscall(SYS_capget, &head, ours) == 0 &&
	    memcmp(ours, none, sizeof(none)) == 0)
		return 0;
	if (syscall(SYS_capset, &head, none) == -1)
		return error_sys(err, "capset");
	return 0;
}

/* A container may have taken what root needs for this. */
static const char *
user_help(int error)
{
	if (error == EPERM)
		return ": root has no CAP_SETUID or CAP_SETGID here; allow "
		       "them, or start sluiced as the user of the workers";
	if (error == EINVAL)
		return ": this user namespace has no such id; choose another "
		       "user, or start sluiced as the user of the workers";
	return "";
}

static int
become_user(uint32_t uid, uint32_t gid, struct error *err)
{
	const char *call;

	if (setgroups(0, NULL) == -1)
		call = "setgroups";
	else if (setresgid(gid, gid, gid) == -1)
		call = "setresgid";
	else if (setresuid(uid, uid, uid) == -1)
		call = "setresuid";
	else
		return 0;
	return error_set(err, "cannot become uid %u, gid %u: %s: %s%s", uid,
	    gid, call, error_text(errno), user_help(errno));
}

int
privileges_drop(const struct hello *hello, int death_signal, struct error *err)
{
	uint32_t uid = hello->uid, gid = hello->gid;

	/* First, because the steps below take away the right to do this. */
	drop_bounds();
	if (uid != (uint32_t)-1) {
		if (become_user(uid, gid, err) == -1)
			return -1;
		if (uid != 0 && (setuid(0) == 0 || seteuid(0) == 0))
			return error_set(err,
			    "root could be regained after setresuid %u", uid);
	}
	if (drop_capabilities(err) == -1)
		return -1;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return error_sys(err, "PR_SET_NO_NEW_PRIVS");
	if (prctl(PR_SET_DUMPABLE, DUMPABLE, 0, 0, 0) == -1)
		return error_sys(err, "PR_SET_DUMPABLE");
	/* Only now, because a change of user clears it. */
	if (prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) == -1)
		return error_sys(err, "PR_SET_PDEATHSIG");
	if ((uint32_t)getppid() != hello->master_pid)
		return error_set(err, "the master is gone");
	return 0;
}
