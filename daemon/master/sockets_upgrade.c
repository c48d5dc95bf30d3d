/*
 * sockets_upgrade.c: listening sockets go from one program to the next that is
 * executed in its place.  They stay open all the time, so no client is refused,
 * and none that waits in a queue is lost.
 */

#include <stdlib.h>

#include "base/pack.h"
#include "master/handover.h"
#include "master/sockets.h"
#include "master/sockets_internal.h"

/* Those of systemd are in the list of what it has passed. */
static bool
is_handed_over(const struct sock *sock)
{
	return sock->requested.kind != ADDRESS_SYSTEMD && sock->listening &&
	    !sock->stuck;
}

static void
pack(const struct sock *sock, struct handover *handover)
{
	struct packer *packer = &handover->packer;
	socklen_t length = sock->actual_length;

	pack_u32(packer, true);
	address_pack(&sock->requested, packer);
	pack_string(packer, sock->scope);
	pack_u32(packer, sock->worker);
	pack_u32(packer, sock->number);
	handover_fd(handover, sock->fd);
	pack_u32(packer, length);
	pack_bytes(packer, &sock->actual, length);
	handover_path(handover, &sock->bound, &sock->rights);
	pack_u32(packer, (uint32_t)sock->backlog);
}

void
sockets_hand_over(const struct sockets *sockets, struct handover *handover)
{
	const struct sock *sock;

	for (unsigned int i = 0; i < BUCKETS; i++)
		LIST_FOREACH(sock, &sockets->buckets[i], entry)
			if (is_handed_over(sock))
				pack(sock, handover);
	pack_u32(&handover->packer, false); /* no more */
}

static int
take(struct sockets *sockets, struct taken *taken)
{
	struct unpacker *unpacker = &taken->unpacker;
	struct address requested;
	struct sock *sock;
	uint32_t worker;
	char *scope;

	address_unpack(&requested, unpacker);
	scope = unpack_string(unpacker);
	worker = unpack_u32(unpacker);
	sock = sock_new(&requested, scope, worker, unpack_u32(unpacker));
	if (sock == NULL) {
		free(scope);
		return -1;
	}
	if (worker != SOCK_SHARED && worker < WORKERS_MAX &&
	    worker >= sockets->workers)
		sockets->workers = worker + 1;
	sock->fd = taken_fd(taken);
	sock->actual_length = unpack_u32(unpacker);
	if (sock->actual_length > sizeof(sock->actual))
		unpacker->failed = true;
	else
		unpack_bytes(unpacker, &sock->actual, sock->actual_length);
	taken_path(taken, &sock->bound, &sock->rights);
	sock->backlog = (int)unpack_u32(unpacker);
	sock->listening = sock->taken = true;
	sock->id = ++sockets->last_id;
	sock_note(sock);
	LIST_INSERT_HEAD(sockets_bucket(sockets, &requested, scope), sock,
	    entry);
	free(scope);
	return unpacker->failed ? -1 : 0;
}

int
sockets_take_over(struct sockets *sockets, struct taken *taken)
{
	while (unpack_bool(&taken->unpacker))
		if (take(sockets, taken) == -1)
			return -1;
	return 0;
}

void
sockets_release(struct sockets *sockets)
{
	struct sock *sock, *next;

	for (unsigned int i = 0; i < BUCKETS; i++)
		for (sock = LIST_FIRST(&sockets->buckets[i]); sock != NULL;
		     sock = next) {
			next = LIST_NEXT(sock, entry);
			if (sock->taken) {
				sock->taken = false;
				sock_unref(sock);
			}
		}
}

uint32_t
sockets_workers(const struct sockets *sockets)
{
	return sockets->workers;
}
