/*
 * queue.c: output that waits for the kernel.  Chunks come in two sizes, and a
 * few of each are kept for reuse: most connections need one for the length of
 * a callback only, and an allocation for every message would show.
 */

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "queue.h"

struct chunk {
	struct chunk *next;
	uint32_t start, end; /* the bytes are data[start..end) */
	uint32_t size;	     /* of data */
	uint32_t class;
	unsigned char data[];
};

#define CHUNK_CLASSES 2
static const struct {
	uint32_t bytes; /* whole allocation */
	uint32_t keep;	/* how many to keep for reuse */
} classes[CHUNK_CLASSES] = {
	{ 2048, 64 },	/* a few messages */
	{ 16384, 32 },	/* bulk: 64 of them fill the largest sendmsg */
};

static struct {
	struct chunk *free;
	uint32_t count;
} pool[CHUNK_CLASSES];

static struct chunk *
chunk_new(size_t len)
{
	struct chunk *chunk;
	uint32_t class;

	class = len > classes[0].bytes - sizeof(*chunk);
	chunk = pool[class].free;
	if (chunk != NULL) {
		pool[class].free = chunk->next;
		pool[class].count--;
	} else {
		chunk = malloc(classes[class].bytes);
		if (chunk == NULL)
			return NULL;
		chunk->size = classes[class].bytes - sizeof(*chunk);
		chunk->class = class;
	}
	chunk->next = NULL;
	chunk->start = chunk->end = 0;
	return chunk;
}

static void
chunk_free(struct chunk *chunk)
{
	uint32_t class = chunk->class;

	if (pool[class].count >= classes[class].keep) {
		free(chunk);
		return;
	}
	chunk->next = pool[class].free;
	pool[class].free = chunk;
	pool[class].count++;
}

static void
chain_free(struct chunk *chunk)
{
	struct chunk *next;

	for (; chunk != NULL; chunk = next) {
		next = chunk->next;
		chunk_free(chunk);
	}
}

int
queue_put(struct queue *queue, const void *buf, size_t len)
{
	const unsigned char *from = buf;
	struct chunk *tail = queue->tail, *first = NULL, **link = &first;
	size_t room = tail != NULL ? tail->size - tail->end : 0;
	size_t n = len < room ? len : room;
	size_t rest = len - n;

	/* All the memory first, so that a failure leaves no half message. */
	while (rest > 0) {
		struct chunk *chunk = chunk_new(rest);
		size_t part;

		if (chunk == NULL) {
			chain_free(first);
			errno = ENOMEM;
			return -1;
		}
		part = rest < chunk->size ? rest : chunk->size;
		memcpy(chunk->data, from + len - rest, part);
		chunk->end = part;
		rest -= part;
		*link = chunk;
		link = &chunk->next;
		tail = chunk;
	}
	if (n > 0) {
		memcpy(queue->tail->data + queue->tail->end, from, n);
		queue->tail->end += n;
	}
	if (first != NULL) {
		if (queue->tail != NULL)
			queue->tail->next = first;
		else
			queue->head = first;
		queue->tail = tail;
	}
	queue->bytes += len;
	return 0;
}

int
queue_iov(const struct queue *queue, struct iovec *iov, int max)
{
	struct chunk *chunk;
	int n = 0;

	for (chunk = queue->head; chunk != NULL && n < max;
	     chunk = chunk->next) {
		iov[n].iov_base = chunk->data + chunk->start;
		iov[n].iov_len = chunk->end - chunk->start;
		n++;
	}
	return n;
}

void
queue_consume(struct queue *queue, size_t len)
{
	struct chunk *chunk;

	queue->bytes -= len < queue->bytes ? len : queue->bytes;
	while (len > 0 && (chunk = queue->head) != NULL) {
		size_t have = chunk->end - chunk->start;

		if (len < have) {
			chunk->start += len;
			return;
		}
		len -= have;
		queue->head = chunk->next;
		if (queue->head == NULL)
			queue->tail = NULL;
		chunk_free(chunk);
	}
}

void
queue_clear(struct queue *queue)
{
	chain_free(queue->head);
	queue->head = queue->tail = NULL;
	queue->bytes = 0;
}

void
queue_pool_done(void)
{
	for (int class = 0; class < CHUNK_CLASSES; class ++) {
		struct chunk *chunk;

		while ((chunk = pool[class].free) != NULL) {
			pool[class].free = chunk->next;
			free(chunk);
		}
		pool[class].count = 0;
	}
}
