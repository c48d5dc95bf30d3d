/* health.c: whether the daemon serves. */

#include "status/health.h"

#include <stdio.h>
#include <string.h>

#include "ipc/control_client.h"

static bool
worker_ready(const json_t *worker, long long generation, bool reloads,
    char *why, size_t size)
{
	long long number = answer_number(worker, "worker");
	long long serves = answer_number(worker, "generation");

	if (!answer_worker_serves(worker)) {
		snprintf(why, size, "worker %lld is %.32s", number,
		    answer_text(worker, "state"));
		return false;
	}
	/* A canary is ahead of the others, and COMMIT takes a moment. */
	if (serves < generation && !reloads) {
		snprintf(why, size, "worker %lld still serves generation %lld",
		    number, serves);
		return false;
	}
	return true;
}

static bool
listener_ready(const json_t *listener, char *why, size_t size)
{
	const char *name = answer_text(listener, "name");

	if (json_is_true(json_object_get(listener, "drained")))
		snprintf(why, size, "listener %.64s is drained", name);
	else if (json_is_true(json_object_get(listener, "set_aside")))
		snprintf(why, size,
		    "listener %.64s is set aside: its plugin crashed", name);
	else if (json_array_size(json_object_get(listener, "addresses")) == 0)
		snprintf(why, size,
		    "listener %.64s listens on no address: it was stopped",
		    name);
	else
		return true;
	return false;
}

bool
health_ready(const json_t *status, char *why, size_t size)
{
	long long generation = answer_number(status, "generation");
	const char *reload = answer_text(status, "reload");
	const json_t *workers = json_object_get(status, "workers");
	const json_t *listeners = json_object_get(status, "listeners");

	if (strcmp(reload, "stopped") == 0) {
		snprintf(why, size, "sluiced is stopping");
		return false;
	}
	if (generation == 0) {
		snprintf(why, size, "no generation is in force yet");
		return false;
	}
	for (size_t i = 0; i < json_array_size(workers); i++)
		if (!worker_ready(json_array_get(workers, i), generation,
			strcmp(reload, "idle") != 0, why, size))
			return false;
	for (size_t i = 0; i < json_array_size(listeners); i++)
		if (!listener_ready(json_array_get(listeners, i), why, size))
			return false;
	return true;
}
