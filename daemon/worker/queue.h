/*
 * queue.h: output that waits for the kernel: bytes in chunks, in order.  A
 * chunk has bytes of its own, or refers to bytes that it shares with other
 * queues, or to bytes that are lent for a short time.
 */

#ifndef SLUICE_QUEUE_H
#define SLUICE_QUEUE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct chunk_pool;

struct chunk {
	struct chunk *next;
	unsigned char *data;	 /* its own bytes, or others' */
	struct chunk_pool *pool; /* takes it back when it is not needed */
	uint32_t start, end;	 /* the bytes are data[start..end) */
	uint32_t size;		 /* of data; how much room there is */
	unsigned char bytes[];
};

/*
 * A message that any number of queues send, in pieces no longer than a chunk: a
 * queue that still has to send its last byte keeps only the last piece.
 */
struct shared {
	struct shared *next; /* the next piece; only the maker uses it */
	uint32_t refs;
	uint32_t len;
	unsigned char bytes[];
};

/*
 * A copy of buf.  It lives until shared_done() was called and no queue refers
 * to it.  NULL: ENOMEM.
 */
struct shared *shared_new(const void *buf, size_t len);
/* No further queue will refer to it.  NULL is fine. */
void shared_done(struct shared *message);

struct queue {
	struct chunk *head, *tail;
	size_t bytes;
};

/* Append a copy of buf.  Returns 0, or -1 with ENOMEM and no change. */
int queue_put(struct queue *queue, const void *buf, size_t len);

/*
 * Append the message without its first `from` bytes.  Returns 0, or -1 with
 * ENOMEM and no change.  A message shorter than SHARE_MIN is better copied:
 * a chunk that refers takes memory, too, and many short messages fit into one
 * chunk of their own bytes.
 */
#define SHARE_MIN 1024 /* bytes */
int queue_put_shared(struct queue *queue, struct shared *message, size_t from);

/*
 * Append a reference to buf, which is only lent: it must not change until it
 * was consumed, or the queue was cleared, or queue_end_loan() was called.
 * Returns 0, or -1 with ENOMEM and no change.
 */
int queue_put_lent(struct queue *queue, const void *buf, size_t len);
/*
 * Replace references to lent bytes by copies.  Returns 0, or -1 with ENOMEM:
 * then some may be left, and the caller has to clear the queue.
 */
int queue_end_loan(struct queue *queue);

/*
 * Point iov, which has `max` entries, at the first bytes.  Returns how many
 * entries were filled.
 */
int queue_iov(const struct queue *queue, struct iovec *iov, int max);

/* Drop the first len bytes; everything, if there are fewer. */
void queue_consume(struct queue *queue, size_t len);

/* Drop everything behind the first `keep` bytes. */
void queue_truncate(struct queue *queue, size_t keep);

/* Drop everything. */
void queue_clear(struct queue *queue);

/* Free the chunks that are kept for reuse, at the end of the process. */
void queue_pool_done(void);

#endif
