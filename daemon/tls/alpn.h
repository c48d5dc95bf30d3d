/* alpn.h: a list of protocols as TLS has it on the wire. */

#ifndef SLUICE_TLS_ALPN_H
#define SLUICE_TLS_ALPN_H

#include <stdint.h>

#define ALPN_NAME_MAX 255	 /* bytes of a protocol's name... */
#define ALPN_LIST_MAX UINT16_MAX /* ...and of all, each with its length */

/* Zeroed: empty. */
struct alpn {
	unsigned char *wire; /* owned; NULL: empty */
	uint32_t len;
};

/*
 * Append a protocol.  Returns 0, or -1: EINVAL, its name has no byte or too
 * many, or the list has; ENOMEM.
 */
int alpn_add(struct alpn *alpn, const char *name);
void alpn_free(struct alpn *alpn);

#endif
