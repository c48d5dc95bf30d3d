/*
 * sockets.c: the sockets we hold, found by the address that was asked for.
 * Counted references: every generation that serves a socket has one, and the
 * last one closes it.
 */

#include "master/sockets.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "config/settings.h"
#include "master/aside.h"
#include "master/bind.h"
#include "master/inherited.h"
#include "master/sockets_internal.h"

struct sockets *
sockets_new(const struct inherited *inherited)
{
	struct sockets *sockets = calloc(1, sizeof(*sockets));

	if (sockets == NULL)
		return NULL;
	sockets->inherited = inherited; /* and empty buckets are all zero */
	return sockets;
}

void
sockets_free(struct sockets *sockets)
{
	free(sockets);
}

unsigned int
sockets_count(const struct sockets *sockets, const struct address *address)
{
	unsigned int count;

	if (address->kind != ADDRESS_SYSTEMD)
		return 1;
	count = inherited_count(sockets->inherited, address->u.name);
	return count == 0 ? 1 : count; /* opening it fails with a reason */
}

struct bucket *
sockets_bucket(struct sockets *sockets, const struct address *address,
    const char *scope)
{
	uint64_t hash = HASH_BEGIN;

	if (scope != NULL)
		hash = hash_add(hash, scope, strlen(scope));
	if (address->kind == ADDRESS_SYSTEMD)
		hash = hash_add(hash, address->u.name, strlen(address->u.name));
	else if (address->kind != ADDRESS_TCP)
		hash = hash_add(hash, &address->u.un, address->len);
	else if (address->u.sa.sa_family == AF_INET6)
		hash = hash_add(hash, &address->u.in6.sin6_addr,
		    sizeof(address->u.in6.sin6_addr));
	else
		hash = hash_add(hash, &address->u.in.sin_addr,
		    sizeof(address->u.in.sin_addr));
	/* sin_port and sin6_port are at the same place. */
	if (address->kind == ADDRESS_TCP)
		hash = hash_add(hash, &address->u.in.sin_port,
		    sizeof(address->u.in.sin_port));
	return &sockets->buckets[hash % BUCKETS];
}

/* Was it asked for by the same address? */
static bool
same_request(const struct sock *sock, const struct address *address,
    const char *scope)
{
	if (!address_equal(&sock->requested, address))
		return false;
	return scope == NULL || strcmp(sock->scope, scope) == 0;
}

static struct sock *
find(struct sockets *sockets, const struct address *address, const char *scope)
{
	struct sock *sock;

	LIST_FOREACH(sock, sockets_bucket(sockets, address, scope), entry)
		if (same_request(sock, address, scope))
			return sock;
	return NULL;
}

static bool
port_is_ours(struct sockets *sockets, const struct address *address)
{
	const struct sock *sock;

	for (unsigned int i = 0; i < BUCKETS; i++)
		LIST_FOREACH(sock, &sockets->buckets[i], entry)
			if (sock->requested.kind == ADDRESS_TCP &&
			    sock->actual.in.sin_port == address->u.in.sin_port)
				return true;
	return false;
}

static bool
is_at(const struct sock *sock, const struct address *address)
{
	if (sock->actual.sa.sa_family != address->u.sa.sa_family ||
	    sock->actual.in.sin_port != address->u.in.sin_port)
		return false;
	if (address->u.sa.sa_family == AF_INET)
		return sock->actual.in.sin_addr.s_addr ==
		    address->u.in.sin_addr.s_addr;
	return memcmp(&sock->actual.in6.sin6_addr, &address->u.in6.sin6_addr,
		   sizeof(struct in6_addr)) == 0;
}

/*
 * A port that the kernel chose for another listener is as good as ours: we could
 * share it, and half of the clients would get the wrong service.
 */
static int
check_chosen(struct sockets *sockets, const struct address *address,
    const struct listener_settings *listener, struct error *err)
{
	char text[ADDRESS_TEXT_MAX];
	const struct sock *sock;

	for (unsigned int i = 0; i < BUCKETS; i++)
		LIST_FOREACH(sock, &sockets->buckets[i], entry)
			if (sock->scope != NULL && is_at(sock, address) &&
			    strcmp(sock->scope, listener->name) != 0)
				return error_set(err,
				    "cannot listen on %s: listener \"%s\", "
				    "which asks for port 0, was given this "
				    "port; choose another one, or reload first "
				    "without that listener",
				    address_text(address, text), sock->scope);
	return 0;
}

