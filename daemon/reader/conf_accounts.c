/*
 * conf_accounts.c: users and groups.  Only the reader looks them up, since that
 * may load modules and talk to directory services.
 */

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/settings.h"
#include "reader/conf_internal.h"
#include "reader/problems.h"

/* A decimal id, for systems without an entry for it. */
static bool
numeric_id(const char *text, uint32_t *ret)
{
	unsigned long long id;
	char *rest;

	if (*text < '0' || *text > '9' || strlen(text) > 10)
		return false;
	id = strtoull(text, &rest, 10);
	if (*rest != '\0' || id >= UINT32_MAX)
		return false;
	*ret = (uint32_t)id;
	return true;
}

/* *ret_gid is the user's own group; unchanged when that is not known. */
static bool
find_user(const char *name, uid_t *ret_uid, gid_t *ret_gid)
{
	const struct passwd *user = getpwnam(name);

	if (user == NULL && numeric_id(name, ret_uid)) {
		user = getpwuid(*ret_uid);
		if (user == NULL)
			return true;
	}
	if (user == NULL)
		return false;
	*ret_uid = user->pw_uid;
	*ret_gid = user->pw_gid;
	return true;
}

bool
conf_find_group(const char *name, gid_t *ret)
{
	const struct group *group = getgrnam(name);

	if (group == NULL)
		return numeric_id(name, ret);
	*ret = group->gr_gid;
	return true;
}

static void
worker_user(struct conf *conf, uid_t *ret_uid, gid_t *ret_gid)
{
	struct settings *settings = conf->settings;
	const struct origin *at = &settings->user_origin;

	if (settings->user != NULL) {
		if (!find_user(settings->user, ret_uid, ret_gid))
			problem_error(conf->problems, at,
			    "user: there is no user \"%s\"", settings->user);
		else if (*ret_gid == (gid_t)-1 && settings->group == NULL)
			problem_error(conf->problems, at,
			    "user: \"%s\" is not in the user database, so its "
			    "group is not known; set group as well",
			    settings->user);
		return;
	}
	if (geteuid() == 0 && !find_user("sluice", ret_uid, ret_gid) &&
	    !find_user("nobody", ret_uid, ret_gid))
		problem_error(conf->problems, NULL,
		    "there is neither a user "
		    "\"sluice\" nor \"nobody\" for the workers; set user");
}

void
conf_accounts(struct conf *conf)
{
	struct settings *settings = conf->settings;
	uid_t uid = (uid_t)-1;
	gid_t gid = (gid_t)-1;

	worker_user(conf, &uid, &gid);
	if (settings->group != NULL && !conf_find_group(settings->group, &gid))
		problem_error(conf->problems, &settings->group_origin,
		    "group: there is no group \"%s\"", settings->group);
	if (geteuid() == 0) {
		settings->drop = true;
		settings->uid = uid;
		settings->gid = gid;
		if (uid == 0)
			problem_warn(conf->problems, &settings->user_origin,
			    "user: the workers run as root, and so does every "
			    "plugin; set another user");
		return;
	}
	if (settings->user != NULL && uid != geteuid())
		problem_warn(conf->problems, &settings->user_origin,
		    "user has no effect: sluiced was not started as root");
	else if (settings->group != NULL && gid != getegid())
		problem_warn(conf->problems, &settings->group_origin,
		    "group has no effect: sluiced was not started as root");
}

void
conf_owner(struct conf *conf, const struct origin *at, const char *owner,
    struct unix_owner *ret)
{
	const char *colon = strchr(owner, ':');
	size_t len = colon != NULL ? (size_t)(colon - owner) : strlen(owner);
	gid_t ignored = (gid_t)-1;
	char user[256];

	if (len >= sizeof(user) || (colon != NULL && colon[1] == '\0')) {
		problem_error(conf->problems, at,
		    "owner: \"%s\" is not \"user\", \"user:group\" or "
		    "\":group\"",
		    owner);
		return;
	}
	snprintf(user, sizeof(user), "%.*s", (int)len, owner);
	if (len > 0 && !find_user(user, &ret->uid, &ignored))
		problem_error(conf->problems, at,
		    "owner: there is no user "
		    "\"%s\"",
		    user);
	if (colon != NULL && !conf_find_group(colon + 1, &ret->gid))
		problem_error(conf->problems, at,
		    "owner: there is no group "
		    "\"%s\"",
		    colon + 1);
}
