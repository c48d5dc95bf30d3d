/* conf_listener.c: one element of `listeners`. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "config/network_set.h"
#include "config/settings.h"
#include "reader/conf_internal.h"
#include "reader/problems.h"
#include "reader/tree.h"

#define ADDRESSES_MAX 256 /* of one listener; each is a socket in each worker */
#define ADDRESSES_ALL_MAX 4096 /* of all: every two are compared */

/* The address of `other` that is in the way; NULL: there is none. */
static const struct listener_address *
find_conflict(const struct listener_settings *listener,
    const struct listener_settings *other, const struct address *address)
{
	/* Port 0 is a different port each time. */
	if (other != listener && address->kind == ADDRESS_TCP &&
	    address_port(address) == 0)
		return NULL;
	for (uint32_t i = 0; i < other->address_count; i++)
		if (address_conflict(&other->addresses[i].address, address))
			return &other->addresses[i];
	return NULL;
}

/*
 * An address may be used only once, whether by two listeners or by one, or by
 * the status page.
 */
static bool
address_is_free(struct conf *conf, const struct origin *at,
    const struct listener_settings *listener, const struct address *address)
{
	const struct settings *settings = conf->settings;
	const struct listener_settings *other = &settings->status;
	const struct listener_address *taken;
	char text[ADDRESS_TEXT_MAX], by[LISTENER_NAME_MAX + 16];

	snprintf(by, sizeof(by), "the status page");
	taken = find_conflict(listener, other, address);
	for (uint32_t i = 0; taken == NULL && i < settings->listener_count;
	     i++) {
		other = &settings->listeners[i];
		snprintf(by, sizeof(by), "listener \"%s\"",
		    other->name != NULL ? other->name : "");
		taken = find_conflict(listener, other, address);
	}
	if (taken == NULL)
		return true;
	problem_error(conf->problems, at,
	    "listen: %s is already used by %s in %s:%u",
	    address_text(address, text), by, taken->origin.file,
	    taken->origin.line);
	return false;
}

static void
add_address(struct conf *conf, const struct origin *at,
    struct listener_settings *listener, const struct address *address)
{
	struct listener_address *added;

	if (listener->address_count == ADDRESSES_MAX ||
	    conf->address_count == ADDRESSES_ALL_MAX) {
		problem_error(conf->problems, at,
		    "listen: too many addresses: one listener may have %d, and "
		    "all listeners together %d",
		    ADDRESSES_MAX, ADDRESSES_ALL_MAX);
		return;
	}
	if (!address_is_free(conf, at, listener, address))
		return;
	added = listener_add_address(listener);
	if (added == NULL) {
		problem_error(conf->problems, at, "out of memory");
		return;
	}
	conf->address_count++;
	added->address = *address;
	added->origin = *at;
}

static void
resolve_listen(struct conf *conf, struct listener_settings *listener)
{
	struct address found[ADDRESSES_MAX];
	const struct key_string *entry;
	struct error err;
	int count;

	for (uint32_t i = 0; i < listener->listen_count; i++) {
		entry = &listener->listen[i];
		count =
		    address_resolve(entry->text, found, ADDRESSES_MAX, &err);
		if (count == -1)
			problem_error(conf->problems, &entry->origin,
			    "listen: %s", err.text);
		for (int j = 0; j < count; j++)
			add_address(conf, &entry->origin, listener, &found[j]);
	}
}

static void
check_mode(struct conf *conf, const struct origin *at,
    struct listener_settings *listener)
{
	if (!conf_mode(listener->mode, &listener->unix_rights.mode))
		problem_error(conf->problems, at,
		    "mode: \"%s\" is not an octal mode, such as \"0660\"",
		    listener->mode);
}

/*
 * Look at what was written: an address that was refused may still be meant as a
 * path.
 */
static bool
means_unix_path(const struct listener_settings *listener)
{
	const char *text;

	for (uint32_t i = 0; i < listener->listen_count; i++) {
		text = listener->listen[i].text;
		if (strncmp(text, "unix:", 5) == 0 && text[5] != '@')
			return true;
	}
	return listener->listen_count == 0;
}

