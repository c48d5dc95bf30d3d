/*
 * queue.c: output that waits for the kernel.  Chunks come in three sizes, and
 * some of each size are kept for reuse.  Most connections need a chunk only
 * while a callback runs, and an allocation for each message would take
 * measurable time.
 */

#include "worker/queue.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/container_of.h"

#define TINY_BYTES 256	  /* one short message, on many connections */
#define SMALL_BYTES 2048  /* a few messages */
#define LARGE_BYTES 16384 /* bulk; 16 of them go with one sendmsg */
#define DATA_MAX(bytes) ((bytes) - sizeof(struct chunk))
#define PIECE_MAX (LARGE_BYTES - sizeof(struct shared))

/* Unused chunks of one size, kept for reuse. */
struct chunk_pool {
	struct chunk *free;
	uint32_t room;	/* how many more chunks may be kept */
	uint32_t bytes; /* size of a chunk with its header */
};
static struct chunk_pool tiny = { NULL, 1024, TINY_BYTES };
static struct chunk_pool small = { NULL, 64, SMALL_BYTES };
static struct chunk_pool large = { NULL, 32, LARGE_BYTES };
static struct chunk_pool references = { NULL, 0, sizeof(struct chunk) };
static struct chunk_pool loans = { NULL, 0, sizeof(struct chunk) };

static struct chunk *
chunk_alloc(struct chunk_pool *pool)
{
	struct chunk *chunk = malloc(pool->bytes);

	if (chunk == NULL)
		return NULL;
	chunk->next = NULL;
	chunk->start = chunk->end = 0;
	chunk->size = DATA_MAX(pool->bytes);
	chunk->pool = pool;
	chunk->data = chunk->bytes;
	return chunk;
}

static inline struct chunk *
chunk_of(struct chunk_pool *pool)
{
	struct chunk *chunk = pool->free;

	if (chunk == NULL)
		return chunk_alloc(pool);
	pool->free = chunk->next;
	pool->room++;
	chunk->next = NULL;
	chunk->start = chunk->end = 0;
	return chunk;
}

/*
 * For more than one message.  It is never tiny, since one sendmsg takes only a
 * limited number of chunks.
 */
static inline struct chunk *
chunk_behind(size_t len)
{
	return chunk_of(len <= DATA_MAX(SMALL_BYTES) ? &small : &large);
}

static inline struct chunk *
chunk_first(size_t len)
{
	return len <= DATA_MAX(TINY_BYTES) ? chunk_of(&tiny)
					   : chunk_behind(len);
}

static void piece_unref(struct shared *piece);

/* The chunk is not kept for reuse. */
__attribute__((noinline, cold)) static void
chunk_drop(struct chunk *chunk)
{
	if (chunk->pool == &references)
		piece_unref(container_of(chunk->data, struct shared, bytes[0]));
	free(chunk);
}

static inline void
chunk_free(struct chunk *chunk)
{
	struct chunk_pool *pool = chunk->pool;

	if (pool->room == 0) {
		chunk_drop(chunk);
		return;
	}
	chunk->next = pool->free;
	pool->free = chunk;
	pool->room--;
}

/* Free chunks that were not appended to a queue after all.  Returns -1. */
static int
no_memory(struct chunk *first)
{
	queue_clear(&(struct queue){ .head = first });
	errno = ENOMEM;
	return -1;
}

/* Append these chunks, which have `len` bytes in all. */
static void
append(struct queue *queue, struct chunk *first, struct chunk *last, size_t len)
{
	if (queue->tail != NULL)
		queue->tail->next = first;
	else
		queue->head = first;
	queue->tail = last;
	queue->bytes += len;
}

/*
 * Copy len bytes, which are more than 0, to new chunks, the last of which is
 * ret_last.  Returns the first one, or NULL with ENOMEM.
 */
static struct chunk *
copy_of(const unsigned char *from, size_t len, struct chunk **ret_last)
{
	struct chunk *first = NULL, **link = &first;

	while (len > 0) {
		struct chunk *chunk = chunk_behind(len);
		size_t part;

		if (chunk == NULL) {
			no_memory(first);
			return NULL;
		}
		part = len < chunk->size ? len : chunk->size;
		memcpy(chunk->data, from, part);
		chunk->end = part;
		from += part;
		len -= part;
		*link = chunk;
		link = &chunk->next;
		*ret_last = chunk;
	}
	return first;
}

/* Append a copy that needs more than the last chunk has room for. */
static int __attribute__((noinline))
put_long(struct queue *queue, const unsigned char *from, size_t len)
{
	struct chunk *tail = queue->tail, *first, *last;
	size_t n = tail != NULL ? tail->size - tail->end : 0;

	/* Allocate everything first: a failure must not leave half a message. */
	first = copy_of(from + n, len - n, &last);
	if (first == NULL)
		return -1;
	if (tail != NULL) {
		memcpy(tail->data + tail->end, from, n);
		tail->end += n;
	}
	append(queue, first, last, len);
	return 0;
}

