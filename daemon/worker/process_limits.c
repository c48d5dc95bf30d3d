/* process_limits.c: setrlimit(2) undone. */

#include "worker/process_limits.h"

#include <sys/resource.h>

#include "base/log.h"

/* Connections need descriptors; the log may be a file, and so is a memfd. */
static struct limit {
	int resource;
	const char *name;
	rlim_t noted;
	bool said;
} limits[] = {
	{ .resource = RLIMIT_NOFILE, .name = "RLIMIT_NOFILE" },
	{ .resource = RLIMIT_FSIZE, .name = "RLIMIT_FSIZE" },
};
#define LIMITS (sizeof(limits) / sizeof(limits[0]))

void
process_limits_note(void)
{
	struct rlimit now;

	for (struct limit *limit = limits; limit < limits + LIMITS; limit++)
		limit->noted =
		    getrlimit(limit->resource, &now) == 0 ? now.rlim_cur : 0;
}

static bool
restore(struct limit *limit)
{
	struct rlimit now;
	rlim_t lowered;

	if (getrlimit(limit->resource, &now) == -1 ||
	    now.rlim_cur >= limit->noted)
		return false;
	lowered = now.rlim_cur;
	now.rlim_cur =
	    limit->noted < now.rlim_max ? limit->noted : now.rlim_max;
	if (now.rlim_cur == lowered || setrlimit(limit->resource, &now) == -1)
		now.rlim_cur = lowered;
	if (!limit->said)
		log_warnx("a plugin, or prlimit(1), has lowered %s of this "
			  "process from %llu to %llu; it is %llu now",
		    limit->name, (unsigned long long)limit->noted,
		    (unsigned long long)lowered,
		    (unsigned long long)now.rlim_cur);
	limit->said = true;
	return now.rlim_cur > lowered;
}

bool
process_limits_restore(void)
{
	bool any = false;

	for (struct limit *limit = limits; limit < limits + LIMITS; limit++)
		if (restore(limit))
			any = true;
	return any;
}
