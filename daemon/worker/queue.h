/*
 * queue.h: output that waits for the kernel: bytes in chunks, in order.  A chunk
 * has bytes of its own, or is one of several that refer to the same.
 */

#ifndef SLUICE_QUEUE_H
#define SLUICE_QUEUE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct chunk_pool;

struct chunk {
	struct chunk *next;
	unsigned char *data;	 /* bytes, or those of a struct shared */
	struct chunk_pool *pool; /* where it goes when it is not needed */
	uint32_t start, end;	 /* the bytes are data[start..end) */
	uint32_t size;		 /* of data; how much room there is */
	unsigned char bytes[];
};

/*
 * A message that any number of queues send, in pieces no longer than a chunk: a
 * queue that has not sent the last byte keeps no more than one of them.
 */
struct shared {
	struct shared *next; /* of the same message, for its maker alone */
	uint32_t refs;
	uint32_t len;
	unsigned char bytes[];
};

/* A copy of buf, until shared_done() and no queue needs it.  NULL: ENOMEM. */
struct shared *shared_new(const void *buf, size_t len);
/* No other queue will need it.  NULL is fine. */
void shared_done(struct shared *message);

struct queue {
	struct chunk *head, *tail;
	size_t bytes;
};

/* Copy all of buf to the end.  Returns 0, or -1 with ENOMEM and no change. */
int queue_put(struct queue *queue, const void *buf, size_t len);

/*
 * Put the message from `from` on at the end.  Returns 0, or -1 with ENOMEM and
 * no change.  What is shorter than SHARE_MIN is better copied: a chunk that
 * refers takes memory, too, while many short messages have room in one.
 */
#define SHARE_MIN 1024 /* bytes */
int queue_put_shared(struct queue *queue, struct shared *message, size_t from);

/* Point iov at the first bytes.  Returns how many entries were filled. */
int queue_iov(const struct queue *queue, struct iovec *iov, int max);

/* Drop the first len bytes, at most all there are. */
void queue_consume(struct queue *queue, size_t len);

/* Drop everything. */
void queue_clear(struct queue *queue);

/* Free the chunks kept for reuse.  For the end of the process. */
void queue_pool_done(void);

#endif
