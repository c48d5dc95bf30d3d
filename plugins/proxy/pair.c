/*
 * pair.c: a client and its upstream.  The client is paused until an upstream has
 * accepted.  The first byte, or the first end, of either side joins them with
 * sl_pipe(), and from then on the daemon moves all bytes.  Until then nothing
 * has been sent for the client, so another upstream may be tried.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pair.h"

/* One of the two has closed. */
static void
note_ending(struct pair *pair, struct sl_conn *c, const struct sl_error *why)
{
	bool is_client = c == pair->client;
	const char *text = why->text;

	if (pair->ending != NULL || pair->told || !proxy_of(c)->log_connections)
		return;
	pair->ending = calloc(1, sizeof(*pair->ending));
	if (pair->ending == NULL)
		return; /* then there is no line in the log */
	if (pair->attempt == NULL &&
	    (why->why == SL_WHY_PEER || why->why == SL_WHY_LOCAL)) {
		/* Here the other's end has come first: it was carried over. */
		if (why->why == SL_WHY_LOCAL)
			is_client = !is_client;
		text = "both have finished";
	}
	pair->ending->by = is_client ? "client" : "upstream";
	snprintf(pair->ending->why, WHY_BYTES, "%s", text);
}

static void
log_pair(const struct pair *pair, const struct sl_service *service)
{
	const struct ending *ending = pair->ending;
	char connect_ms[16] = "-";

	if (pair->ready)
		snprintf(connect_ms, sizeof(connect_ms), "%u",
		    pair->connect_ms);
	sl_log(service, SL_LOG_INFO,
	    "proxied %s upstream=%s connect_ms=%s ms=%llu in=%llu out=%llu "
	    "tries=%u by=%s why=\"%s\"",
	    ending->client, pair->upstream != NULL ? pair->upstream->name : "-",
	    connect_ms, (unsigned long long)(sl_now_ms() - pair->began_ms),
	    (unsigned long long)ending->in, (unsigned long long)ending->out,
	    pair->tries, ending->by, ending->why);
}

/* Both have closed. */
static void
finish(struct pair *pair, struct sl_service *service)
{
	if (pair->ending != NULL)
		log_pair(pair, service);
	upstream_unref(pair->upstream);
	free(pair->attempt);
	free(pair->ending);
	free(pair);
}

int
pair_client_open(struct sl_conn *c)
{
	struct pair *pair = calloc(1, sizeof(*pair));

	if (pair == NULL)
		return -1;
	pair->attempt = calloc(1, sizeof(*pair->attempt));
	if (pair->attempt == NULL) {
		free(pair);
		return -1;
	}
	pair->client = c;
	pair->began_ms = sl_now_ms();
	sl_set_data(c, pair);
	seek_begin(pair);
	return 0;
}

/* -- Connected -- */

static int
send_header(struct pair *pair)
{
	char header[HEADER_MAX];
	size_t len;

	switch (proxy_of(pair->client)->send_proxy) {
	case SEND_NONE:
		return 0;
	case SEND_V1:
		len = header_v1(pair->client, header);
		break;
	default:
		len = header_v2(pair->client, pair->attempt->name, header);
	}
	return sl_send(pair->up, header, len);
}

/* The upstream has accepted, and TLS has begun if it is wanted. */
static void
ready(struct pair *pair)
{
	const struct proxy *proxy = proxy_of(pair->client);
	struct attempt *attempt = pair->attempt;

	seek_end_trial(pair);
	pair->ready = true;
	pair->connect_ms = (uint32_t)(sl_now_ms() - attempt->began_ms);
	attempt->failures = pair->upstream->failures;
	upstream_good(pair->upstream, sl_service(pair->client));
	pair_count(pair->client, "connected");
	/* The client sees all that moves, so one timer is enough. */
	sl_timeout(pair->up, 0);
	if (proxy->idle_timeout_ms > 0)
		sl_timeout(pair->client, proxy->idle_timeout_ms);
	sl_resume(pair->client);
}

/* A PROXY header comes before TLS, so that is not for sl_connect(). */
static bool
must_upgrade(const struct proxy *proxy)
{
	return proxy->tls.on && proxy->send_proxy != SEND_NONE;
}

static void
connected(struct pair *pair)
{
	const struct proxy *proxy = proxy_of(pair->client);

	pair->opened = true;
	if (send_header(pair) == -1 ||
	    (must_upgrade(proxy) &&
		sl_upgrade_tls(pair->up, SL_TLS_CLIENT, &proxy->tls.options) ==
		    -1))
		sl_terminate(pair->up); /* its `close` follows */
	else if (!must_upgrade(proxy))
		ready(pair);
}

