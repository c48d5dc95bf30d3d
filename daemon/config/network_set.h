/* network_set.h: many networks, and whether an address is in one of them. */

#ifndef SLUICE_NETWORK_SET_H
#define SLUICE_NETWORK_SET_H

#include <stdbool.h>
#include <stdint.h>

#include "config/network.h"

/* More than any list needs that a person writes; a file of them is 1 MiB. */
#define NETWORK_SET_MAX 65536

struct network_set {
	struct network *list; /* owned; sorted, and none is in another */
	uint32_t count;
};

/* Add one.  network_set_sort() has to follow.  0, or -1: no memory. */
int network_set_add(struct network_set *set, const struct network *network);
/* Put them in order, and drop those that are in others. */
void network_set_sort(struct network_set *set);
void network_set_free(struct network_set *set);

/* Is it as network_set_sort() leaves it?  For sets from another process. */
bool network_set_sorted(const struct network_set *set);

/*
 * Is the address in one of them?  A v4-mapped IPv6 address counts as IPv4.  The
 * time grows with the logarithm of their number.
 */
bool network_set_has(const struct network_set *set, const struct sockaddr *sa);

#endif
