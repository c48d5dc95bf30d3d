/* gen.c: PREPARE, COMMIT and ABORT in a worker. */

#include "worker/gen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "worker/accept.h"
#include "worker/connector.h"
#include "worker/engine.h"
#include "worker/material.h"
#include "worker/options.h"
#include "worker/plugin.h"
#include "worker/service.h"
#include "worker/tls_client.h"
#include "worker/tls_server.h"

#define SWEEP_MAX 256 /* connections per pass, so that events are served too */

/* What COMMIT will do with one listener of the next generation. */
struct plan {
	struct listener *listener; /* existing, or new and not in the list */
	bool is_new;
	bool good;	  /* nothing is missing for its service */
	bool tls_changed; /* of the connections that it makes */
	const struct listener_settings *settings;
	struct sl_service *service; /* a new version; NULL: it did not change */
	struct tls_server *tls;	    /* NULL: none */
	struct tls_client *tls_client; /* NULL: none */
	/* NULL: it is a listener, or has one already. */
	struct connector *connector;
	/* All acceptors that an existing listener will have. */
	struct acceptors acceptors;
};

static struct {
	struct gen *gen;
	struct plan *plans;
	uint32_t count;
} prepared;

struct listeners listeners = LIST_HEAD_INITIALIZER(listeners);
static struct gen *current;

static void
gen_unref(struct gen *gen)
{
	if (gen == NULL || --gen->refs > 0)
		return;
	settings_free(gen->settings);
	free(gen->by_name);
	free(gen);
}

const struct gen *
gen_current(void)
{
	return current;
}

static int
compare_names(const void *a, const void *b)
{
	const struct listener *const *x = a, *const *y = b;

	return strcmp((*x)->endpoint.name, (*y)->endpoint.name);
}

struct listener *
gen_find(const char *name)
{
	struct listener wanted = { .endpoint.name = (char *)name };
	struct listener *key = &wanted, **found = NULL;

	if (current != NULL && current->by_name_count > 0)
		found = bsearch(&key, current->by_name, current->by_name_count,
		    sizeof(struct listener *), compare_names);
	return found != NULL ? *found : NULL;
}

/* The listeners that are configured from now on, for gen_find(). */
static void
index_names(struct gen *gen)
{
	struct listener *listener;

	LIST_FOREACH(listener, &listeners, link)
		if (!listener->gone)
			gen->by_name[gen->by_name_count++] = listener;
	if (gen->by_name_count > 0)
		qsort(gen->by_name, gen->by_name_count,
		    sizeof(struct listener *), compare_names);
}

static void
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

void
gen_abort(void)
{
	for (uint32_t i = 0; i < prepared.count; i++)
		plan_drop(&prepared.plans[i]);
	free(prepared.plans);
	gen_unref(prepared.gen);
	memset(&prepared, 0, sizeof(prepared));
	service_end_unused();
}

/*
 * Make an acceptor for each socket, in the order of the settings, even if the
 * listener has one for it already: that one may be stopped, or fail, before
 * COMMIT.  A new listener gets its acceptors at once, so that `start` can ask
 * for their addresses.
 */
static int
plan_sockets(struct plan *plan, struct material *material, uint32_t index)
{
	for (uint32_t i = 0; i < material->socket_count; i++) {
		struct material_sock *socket = &material->sockets[i];
		struct acceptor *acceptor;

		if (socket->endpoint != index || socket->connects)
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

/* Make a new version of the service if the plugin or its options changed. */
static int
plan_service(struct plan *plan, struct material *material, int64_t on_reload)
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
	    material->generation, listener->current, on_reload, &err);
	if (plan->service == NULL)
		return material_problem(material, &settings->plugin_origin,
		    "%s \"%s\": plugin \"%s\": %s", endpoint_kind(settings),
		    settings->name, settings->plugin, err.text);
	return 0;
}

/*
 * Made anew by each reload: its keys are there only now, and to make a context
 * takes less than to find out that it would be the same.
 */
static int
plan_tls(struct plan *plan, struct material *material)
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
plan_connector(struct plan *plan)
{
	if (plan->settings->connector.connect == NULL ||
	    plan->listener->connector != NULL)
		return 0;
	plan->connector = connector_new(plan->listener);
	return plan->connector != NULL ? 0 : -1;
}

static int
plan_listener(struct material *material, uint32_t index)
{
	const struct listener_settings *settings =
	    settings_endpoint(material->settings, index);
	struct plan *plan = &prepared.plans[prepared.count];

	plan->settings = settings;
	TAILQ_INIT(&plan->acceptors);
	plan->listener = gen_find(settings->name);
	if (plan->listener == NULL) {
		plan->is_new = true;
		plan->listener =
		    listener_new(settings->name, slot_of(material, index));
		if (plan->listener == NULL)
			return material_problem(material, &settings->origin,
			    "%s \"%s\": out of memory", endpoint_kind(settings),
			    settings->name);
	}
	if (plan->is_new) /* now, so that `start` can use the settings */
		listener_configure(plan->listener, settings);
	prepared.count++; /* gen_abort() cleans up from here */
	if (engine_reserve_recv(settings->limits.read_buffer) == -1 ||
	    plan_sockets(plan, material, index) == -1 ||
	    plan_connector(plan) == -1)
		return material_problem(material, &settings->origin,
		    "%s \"%s\": %s", endpoint_kind(settings), settings->name,
		    strerror(errno));
	if (plan_tls(plan, material) == -1)
		return -1;
	plan->good = true;
	return 0;
}

