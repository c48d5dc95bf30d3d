/* crash.c: crashes while it is loaded. */

#include <signal.h>

#include <sluice.h>

__attribute__((constructor)) static void
crash(void)
{
	signal(SIGSEGV, SIG_DFL);
	raise(SIGSEGV);
}

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	return sl_write(c, buf, len);
}

SL_PLUGIN(.name = "crash", .version = "1.0",
    .server = SL_HANDLERS(.data = on_data));
