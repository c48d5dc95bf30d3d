/* plan.c: PREPARE, COMMIT and ABORT of one listener or connector. */

#include "worker/plan.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "worker/accept.h"
#include "worker/connector.h"
#include "worker/engine.h"
#include "worker/gen.h"
#include "worker/material.h"
#include "worker/plugin.h"
#include "worker/service.h"
#include "worker/tls_client.h"
#include "worker/tls_server.h"

/*
 * Make an acceptor for each socket, in the order of the settings, even if the
 * listener has one for it already: that one may be stopped, or fail, before
 * COMMIT.  A new listener gets its acceptors at once, so that `start` can ask
 * for their addresses.
 */
static int
make_acceptors(struct plan *plan, struct material *material, uint32_t index)
{
	for (uint32_t i = 0; i < material->socket_count; i++) {
		struct material_sock *socket = &material->sockets[i];
		struct acceptor *acceptor;

		if (socket->endpoint != index || socket->bare)
			continue;
		acceptor = acceptor_new(plan->listener, socket->fd, socket->id,
		    socket->index);
		socket->fd = -1;
		if (acceptor == NULL)
			return -1;
		TAILQ_INSERT_TAIL(plan->is_new ? &plan->listener->acceptors
					       : &plan->acceptors,
		    acceptor, link);
	}
	return 0;
}

/*
 * Made anew by each reload: its keys are there only now, and to make a context
 * takes less than to find out that it would be the same.
 */
static int
make_tls(struct plan *plan, struct material *material)
{
	const struct listener_settings *settings = plan->settings;
	struct error err;

	if (settings->tls.on) {
		plan->tls = tls_server_new(settings, material, &err);
		if (plan->tls == NULL)
			return material_problem(material,
			    &settings->tls.identity.origin,
			    "listener \"%s\": tls: %s", settings->name,
			    err.text);
	}
	plan->tls_changed = !plan->is_new &&
	    !endpoint_same_tls(plan->listener->gen->settings,
		plan->listener->settings, material->settings, settings);
	if (settings->connect_tls.on) {
		plan->tls_client =
		    tls_client_new(&settings->connect_tls, material, &err);
		if (plan->tls_client == NULL)
			return material_problem(material,
			    &settings->connect_tls.identity.origin,
			    "%s \"%s\": %s: %s", endpoint_kind(settings),
			    settings->name,
			    tls_group(settings, &settings->connect_tls),
			    err.text);
	}
	return 0;
}

static uint32_t
slot_of(const struct material *material, uint32_t index)
{
	for (uint32_t i = 0; i < material->socket_count; i++)
		if (material->sockets[i].endpoint == index)
			return material->sockets[i].slot;
	return 0;
}

static int
make_connector(struct plan *plan)
{
	if (plan->settings->connector.connect == NULL ||
	    plan->listener->connector != NULL)
		return 0;
	plan->connector = connector_new(plan->listener);
	return plan->connector != NULL ? 0 : -1;
}

int
plan_make(struct plan *plan, struct material *material, uint32_t index,
    struct listener *listener)
{
	const struct listener_settings *settings =
	    settings_endpoint(material->settings, index);

	plan->settings = settings;
	TAILQ_INIT(&plan->acceptors);
	plan->is_new = listener == NULL;
	if (listener == NULL)
		listener =
		    listener_new(settings->name, slot_of(material, index));
	plan->listener = listener;
	if (listener == NULL)
		return material_problem(material, &settings->origin,
		    "%s \"%s\": out of memory", endpoint_kind(settings),
		    settings->name);
	if (plan->is_new) /* now, so that `start` can use the settings */
		listener_configure(listener, settings);
	if (engine_reserve_recv(settings->limits.read_buffer) == -1 ||
	    make_acceptors(plan, material, index) == -1 ||
	    make_connector(plan) == -1)
		return material_problem(material, &settings->origin,
		    "%s \"%s\": %s", endpoint_kind(settings), settings->name,
		    error_text(errno));
	if (make_tls(plan, material) == -1)
		return -1;
	plan->good = true;
	return 0;
}

