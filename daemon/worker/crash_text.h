/*
 * crash_text.h: text made in a signal handler.  Nothing here calls the C
 * library.  Text that does not fit is cut off.
 */

#ifndef SLUICE_CRASH_TEXT_H
#define SLUICE_CRASH_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct crash_text {
	char *text; /* not terminated */
	size_t used, room;
};

void crash_put(struct crash_text *to, const char *string); /* NULL: "?" */
void crash_put_some(struct crash_text *to, const char *string, size_t most);
void crash_put_number(struct crash_text *to, uint64_t number);
void crash_put_hex(struct crash_text *to, uint64_t number); /* with 0x */
/* The first `count` bytes, two digits each. */
void crash_put_bytes(struct crash_text *to, const uint8_t *bytes, size_t count);
/* As sockaddr_text(); a unix peer is always shown as unnamed. */
void crash_put_peer(struct crash_text *to, const struct sockaddr *peer);

#endif
