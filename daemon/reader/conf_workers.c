/* conf_workers.c: the groups of workers, and who names them. */

#include <string.h>

#include "base/nearest.h"
#include "config/settings.h"
#include "config/worker_groups.h"
#include "reader/conf_internal.h"
#include "reader/problems.h"

static const struct worker_group_settings *
find_group(const struct settings *settings, const char *name,
    const struct worker_group_settings *but)
{
	const struct worker_group_settings *group;

	for (uint32_t i = 0; i < settings->worker_group_count; i++) {
		group = &settings->worker_groups[i];
		if (group != but && group->name != NULL &&
		    strcmp(group->name, name) == 0)
			return group;
	}
	return NULL;
}

void
conf_worker_group(struct conf *conf, const struct worker_group_settings *group)
{
	const struct worker_group_settings *other;

	if (group->name == NULL)
		return; /* reported */
	if (!conf_name(conf, &group->origin, group->name))
		return;
	other = find_group(conf->settings, group->name, group);
	if (other != NULL)
		problem_error(conf->problems, &group->origin,
		    "worker_groups: \"%s\" is already the name of the group in "
		    "%s:%u; each needs its own",
		    group->name, other->origin.file, other->origin.line);
	else if (strcmp(group->name, WORKER_GROUP_DEFAULT) == 0)
		problem_error(conf->problems, &group->origin,
		    "worker_groups: \"%s\" is the name of the workers that the "
		    "key workers is about; choose another",
		    group->name);
}

static void
unknown_group(struct conf *conf, const struct listener_settings *endpoint)
{
	struct nearest nearest = NEAREST_NONE;

	for (uint32_t i = 0; i < conf->settings->worker_group_count; i++)
		if (conf->settings->worker_groups[i].name != NULL)
			nearest_try(&nearest, endpoint->worker_group,
			    conf->settings->worker_groups[i].name);
	if (nearest.word != NULL)
		problem_error(conf->problems, &endpoint->worker_group_origin,
		    "worker_group: there is no group \"%s\" in worker_groups; "
		    "did you mean \"%s\"?",
		    endpoint->worker_group, nearest.word);
	else
		problem_error(conf->problems, &endpoint->worker_group_origin,
		    "worker_group: there is no group \"%s\"; write "
		    "worker_groups = ( { name = \"%s\"; workers = 1; } ); "
		    "outside of all groups",
		    endpoint->worker_group, endpoint->worker_group);
}

static void
check_endpoint(struct conf *conf, const struct listener_settings *endpoint)
{
	const struct worker_group_settings *same;

	if (endpoint->workers > 0 && endpoint->worker_group != NULL)
		problem_error(conf->problems, &endpoint->worker_group_origin,
		    "worker_group: this %s has %d workers of its own (the key "
		    "workers); remove one of the two keys",
		    endpoint_kind(endpoint), (int)endpoint->workers);
	else if (endpoint->worker_group != NULL &&
	    find_group(conf->settings, endpoint->worker_group, NULL) == NULL)
		unknown_group(conf, endpoint);
	if (endpoint->workers == 0 || endpoint->name == NULL)
		return;
	same = find_group(conf->settings, endpoint->name, NULL);
	if (same != NULL)
		problem_error(conf->problems, &endpoint->workers_origin,
		    "workers: the workers of this %s would be called \"%s\", "
		    "as the group in %s:%u; rename one of them",
		    endpoint_kind(endpoint), endpoint->name, same->origin.file,
		    same->origin.line);
	else if (strcmp(endpoint->name, WORKER_GROUP_DEFAULT) == 0)
		problem_error(conf->problems, &endpoint->workers_origin,
		    "workers: the workers of this %s would be called \"%s\", "
		    "as those that everything else has; rename it",
		    endpoint_kind(endpoint), endpoint->name);
}

void
conf_workers(struct conf *conf, const struct origin *file)
{
	const struct settings *settings = conf->settings;

	for (uint32_t i = 0; i < settings_endpoints(settings); i++)
		check_endpoint(conf, settings_endpoint(settings, i));
	if (worker_groups_workers(settings) > WORKERS_MAX)
		problem_error(conf->problems, file,
		    "there are %llu workers in all groups together, and there "
		    "may be at most %d; see the keys workers and worker_groups",
		    (unsigned long long)worker_groups_workers(settings),
		    WORKERS_MAX);
}
