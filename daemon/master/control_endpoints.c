/* control_endpoints.c: listeners and connectors as JSON. */

#include <stdio.h>

#include "base/clock.h"
#include "base/json_text.h"
#include "base/time_text.h"
#include "config/address.h"
#include "config/settings.h"
#include "ipc/connectors.h"
#include "ipc/counts.h"
#include "ipc/shm.h"
#include "ipc/upstreams.h"
#include "master/control.h"
#include "master/control_conn.h"
#include "master/gen.h"
#include "master/sockets.h"
#include "master/workers.h"

json_t *
control_hash(const uint8_t *hash)
{
	char text[2 * IMAGE_HASH_SIZE + 1];

	for (int i = 0; i < IMAGE_HASH_SIZE; i++)
		snprintf(text + 2 * i, 3, "%02x", hash[i]);
	return json_string(text);
}

static bool
contains(const json_t *array, const json_t *value)
{
	for (size_t i = 0; i < json_array_size(array); i++)
		if (json_equal(json_array_get(array, i), value))
			return true;
	return false;
}

/* Where it really listens; an address is listed once for all workers. */
static json_t *
addresses(const struct gen *gen, uint32_t listener)
{
	json_t *array = json_array(), *one;
	char text[ADDRESS_TEXT_MAX];

	for (uint32_t i = 0; i < gen->socket_count; i++) {
		if (gen->sockets[i].endpoint != listener ||
		    gen->sockets[i].sock == NULL)
			continue;
		sock_text(gen->sockets[i].sock, text);
		one = json_text(text);
		if (!contains(array, one))
			json_array_append(array, one);
		json_decref(one);
	}
	return array;
}

/* What listeners and connectors have in common. */
static json_t *
endpoint_object(const struct control_subject *subject, const struct gen *gen,
    uint32_t index, const struct upstream_list *upstreams)
{
	const struct listener_settings *settings =
	    settings_endpoint(gen->settings, index);
	const struct image_settings *image =
	    &gen->settings->images[settings->image];
	const struct image_facts *facts = &gen->images[settings->image].facts;
	const struct shm *shm = workers_shm(subject->workers);
	struct counts_sum sum;

	shm_sum_listener(shm, gen->slots[index], &sum);
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:o, s:o}",
	    "name", json_text(settings->name), "plugin", json_text(facts->name),
	    "version", json_text(facts->version), "file",
	    json_text(image->path), "image", control_hash(image->hash),
	    "set_aside", gen_mode(gen, index) == GEN_ASIDE, "certificates",
	    control_certificates(settings), "upstreams",
	    control_upstreams(upstreams, gen->slots[index]), "counts",
	    control_counts(&sum, shm_tick_scale(shm)));
}

json_t *
control_listeners(const struct control_subject *subject, const struct gen *gen,
    const struct upstream_list *upstreams)
{
	json_t *array = json_array(), *one;

	for (uint32_t i = 0; gen != NULL && i < gen->settings->listener_count;
	     i++) {
		one = endpoint_object(subject, gen, i, upstreams);
		json_object_set_new(one, "addresses", addresses(gen, i));
		json_object_set_new(one, "drained",
		    json_boolean(gen_mode(gen, i) == GEN_DRAINED));
		json_object_set_new(one, "connections",
		    json_integer((json_int_t)shm_connections(
			workers_shm(subject->workers), gen->slots[i])));
		json_array_append_new(array, one);
	}
	return array;
}

/* Is that worker to connect? */
static bool
is_assigned(const struct gen *gen, uint32_t index, uint32_t worker)
{
	const struct gen_socket *row;

	for (uint32_t i = 0; i < gen->socket_count; i++) {
		row = &gen->sockets[i];
		if (row->endpoint == index && row->bare)
			return gen_serves(gen, row, worker);
	}
	return false;
}

static json_t *
down_object(uint32_t worker)
{
	return json_pack("{s:I, s:s, s:b, s:n, s:n, s:i, s:n, s:n}", "worker",
	    (json_int_t)worker + 1, "state", "down", "up", 0, "since", "for_s",
	    "attempts", 0, "next_ms", "error");
}

static json_t *
state_object(uint32_t worker, const struct connector_state *state)
{
	char since[TIME_TEXT_MAX];
	uint64_t ago = control_ago(state->since_ms, since), now = clock_ms();

	return json_pack("{s:I, s:s, s:b, s:s, s:I, s:I, s:o, s:o}", "worker",
	    (json_int_t)worker + 1, "state", connector_phase_name(state->phase),
	    "up", state->phase == CONNECTOR_UP, "since", since, "for_s",
	    (json_int_t)(ago / 1000), "attempts", (json_int_t)state->attempts,
	    "next_ms",
	    state->phase == CONNECTOR_WAITING
		? json_integer(state->next_ms > now
			  ? (json_int_t)(state->next_ms - now)
			  : 0)
		: json_null(),
	    "error",
	    state->error[0] != '\0' ? json_text(state->error) : json_null());
}

/* Those that connect, and others that still show something. */
static json_t *
states(const struct control_subject *subject, const struct gen *gen,
    uint32_t index)
{
	const struct shm *shm = workers_shm(subject->workers);
	struct connector_state state;
	json_t *array = json_array();

	for (uint32_t i = 0; i < workers_count(subject->workers); i++) {
		if (connector_see(shm, workers_place(subject->workers, i),
			gen->slots[index], &state))
			json_array_append_new(array, state_object(i, &state));
		else if (is_assigned(gen, index, i))
			json_array_append_new(array, down_object(i));
	}
	return array;
}

json_t *
control_connectors(const struct control_subject *subject, const struct gen *gen,
    const struct upstream_list *upstreams)
{
	const struct connector_settings *connector;
	json_t *array = json_array(), *one;
	uint32_t i = 0;

	if (gen != NULL)
		i = gen->settings->listener_count;
	for (; gen != NULL && i < settings_endpoints(gen->settings); i++) {
		connector = &settings_endpoint(gen->settings, i)->connector;
		one = endpoint_object(subject, gen, i, upstreams);
		json_object_set_new(one, "connect",
		    json_text(connector->connect));
		json_object_set_new(one, "per_worker",
		    json_boolean(connector->per_worker));
		json_object_set_new(one, "workers", states(subject, gen, i));
		json_array_append_new(array, one);
	}
	return array;
}
