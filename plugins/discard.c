/* discard.c: takes everything, says nothing.  Shows the smallest plugin. */

#include <sluice.h>

static ssize_t
discard_data(struct sl_conn *c, const void *buf, size_t len)
{
	(void)c;
	(void)buf;
	return (ssize_t)len;
}

SL_PLUGIN(.name = "discard", .version = "1.0",
    .summary = "takes everything, says nothing (RFC 863)",
    .flags = SL_MANY_WORKERS | SL_UNLOADABLE,
    .server = SL_HANDLERS(.data = discard_data));
