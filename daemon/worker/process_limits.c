/* process_limits.c: setrlimit(2) undone. */

#include "worker/process_limits.h"

#include <stdio.h>
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

static const char *
limit_text(rlim_t value, char text[32])
{
	if (value == RLIM_INFINITY)
		return "unlimited";
	snprintf(text, 32, "%llu", (unsigned long long)value);
	return text;
}

static void
tell(struct limit *limit, rlim_t lowered, const struct rlimit *now)
{
	char noted[32], before[32], after[32];

	log_warnx("a plugin, or prlimit(1), has lowered %s of this process "
		  "from %s to %s; it is %s now%s",
	    limit->name, limit_text(limit->noted, noted),
	    limit_text(lowered, before), limit_text(now->rlim_cur, after),
	    now->rlim_cur < limit->noted
		? ", as its hard limit is lower as well: only another process "
		  "will do, see workers recycle in sluicectl(8)"
		: "");
	limit->said = true;
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
		tell(limit, lowered, &now);
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
