/* hang.c: never finishes loading. */

#include <unistd.h>

#include <sluice.h>

__attribute__((constructor)) static void
hang(void)
{
	for (;;)
		pause();
}

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	return sl_write(c, buf, len);
}

SL_PLUGIN(.name = "hang", .version = "1.0",
    .server = SL_HANDLERS(.data = on_data));
