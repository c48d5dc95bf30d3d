/*
 * sticky.h: what a listening socket keeps, whoever set it.  Workers have it
 * too, and what a plugin does to it outlives the plugin, the worker and every
 * reload: a filter, a linger time that each accepted socket inherits, a cleared
 * O_NONBLOCK.  So it is noted how a socket was, and set right again.
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

/* Note how it is. */
void sticky_note(int fd, struct sticky *ret);

/*
 * Set it right.  Returns 0; or -1: something cannot be.  *ret_deaf is set when
 * that is a filter, behind which nobody hears the clients.  text: what was
 * changed, in words; "" when nothing was.
 */
int sticky_reset(int fd, const struct sticky *sticky, bool *ret_deaf,
    char text[STICKY_TEXT_MAX]);

/* Add words to such a text. */
void sticky_say(char text[STICKY_TEXT_MAX], const char *what);

#endif
