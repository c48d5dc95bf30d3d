/* ids.c: finds things by a 64-bit number. */

#include "worker/ids.h"

#include <stddef.h>
#include <stdlib.h>

#define IDS_FIRST_SIZE 16

static struct id_entry **
bucket(const struct ids *ids, uint64_t id)
{
	/* Ids count up, so their low bits are as good as any hash. */
	return &ids->buckets[id & (ids->size - 1)];
}

static void
link_in(struct ids *ids, struct id_entry *entry)
{
	struct id_entry **head = bucket(ids, entry->id);

	entry->next = *head;
	*head = entry;
}

static int
grow(struct ids *ids)
{
	struct ids bigger = { .size = ids->size * 2, .count = ids->count };

	if (bigger.size == 0)
		bigger.size = IDS_FIRST_SIZE;
	bigger.buckets = calloc(bigger.size, sizeof(*bigger.buckets));
	if (bigger.buckets == NULL)
		return -1;
	for (uint32_t i = 0; i < ids->size; i++) {
		struct id_entry *entry, *next;

		for (entry = ids->buckets[i]; entry != NULL; entry = next) {
			next = entry->next;
			link_in(&bigger, entry);
		}
	}
	free(ids->buckets);
	*ids = bigger;
	return 0;
}

int
ids_add(struct ids *ids, struct id_entry *entry)
{
	/* A table that cannot grow still works, but is slower. */
	if (ids->count >= ids->size && grow(ids) == -1 && ids->size == 0)
		return -1;
	link_in(ids, entry);
	ids->count++;
	return 0;
}

void
ids_remove(struct ids *ids, struct id_entry *entry)
{
	struct id_entry **link;

	if (ids->size == 0)
		return;
	for (link = bucket(ids, entry->id); *link != NULL;
	     link = &(*link)->next) {
		if (*link == entry) {
			*link = entry->next;
			ids->count--;
			return;
		}
	}
}

struct id_entry *
ids_find(const struct ids *ids, uint64_t id)
{
	struct id_entry *entry;

	if (ids->size == 0)
		return NULL;
	for (entry = *bucket(ids, id); entry != NULL; entry = entry->next)
		if (entry->id == id)
			return entry;
	return NULL;
}

void
ids_done(struct ids *ids)
{
	free(ids->buckets);
	*ids = (struct ids){ 0 };
}
