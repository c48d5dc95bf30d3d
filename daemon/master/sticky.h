/*
 * sticky.h: the options that a listening socket keeps, whoever set them.
 * Workers have the socket, too, and what a plugin does to it outlives the
 * plugin, the worker and every reload: a filter, a linger time that each
 * accepted socket inherits, a cleared O_NONBLOCK.  So we note the state of a
 * socket, and restore it.
 */

#ifndef SLUICE_MASTER_STICKY_H
#define SLUICE_MASTER_STICKY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/time.h>

#define STICKY_OPTIONS_MAX 64
#define STICKY_TEXT_MAX 256

struct sticky {
	uint64_t known; /* a bit for each that this kind of socket has */
	int was[STICKY_OPTIONS_MAX];
	struct linger linger;
	struct timeval receive, send;
	char congestion[16];
};

/* Note its state. */
void sticky_note(int fd, struct sticky *ret);

/*
 * Restore the noted state.  Returns 0, or -1 when something cannot be restored.
 * *ret_deaf is set when that is a filter, which may keep out all clients.
 * text: what was changed, in words; "" when nothing was.
 */
int sticky_reset(int fd, const struct sticky *sticky, bool *ret_deaf,
    char text[STICKY_TEXT_MAX]);

/* Add `what` to such a text. */
void sticky_say(char text[STICKY_TEXT_MAX], const char *what);

#endif
