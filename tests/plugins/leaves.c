/* leaves.c: calls exit(0) while it is loaded. */

#include <stdlib.h>

#include <sluice.h>

__attribute__((constructor)) static void
leave(void)
{
	_Exit(0);
}

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	return sl_write(c, buf, len);
}

SL_PLUGIN(.name = "leaves", .version = "1.0",
    .server = SL_HANDLERS(.data = on_data));
