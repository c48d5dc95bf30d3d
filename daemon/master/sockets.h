/*
 * sockets.h: the listening sockets, which belong to the master for as long as
 * any generation uses them.  A socket is known by the address that was asked
 * for (for port 0 also by the listener's name) and by the worker it is for, so
 * a reload finds the sockets that are already open.
 */

#ifndef SLUICE_MASTER_SOCKETS_H
#define SLUICE_MASTER_SOCKETS_H

#include <stdbool.h>
#include <stdint.h>

#include "config/address.h"

struct error;
struct handover;
struct inherited;
struct listener_settings;
struct sock;
struct sockets;
struct taken;

#define SOCK_SHARED UINT32_MAX /* for all workers that serve the listener */

/* inherited: what systemd gave us, borrowed; NULL: no memory. */
struct sockets *sockets_new(const struct inherited *inherited);
void sockets_free(struct sockets *sockets);

/*
 * How many sockets an address stands for: 1, or all of systemd's that have the
 * name.
 */
unsigned int sockets_count(const struct sockets *sockets,
    const struct address *address);

/*
 * Find or make the socket number `number` of an address, bound.  A new one also
 * listens, unless we serve the address already: then no client may wait in its
 * queue before it is certain to be served.  Returns a reference, or NULL.
 */
struct sock *sockets_open(struct sockets *sockets,
    const struct listener_settings *listener, const struct address *address,
    uint32_t worker, unsigned int number, struct error *err);

/* Only find it. */
struct sock *sockets_find(struct sockets *sockets,
    const struct listener_settings *listener, const struct address *address,
    uint32_t worker, unsigned int number);

/*
 * sockets_upgrade.c: pack those that we hold, and take them over, so that
 * sockets_find() finds them.  sockets_release(): what is not used by now is
 * given up.  0, or -1: no memory.
 */
void sockets_hand_over(const struct sockets *sockets,
    struct handover *handover);
int sockets_take_over(struct sockets *sockets, struct taken *taken);
void sockets_release(struct sockets *sockets);
/* One more than the highest worker for which a socket was taken over. */
uint32_t sockets_workers(const struct sockets *sockets);

struct sock *sock_ref(struct sock *sock);
/* The last reference closes it, and removes a path that is still ours. */
void sock_unref(struct sock *sock);

/*
 * Give up a reference to a socket that is served no more.  If it was the last
 * one, a TCP socket is shut down first.  So its address is free, even if a
 * worker that is still dying has it open.
 */
void sock_end(struct sock *sock);

/* Listen, if it does not yet.  0 or -1. */
int sock_listen(struct sock *sock, const struct listener_settings *listener,
    struct error *err);

/*
 * Undo what a plugin has changed, since workers have the sockets, too: a
 * shutdown, the length of its queue, filters, options.  Logs what that was.
 * Returns 0, or -1: it cannot be undone, and no reload will find this socket.
 */
int sock_restore(struct sock *sock, const char *listener);

/* Can it not be restored, so that perhaps no client can reach it? */
bool sock_is_deaf(const struct sock *sock);

/* A new socket in place of a deaf one, listening.  A reference, or NULL. */
struct sock *sockets_replace(struct sockets *sockets, struct sock *sock,
    const struct listener_settings *listener, struct error *err);

/*
 * Apply the current settings to a socket that was open before.  Logs what
 * fails.
 */
void sock_apply(struct sock *sock, const struct listener_settings *listener);

int sock_fd(const struct sock *sock);
uint32_t sock_id(const struct sock *sock); /* from 1, never used twice */

/* Where it really listens: with the port that was chosen. */
const char *sock_text(const struct sock *sock, char text[ADDRESS_TEXT_MAX]);

#endif
