/*
 * small.c: what a plugin made from an older, shorter header looks like.  What
 * lies behind its ends must not be read.
 */

#include <stddef.h>

#include <sluice.h>

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	return sl_write(c, buf, len);
}

#define JUNK ((void *)(uintptr_t)0xdeadbeef)

static const struct sl_handlers handlers = {
	.size = offsetof(struct sl_handlers, drain),
	.data = on_data,
	.drain = JUNK,
	.end = JUNK,
	.timeout = JUNK,
	.error = JUNK,
	.close = JUNK,
};

SL_EXPORT const struct sl_plugin sl_plugin = {
	.abi = SL_ABI,
	.size = offsetof(struct sl_plugin, client),
	.name = "small",
	.version = "0.1",
	.flags = SL_MANY_WORKERS,
	.server = &handlers,
	.client = JUNK,
};
