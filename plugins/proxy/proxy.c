/*
 * proxy.c: passes each connection on to one of several upstreams.  Here is what
 * the daemon calls; proxy.h says what the other files are for.
 */

#include "proxy.h"

static int
proxy_check(const struct sl_options *options, struct sl_error *err)
{
	const char *option;
	char why[WHY_BYTES];
	struct proxy *proxy = proxy_new(options, NULL, &option, why);

	if (proxy == NULL)
		return sl_refuse(err, option, "%s", why);
	proxy_free(proxy);
	return 0;
}

static int
begin(struct sl_service *service, const struct proxy *prev)
{
	const char *option;
	char why[WHY_BYTES];
	struct proxy *proxy =
	    proxy_new(sl_options(service), prev, &option, why);

	if (proxy == NULL) {
		sl_log(service, SL_LOG_ERROR, "%s", why);
		return -1;
	}
	sl_set_service_data(service, proxy);
	/* Also without checks: this ends the timer of the version before. */
	return sl_timer(service, NULL, TIMER_CHECK, proxy->check_interval_ms);
}

static int
proxy_start(struct sl_service *service)
{
	return begin(service, NULL);
}

/*
 * The next version has options of its own, and shares the upstreams.  Connections
 * refer to their upstream alone, so one that was removed lives on with them.
 */
static int
proxy_reload(struct sl_service *next, struct sl_service *prev)
{
	return begin(next, sl_service_data(prev));
}

static void
proxy_stop(struct sl_service *service)
{
	proxy_free(sl_service_data(service));
}

static void
proxy_timer(struct sl_service *service, struct sl_conn *c, uint32_t id)
{
	if (id == TIMER_AGAIN)
		pair_try_again(c);
	else if (id == TIMER_HELLO)
		pair_hello_late(c);
	else
		check_all(service);
}

SL_PLUGIN(.name = "proxy", .version = "1.0",
    .summary = "passes connections on to upstreams",
    .flags = SL_MANY_WORKERS | SL_UNLOADABLE, .state_version = 1,
    .options = proxy_options, .check = proxy_check, .start = proxy_start,
    .reload = proxy_reload, .stop = proxy_stop, .timer = proxy_timer,
    .server = SL_HANDLERS(.open = pair_client_open, .data = pair_client_data,
	.end = pair_client_end, .close = pair_client_close),
    .client = SL_HANDLERS(.open = pair_upstream_open,
	.data = pair_upstream_data, .end = pair_upstream_end,
	.handshake = pair_upstream_handshake,
	.connect_error = pair_upstream_failed, .close = pair_upstream_close));
