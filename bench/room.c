/*
 * room.c: sends the input of each connection to all others: by sl_broadcast(),
 * or by sl_send() to each when the option `each` is set.  For bench/run.
 */

#include <sluice.h>

static ssize_t
room_data(struct sl_conn *from, const void *buf, size_t len)
{
	const struct sl_options *o = sl_options(sl_service(from));
	struct sl_conn *c;

	if (!sl_option_bool(o, "each")) {
		sl_broadcast(sl_service(from), buf, len, from);
		return (ssize_t)len;
	}
	for (c = sl_first(sl_service(from)); c != NULL; c = sl_next(c))
		if (c != from)
			sl_send(c, buf, len);
	return (ssize_t)len;
}

static const struct sl_option options[] = {
	{ "each", SL_OPTION_BOOL, "false", "by sl_send() to each" },
	{ 0 },
};

SL_PLUGIN(.name = "room", .version = "1.0",
    .summary = "what one says goes to all others", .flags = SL_UNLOADABLE,
    .options = options, .server = SL_HANDLERS(.data = room_data));
