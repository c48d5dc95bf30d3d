/*
 * seek.c: finds an upstream for a client: decides where it may go, and tries one
 * after the other until one accepts.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "pair.h"

#define AGAIN_MS 10 /* when too many connections are being made */

void
seek_end_trial(struct pair *pair)
{
	struct attempt *attempt = pair->attempt;

	if (attempt != NULL && attempt->is_trial) {
		pair->upstream->trial = false;
		attempt->is_trial = false;
	}
}

void
seek_leave(struct pair *pair)
{
	seek_end_trial(pair);
	pair->up = NULL;
	pair->upstream->active--;
}

static void
give_up(struct pair *pair, const char *why)
{
	const struct tried *tried = &pair->attempt->tried;

	pair->told = true;
	pair_count(pair->client, "no_upstream");
	if (tried->count == 0)
		sl_conn_log(pair->client, SL_LOG_WARN, "no upstream: %s", why);
	else
		sl_conn_log(pair->client, SL_LOG_WARN,
		    "no upstream: %s; tried: %u, the last: %s", why,
		    tried->count, pair->attempt->last);
	sl_close(pair->client);
}

static void
note_failure(struct pair *pair, const char *text)
{
	struct attempt *attempt = pair->attempt;
	const char *name = pair->upstream->name;

	if (strncmp(text, name, strlen(name)) == 0)
		name = ""; /* it says so itself */
	snprintf(attempt->last, sizeof(attempt->last), "%s%s%s", name,
	    name[0] != '\0' ? ": " : "", text);
	pair_count(pair->client, "upstream_failed");
}

/* What sl_connect() is to ask for.  NULL: no TLS, or it comes later. */
static const struct sl_tls_options *
tls_of(const struct proxy *proxy)
{
	return proxy->tls.on && proxy->send_proxy == SEND_NONE
	    ? &proxy->tls.options
	    : NULL;
}

/* Begin to connect.  0, or -1 with errno. */
static int
begin(struct pair *pair, struct upstream *upstream)
{
	struct attempt *attempt = pair->attempt;
	struct sl_conn *c = pair->client;

	pair->up = upstream_connect(upstream, sl_service(c),
	    proxy_of(c)->connect_timeout_ms, tls_of(proxy_of(c)), pair);
	if (pair->up == NULL)
		return -1;
	attempt->waits_since_ms = 0;
	upstream_unref(pair->upstream);
	pair->upstream = upstream_ref(upstream);
	upstream->active++;
	attempt->tried.numbers[attempt->tried.count++] = upstream->number;
	pair->tries = (uint8_t)attempt->tried.count;
	attempt->is_trial = upstream->trial = upstream->out;
	attempt->began_ms = sl_now_ms();
	return 0;
}

/* Too many connections are being made: wait a little, but not for ever. */
static void
wait_a_little(struct pair *pair)
{
	struct attempt *attempt = pair->attempt;
	struct sl_conn *c = pair->client;

	if (attempt->waits_since_ms == 0)
		attempt->waits_since_ms = sl_now_ms();
	if (sl_now_ms() - attempt->waits_since_ms >
	    proxy_of(c)->connect_timeout_ms)
		give_up(pair, "too many connections are being made");
	else if (sl_timer(sl_service(c), c, TIMER_AGAIN, AGAIN_MS) == -1)
		give_up(pair, strerror(errno));
}

/* What the client asks for, also by TLS that ends here.  NULL: no name. */
static const char *
name_of(const struct pair *pair)
{
	const char *name = pair->attempt->name;

	return name[0] != '\0' ? name : sl_servername(pair->client);
}

/* Those that this client may be sent to. */
static struct group *
group_of(const struct pair *pair, struct proxy *proxy)
{
	const char *name = name_of(pair), *alpn = sl_alpn(pair->client);
	struct group *group = NULL;

	if (name != NULL)
		group = routes_find_host(&proxy->by_name, name);
	if (group == NULL && alpn != NULL)
		group = routes_find(&proxy->by_alpn, alpn);
	return group != NULL ? group : &proxy->group;
}

static void
give_up_without_route(struct pair *pair)
{
	const char *asked = name_of(pair);
	char why[WHY_BYTES] = "it asks for no name, and only routes have any";

	if (asked == NULL)
		asked = sl_alpn(pair->client);
	if (asked != NULL)
		snprintf(why, sizeof(why),
		    "no route is for \"%s\", and only routes have any", asked);
	give_up(pair, why);
}

