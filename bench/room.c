/*
 * room.c: what one connection says goes to all others, by sl_send() to each,
 * as a chat does it.  For bench/run.
 */

#include <sluice.h>

static ssize_t
room_data(struct sl_conn *from, const void *buf, size_t len)
{
	struct sl_conn *c = sl_first(sl_service(from));

	for (; c != NULL; c = sl_next(c))
		if (c != from)
			sl_send(c, buf, len);
	return (ssize_t)len;
}

SL_PLUGIN(.name = "room", .version = "1.0",
    .summary = "what one says goes to all others", .flags = SL_UNLOADABLE,
    .server = SL_HANDLERS(.data = room_data));
