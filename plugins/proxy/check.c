/* check.c: connects to an upstream, to see whether it is there, and no more. */

#include <errno.h>
#include <stdlib.h>

#include "pair.h"

static void
done(struct pair *check)
{
	check->upstream->is_checked = false;
	upstream_unref(check->upstream);
	free(check);
}

static void
check(struct sl_service *service, struct upstream *upstream,
    uint64_t timeout_ms)
{
	struct pair *check = calloc(1, sizeof(*check));

	if (check == NULL)
		return; /* the next one may succeed */
	check->is_check = true;
	check->up =
	    upstream_connect(upstream, service, timeout_ms, NULL, check);
	if (check->up == NULL) {
		free(check);
		return;
	}
	check->upstream = upstream_ref(upstream);
	upstream->is_checked = true;
	sl_unref(check->up); /* no drain waits for it */
}

void
check_all(struct sl_service *service)
{
	const struct proxy *proxy = sl_service_data(service);

	if (proxy->check_interval_ms == 0)
		return; /* a reload has ended them */
	for (size_t i = 0; i < proxy->upstream_count; i++)
		if (!proxy->upstreams[i]->is_checked)
			check(service, proxy->upstreams[i],
			    proxy->connect_timeout_ms);
	sl_timer(service, NULL, TIMER_CHECK, proxy->check_interval_ms);
}

bool
is_upstreams_fault(const struct sl_error *err)
{
	if (err->why != SL_WHY_CONNECT && err->why != SL_WHY_RESOLVE &&
	    err->why != SL_WHY_HANDSHAKE && err->why != SL_WHY_TLS &&
	    err->why != SL_WHY_RESET)
		return false;
	switch (err->sys_errno) {
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case ENOBUFS:
	case EADDRNOTAVAIL:
		return false;
	default:
		return true;
	}
}

void
check_answered(struct sl_conn *c)
{
	struct pair *check = sl_data(c);
	const char *header;
	size_t len;

	upstream_good(check->upstream, sl_service(c));
	header = header_of_check(proxy_of(c)->send_proxy, &len);
	if (header != NULL)
		sl_send(c, header, len);
	sl_close(c);
}

void
check_failed(struct sl_conn *c, const struct sl_error *err)
{
	struct pair *check = sl_data(c);

	if (is_upstreams_fault(err))
		upstream_bad(check->upstream, sl_service(c),
		    &proxy_of(c)->health, false, err->text);
	done(check);
}

void
check_closed(struct sl_conn *c)
{
	done(sl_data(c));
}
