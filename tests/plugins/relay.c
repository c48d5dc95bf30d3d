/* relay.c: pipes each connection with the one that came before it. */

#include <stddef.h>

#include <sluice.h>

#ifndef VERSION
#define VERSION "v1"
#endif

static struct sl_conn *waiting; /* for the next one */

static int
relay_open(struct sl_conn *c)
{
	if (waiting == NULL) {
		waiting = c;
		return sl_pause(c);
	}
	if (sl_pipe(waiting, c) == -1)
		return -1;
	waiting = NULL;
	sl_conn_log(c, SL_LOG_INFO, "piped");
	return 0;
}

static ssize_t
relay_data(struct sl_conn *c, const void *buf, size_t len)
{
	(void)buf;
	(void)len;
	sl_conn_log(c, SL_LOG_ERROR, "data of a piped connection");
	return -1;
}

static void
relay_error(struct sl_conn *c, const struct sl_error *err)
{
	sl_conn_log(c, SL_LOG_INFO, "error: %s", err->text);
}

static void
relay_close(struct sl_conn *c, const struct sl_error *why)
{
	(void)why;
	if (waiting == c)
		waiting = NULL;
}

SL_PLUGIN(.name = "relay", .version = VERSION, .state_version = 1,
    .server = SL_HANDLERS(.open = relay_open, .data = relay_data,
	.error = relay_error, .close = relay_close));
