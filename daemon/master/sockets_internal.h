/*
 * sockets_internal.h: the inside of a listening socket, for sockets.c (the
 * table) and sock.c (what is done to one of them).
 */

#ifndef SLUICE_MASTER_SOCKETS_INTERNAL_H
#define SLUICE_MASTER_SOCKETS_INTERNAL_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "config/address.h"
#include "config/settings.h"
#include "master/sticky.h"

struct inherited;

#define BUCKETS 1024 /* a thousand listeners have one each, for all workers */

struct sockets {
	const struct inherited *inherited;
	uint32_t last_id;
	uint32_t workers; /* above all that had sockets before an upgrade */
	LIST_HEAD(bucket, sock)
	buckets[BUCKETS]; /* by the address that was asked for */
};

struct sock {
	LIST_ENTRY(sock) entry;
	unsigned int refs;
	int fd; /* of systemd's sockets: borrowed */
	uint32_t id;
	/* what it is known by */
	struct address requested;
	char *scope; /* port 0: the listener's name; else NULL */
	uint32_t worker;
	unsigned int number;
	/* what was bound */
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_storage storage;
	} actual;
	socklen_t actual_length;
	/* of a unix path: how bind(2) made it, and what the settings changed */
	struct stat bound;
	struct unix_rights rights;
	bool listening;
	int backlog;	      /* of the last listen(2); 0: not ours */
	struct sticky sticky; /* its state when we had set it up */
	bool deaf;	      /* if stuck: perhaps no client can reach it */
	bool stuck;	      /* cannot be restored: never used again */
	/* Of the program before us: one of the references is for that. */
	bool taken;
};

/* The bucket of all sockets that are equal by address and scope. */
struct bucket *sockets_bucket(struct sockets *sockets,
    const struct address *address, const char *scope);
/* As sockets_open() has it: without a descriptor.  NULL: no memory. */
struct sock *sock_new(const struct address *address, const char *scope,
    uint32_t worker, unsigned int number);

/* Set the options that accepted sockets inherit.  Returns false with errno. */
bool sock_set_options(const struct sock *sock,
    const struct listener_settings *listener);
/* Note its state, which sock_restore() brings back. */
void sock_note(struct sock *sock);

#endif