static void
check_unix(struct conf *conf, const struct origin *mode,
    const struct origin *owner, struct listener_settings *listener)
{
	if (listener->mode != NULL)
		check_mode(conf, mode, listener);
	if (listener->owner != NULL)
		conf_owner(conf, owner, listener->owner,
		    &listener->unix_rights.owner);
	if (means_unix_path(listener))
		return;
	if (listener->mode != NULL)
		problem_error(conf->problems, mode,
		    "mode: this is only for unix:/path, which \"listen\" does "
		    "not have; remove it");
	if (listener->owner != NULL)
		problem_error(conf->problems, owner,
		    "owner: this is only for unix:/path, which \"listen\" does "
		    "not have; remove it");
}

/* Parse the entries of a list of networks; key: what it is called. */
static void
resolve_networks(struct conf *conf, const char *key,
    const struct key_string *entries, uint32_t count, struct network_set *set)
{
	struct network network;
	struct error err;

	for (uint32_t i = 0; i < count; i++) {
		if (i == NETWORK_SET_MAX) {
			problem_error(conf->problems, &entries[i].origin,
			    "%s: there may be at most %d", key,
			    NETWORK_SET_MAX);
			return;
		}
		if (network_parse(entries[i].text, &network, &err) == -1) {
			problem_error(conf->problems, &entries[i].origin,
			    "%s: %s", key, err.text);
		} else if (network_set_add(set, &network) == -1) {
			problem_error(conf->problems, &entries[i].origin,
			    "out of memory");
			return;
		}
	}
	network_set_sort(set);
}

static bool
has_family(const struct network_set *set, uint16_t family)
{
	for (uint32_t i = 0; i < set->count; i++)
		if (set->list[i].family == family)
			return true;
	return false;
}

/*
 * A list without a client that could come through one of the sockets turns all
 * of them away.  Behind a proxy, or a socket of systemd, it may be any client.
 */
static void
check_allowed(struct conf *conf, const struct listener_settings *listener)
{
	const struct guard_settings *guard = &listener->guard;
	bool ip = false, local = false;

	for (uint32_t i = 0; i < listener->listen_count; i++) {
		const char *text = listener->listen[i].text;

		if (strncmp(text, "systemd:", 8) == 0)
			return;
		if (strncmp(text, "unix:", 5) == 0)
			local = true;
		else
			ip = true;
	}
	if (guard->allowed.count == 0 || listener->proxy.from_count > 0 ||
	    (local && has_family(&guard->allowed, AF_UNIX)) ||
	    (ip &&
		(has_family(&guard->allowed, AF_INET) ||
		    has_family(&guard->allowed, AF_INET6))))
		return;
	problem_warn(conf->problems, &guard->allow[0].origin,
	    "allow: no client can be in this list, since the listener has only "
	    "%s; add %s",
	    ip ? "addresses of IP" : "unix sockets",
	    ip ? "networks" : "\"unix\"");
}

static void
resolve_clients(struct conf *conf, struct listener_settings *listener)
{
	struct guard_settings *guard = &listener->guard;

	resolve_networks(conf, "proxy_protocol.from", listener->proxy.from,
	    listener->proxy.from_count, &listener->proxy.networks);
	resolve_networks(conf, "allow", guard->allow, guard->allow_count,
	    &guard->allowed);
	resolve_networks(conf, "deny", guard->deny, guard->deny_count,
	    &guard->denied);
	check_allowed(conf, listener);
}

void
conf_listener(struct conf *conf, const char *file, const struct node *group,
    struct listener_settings *listener)
{
	struct origin mode = conf_child_origin(file, group, "mode");
	struct origin owner = conf_child_origin(file, group, "owner");

	resolve_listen(conf, listener);
	conf_endpoint(conf, file, group, listener);
	check_unix(conf, &mode, &owner, listener);
	conf_tls(conf, listener);
	resolve_clients(conf, listener);
}

void
conf_status(struct conf *conf)
{
	struct listener_settings *status = &conf->settings->status;

	if (!conf->settings->status_on)
		return;
	resolve_listen(conf, status);
	check_unix(conf, &status->origin, &status->origin, status);
}
