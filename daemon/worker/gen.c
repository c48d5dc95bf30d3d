/* gen.c: PREPARE, COMMIT and ABORT in a worker. */

#include "worker/gen.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "worker/callback.h"
#include "worker/connector.h"
#include "worker/engine.h"
#include "worker/material.h"
#include "worker/plan.h"
#include "worker/service.h"
#include "worker/survey.h"
#include "worker/tls_client.h"

#define SWEEP_MAX 256 /* connections per pass, so that events are served too */

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

static int
prepare_listener(struct material *material, uint32_t index)
{
	struct plan *plan = &prepared.plans[prepared.count];
	const char *name = settings_endpoint(material->settings, index)->name;
	int rc = plan_make(plan, material, index, gen_find(name));

	if (plan->listener != NULL)
		prepared.count++; /* gen_abort() cleans up from here */
	return rc;
}

/* Plugin code runs here, and finds no secret.  0, or -1 after reporting. */
static int
prepare_services(struct material *material)
{
	struct plan *plan;
	int rc = 0;

	material_close_secrets(material);
	for (uint32_t i = 0; i < prepared.count; i++) {
		plan = &prepared.plans[i];
		if (plan->good && plan_service(plan, material) == -1)
			rc = -1; /* go on, to report all problems */
	}
	return rc;
}

/* What is the worker's own, whatever it serves. */
static void
apply_own_settings(const struct settings *settings)
{
	log_configure(settings->log.level, settings->log.format);
	engine.log_access = settings->log.access;
	callback_set_slow(settings->slow_ms);
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
		apply_own_settings(material->settings);
	prepared.gen->number = material->generation;
	for (uint32_t i = 0; i < settings_endpoints(material->settings); i++)
		if (material_serves(material, i) &&
		    prepare_listener(material, i) == -1)
			rc = -1; /* go on, to report all problems */
	if (prepare_services(material) == -1)
		rc = -1;
	if (rc == -1) {
		gen_abort();
		return -1;
	}
	prepared.gen->settings = material->settings;
	material->settings = NULL;
	return 0;
}

static void
commit_listener(struct plan *plan, struct gen *gen)
{
	struct listener *listener = plan->listener;

	listener->planned = false;
	if (plan->is_new)
		LIST_INSERT_HEAD(&listeners, listener, link);
	plan_commit(plan);
	/* The settings from before may go only now. */
	gen->refs++;
	gen_unref(listener->gen);
	listener->gen = gen;
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
	apply_own_settings(settings);
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

	survey_skip_listener(listener);
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
