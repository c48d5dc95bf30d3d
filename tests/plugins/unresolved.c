/* unresolved.c: calls a function that no sluice has. */

#include <sluice.h>

SL_EXPORT int sl_no_such_call(struct sl_conn *c);

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	(void)buf;
	return sl_no_such_call(c) == 0 ? (ssize_t)len : -1;
}

SL_PLUGIN(.name = "unresolved", .version = "1.0",
    .server = SL_HANDLERS(.data = on_data));
