/* echo.c: sends back what it gets.  Shows backpressure in one line. */

#include <sluice.h>

static ssize_t
echo_data(struct sl_conn *c, const void *buf, size_t len)
{
	/* What did not fit is kept, and presented again once there is room. */
	return sl_write(c, buf, len);
}

SL_PLUGIN(.name = "echo", .version = "1.0",
    .summary = "sends back what it gets (RFC 862)",
    .flags = SL_MANY_WORKERS | SL_UNLOADABLE,
    .server = SL_HANDLERS(.data = echo_data));
