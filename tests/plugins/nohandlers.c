/* nohandlers.c: a plugin with neither `data` nor `drain`. */

#include <sluice.h>

static int
on_open(struct sl_conn *c)
{
	(void)c;
	return 0;
}

SL_PLUGIN(.name = "nohandlers", .version = "1.0",
    .server = SL_HANDLERS(.open = on_open));
