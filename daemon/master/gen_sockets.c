/*
 * gen_sockets.c: which sockets a generation needs.  If the plugin can serve
 * from many workers (SL_MANY_WORKERS), each worker gets a TCP socket, and the
 * kernel picks one for each connection.  Any other listener is served by one
 * worker, chosen by the listener's slot, so that it stays with that worker over
 * reloads.  All of this is within the listener's group of workers.  Who serves
 * it now takes over all sockets that it had before: closing them would reset
 * the clients that wait.
 *
 * A connector is for one worker, chosen in the same way, or for all.
 */

#include "master/gen.h"

#include <sluice.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/descriptors.h"
#include "base/error.h"
#include "base/log.h"
#include "config/settings.h"
#include "config/worker_groups.h"
#include "master/slots.h"
#include "master/sockets.h"

static const struct image_facts *
facts_of(const struct gen *gen, const struct listener_settings *listener)
{
	return &gen->images[listener->image].facts;
}

/* Can all workers serve it, or only the one that its slot chooses? */
static bool
is_for_all(const struct gen *gen, uint32_t index)
{
	const struct listener_settings *settings =
	    settings_endpoint(gen->settings, index);

	return index < gen->settings->listener_count
	    ? (facts_of(gen, settings)->flags & SL_MANY_WORKERS) != 0
	    : settings->connector.per_worker;
}

static struct gen_socket *
new_row(struct gen *gen)
{
	struct gen_socket *more;
	uint32_t room;

	if (gen->socket_count == gen->socket_room) {
		room = gen->socket_room == 0 ? 16 : 2 * gen->socket_room;
		more = reallocarray(gen->sockets, room, sizeof(*more));
		if (more == NULL)
			return NULL;
		gen->sockets = more;
		gen->socket_room = room;
	}
	return &gen->sockets[gen->socket_count];
}

/* Is it used in this generation, by another listener or address? */
static bool
is_taken(const struct gen *gen, const struct sock *sock)
{
	for (uint32_t i = 0; i < gen->socket_count; i++)
		if (gen->sockets[i].sock == sock)
			return true;
	return false;
}

/* Takes the reference over. */
static int
add_row(struct gen *gen, uint32_t l, uint32_t a, uint32_t serves,
    struct sock *sock, struct error *err)
{
	struct gen_socket *row = new_row(gen);
	char text[ADDRESS_TEXT_MAX];

	if (row == NULL) {
		error_sys(err, "cannot listen");
	} else if (is_taken(gen, sock)) {
		error_set(err, "%s is used by two addresses or listeners",
		    sock_text(sock, text));
	} else {
		*row = (struct gen_socket){
			.endpoint = l,
			.address = a,
			.worker = serves,
			.sock = sock,
		};
		gen->socket_count++;
		return 0;
	}
	sock_unref(sock);
	return -1;
}

/*
 * owner: the worker whose socket it is, or SOCK_SHARED; serves: the worker that
 * accepts from it.
 */
static int
open_row(struct gen *gen, struct sockets *sockets, uint32_t l, uint32_t a,
    uint32_t owner, uint32_t serves, unsigned int number, struct error *err)
{
	const struct listener_settings *listener = &gen->settings->listeners[l];
	struct sock *sock;

	sock = sockets_open(sockets, listener, &listener->addresses[a].address,
	    owner, number, err);
	if (sock == NULL)
		return -1;
	return add_row(gen, l, a, serves, sock, err);
}

/* The workers that serve a listener or connector. */
struct crew {
	uint32_t workers; /* those above have never been in any group */
	uint32_t count;
	uint32_t member[WORKERS_MAX];
	uint32_t one; /* the one that serves it, if only one does */
};

static void
find_crew(const struct gen *gen, uint32_t index, uint32_t workers,
    struct crew *ret)
{
	ret->workers = workers;
	ret->count = 0;
	for (uint32_t i = 0; i < workers; i++)
		if (gen->worker_groups[i] == gen->endpoint_groups[index])
			ret->member[ret->count++] = i;
	ret->one = ret->member[gen->slots[index] % ret->count];
}

/*
 * The sockets that others than the members have had there go to the members in
 * turn; `members` false: also their own, to the one that serves it.  Returns
 * how many sockets there were, or -1.
 */
