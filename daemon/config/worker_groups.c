/* worker_groups.c: the groups of workers are counted through. */

#include "config/worker_groups.h"

#include <string.h>

#include "config/settings.h"

/* How many listeners and connectors below `end` have their own workers? */
static uint32_t
own_groups(const struct settings *settings, uint32_t end)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < end; i++)
		if (settings_endpoint(settings, i)->workers > 0)
			count++;
	return count;
}

uint32_t
worker_groups(const struct settings *settings)
{
	return 1 + settings->worker_group_count +
	    own_groups(settings, settings_endpoints(settings));
}

struct worker_group
worker_group(const struct settings *settings, uint32_t index)
{
	struct worker_group group = { WORKER_GROUP_DEFAULT,
		(uint32_t)settings->workers };
	const struct listener_settings *endpoint;
	uint32_t i;

	if (index == 0)
		return group;
	index--;
	if (index < settings->worker_group_count) {
		group.name = settings->worker_groups[index].name;
		group.workers =
		    (uint32_t)settings->worker_groups[index].workers;
		return group;
	}
	index -= settings->worker_group_count;
	for (i = 0; i < settings_endpoints(settings); i++) {
		endpoint = settings_endpoint(settings, i);
		if (endpoint->workers > 0 && index-- == 0) {
			group.name = endpoint->name;
			group.workers = (uint32_t)endpoint->workers;
			break;
		}
	}
	return group;
}

uint32_t
worker_group_of(const struct settings *settings, uint32_t endpoint)
{
	const struct listener_settings *user =
	    settings_endpoint(settings, endpoint);

	if (user->workers > 0)
		return 1 + settings->worker_group_count +
		    own_groups(settings, endpoint);
	for (uint32_t i = 0;
	     user->worker_group != NULL && i < settings->worker_group_count;
	     i++)
		if (strcmp(settings->worker_groups[i].name,
			user->worker_group) == 0)
			return 1 + i;
	return 0;
}

uint64_t
worker_groups_workers(const struct settings *settings)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < worker_groups(settings); i++)
		sum += worker_group(settings, i).workers;
	return sum;
}