static int
open_tcp(struct sockets *sockets, const struct address *address,
    const struct listener_settings *listener, const struct sock *sibling,
    struct error *err)
{
	struct address exact = *address;

	if (sibling == NULL && address_port(address) != 0 &&
	    check_chosen(sockets, address, listener, err) == -1)
		return -1;
	/*
	 * The other members of a group use the port that the kernel chose for
	 * the first.
	 */
	if (sibling != NULL && address_port(address) == 0) {
		if (sibling->actual.sa.sa_family == AF_INET) {
			exact = (struct address){ .kind = ADDRESS_TCP };
			exact.u.in = sibling->actual.in;
			exact.len = sizeof(exact.u.in);
		} else {
			exact.u.in6 = sibling->actual.in6;
		}
	}
	return bind_tcp(&exact, sibling != NULL,
	    sibling != NULL || port_is_ours(sockets, address), err);
}

static int
open_any(struct sockets *sockets, struct sock *sock,
    const struct listener_settings *listener, const struct sock *sibling,
    struct error *err)
{
	switch (sock->requested.kind) {
	case ADDRESS_TCP:
		return open_tcp(sockets, &sock->requested, listener, sibling,
		    err);
	case ADDRESS_UNIX:
		sock->rights = listener->unix_rights;
		return bind_unix(&sock->requested, &listener->unix_rights,
		    &sock->bound, err);
	case ADDRESS_ABSTRACT:
		return bind_abstract(&sock->requested, err);
	case ADDRESS_SYSTEMD:
		break;
	}
	sock->listening = true;
	return inherited_fd(sockets->inherited, sock->requested.u.name,
	    sock->number, err);
}

struct sock *
sock_new(const struct address *address, const char *scope, uint32_t worker,
    unsigned int number)
{
	struct sock *sock = calloc(1, sizeof(*sock));

	if (sock == NULL)
		return NULL;
	sock->refs = 1;
	sock->fd = -1;
	sock->requested = *address;
	sock->worker = worker;
	sock->number = number;
	if (scope != NULL && (sock->scope = strdup(scope)) == NULL) {
		free(sock);
		return NULL;
	}
	return sock;
}

/*
 * Before the close: while our socket is open its inode number is not used
 * again.
 */
static void
remove_path(const struct sock *sock)
{
	int path_fd;

	if (sock->requested.kind != ADDRESS_UNIX || sock->fd == -1)
		return;
	path_fd = bind_unix_ours(&sock->requested, &sock->bound);
	if (path_fd == -1)
		return;
	if (unlink(sock->requested.u.un.sun_path) == -1 && errno != ENOENT)
		log_warn("cannot remove %s", sock->requested.u.un.sun_path);
	close(path_fd);
}

static void
sock_destroy(struct sock *sock)
{
	remove_path(sock);
	/* Workers had it, too, and a plugin may have made close(2) slow. */
	if (sock->fd != -1 && sock->requested.kind != ADDRESS_SYSTEMD)
		aside_close(sock->fd);
	free(sock->scope);
	free(sock);
}

static int
sock_make(struct sockets *sockets, struct sock *sock,
    const struct listener_settings *listener, const struct sock *sibling,
    struct error *err)
{
	char text[ADDRESS_TEXT_MAX];

	sock->fd = open_any(sockets, sock, listener, sibling, err);
	if (sock->fd == -1)
		return -1;
	sock->actual_length = sizeof(sock->actual);
	if (getsockname(sock->fd, &sock->actual.sa, &sock->actual_length) ==
		-1 ||
	    !sock_set_options(sock, listener))
		return error_sys(err,
		    "cannot set up the listening socket of %s",
		    address_text(&sock->requested, text));
	if (sibling == NULL && sock_listen(sock, listener, err) == -1)
		return -1;
	if (sock->requested.kind == ADDRESS_TCP && bind_share(sock->fd) == -1)
		return error_sys(err, "cannot share the port of %s",
		    address_text(&sock->requested, text));
	sock_note(sock);
	sock->id = ++sockets->last_id;
	return 0;
}

