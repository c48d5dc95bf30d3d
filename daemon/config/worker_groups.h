/*
 * worker_groups.h: which workers serve what.  Group 0 has the workers of the
 * key `workers`, and serves all that names no other.  The groups of
 * `worker_groups` follow, and then those of listeners and connectors that have
 * workers of their own; such a group has the name of its only user.
 */

#ifndef SLUICE_WORKER_GROUPS_H
#define SLUICE_WORKER_GROUPS_H

#include <stdint.h>

struct settings;

#define WORKER_GROUP_DEFAULT "default" /* the name of group 0 */

struct worker_group {
	const char *name;
	uint32_t workers;
};

/* How many groups there are, at least 1. */
uint32_t worker_groups(const struct settings *settings);
/* One of them; its name is borrowed. */
struct worker_group worker_group(const struct settings *settings,
    uint32_t index);
/* The group that serves this listener or connector, of settings_endpoint(). */
uint32_t worker_group_of(const struct settings *settings, uint32_t endpoint);
/* Of all groups together. */
uint64_t worker_groups_workers(const struct settings *settings);

#endif
