/* input.c: input that a plugin has left unconsumed. */

#include "worker/input.h"

#include <stdlib.h>
#include <string.h>

#define GROW_MIN 1024 /* bytes: the least room to read into */

size_t input_ahead;

/* The kept input has changed: count again how much is above the limit. */
static void
count_ahead(struct input *input, size_t most)
{
	size_t kept = input_bytes(input);

	input_ahead -= input->ahead;
	input->ahead = kept > most ? kept - most : 0;
	input_ahead += input->ahead;
}

int
input_keep(struct input **input, const void *buf, size_t len, size_t most)
{
	struct input *kept = malloc(sizeof(*kept) + len);

	if (kept == NULL)
		return -1;
	kept->start = 0;
	kept->end = kept->size = len;
	kept->ahead = 0;
	memcpy(kept->data, buf, len);
	*input = kept;
	count_ahead(kept, most);
	return 0;
}

/* Move the kept input to the front, so that all the room is behind it. */
static void
move_up(struct input *input)
{
	size_t kept = input_bytes(input);

	if (input->start == 0)
		return;
	memmove(input->data, input->data + input->start, kept);
	input->start = 0;
	input->end = kept;
}

unsigned char *
input_room(struct input **input, size_t most, size_t *ret_room)
{
	size_t kept = input_bytes(*input), want = kept, room;
	struct input *in = *input;

	move_up(in);
	if (want < GROW_MIN)
		want = GROW_MIN; /* else twice as much as there is */
	if (want > most)
		want = most;
	if (in->size - in->end < want) {
		in = realloc(in, sizeof(*in) + kept + want);
		if (in == NULL)
			return NULL;
		in->size = kept + want;
		*input = in;
	}
	room = in->size - in->end;
	*ret_room = room < most ? room : most;
	return in->data + in->end;
}

void
input_add(struct input *input, size_t len)
{
	input->end += len;
}

void
input_consume(struct input **input, size_t len, size_t most)
{
	(*input)->start += len;
	if (input_bytes(*input) == 0)
		input_drop(input);
	else
		count_ahead(*input, most);
}

void
input_drop(struct input **input)
{
	if (*input == NULL)
		return;
	input_ahead -= (*input)->ahead;
	free(*input);
	*input = NULL;
}