static int
take_over(struct gen *gen, struct sockets *sockets, uint32_t l, uint32_t a,
    const struct crew *crew, bool members, struct error *err)
{
	const struct listener_settings *listener = &gen->settings->listeners[l];
	struct sock *sock;
	uint32_t workers = sockets_workers(sockets), serves;
	int found = 0;

	if (workers < crew->workers)
		workers = crew->workers;
	for (uint32_t i = 0; i < workers; i++) {
		if (members && i < crew->workers &&
		    gen->worker_groups[i] == gen->endpoint_groups[l])
			continue;
		sock = sockets_find(sockets, listener,
		    &listener->addresses[a].address, i, 0);
		if (sock == NULL)
			continue;
		serves = members ? crew->member[(uint32_t)found % crew->count]
				 : crew->one;
		if (add_row(gen, l, a, serves, sock, err) == -1)
			return -1;
		found++;
	}
	return found;
}

/* All existing sockets of that address, or a first one, for one worker. */
static int
bind_for_one(struct gen *gen, struct sockets *sockets, uint32_t l, uint32_t a,
    const struct crew *crew, struct error *err)
{
	int found = take_over(gen, sockets, l, a, crew, false, err);

	if (found != 0)
		return found > 0 ? 0 : -1;
	return open_row(gen, sockets, l, a, crew->one, crew->one, 0, err);
}

/*
 * One for each member.  Those of workers that are no longer members have
 * clients in their queues, and are served as well.
 */
static int
bind_for_many(struct gen *gen, struct sockets *sockets, uint32_t l, uint32_t a,
    const struct crew *crew, struct error *err)
{
	for (uint32_t i = 0; i < crew->count; i++)
		if (open_row(gen, sockets, l, a, crew->member[i],
			crew->member[i], 0, err) == -1)
			return -1;
	return take_over(gen, sockets, l, a, crew, true, err) == -1 ? -1 : 0;
}

static int
bind_address(struct gen *gen, struct sockets *sockets, uint32_t l, uint32_t a,
    const struct crew *crew, struct error *err)
{
	const struct listener_settings *listener = &gen->settings->listeners[l];
	const struct address *address = &listener->addresses[a].address;
	bool many = is_for_all(gen, l);
	unsigned int number, count;

	if (address->kind == ADDRESS_TCP)
		return many ? bind_for_many(gen, sockets, l, a, crew, err)
			    : bind_for_one(gen, sockets, l, a, crew, err);
	count = sockets_count(sockets, address);
	for (number = 0; number < count; number++)
		if (open_row(gen, sockets, l, a, SOCK_SHARED,
			many ? ALL_WORKERS : crew->one, number, err) == -1)
			return -1;
	return 0;
}

static unsigned int
bind_listener(struct gen *gen, struct sockets *sockets, uint32_t l,
    const struct crew *crew, const struct gen_teller *teller)
{
	const struct listener_settings *listener = &gen->settings->listeners[l];
	unsigned int problems = 0;
	struct error err;
	uint32_t a;

	for (a = 0; a < listener->address_count; a++) {
		if (bind_address(gen, sockets, l, a, crew, &err) == 0)
			continue;
		teller->tell(teller->arg, &listener->addresses[a].origin,
		    err.text);
		problems++;
		if (descriptors_used_up())
			break;
	}
	return problems;
}

/* Served without a socket: by all workers, or by one. */
static unsigned int
assign(struct gen *gen, uint32_t index, uint32_t worker,
    const struct gen_teller *teller)
{
	struct gen_socket *row = new_row(gen);

	if (row == NULL) {
		teller->tell(teller->arg,
		    &settings_endpoint(gen->settings, index)->origin,
		    "out of memory");
		return 1;
	}
	*row = (struct gen_socket){
		.endpoint = index,
		.worker = worker,
		.bare = true,
	};
	gen->socket_count++;
	return 0;
}

static unsigned int
bind_endpoint(struct gen *gen, struct sockets *sockets, uint32_t index,
    uint32_t workers, const struct gen_teller *teller)
{
	const struct listener_settings *settings =
	    settings_endpoint(gen->settings, index);
	struct crew crew;

	gen->slots[index] = slots_ref(gen->slot_table, settings->name);
	if (gen->slots[index] == SLOT_NONE) {
		teller->tell(teller->arg, &settings->origin,
		    "no room to count its connections");
		return 1;
	}
	gen->endpoint_groups[index] =
	    (uint16_t)worker_group_of(gen->settings, index);
	if (gen_mode(gen, index) == GEN_STOPPED ||
	    gen_mode(gen, index) == GEN_ASIDE)
		return 0;
	find_crew(gen, index, workers, &crew);
	if (index < gen->settings->listener_count &&
	    gen_mode(gen, index) == GEN_OPEN)
		return bind_listener(gen, sockets, index, &crew, teller);
	return assign(gen, index,
	    is_for_all(gen, index) ? ALL_WORKERS : crew.one, teller);
}