static const char *
scope_of(const struct listener_settings *listener,
    const struct address *address)
{
	return address->kind == ADDRESS_TCP && address_port(address) == 0
	    ? listener->name
	    : NULL;
}

/*
 * Was the path of an open socket removed or replaced?  Then only a new socket
 * helps.
 */
static bool
path_is_gone(const struct sock *sock)
{
	return sock->requested.kind == ADDRESS_UNIX &&
	    !bind_unix_is_there(&sock->requested, &sock->bound);
}

struct sock *
sockets_find(struct sockets *sockets, const struct listener_settings *listener,
    const struct address *address, uint32_t worker, unsigned int number)
{
	const char *scope = scope_of(listener, address);
	struct sock *sock;

	LIST_FOREACH(sock, sockets_bucket(sockets, address, scope), entry)
		if (sock->worker == worker && sock->number == number &&
		    same_request(sock, address, scope) && !path_is_gone(sock) &&
		    sock_restore(sock, listener->name) == 0)
			return sock_ref(sock);
	return NULL;
}

/*
 * Is there a socket that cannot be restored, and can no other be made?  An
 * abstract name, or a socket of systemd, is taken as long as any process has
 * the old one open.
 */
static bool
is_lost(struct sockets *sockets, const struct listener_settings *listener,
    const struct address *address, unsigned int number, struct error *err)
{
	const char *scope = scope_of(listener, address);
	const struct sock *sock;
	char text[ADDRESS_TEXT_MAX];

	if (address->kind != ADDRESS_ABSTRACT &&
	    address->kind != ADDRESS_SYSTEMD)
		return false;
	LIST_FOREACH(sock, sockets_bucket(sockets, address, scope), entry) {
		if (!sock->stuck || sock->number != number ||
		    !same_request(sock, address, scope))
			continue;
		error_set(err,
		    "cannot listen on %s: a plugin has changed the listening "
		    "socket in a way that cannot be undone; restart sluiced%s",
		    address_text(address, text),
		    address->kind == ADDRESS_SYSTEMD ? " and its socket unit"
						     : "");
		return true;
	}
	return false;
}

struct sock *
sockets_replace(struct sockets *sockets, struct sock *sock,
    const struct listener_settings *listener, struct error *err)
{
	struct sock *fresh = sockets_open(sockets, listener, &sock->requested,
	    sock->worker, sock->number, err);

	if (fresh == NULL || sock_listen(fresh, listener, err) == 0)
		return fresh;
	sock_unref(fresh);
	return NULL;
}

struct sock *
sockets_open(struct sockets *sockets, const struct listener_settings *listener,
    const struct address *address, uint32_t worker, unsigned int number,
    struct error *err)
{
	const char *scope = scope_of(listener, address);
	struct sock *sock, *sibling;

	sock = sockets_find(sockets, listener, address, worker, number);
	if (sock != NULL)
		return sock;
	if (is_lost(sockets, listener, address, number, err))
		return NULL;
	/*
	 * Sockets of systemd with the same name are not an SO_REUSEPORT group.
	 */
	sibling =
	    address->kind == ADDRESS_TCP ? find(sockets, address, scope) : NULL;
	sock = sock_new(address, scope, worker, number);
	if (sock == NULL) {
		error_sys(err, "cannot listen");
		return NULL;
	}
	if (sock_make(sockets, sock, listener, sibling, err) == -1) {
		sock_destroy(sock);
		return NULL;
	}
	LIST_INSERT_HEAD(sockets_bucket(sockets, address, scope), sock, entry);
	return sock;
}

struct sock *
sock_ref(struct sock *sock)
{
	sock->refs++;
	return sock;
}

void
sock_end(struct sock *sock)
{
	if (sock->refs == 1 && sock->requested.kind == ADDRESS_TCP)
		shutdown(sock->fd, SHUT_RDWR);
	sock_unref(sock);
}

void
sock_unref(struct sock *sock)
{
	if (sock == NULL || --sock->refs > 0)
		return;
	LIST_REMOVE(sock, entry);
	sock_destroy(sock);
}
