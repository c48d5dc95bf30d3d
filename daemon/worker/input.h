/*
 * input.h: input that a plugin has left unconsumed, in one piece.  Most
 * connections have none, and then it takes no memory.
 */

#ifndef SLUICE_INPUT_H
#define SLUICE_INPUT_H

#include <stddef.h>
#include <stdint.h>

/* Kept input; NULL: nothing. */
struct input {
	uint32_t start, end; /* the bytes are data[start..end) */
	uint32_t size;	     /* of data */
	uint32_t ahead;	     /* how many bytes are above limits.read_buffer */
	unsigned char data[];
};

static inline size_t
input_bytes(const struct input *input)
{
	return input != NULL ? input->end - input->start : 0;
}

/*
 * Keep a copy of len bytes; nothing may be kept yet.  `most` is the
 * connection's limits.read_buffer; bytes above it are counted in input_ahead,
 * for all connections together.  Returns 0, or -1 with ENOMEM.
 */
int input_keep(struct input **input, const void *buf, size_t len, size_t most);

/*
 * Make room behind the kept input, of which there must be some.  Returns where
 * new bytes go, and in ret_room how many, at most `most`; or NULL with ENOMEM.
 * input_add() then says how many bytes have come.
 */
unsigned char *input_room(struct input **input, size_t most, size_t *ret_room);
void input_add(struct input *input, size_t len);

/* The first len bytes are consumed.  If none are left, the memory is freed. */
void input_consume(struct input **input, size_t len, size_t most);

/*
 * A plugin that pauses or falls behind between two slices may leave more than
 * its limits.read_buffer unconsumed.  This many bytes above that limit may be
 * kept, for all connections together.
 */
#define INPUT_AHEAD_MAX (4u << 20)
extern size_t input_ahead; /* how many are kept now */

static inline size_t
input_ahead_left(void)
{
	return input_ahead < INPUT_AHEAD_MAX ? INPUT_AHEAD_MAX - input_ahead
					     : 0;
}

/* Drop everything. */
void input_drop(struct input **input);

#endif
