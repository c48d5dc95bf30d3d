/* privileges.c: a process that runs plugin code gives up what it can. */

#include <grp.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "error.h"
#include "msg.h"
#include "privileges.h"

/*
 * A leak checker attaches to its own process at the end, which takes a
 * dumpable one.
 */
#if defined(__SANITIZE_ADDRESS__)
#define DUMPABLE 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define DUMPABLE 1
#endif
#endif
#ifndef DUMPABLE
#define DUMPABLE 0
#endif

int
privileges_drop(const struct hello *hello, int death_signal,
    struct error *err)
{
	uint32_t uid = hello->uid, gid = hello->gid;

	if (uid != (uint32_t)-1) {
		if (setgroups(0, NULL) == -1)
			return error_sys(err, "setgroups");
		if (setresgid(gid, gid, gid) == -1)
			return error_sys(err, "setresgid %u", gid);
		if (setresuid(uid, uid, uid) == -1)
			return error_sys(err, "setresuid %u", uid);
		if (uid != 0 && (setuid(0) == 0 || seteuid(0) == 0))
			return error_set(err,
			    "root could be had back after setresuid %u", uid);
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return error_sys(err, "PR_SET_NO_NEW_PRIVS");
	if (prctl(PR_SET_DUMPABLE, DUMPABLE, 0, 0, 0) == -1)
		return error_sys(err, "PR_SET_DUMPABLE");
	/* A change of user clears it, so it is asked for here. */
	if (prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) == -1)
		return error_sys(err, "PR_SET_PDEATHSIG");
	if ((uint32_t)getppid() != hello->master_pid)
		return error_set(err, "the master is gone");
	return 0;
}
