/* deaf.c: hangs in `data` and ignores SIGABRT. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <signal.h>
#include <unistd.h>

#include <sluice.h>

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	(void)c;
	(void)buf;
	(void)len;
	signal(SIGABRT, SIG_IGN);
	for (;;)
		pause();
	return 0;
}

SL_PLUGIN(.name = "deaf", .version = "1.0",
    .server = SL_HANDLERS(.data = on_data));
