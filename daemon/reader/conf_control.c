/* conf_control.c: checks the keys of the control socket against each other. */

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "config/address.h"
#include "config/settings.h"
#include "reader/conf_internal.h"
#include "reader/problems.h"

bool
conf_mode(const char *text, uint32_t *ret)
{
	size_t len = strlen(text);

	if (strspn(text, "01234567") != len || len < 3 || len > 4 ||
	    (len == 4 && text[0] != '0'))
		return false;
	*ret = (uint32_t)strtoul(text, NULL, 8);
	return true;
}

/* Keys about a control socket without `control` are a mistake. */
static void
without_control(struct conf *conf, const char *key, const struct origin *at)
{
	if (at->line != 0)
		problem_error(conf->problems, at,
		    "%s: there is no control socket; set control, such as "
		    "control = \"" SLUICE_CONTROL "\"",
		    key);
}

/*
 * Where master and workers have the same user this makes no difference: a
 * client of that user needs no group, and the master says so at its start.
 */
static void
check_workers_group(struct conf *conf)
{
	const struct settings *settings = conf->settings;

	if (settings_workers_apart(settings) &&
	    settings->control_gid == settings->gid)
		problem_error(conf->problems, &settings->control_group_origin,
		    "control_group: the workers run in group \"%s\" (%u), so "
		    "every plugin could command sluiced; name a group that no "
		    "worker is in, or set group for the workers",
		    settings->control_group, (unsigned int)settings->gid);
}

static void
check_group(struct conf *conf)
{
	struct settings *settings = conf->settings;
	const struct origin *at = &settings->control_group_origin;

	if (settings->control_group == NULL)
		return;
	if (!conf_find_group(settings->control_group, &settings->control_gid))
		problem_error(conf->problems, at,
		    "control_group: there is no group \"%s\"",
		    settings->control_group);
	else
		check_workers_group(conf);
	if (settings->control_gid != (gid_t)-1 &&
	    !(settings->control_bits & S_IWGRP))
		problem_warn(conf->problems, at,
		    "control_group has no effect: control_mode = \"%s\" does "
		    "not let the group in; write \"0660\"",
		    settings->control_mode);
}

void
conf_control(struct conf *conf)
{
	struct settings *settings = conf->settings;

	if (!conf_mode(settings->control_mode, &settings->control_bits))
		problem_error(conf->problems, &settings->control_mode_origin,
		    "control_mode: \"%s\" is not an octal mode, such as "
		    "\"0600\"",
		    settings->control_mode);
	if (settings->control == NULL) {
		without_control(conf, "control_mode",
		    &settings->control_mode_origin);
		without_control(conf, "control_group",
		    &settings->control_group_origin);
		return;
	}
	if (settings->control[0] == '\0' ||
	    strlen(settings->control) >= ADDRESS_NAME_MAX)
		problem_error(conf->problems, &settings->control_origin,
		    "control: the path has %zu bytes, and the path of a socket "
		    "must have 1 to %d",
		    strlen(settings->control), ADDRESS_NAME_MAX - 1);
	check_group(conf);
}
