/*
 * five.c: echoes its input one byte at a time.  For a message of five bytes it
 * makes five sl_write() calls in one callback; bench/run counts the system
 * calls that follow.
 */

#include <sluice.h>

static ssize_t
five_data(struct sl_conn *c, const void *buf, size_t len)
{
	const char *bytes = buf;
	size_t i;

	for (i = 0; i < len; i++)
		if (sl_write(c, bytes + i, 1) != 1)
			break;
	return (ssize_t)i;
}

SL_PLUGIN(.name = "five", .version = "1.0",
    .summary = "echoes one byte at a time",
    .flags = SL_MANY_WORKERS | SL_UNLOADABLE,
    .server = SL_HANDLERS(.data = five_data));