unsigned int
gen_bind(struct gen *gen, struct sockets *sockets, struct slots *slots,
    uint32_t workers, const struct gen_teller *teller)
{
	uint32_t i, count = settings_endpoints(gen->settings);
	unsigned int problems = 0;

	gen->slots = calloc(count + 1, sizeof(*gen->slots));
	gen->endpoint_groups = calloc(count + 1, sizeof(*gen->endpoint_groups));
	if (gen->slots == NULL || gen->endpoint_groups == NULL) {
		teller->tell(teller->arg, NULL, "out of memory");
		return 1;
	}
	gen->slot_table = slots;
	gen->socket_table = sockets;
	for (i = 0; i < count; i++)
		gen->slots[i] = SLOT_NONE;
	/* Without descriptors all others would fail in the same way. */
	for (i = 0; i < count && (problems == 0 || !descriptors_used_up()); i++)
		problems += bind_endpoint(gen, sockets, i, workers, teller);
	if (problems == 0)
		problems += gen_bind_page(gen, teller);
	return problems;
}

bool
gen_serves(const struct gen *gen, const struct gen_socket *row, uint32_t worker)
{
	if (row->worker != ALL_WORKERS)
		return row->worker == worker;
	return gen->worker_groups[worker] ==
	    gen->endpoint_groups[row->endpoint];
}

static bool
serves_below(const struct gen *gen, const struct gen_socket *row,
    uint32_t below)
{
	if (row->worker != ALL_WORKERS)
		return row->worker < below;
	for (uint32_t i = 0; i < WORKERS_MAX && i < below; i++)
		if (gen_serves(gen, row, i))
			return true;
	return false;
}

unsigned int
gen_listen(struct gen *gen, uint32_t below, const struct gen_teller *teller)
{
	const struct listener_settings *listener;
	unsigned int problems = 0;
	struct gen_socket *row;
	struct error err;

	for (uint32_t i = 0; i < gen->socket_count; i++) {
		row = &gen->sockets[i];
		listener = settings_endpoint(gen->settings, row->endpoint);
		if (!serves_below(gen, row, below))
			continue;
		if (row->sock == NULL) /* a plugin stopped this listener */
			continue;
		if (sock_listen(row->sock, listener, &err) == 0)
			continue;
		teller->tell(teller->arg,
		    &listener->addresses[row->address].origin, err.text);
		problems++;
	}
	return problems + gen_listen_page(gen, teller);
}

static bool
is_served(const struct gen *gen, const struct sock *sock, uint32_t below)
{
	for (uint32_t i = 0; i < gen->socket_count; i++)
		if (gen->sockets[i].sock == sock &&
		    serves_below(gen, &gen->sockets[i], below))
			return true;
	return false;
}

bool
gen_takes_sockets(const struct gen *from, const struct gen *next,
    uint32_t below)
{
	const struct gen_socket *row;

	for (uint32_t i = 0; i < from->socket_count; i++) {
		row = &from->sockets[i];
		/* The other workers still use a shared socket. */
		if (row->sock != NULL && row->worker < below &&
		    !is_served(next, row->sock, below))
			return true;
	}
	return false;
}

static void
replace(struct gen *gen, struct gen_socket *row,
    const struct listener_settings *listener)
{
	struct error err;
	struct sock *sock;

	sock = sockets_replace(gen->socket_table, row->sock, listener, &err);
	if (sock == NULL) {
		log_errorx("listener %s: %s", listener->name, err.text);
		return;
	}
	sock_unref(row->sock);
	row->sock = sock;
}

void
gen_restore_sockets(struct gen *gen, uint32_t worker)
{
	const struct listener_settings *listener;
	struct gen_socket *row;

	for (uint32_t i = 0; i < gen->socket_count; i++) {
		row = &gen->sockets[i];
		listener = settings_endpoint(gen->settings, row->endpoint);
		if (row->sock == NULL || !gen_serves(gen, row, worker) ||
		    sock_restore(row->sock, listener->name) == 0)
			continue;
		/*
		 * A shared socket stays, since the other workers would still
		 * use it, and so does one in which clients may wait: a reload
		 * empties it before it makes a new one.
		 */
		if (row->worker != ALL_WORKERS && sock_is_deaf(row->sock))
			replace(gen, row, listener);
	}
}

