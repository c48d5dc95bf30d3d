/*
 * probe.c: the probe, a process with the rights of a worker.  It loads the
 * plugins of a bundle and lets them check their options, so that a plugin that
 * crashes or refuses does so here and not in a worker.  It serves no
 * connections, and exits.
 */

#include <signal.h>
#include <sluice.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/roles.h"
#include "ipc/answers.h"
#include "ipc/hello.h"
#include "ipc/msg.h"
#include "ipc/packet.h"
#include "ipc/privileges.h"
#include "worker/callback.h"
#include "worker/conduct.h"
#include "worker/material.h"
#include "worker/options.h"
#include "worker/plugin.h"

static struct answers *answers;

static void
report(uint32_t generation, int level, const struct origin *origin,
    const char *text)
{
	bool known = origin != NULL && origin->line != 0;

	answers_say(answers,
	    &(struct msg){
		.type = MSG_PROBLEM,
		.generation = generation,
		.problem.level = (uint32_t)level,
		.problem.line = known ? origin->line : 0,
		.problem.file = known ? origin->file : "",
		.problem.text = text,
	    });
}

/* Tell the master what the plugin's descriptor says. */
static void
send_facts(const struct material *material, uint32_t index,
    const struct plugin *plugin)
{
	answers_say(answers,
	    &(struct msg){
		.type = MSG_FACTS,
		.generation = material->generation,
		.facts.image = index,
		.facts.flags = plugin->descriptor.flags,
		.facts.state_version = plugin->descriptor.state_version,
		.facts.name = plugin->descriptor.name,
		.facts.version = plugin->descriptor.version,
	    });
}

/*
 * Before each step that runs plugin code: if we crash, the master knows where.
 */
static void
send_progress(const struct material *material, enum progress step,
    uint32_t index)
{
	answers_say(answers,
	    &(struct msg){
		.type = MSG_PROGRESS,
		.generation = material->generation,
		.progress.step = step,
		.progress.index = index,
	    });
}

static const struct origin *
image_origin(const struct material *material, uint32_t index)
{
	const struct settings *settings = material->settings;

	for (uint32_t i = 0; i < settings_endpoints(settings); i++)
		if (settings_endpoint(settings, i)->image == index)
			return &settings_endpoint(settings, i)->plugin_origin;
	return NULL;
}

enum outcome { GOOD, BAD, SPOILED /* bad, and this process cannot go on */ };

static enum outcome
probe_image(struct material *material, uint32_t index, struct conduct *conduct)
{
	const struct origin *origin = image_origin(material, index);
	int fd = material->images[index];
	struct error err, load_err;
	struct plugin *plugin;

	if (conduct_note(conduct, &err) == -1) {
		material_problem(material, origin, "plugin: %s", err.text);
		return SPOILED;
	}
	send_progress(material, PROGRESS_LOAD, index);
	plugin = material_plugin(material, index, &load_err);
	if (conduct_check(conduct, plugin == NULL ? fd : -1, &err) == -1) {
		material_problem(material, origin, "plugin: %s: %s",
		    material->settings->images[index].path, err.text);
		return SPOILED;
	}
	if (plugin == NULL) {
		material_problem(material, origin, "plugin: %s", load_err.text);
		return BAD;
	}
	send_facts(material, index, plugin);
	return GOOD;
}

/* Must not each worker have a connection of its own? */
static int
check_workers(const struct material *material,
    const struct listener_settings *settings, const struct plugin *plugin)
{
	const struct connector_settings *connector = &settings->connector;

	if (!connector->per_worker ||
	    plugin->descriptor.flags & SL_MANY_WORKERS)
		return 0;
	return material_problem(material, &connector->per_worker_origin,
	    "connector \"%s\": per_worker: plugin \"%s\" works in one worker "
	    "only (it has no SL_MANY_WORKERS); remove this key",
	    settings->name, settings->plugin);
}

static int
probe_endpoint(struct material *material, uint32_t index)
{
	const struct listener_settings *listener =
	    settings_endpoint(material->settings, index);
	struct plugin *plugin = material->plugins[listener->image];
	struct sl_options *options;
	struct error err;
	int rc = 0;

	if (plugin == NULL)
		return -1; /* already reported */
	options = material_options(material, listener, plugin);
	if (options == NULL)
		return -1;
	send_progress(material, PROGRESS_CHECK, index);
	if (callback_check(plugin, options, &err) == -1)
		rc = material_refusal(material, listener, &listener->origin,
		    &err);
	options_free(options);
	if (check_workers(material, listener, plugin) == -1)
		rc = -1;
	return rc;
}

static enum outcome
probe(struct material *material, struct conduct *conduct)
{
	enum outcome all = GOOD, one;
	struct error err;

	if (conduct_init(conduct, &err) == -1 ||
	    material_read(material, &err) == -1) {
		material_problem(material, NULL, "%s", err.text);
		return BAD;
	}
	for (uint32_t i = 0; i < material->image_count; i++) {
		if (material->settings->images[i].library)
			continue; /* loaded with the plugin that needs it */
		one = probe_image(material, i, conduct);
		if (one > all)
			all = one;
		if (all == SPOILED)
			return SPOILED;
	}
	for (uint32_t i = 0; i < settings_endpoints(material->settings); i++)
		if (probe_endpoint(material, i) == -1)
			all = BAD;
	return all;
}

int
probe_main(void)
{
	struct conduct conduct;
	struct material material;
	struct hello hello;
	enum outcome outcome;
	struct packet room;
	struct error err;
	struct msg msg;

	material_init(&material, report);
	if (hello_receive(&hello, NULL, &answers) == -1)
		return EXIT_FAILURE;
	if (privileges_drop(&hello, SIGKILL, &err) == -1) {
		log_errorx("%s", err.text);
		return EXIT_FAILURE;
	}
	while (packet_recv(CHILD_CHANNEL_FD, &room, &msg, &err) == 1) {
		if (msg.type == MSG_PREPARE) {
			outcome = probe(&material, &conduct);
			answers_say(answers,
			    &(struct msg){
				.type = outcome == GOOD ? MSG_PREPARED
							: MSG_REFUSED,
				.generation = msg.generation,
			    });
			if (outcome == SPOILED) /* without destructors */
				_exit(EXIT_FAILURE);
			conduct_done(&conduct);
			material_clear(&material);
			return outcome == GOOD ? EXIT_SUCCESS : EXIT_FAILURE;
		}
		if (material_add(&material, &msg, &err) == -1) {
			log_errorx("%s", err.text);
			break;
		}
	}
	material_clear(&material);
	return EXIT_FAILURE;
}
