/* echo.c: sends back its input.  Shows backpressure in one line. */

#include <sluice.h>

static ssize_t
echo_data(struct sl_conn *c, const void *buf, size_t len)
{
	/* Input that did not fit is presented again when there is room. */
	return sl_write(c, buf, len);
}

SL_PLUGIN(.name = "echo", .version = "1.0",
    .summary = "sends back what it gets (RFC 862)",
    .flags = SL_MANY_WORKERS | SL_UNLOADABLE,
    .server = SL_HANDLERS(.data = echo_data));
