/* queue.h: output that waits for the kernel: bytes in chunks, in order. */

#ifndef SLUICE_QUEUE_H
#define SLUICE_QUEUE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct chunk {
	struct chunk *next;
	uint32_t start, end; /* the bytes are data[start..end) */
	uint32_t size;	     /* of data */
	uint32_t class;
	unsigned char data[];
};

struct queue {
	struct chunk *head, *tail;
	size_t bytes;
};

/* Copy all of buf to the end.  Returns 0, or -1 with ENOMEM and no change. */
int queue_put(struct queue *queue, const void *buf, size_t len);

/* Point iov at the first bytes.  Returns how many entries were filled. */
int queue_iov(const struct queue *queue, struct iovec *iov, int max);

/* Drop the first len bytes, at most all there are. */
void queue_consume(struct queue *queue, size_t len);

/* Drop everything. */
void queue_clear(struct queue *queue);

/* Free the chunks kept for reuse.  For the end of the process. */
void queue_pool_done(void);

#endif
