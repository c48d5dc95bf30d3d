/*
 * queue.c: output that waits for the kernel.  Chunks come in two sizes, and a
 * few of each are kept for reuse: most connections need one for the length of
 * a callback only, and an allocation for every message would show.
 */

#include "worker/queue.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_CLASSES 2
#define SMALL_BYTES 2048  /* a few messages */
#define LARGE_BYTES 16384 /* bulk: 64 of them fill the largest sendmsg */
#define CHUNK_DATA_MAX (LARGE_BYTES - sizeof(struct chunk))
static const struct {
	uint32_t bytes; /* whole allocation */
	uint32_t keep;	/* how many to keep for reuse */
} classes[CHUNK_CLASSES] = {
	{ SMALL_BYTES, 64 },
	{ LARGE_BYTES, 32 },
};

static struct {
	struct chunk *free;
	uint32_t count;
} pool[CHUNK_CLASSES];

static struct chunk *
chunk_alloc(uint32_t class)
{
	struct chunk *chunk = malloc(classes[class].bytes);

	if (chunk == NULL)
		return NULL;
	chunk->next = NULL;
	chunk->start = chunk->end = 0;
	chunk->size = classes[class].bytes - sizeof(*chunk);
	chunk->class = class;
	return chunk;
}

static inline struct chunk *
chunk_new(size_t len)
{
	uint32_t class = len > SMALL_BYTES - sizeof(struct chunk);
	struct chunk *chunk = pool[class].free;

	if (chunk == NULL)
		return chunk_alloc(class);
	pool[class].free = chunk->next;
	pool[class].count--;
	chunk->next = NULL;
	chunk->start = chunk->end = 0;
	return chunk;
}

static inline void
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

/* More than the last chunk has room for. */
static int
put_long(struct queue *queue, const unsigned char *from, size_t len)
{
	struct chunk *tail = queue->tail, *first = NULL, **link = &first;
	size_t n = tail != NULL ? tail->size - tail->end : 0;
	size_t rest = len - n;

	/* All the memory first, so that a failure leaves no half message. */
	while (rest > 0) {
		struct chunk *chunk = chunk_new(rest);
		size_t part;

		if (chunk == NULL) {
			queue_clear(&(struct queue){ .head = first });
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
	if (queue->tail != NULL) {
		memcpy(queue->tail->data + queue->tail->end, from, n);
		queue->tail->end += n;
		queue->tail->next = first;
	} else {
		queue->head = first;
	}
	queue->tail = tail;
	queue->bytes += len;
	return 0;
}

int
queue_put(struct queue *queue, const void *buf, size_t len)
{
	struct chunk *tail = queue->tail;

	if (tail == NULL && len <= CHUNK_DATA_MAX) {
		tail = chunk_new(len);
		if (tail == NULL) {
			errno = ENOMEM;
			return -1;
		}
		queue->head = queue->tail = tail;
	} else if (tail == NULL || tail->size - tail->end < len) {
		return put_long(queue, buf, len);
	}
	memcpy(tail->data + tail->end, buf, len);
	tail->end += len;
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

	if (len >= queue->bytes) {
		queue_clear(queue);
		return;
	}
	queue->bytes -= len;
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
	struct chunk *chunk = queue->head;

	queue->head = queue->tail = NULL;
	queue->bytes = 0;
	while (chunk != NULL) {
		struct chunk *next = chunk->next;

		chunk_free(chunk);
		chunk = next;
	}
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