int
queue_put(struct queue *queue, const void *buf, size_t len)
{
	struct chunk *tail = queue->tail;

	if (tail == NULL && len <= DATA_MAX(LARGE_BYTES)) {
		tail = chunk_first(len);
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

static struct shared *
piece_new(const unsigned char *from, size_t len)
{
	struct shared *piece = malloc(sizeof(*piece) + len);

	if (piece == NULL)
		return NULL;
	piece->next = NULL;
	piece->refs = 1;
	piece->len = len;
	memcpy(piece->bytes, from, len);
	return piece;
}

static void
piece_unref(struct shared *piece)
{
	if (--piece->refs == 0)
		free(piece);
}

void
shared_done(struct shared *message)
{
	while (message != NULL) {
		struct shared *next = message->next;

		piece_unref(message);
		message = next;
	}
}

struct shared *
shared_new(const void *buf, size_t len)
{
	struct shared *message = NULL, **link = &message;
	size_t done = 0;

	while (done < len) {
		size_t rest = len - done;

		*link = piece_new((const unsigned char *)buf + done,
		    rest < PIECE_MAX ? rest : PIECE_MAX);
		if (*link == NULL) {
			shared_done(message);
			errno = ENOMEM;
			return NULL;
		}
		done += (*link)->len;
		link = &(*link)->next;
	}
	return message;
}

static struct chunk *
reference(struct shared *piece, size_t from)
{
	struct chunk *chunk = chunk_of(&references);

	if (chunk == NULL)
		return NULL;
	chunk->data = piece->bytes;
	chunk->start = from;
	chunk->end = chunk->size = piece->len;
	piece->refs++;
	return chunk;
}

int
queue_put_shared(struct queue *queue, struct shared *message, size_t from)
{
	struct chunk *first = NULL, *last = NULL, **link = &first;
	size_t len = 0;

	for (; message != NULL; message = message->next) {
		if (from >= message->len) {
			from -= message->len;
			continue;
		}
		last = *link = reference(message, from);
		if (last == NULL)
			return no_memory(first);
		len += message->len - from;
		from = 0;
		link = &last->next;
	}
	append(queue, first, last, len);
	return 0;
}

int
queue_put_lent(struct queue *queue, const void *buf, size_t len)
{
	struct chunk *tail = queue->tail;

	/* Usually it follows in memory what was lent before. */
	if (tail != NULL && tail->pool == &loans &&
	    tail->data + tail->end == buf) {
		tail->end += len;
		tail->size = tail->end;
		queue->bytes += len;
		return 0;
	}
	tail = chunk_of(&loans);
	if (tail == NULL) {
		errno = ENOMEM;
		return -1;
	}
	tail->data = (unsigned char *)buf; /* only read */
	tail->end = tail->size = len;
	append(queue, tail, tail, len);
	return 0;
}

int
queue_end_loan(struct queue *queue)
{
	struct chunk **link = &queue->head, *chunk, *first, *last;

	while ((chunk = *link) != NULL) {
		if (chunk->pool != &loans) {
			link = &chunk->next;
			continue;
		}
		first = copy_of(chunk->data + chunk->start,
		    chunk->end - chunk->start, &last);
		if (first == NULL)
			return -1;
		last->next = chunk->next;
		if (queue->tail == chunk)
			queue->tail = last;
		*link = first;
		link = &last->next;
		chunk_free(chunk);
	}
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
queue_truncate(struct queue *queue, size_t keep)
{
	struct chunk *chunk = queue->head;
	struct queue rest;
	size_t len;

	if (keep == 0) {
		queue_clear(queue);
		return;
	}
	if (keep >= queue->bytes)
		return;
	queue->bytes = keep;
	for (; (len = chunk->end - chunk->start) < keep; chunk = chunk->next)
		keep -= len;
	chunk->end = chunk->start + keep;
	if (chunk->data != chunk->bytes)
		chunk->size = chunk->end; /* others' bytes: never write there */
	rest = (struct queue){ .head = chunk->next };
	chunk->next = NULL;
	queue->tail = chunk;
	queue_clear(&rest);
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

static void
pool_done(struct chunk_pool *pool)
{
	struct chunk *chunk;

	while ((chunk = pool->free) != NULL) {
		pool->free = chunk->next;
		pool->room++;
		free(chunk);
	}
}

void
queue_pool_done(void)
{
	pool_done(&tiny);
	pool_done(&small);
	pool_done(&large);
}
