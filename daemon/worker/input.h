/*
 * input.h: input that a plugin has left unconsumed: bytes in one piece.  There
 * is none for most connections, and then there is no memory.
 */

#ifndef SLUICE_INPUT_H
#define SLUICE_INPUT_H

#include <stddef.h>
#include <stdint.h>

/* Kept input; NULL: nothing. */
struct input {
	uint32_t start, end; /* the bytes are data[start..end) */
	uint32_t size;	     /* of data */
	uint32_t ahead;	     /* so much of it is above limits.read_buffer */
	unsigned char data[];
};

static inline size_t
input_bytes(const struct input *input)
{
	return input != NULL ? input->end - input->start : 0;
}

/*
 * Keep a copy of len bytes, where nothing is kept so far.  `most` is the
 * connection's limits.read_buffer: what is above it is counted for all
 * connections together.  0, or -1: ENOMEM.
 */
int input_keep(struct input **input, const void *buf, size_t len, size_t most);

/*
 * Room behind what is kept, which is something, for `most` bytes or less.
 * Returns where they go to, or NULL: ENOMEM.  input_add() then says how many
 * came.
 */
unsigned char *input_room(struct input **input, size_t most, size_t *ret_room);
void input_add(struct input *input, size_t len);

/* The first len bytes are consumed.  With the last one the memory goes. */
void input_consume(struct input **input, size_t len, size_t most);

/*
 * A plugin that pauses or falls behind between two slices leaves more than its
 * read_buffer.  So much of that may be kept, for all connections together.
 */
#define INPUT_AHEAD_MAX (4u << 20)
extern size_t input_ahead; /* so much is */

static inline size_t
input_ahead_left(void)
{
	return input_ahead < INPUT_AHEAD_MAX ? INPUT_AHEAD_MAX - input_ahead
					     : 0;
}

/* Drop everything. */
void input_drop(struct input **input);

#endif
