/*
 * ring.h: lets a hostile plugin speak to the master in the worker's name: it
 * finds the memory of daemon/ipc/answers.c and writes to it.
 */

#ifndef SLUICE_TESTS_RING_H
#define SLUICE_TESTS_RING_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../../daemon/ipc/msg.h"

/* The same layout as in daemon/ipc/answers.c. */
struct ring {
	volatile uint32_t put, got;
	char bytes[65536];
};

/* Returns NULL when there is no such memory. */
static inline struct ring *
ring_find(void)
{
	static struct ring *ring;
	unsigned long start;
	char line[512];
	FILE *maps;

	if (ring != NULL)
		return ring;
	maps = fopen("/proc/self/maps", "re");
	while (maps != NULL && ring == NULL &&
	    fgets(line, sizeof(line), maps) != NULL)
		if (strstr(line, "memfd:sluice-answers") != NULL &&
		    sscanf(line, "%lx", &start) == 1)
			memcpy(&ring, &start, sizeof(ring));
	if (maps != NULL)
		fclose(maps);
	return ring;
}

static inline void
ring_bell(void)
{
	const uint64_t one = 1;

	if (write(CHILD_BELL_FD, &one, sizeof(one)) == -1)
		perror("bell");
}

/* Append any bytes.  When they do not fit, they are dropped. */
static inline void
ring_put(struct ring *ring, const void *bytes, size_t length)
{
	const char *from = bytes;
	uint32_t at;
	size_t i;

	if (ring == NULL)
		return;
	at = ring->put;
	if (sizeof(ring->bytes) - (at - ring->got) < length)
		return;
	for (i = 0; i < length; i++)
		ring->bytes[(at + i) % sizeof(ring->bytes)] = from[i];
	__atomic_store_n(&ring->put, at + (uint32_t)length, __ATOMIC_SEQ_CST);
	ring_bell();
}

#endif
