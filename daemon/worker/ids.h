/*
 * ids.h: finds things by a 64-bit number, in a hash table of embedded entries.
 */

#ifndef SLUICE_IDS_H
#define SLUICE_IDS_H

#include <stdint.h>

struct id_entry { /* embedded in the thing that is looked up */
	uint64_t id;
	struct id_entry *next;
};

struct ids {
	struct id_entry **buckets;
	uint32_t size; /* a power of two */
	uint32_t count;
};

/*
 * The caller has set entry->id.  Returns 0, or -1 with ENOMEM.  That happens
 * only while the table is empty and has no memory yet.
 */
int ids_add(struct ids *ids, struct id_entry *entry);
/* Ignores an entry that is not in the table. */
void ids_remove(struct ids *ids, struct id_entry *entry);
struct id_entry *ids_find(const struct ids *ids, uint64_t id); /* or NULL */
void ids_done(struct ids *ids);

#endif
