/*
 * probe.c: the probe: a process with a worker's rights that loads the plugins
 * of a bundle and lets them judge their options, so that what is going to
 * crash or refuse does it here.  Serves nobody, and exits.
 */

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "callback.h"
#include "error.h"
#include "hello.h"
#include "log.h"
#include "material.h"
#include "msg.h"
#include "options.h"
#include "plugin.h"
#include "privileges.h"
#include "roles.h"

static void
report(uint32_t generation, int level, const struct origin *origin,
    const char *text)
{
	bool known = origin != NULL && origin->line != 0;

	msg_send_problem(CHILD_CHANNEL_FD, generation, level,
	    known ? origin->file : NULL, known ? origin->line : 0, text);
}

/* What the image says of itself. */
static void
send_facts(const struct material *material, uint32_t index,
    const struct plugin *plugin)
{
	const struct sl_plugin *d = &plugin->descriptor;
	const uint32_t arg[4] = { index, d->flags, d->state_version, 0 };
	char payload[512];
	size_t name, version;

	/* Two strings, one behind the other, each with its NUL. */
	name = strnlen(d->name, 255);
	version = strnlen(d->version, 255);
	memcpy(payload, d->name, name);
	payload[name] = '\0';
	memcpy(payload + name + 1, d->version, version);
	payload[name + 1 + version] = '\0';
	msg_send(CHILD_CHANNEL_FD, MSG_FACTS, material->generation, arg,
	    payload, name + version + 2, -1);
}

static int
probe_image(struct material *material, uint32_t index)
{
	const struct origin *origin = NULL;
	struct plugin *plugin;
	struct error err;

	for (uint32_t i = 0; i < material->settings->listener_count; i++) {
		if (material->settings->listeners[i].image == index) {
			origin =
			    &material->settings->listeners[i].plugin_origin;
			break;
		}
	}
	plugin = material_plugin(material, index, &err);
	if (plugin == NULL)
		return material_problem(material, origin, "%s", err.text);
	send_facts(material, index, plugin);
	return 0;
}

static int
probe_listener(struct material *material,
    const struct listener_settings *listener)
{
	struct plugin *plugin = material->plugins[listener->image];
	char option[OPTION_PATH_MAX];
	struct sl_options *options;
	struct error err;
	int rc = 0;

	if (plugin == NULL)
		return -1; /* said already */
	options = material_options(material, listener, plugin);
	if (options == NULL)
		return -1;
	if (callback_check(plugin, options, &err, option) == -1)
		rc = material_problem(material,
		    option[0] != '\0' ? options_origin(listener, option) :
					&listener->origin,
		    "listener \"%s\": plugin \"%s\": %s%s%s", listener->name,
		    listener->plugin, option, option[0] != '\0' ? ": " : "",
		    err.text);
	options_free(options);
	return rc;
}

static int
probe(struct material *material)
{
	struct error err;
	int rc = 0;

	if (material_read(material, &err) == -1)
		return material_problem(material, NULL, "%s", err.text);
	for (uint32_t i = 0; i < material->image_count; i++)
		if (probe_image(material, i) == -1)
			rc = -1;
	for (uint32_t i = 0; i < material->settings->listener_count; i++)
		if (probe_listener(material,
			&material->settings->listeners[i]) == -1)
			rc = -1;
	return rc;
}

int
probe_main(void)
{
	struct material material;
	struct hello hello;
	struct error err;
	struct msg msg;
	int rc;

	material_init(&material, report);
	if (hello_receive(&hello, NULL) == -1)
		return EXIT_FAILURE;
	if (privileges_drop(&hello, SIGKILL, &err) == -1) {
		log_errorx("%s", err.text);
		return EXIT_FAILURE;
	}
	while (msg_recv(CHILD_CHANNEL_FD, &msg) == 1) {
		if (msg.type == MSG_PREPARE) {
			rc = probe(&material);
			msg_send(CHILD_CHANNEL_FD,
			    rc == 0 ? MSG_PREPARED : MSG_REFUSED,
			    msg.generation, NULL, NULL, 0, -1);
			/* Destructors of strange plugins are of no interest. */
			material_clear(&material);
			return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
		}
		if (material_add(&material, &msg, &err) == -1) {
			log_errorx("%s", err.text);
			break;
		}
	}
	material_clear(&material);
	return EXIT_FAILURE;
}