/* There is no next one. */
static void
give_up_all(struct pair *pair, const struct group *group, uint32_t retries)
{
	unsigned int tried = pair->attempt->tried.count;

	if (group->count == 0)
		give_up_without_route(pair);
	else if (tried >= group->count)
		give_up(pair, "all have failed");
	else if (tried > retries)
		give_up(pair, "no more retries");
	else
		give_up(pair,
		    tried > 0 ? "all others are out or full"
			      : "all are out or full");
}

/* Try the next upstream, if there is one. */
static void
try_next(struct pair *pair)
{
	struct proxy *proxy = sl_service_data(sl_service(pair->client));
	const struct tried *tried = &pair->attempt->tried;
	struct group *group = group_of(pair, proxy);
	struct upstream *upstream = NULL;

	if (tried->count <= proxy->retries)
		upstream = balance_next(group, proxy->balance, &proxy->health,
		    tried, pair->client);
	if (upstream == NULL)
		give_up_all(pair, group, proxy->retries);
	else if (begin(pair, upstream) == 0)
		return;
	else if (errno == EAGAIN)
		wait_a_little(pair);
	else
		give_up(pair, strerror(errno));
}

void
pair_try_again(struct sl_conn *c)
{
	struct pair *pair = sl_data(c);

	if (pair->up == NULL && pair->attempt != NULL)
		try_next(pair);
}

/* -- The name that the client asks for -- */

static void
refuse_hello(struct pair *pair, const char *why)
{
	pair->told = true;
	pair_count(pair->client, "bad_hello");
	sl_conn_log(pair->client, SL_LOG_INFO, "not passed on: %s", why);
	sl_close(pair->client);
}

static void
await_hello(struct pair *pair)
{
	struct sl_conn *c = pair->client;

	pair->attempt->awaits_hello = true;
	if (sl_timer(sl_service(c), c, TIMER_HELLO,
		proxy_of(c)->hello_timeout_ms) == -1)
		refuse_hello(pair, strerror(errno));
}

void
pair_hello_late(struct sl_conn *c)
{
	struct pair *pair = sl_data(c);

	if (pair->attempt != NULL && pair->attempt->awaits_hello)
		refuse_hello(pair, "its ClientHello is not complete in time");
}

/* Its first bytes, which stay where they are: the upstream gets them. */
void
seek_name(struct pair *pair, const void *buf, size_t len)
{
	struct attempt *attempt = pair->attempt;
	struct sl_conn *c = pair->client;
	const char *wrong;

	switch (hello_read(buf, len, attempt->name, &wrong)) {
	case HELLO_MORE:
		break;
	case HELLO_BAD:
		refuse_hello(pair, wrong);
		break;
	case HELLO_DONE:
		attempt->awaits_hello = false;
		sl_timer(sl_service(c), c, TIMER_HELLO, 0);
		sl_pause(c);
		try_next(pair);
	}
}

void
seek_end(struct pair *pair)
{
	refuse_hello(pair, "it has ended within its ClientHello");
}

void
seek_begin(struct pair *pair)
{
	struct sl_conn *c = pair->client;

	if (proxy_of(c)->by_name.count > 0 && sl_tls_version(c) == NULL) {
		await_hello(pair);
	} else {
		sl_pause(c);
		try_next(pair);
	}
}

void
seek_next(struct pair *pair, const char *text)
{
	struct attempt *attempt = pair->attempt;
	bool was_trial = attempt->is_trial;

	note_failure(pair, text);
	if (proxy_of(pair->client)->log_connections)
		sl_conn_log(pair->client, SL_LOG_INFO, "upstream failed: %s",
		    attempt->last);
	seek_leave(pair);
	if (pair->ready) /* it was taken for well */
		pair->upstream->failures = attempt->failures;
	pair->opened = pair->ready = false;
	upstream_bad(pair->upstream, sl_service(pair->client),
	    &proxy_of(pair->client)->health, was_trial, text);
	sl_pause(pair->client);
	try_next(pair);
}

void
seek_give_up(struct pair *pair, const char *text)
{
	note_failure(pair, text);
	seek_leave(pair);
	give_up(pair, "this worker cannot connect");
}
