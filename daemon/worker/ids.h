/* ids.h: things by their 64-bit number, in a hash table without copies. */

#ifndef SLUICE_IDS_H
#define SLUICE_IDS_H

#include <stdint.h>

struct id_entry { /* embedded in what is looked up */
	uint64_t id;
	struct id_entry *next;
};

struct ids {
	struct id_entry **buckets;
	uint32_t size; /* a power of two */
	uint32_t count;
};

/*
 * entry->id is set by the caller.  0; or -1 with ENOMEM, and only for the
 * first.
 */
int ids_add(struct ids *ids, struct id_entry *entry);
/* An entry that is not in it is ignored. */
void ids_remove(struct ids *ids, struct id_entry *entry);
struct id_entry *ids_find(const struct ids *ids, uint64_t id); /* or NULL */
void ids_done(struct ids *ids);

#endif
