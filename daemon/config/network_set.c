/*
 * network_set.c: networks in the order of their addresses.  Two networks are
 * apart, or one is in the other.  Without those that are in others, the only
 * one that may have an address is the last that begins at or before it.
 */

#include "config/network_set.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"

int
network_set_add(struct network_set *set, const struct network *network)
{
	void *array = set->list;
	struct network *added =
	    array_grow(&array, set->count, sizeof(*set->list));

	set->list = array;
	if (added == NULL)
		return -1;
	*added = *network;
	set->count++;
	return 0;
}

void
network_set_free(struct network_set *set)
{
	free(set->list);
	*set = (struct network_set){ NULL, 0 };
}

/* By family, then by address; of equal ones the widest first. */
static int
compare(const void *a, const void *b)
{
	const struct network *x = a, *y = b;
	int order;

	if (x->family != y->family)
		return x->family < y->family ? -1 : 1;
	order = memcmp(x->address, y->address, sizeof(x->address));
	return order != 0 ? order : (int)x->bits - (int)y->bits;
}

/* Is b, which does not come before a, in a? */
static bool
contains(const struct network *a, const struct network *b)
{
	return a->family == b->family && a->bits <= b->bits &&
	    network_same_bits(a->address, b->address, a->bits);
}

void
network_set_sort(struct network_set *set)
{
	uint32_t kept = 0;

	if (set->count == 0)
		return;
	qsort(set->list, set->count, sizeof(*set->list), compare);
	for (uint32_t i = 1; i < set->count; i++)
		if (!contains(&set->list[kept], &set->list[i]))
			set->list[++kept] = set->list[i];
	set->count = kept + 1;
}

bool
network_set_sorted(const struct network_set *set)
{
	for (uint32_t i = 1; i < set->count; i++)
		if (compare(&set->list[i - 1], &set->list[i]) >= 0 ||
		    contains(&set->list[i - 1], &set->list[i]))
			return false;
	return true;
}

bool
network_set_has(const struct network_set *set, const struct sockaddr *sa)
{
	struct network single;
	uint32_t low = 0, high = set->count, middle;

	if (set->count == 0 || !network_of(sa, &single))
		return false;
	while (low < high) {
		middle = low + (high - low) / 2;
		if (compare(&set->list[middle], &single) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low > 0 && contains(&set->list[low - 1], &single);
}