int
plan_service(struct plan *plan, struct material *material)
{
	struct listener *listener = plan->listener;
	const struct listener_settings *settings = plan->settings;
	struct plugin *plugin;
	struct sl_options *options;
	struct error err;

	if (!plan->is_new &&
	    listener_same_service(listener->gen->settings, listener->settings,
		material->settings, settings))
		return 0;
	plugin = material_plugin(material, settings->image, &err);
	if (plugin == NULL)
		return material_problem(material, &settings->plugin_origin,
		    "%s", err.text);
	options = material_options(material, settings, plugin);
	if (options == NULL)
		return -1;
	plugin->refs++;
	plan->service = service_new(listener, plugin, options,
	    material->generation, listener->current, settings->on_reload, &err);
	if (plan->service == NULL)
		return material_refusal(material, settings,
		    &settings->plugin_origin, &err);
	return 0;
}

static bool
has_socket(const struct listener *listener, uint32_t id)
{
	const struct acceptor *acceptor;

	TAILQ_FOREACH(acceptor, &listener->acceptors, link)
		if (acceptor->id == id)
			return true;
	return false;
}

/*
 * Replace the listener's acceptors by those of the plan.  Most have the same
 * sockets as before; an acceptor whose socket is gone accepts what waits there.
 */
static void
commit_sockets(struct plan *plan)
{
	struct acceptors before = TAILQ_HEAD_INITIALIZER(before);
	struct listener *listener = plan->listener;
	struct acceptor *acceptor;

	if (!plan->is_new) {
		TAILQ_CONCAT(&before, &listener->acceptors, link);
		TAILQ_CONCAT(&listener->acceptors, &plan->acceptors, link);
	}
	TAILQ_FOREACH(acceptor, &listener->acceptors, link)
		acceptor_start(acceptor);
	while ((acceptor = TAILQ_FIRST(&before)) != NULL) {
		TAILQ_REMOVE(&before, acceptor, link);
		if (has_socket(listener, acceptor->id)) {
			acceptor_free(acceptor);
		} else {
			TAILQ_INSERT_TAIL(&listener->acceptors, acceptor, link);
			acceptor_stop(acceptor);
		}
	}
}

/* A name may belong to a listener before, and to a connector now. */
static void
commit_connector(struct plan *plan)
{
	struct listener *listener = plan->listener;

	if (plan->connector != NULL)
		listener->connector = plan->connector;
	if (listener->connector == NULL)
		return;
	if (plan->settings->connector.connect != NULL) {
		connector_go(listener->connector,
		    plan->service != NULL || plan->tls_changed);
		return;
	}
	connector_stop(listener->connector, SL_WHY_RELOAD);
	connector_end(listener->connector, SL_WHY_RELOAD);
	connector_free(listener->connector);
	listener->connector = NULL;
}

void
plan_commit(struct plan *plan)
{
	struct listener *listener = plan->listener;

	listener_configure(listener, plan->settings);
	if (plan->service != NULL)
		service_commit(listener, plan->service);
	tls_server_unref(listener->tls);
	listener->tls = plan->tls;
	tls_client_unref(listener->tls_client);
	listener->tls_client = plan->tls_client;
	commit_sockets(plan);
	commit_connector(plan);
	listener_begin_sweep(listener);
}

void
plan_drop(struct plan *plan)
{
	struct acceptor *acceptor;

	while ((acceptor = TAILQ_FIRST(&plan->acceptors)) != NULL) {
		TAILQ_REMOVE(&plan->acceptors, acceptor, link);
		acceptor_free(acceptor);
	}
	if (plan->service != NULL)
		listener_drop_conns(plan->listener, plan->service);
	service_unref(plan->service);
	tls_server_unref(plan->tls);
	tls_client_unref(plan->tls_client);
	connector_free(plan->connector);
	if (plan->is_new) {
		service_end_unused(); /* while `stop` can use the listener */
		listener_free(plan->listener);
	}
}