void
pair_upstream_handshake(struct sl_conn *c, const struct sl_error *err)
{
	struct pair *pair = sl_data(c);

	/* Of sl_connect(): it comes before `open`, or `connect_error` does. */
	if (err == NULL && pair != NULL && pair->opened && pair->client != NULL)
		ready(pair);
}

/*
 * The first bytes of one, or none if it has ended: send them to the other, and
 * let the daemon go on.  Returns how many are done with.
 */
static ssize_t
join(struct pair *pair, struct sl_conn *to, const void *buf, size_t len)
{
	ssize_t n = 0;

	if (len > 0)
		n = sl_write(to, buf, len);
	if (n == -1 || sl_pipe(pair->client, pair->up) == -1) {
		sl_close(pair->client);
		sl_close(pair->up);
		return (ssize_t)len;
	}
	free(pair->attempt);
	pair->attempt = NULL;
	return n;
}

ssize_t
pair_client_data(struct sl_conn *c, const void *buf, size_t len)
{
	struct pair *pair = sl_data(c);

	if (pair->attempt->awaits_hello) {
		seek_name(pair, buf, len);
		return 0;
	}
	return join(pair, pair->up, buf, len);
}

void
pair_client_end(struct sl_conn *c)
{
	struct pair *pair = sl_data(c);

	if (pair->attempt->awaits_hello)
		seek_end(pair);
	else
		join(pair, pair->up, NULL, 0);
}

void
pair_client_close(struct sl_conn *c, const struct sl_error *why)
{
	struct pair *pair = sl_data(c);

	note_ending(pair, c, why);
	if (pair->ending != NULL) {
		pair->ending->in = sl_bytes_read(c);
		pair->ending->out = sl_bytes_written(c);
		snprintf(pair->ending->client, NAME_BYTES, "%s",
		    sl_remote(c)->text);
	}
	pair->client = NULL;
	if (pair->up != NULL && !pair->opened) {
		sl_terminate(pair->up); /* nothing is called */
		seek_leave(pair);
	} else if (pair->up != NULL) {
		sl_close(pair->up);
	}
	if (pair->up == NULL)
		finish(pair, sl_service(c));
}

/* -- The connection to an upstream -- */

int
pair_upstream_open(struct sl_conn *c)
{
	struct pair *pair = sl_data(c);

	/* A connector of the daemon's: there is no client for it. */
	if (pair == NULL) {
		sl_conn_log(c, SL_LOG_ERROR,
		    "the plugin proxy is only for listeners: it connects by "
		    "itself, to the upstreams in its options");
		return -1;
	}
	if (pair->is_check)
		check_answered(c);
	else
		connected(pair);
	return 0;
}

ssize_t
pair_upstream_data(struct sl_conn *c, const void *buf, size_t len)
{
	struct pair *pair = sl_data(c);

	return pair->is_check ? (ssize_t)len
			      : join(pair, pair->client, buf, len);
}

void
pair_upstream_end(struct sl_conn *c)
{
	struct pair *pair = sl_data(c);

	if (pair->is_check)
		sl_close(c);
	else
		join(pair, pair->client, NULL, 0);
}

void
pair_upstream_failed(struct sl_conn *c, const struct sl_error *err)
{
	struct pair *pair = sl_data(c);

	if (pair == NULL)
		return; /* a connector */
	if (pair->is_check)
		check_failed(c, err);
	else if (is_upstreams_fault(err))
		seek_next(pair, err->text);
	else
		seek_give_up(pair, err->text);
}

/*
 * Has it failed before anything was sent, and while the client waits?  A reset
 * may as well be a refusal then.
 */
static bool
failed_early(const struct pair *pair, const struct sl_error *why)
{
	return pair->attempt != NULL && !pair->told &&
	    (why->why == SL_WHY_RESET || why->why == SL_WHY_HANDSHAKE ||
		why->why == SL_WHY_TLS) &&
	    sl_state(pair->client) == SL_STATE_OPEN;
}

void
pair_upstream_close(struct sl_conn *c, const struct sl_error *why)
{
	struct pair *pair = sl_data(c);

	if (pair->is_check) {
		check_closed(c);
	} else if (pair->client == NULL) {
		seek_leave(pair);
		finish(pair, sl_service(c));
	} else if (failed_early(pair, why)) {
		seek_next(pair, why->text);
	} else {
		seek_leave(pair);
		note_ending(pair, c, why);
		sl_close(pair->client);
	}
}