/* Plugin code runs here, and finds no secret.  0, or -1 after reporting. */
static int
plan_services(struct material *material)
{
	struct plan *plan;
	int rc = 0;

	material_close_secrets(material);
	for (uint32_t i = 0; i < prepared.count; i++) {
		plan = &prepared.plans[i];
		if (plan->good &&
		    plan_service(plan, material, plan->settings->on_reload) ==
			-1)
			rc = -1; /* go on, to report all problems */
	}
	return rc;
}

static void
apply_log_settings(const struct settings *settings)
{
	log_configure(settings->log.level, settings->log.format);
	engine.log_access = settings->log.access;
}

/* Room for all that can be configured.  0 or -1. */
static int
reserve_names(struct gen *gen, const struct settings *settings)
{
	gen->by_name =
	    calloc(settings_endpoints(settings) + 1, sizeof(struct listener *));
	return gen->by_name != NULL ? 0 : -1;
}

int
gen_prepare(struct material *material)
{
	struct error err;
	int rc = 0;

	gen_abort();
	if (material_read(material, &err) == -1)
		return material_problem(material, NULL, "%s", err.text);
	prepared.plans = calloc(settings_endpoints(material->settings) + 1,
	    sizeof(*prepared.plans));
	prepared.gen = calloc(1, sizeof(*prepared.gen));
	if (prepared.gen != NULL)
		prepared.gen->refs = 1;
	if (prepared.plans == NULL || prepared.gen == NULL ||
	    reserve_names(prepared.gen, material->settings) == -1) {
		gen_abort();
		return material_problem(material, NULL, "out of memory");
	}
	/* The first generation: what `start` logs should look like the rest. */
	if (current == NULL)
		apply_log_settings(material->settings);
	prepared.gen->number = material->generation;
	for (uint32_t i = 0; i < settings_endpoints(material->settings); i++)
		if (material_serves(material, i) &&
		    plan_listener(material, i) == -1)
			rc = -1; /* go on, to report all problems */
	if (plan_services(material) == -1)
		rc = -1;
	if (rc == -1) {
		gen_abort();
		return -1;
	}
	prepared.gen->settings = material->settings;
	material->settings = NULL;
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

static void
commit_listener(struct plan *plan, struct gen *gen)
{
	struct listener *listener = plan->listener;

	listener->planned = false;
	if (plan->is_new)
		LIST_INSERT_HEAD(&listeners, listener, link);
	gen->refs++;
	gen_unref(listener->gen);
	listener->gen = gen;
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

/* Did its plugin stop it?  Then it is configured, but nothing of it is sent. */
static bool
is_stopped(const struct listener *listener, const struct settings *settings)
{
	if (!TAILQ_EMPTY(&listener->acceptors) ||
	    (listener->connector != NULL &&
		!connector_is_stopped(listener->connector)))
		return false;
	for (uint32_t i = 0; i < settings_endpoints(settings); i++)
		if (strcmp(settings_endpoint(settings, i)->name,
			listener->endpoint.name) == 0)
			return true;
	return false;
}

int
gen_commit(uint32_t number)
{
	struct gen *gen = prepared.gen;
	const struct settings *settings;
	struct listener *listener;

	if (gen == NULL || gen->number != number)
		return -1;
	settings = gen->settings;
	/* Listeners that the new generation has no plan for are gone. */
	for (uint32_t i = 0; i < prepared.count; i++)
		prepared.plans[i].listener->planned = true;
	LIST_FOREACH(listener, &listeners, link)
		if (!listener->planned && !listener->gone &&
		    !is_stopped(listener, settings))
			listener_drain(listener, settings->drain_timeout_ms);
	tls_client_forget_default();
	for (uint32_t i = 0; i < prepared.count; i++)
		commit_listener(&prepared.plans[i], gen);
	index_names(gen);
	gen_unref(current);
	current = gen;
	free(prepared.plans);
	memset(&prepared, 0, sizeof(prepared));
	apply_log_settings(settings);
	return 0;
}

bool
gen_sweep(void)
{
	struct listener *listener;
	unsigned int left = SWEEP_MAX;

	LIST_FOREACH(listener, &listeners_due, due_link) {
		left -= listener_sweep(listener, left);
		if (listener->sweeping)
			return true;
	}
	return false;
}

static void
free_listener(struct listener *listener)
{
	struct gen *gen = listener->gen;

	LIST_REMOVE(listener, link);
	listener_free(listener);
	gen_unref(gen);
}

void
gen_reap(void)
{
	struct listener *listener, *next;

	service_end_unused();
	for (listener = LIST_FIRST(&listeners_due); listener != NULL;
	     listener = next) {
		next = LIST_NEXT(listener, due_link);
		if (listener->sweeping)
			continue;
		listener_set_done(listener);
		if (listener->gone && listener->conn_count == 0)
			free_listener(listener);
	}
}

void
gen_done(void)
{
	gen_abort();
	if (current != NULL)
		current->by_name_count = 0; /* `stop` finds nothing any more */
	while (!LIST_EMPTY(&listeners))
		free_listener(LIST_FIRST(&listeners));
	tls_client_forget_default();
	gen_unref(current);
	current = NULL;
}
