/*
 * gen_modes.c: listeners that are configured and do not accept, and what of
 * that goes over from one generation to the next.
 */

#include <stdlib.h>
#include <string.h>

#include "config/settings.h"
#include "master/gen.h"

/* Room for a mode of each; all are open.  0, or -1: no memory. */
static int
make_modes(struct gen *gen)
{
	gen->modes =
	    calloc(settings_endpoints(gen->settings) + 1, sizeof(*gen->modes));
	return gen->modes != NULL ? 0 : -1;
}

enum gen_mode
gen_mode(const struct gen *gen, uint32_t index)
{
	return gen->modes != NULL ? gen->modes[index] : GEN_OPEN;
}

uint32_t
gen_drained(const struct gen *gen)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < gen->settings->listener_count; i++)
		if (gen_mode(gen, i) == GEN_DRAINED)
			count++;
	return count;
}

int
gen_set_mode(struct gen *gen, const char *name, enum gen_mode mode)
{
	const struct listener_settings *found =
	    settings_find(gen->settings, name);

	if (found == NULL || found->connector.connect != NULL)
		return -1;
	gen->modes[found - gen->settings->listeners] = mode;
	return 0;
}

int
gen_keep_drained(struct gen *gen, const struct gen *from)
{
	if (make_modes(gen) == -1)
		return -1;
	for (uint32_t i = 0; from != NULL && i < from->settings->listener_count;
	     i++)
		if (gen_mode(from, i) == GEN_DRAINED)
			gen_set_mode(gen, from->settings->listeners[i].name,
			    GEN_DRAINED);
	return 0;
}

int
gen_keep_modes(struct gen *gen, const struct gen *from)
{
	const struct gen_socket *row;
	uint32_t i, count = settings_endpoints(gen->settings);

	if (make_modes(gen) == -1)
		return -1;
	for (i = 0; i < count; i++)
		gen->modes[i] = GEN_STOPPED;
	for (i = 0; i < from->socket_count; i++) {
		row = &from->sockets[i];
		if (row->sock != NULL || row->bare)
			gen->modes[row->endpoint] = GEN_OPEN;
	}
	for (i = 0; i < count; i++)
		if (gen_mode(from, i) == GEN_DRAINED ||
		    gen_mode(from, i) == GEN_ASIDE)
			gen->modes[i] = gen_mode(from, i);
	return 0;
}

void
gen_set_aside(struct gen *gen, uint32_t index)
{
	gen->modes[index] = GEN_ASIDE;
	gen_drop_sockets(gen, settings_endpoint(gen->settings, index)->name);
}

void
gen_keep_aside(struct gen *gen, const struct gen *from)
{
	const char *name;

	for (uint32_t i = 0; i < settings_endpoints(gen->settings); i++) {
		name = settings_endpoint(gen->settings, i)->name;
		for (uint32_t k = 0; k < settings_endpoints(from->settings);
		     k++)
			if (gen_mode(from, k) == GEN_ASIDE &&
			    strcmp(settings_endpoint(from->settings, k)->name,
				name) == 0)
				gen->modes[i] = GEN_ASIDE;
	}
}

uint32_t
gen_aside(const struct gen *gen)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < settings_endpoints(gen->settings); i++)
		if (gen_mode(gen, i) == GEN_ASIDE)
			count++;
	return count;
}

bool
gen_has_neighbours(const struct gen *gen, uint32_t index, bool in_group)
{
	const struct gen_socket *row;

	for (uint32_t i = 0; i < gen->socket_count; i++) {
		row = &gen->sockets[i];
		if ((row->sock != NULL || row->bare) &&
		    row->endpoint != index &&
		    (!in_group ||
			gen->endpoint_groups[row->endpoint] ==
			    gen->endpoint_groups[index]))
			return true;
	}
	return false;
}