void
gen_apply(const struct gen *gen)
{
	const struct gen_socket *row;

	for (uint32_t i = 0; i < gen->socket_count; i++) {
		row = &gen->sockets[i];
		if (row->sock != NULL)
			sock_apply(row->sock,
			    settings_endpoint(gen->settings, row->endpoint));
	}
	gen_apply_page(gen);
}

/* Where the row listens or connects to; NULL: nowhere at the moment. */
static const char *
row_text(const struct gen *gen, const struct gen_socket *row,
    char text[ADDRESS_TEXT_MAX])
{
	if (row->bare) /* NULL for a drained listener */
		return settings_endpoint(gen->settings, row->endpoint)
		    ->connector.connect;
	return row->sock != NULL ? sock_text(row->sock, text) : NULL;
}

/* Is row the first of its address, and is that address not in `other`? */
static bool
is_news(const struct gen *gen, const struct gen_socket *row,
    const struct gen *other)
{
	char room[ADDRESS_TEXT_MAX], other_room[ADDRESS_TEXT_MAX];
	const char *text = row_text(gen, row, room), *other_text;
	const struct listener_settings *settings =
	    settings_endpoint(gen->settings, row->endpoint);
	const struct gen_socket *scan;

	if (text == NULL)
		return false;
	if (row > gen->sockets && row[-1].sock != NULL &&
	    row[-1].endpoint == row->endpoint &&
	    row[-1].address == row->address && row->worker != ALL_WORKERS)
		return false;
	for (uint32_t i = 0; other != NULL && i < other->socket_count; i++) {
		scan = &other->sockets[i];
		if (scan->bare != row->bare ||
		    strcmp(settings_endpoint(other->settings, scan->endpoint)
			       ->name,
			settings->name) != 0)
			continue;
		other_text = row_text(other, scan, other_room);
		if (other_text != NULL && strcmp(other_text, text) == 0)
			return false;
	}
	return true;
}

/* Tell those of gen that `other` does not have. */
static void
tell_news(const struct gen *gen, const struct gen *other, bool gone,
    const struct gen_teller *teller)
{
	const struct listener_settings *settings;
	const struct image_facts *facts;
	const struct gen_socket *row;
	char text[ADDRESS_TEXT_MAX], plugin[2 * FACT_TEXT_MAX + 32] = "";

	for (uint32_t i = 0; i < gen->socket_count; i++) {
		row = &gen->sockets[i];
		if (!is_news(gen, row, other))
			continue;
		settings = settings_endpoint(gen->settings, row->endpoint);
		facts = facts_of(gen, settings);
		if (!gone)
			snprintf(plugin, sizeof(plugin), " (plugin %s %s)",
			    facts->name, facts->version);
		gen_tell(teller, "%s%s %s for %s%s", gone ? "no longer " : "",
		    row->bare ? "connecting to" : "listening on",
		    row_text(gen, row, text), settings->name, plugin);
	}
}

void
gen_tell_sockets(const struct gen *gen, const struct gen *before,
    const struct gen_teller *teller)
{
	tell_news(gen, before, false, teller);
	if (before != NULL)
		tell_news(before, gen, true, teller);
	gen_tell_page(gen, before, teller);
}

unsigned int
gen_drop_sockets(struct gen *gen, const char *name)
{
	struct gen_socket *row;
	unsigned int dropped = 0;

	for (uint32_t i = 0; i < gen->socket_count; i++) {
		row = &gen->sockets[i];
		if ((row->sock == NULL && !row->bare) ||
		    (name != NULL &&
			strcmp(settings_endpoint(gen->settings, row->endpoint)
				   ->name,
			    name) != 0))
			continue;
		sock_unref(row->sock);
		row->sock = NULL;
		row->bare = false;
		dropped++;
	}
	return dropped;
}

void
gen_end_sockets(struct gen *gen)
{
	for (uint32_t i = 0; i < gen->socket_count; i++) {
		if (gen->sockets[i].sock != NULL)
			sock_end(gen->sockets[i].sock);
		gen->sockets[i].sock = NULL;
	}
	gen_drop_page(gen);
}
