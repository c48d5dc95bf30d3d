/*
 * pair.c: a client and its upstream.  The client is paused until an upstream has
 * accepted.  The first byte, or the first end, of either side joins them with
 * sl_pipe(), and from then on the daemon moves all bytes.  Until then nothing
 * has been sent for the client, so another upstream may be tried.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy.h"

#define AGAIN_MS 10 /* when too many connections are being made */

/* Until the two are joined. */
struct attempt {
	struct tried tried;
	uint64_t began_ms; /* with this upstream */
	bool is_trial;	   /* of an upstream that is out */
	uint16_t failures; /* that the upstream had before this */
	char last[WHY_BYTES];
};

/* From the first `close` of the two to the second. */
struct ending {
	const char *by;
	uint64_t in, out;
	char client[NAME_BYTES];
	char why[WHY_BYTES];
};

/* sl_data() of both connections, and of a check, which has no client. */
struct pair {
	struct sl_conn *client; /* NULL: it has closed */
	struct sl_conn *up;
	struct upstream *upstream; /* `up` is counted there */
	struct attempt *attempt;   /* NULL: they are joined */
	struct ending *ending;
	uint64_t began_ms;
	uint32_t connect_ms;
	uint8_t tries;
	bool connected;
	bool is_check;
	bool told; /* the log says why it has no upstream */
};

static const struct proxy *
proxy_of(struct sl_conn *c)
{
	return sl_service_data(sl_service(c));
}

static void
count(struct sl_conn *c, const char *name)
{
	sl_count(sl_service(c), name, 1);
}

/* -- The end -- */

static void
end_trial(struct pair *pair)
{
	struct attempt *attempt = pair->attempt;

	if (attempt != NULL && attempt->is_trial) {
		pair->upstream->trial = false;
		attempt->is_trial = false;
	}
}

/* The connection to the upstream is over, or was never made. */
static void
leave_upstream(struct pair *pair)
{
	end_trial(pair);
	pair->up = NULL;
	pair->upstream->active--;
}

/* One of the two has closed. */
static void
note_ending(struct pair *pair, bool is_client, const struct sl_error *why)
{
	const char *text = why->text;

	if (pair->ending != NULL)
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

	if (pair->connected)
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
	const struct proxy *proxy = sl_service_data(service);

	if (proxy->log_connections && !pair->told && pair->ending != NULL)
		log_pair(pair, service);
	upstream_unref(pair->upstream);
	free(pair->attempt);
	free(pair->ending);
	free(pair);
}

/* -- Finding an upstream -- */

static void
give_up(struct pair *pair, const char *why)
{
	const struct tried *tried = &pair->attempt->tried;

	pair->told = true;
	count(pair->client, "no_upstream");
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

	snprintf(attempt->last, sizeof(attempt->last), "%s: %s",
	    pair->upstream->name, text);
	count(pair->client, "upstream_failed");
}

/* It failed for this client, which may go on to another one. */
static void
upstream_failed(struct pair *pair, const char *text)
{
	bool was_trial = pair->attempt->is_trial;

	note_failure(pair, text);
	end_trial(pair);
	upstream_bad(pair->upstream, sl_service(pair->client),
	    &proxy_of(pair->client)->health, was_trial, text);
}

/* Begin to connect.  0, or -1 with errno. */
static int
begin(struct pair *pair, struct upstream *upstream)
{
	struct attempt *attempt = pair->attempt;
	struct sl_conn *c = pair->client;

	pair->up = upstream_connect(upstream, sl_service(c),
	    proxy_of(c)->connect_timeout_ms, pair);
	if (pair->up == NULL)
		return -1;
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

	if (attempt->began_ms == 0)
		attempt->began_ms = sl_now_ms();
	if (sl_now_ms() - attempt->began_ms > proxy_of(c)->connect_timeout_ms)
		give_up(pair, "too many connections are being made");
	else if (sl_timer(sl_service(c), c, TIMER_AGAIN, AGAIN_MS) == -1)
		give_up(pair, strerror(errno));
}

/* Try the next upstream, if there is one. */
static void
try_next(struct pair *pair)
{
	struct proxy *proxy = sl_service_data(sl_service(pair->client));
	const struct tried *tried = &pair->attempt->tried;
	struct upstream *upstream = NULL;

	if (tried->count <= proxy->retries)
		upstream = balance_next(&proxy->group, proxy->balance,
		    &proxy->health, tried, sl_remote(pair->client)->text);
	if (upstream == NULL)
		give_up(pair,
		    tried->count > proxy->retries
			? "no more retries"
			: "all others are out or full");
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
	sl_pause(c);
	try_next(pair);
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
		len = header_v2(pair->client, header);
	}
	return sl_send(pair->up, header, len);
}

static void
connected(struct pair *pair)
{
	const struct proxy *proxy = proxy_of(pair->client);
	struct attempt *attempt = pair->attempt;

	end_trial(pair);
	pair->connected = true;
	pair->connect_ms = (uint32_t)(sl_now_ms() - attempt->began_ms);
	attempt->failures = pair->upstream->failures;
	upstream_good(pair->upstream, sl_service(pair->client));
	count(pair->client, "connected");
	/* The client sees all that moves, so one timer is enough. */
	sl_timeout(pair->up, 0);
	if (proxy->idle_timeout_ms > 0)
		sl_timeout(pair->client, proxy->idle_timeout_ms);
	if (send_header(pair) == -1)
		sl_terminate(pair->up); /* its `close` follows */
	else
		sl_resume(pair->client);
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

	return join(pair, pair->up, buf, len);
}

void
pair_client_end(struct sl_conn *c)
{
	struct pair *pair = sl_data(c);

	join(pair, pair->up, NULL, 0);
}

void
pair_client_close(struct sl_conn *c, const struct sl_error *why)
{
	struct pair *pair = sl_data(c);

	note_ending(pair, true, why);
	if (pair->ending != NULL) {
		pair->ending->in = sl_bytes_read(c);
		pair->ending->out = sl_bytes_written(c);
		snprintf(pair->ending->client, NAME_BYTES, "%s",
		    sl_remote(c)->text);
	}
	pair->client = NULL;
	if (pair->up != NULL && !pair->connected) {
		sl_terminate(pair->up); /* nothing is called */
		leave_upstream(pair);
	} else if (pair->up != NULL) {
		sl_close(pair->up);
	}
	if (pair->up == NULL)
		finish(pair, sl_service(c));
}

/* -- Checks: connect to an upstream, and no more -- */

static void
check_done(struct pair *check)
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
	check->up = upstream_connect(upstream, service, timeout_ms, check);
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

/* -- The connection to an upstream -- */

int
pair_upstream_open(struct sl_conn *c)
{
	struct pair *pair = sl_data(c);

	if (pair->is_check) {
		upstream_good(pair->upstream, sl_service(c));
		sl_close(c);
	} else {
		connected(pair);
	}
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

/* Was it the upstream that failed, and not this worker? */
static bool
is_its_fault(const struct sl_error *err)
{
	if (err->why != SL_WHY_CONNECT && err->why != SL_WHY_RESOLVE)
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
pair_upstream_failed(struct sl_conn *c, const struct sl_error *err)
{
	struct sl_service *service = sl_service(c);
	const struct proxy *proxy = sl_service_data(service);
	struct pair *pair = sl_data(c);

	if (pair->is_check) {
		if (is_its_fault(err))
			upstream_bad(pair->upstream, service, &proxy->health,
			    false, err->text);
		check_done(pair);
	} else if (is_its_fault(err)) {
		upstream_failed(pair, err->text);
		leave_upstream(pair);
		try_next(pair);
	} else {
		note_failure(pair, err->text);
		leave_upstream(pair);
		give_up(pair, "this worker cannot connect");
	}
}

/* It was reset before anything was sent, so it may as well be refused. */
static void
reset_early(struct pair *pair, const struct sl_error *why)
{
	pair->upstream->failures = pair->attempt->failures;
	upstream_failed(pair, why->text);
	pair->connected = false;
	sl_pause(pair->client);
	try_next(pair);
}

void
pair_upstream_close(struct sl_conn *c, const struct sl_error *why)
{
	struct pair *pair = sl_data(c);

	if (pair->is_check) {
		check_done(pair);
		return;
	}
	leave_upstream(pair);
	if (pair->client == NULL) {
		finish(pair, sl_service(c));
	} else if (pair->attempt != NULL && why->why == SL_WHY_RESET &&
	    sl_state(pair->client) == SL_STATE_OPEN) {
		reset_early(pair, why);
	} else {
		note_ending(pair, false, why);
		sl_close(pair->client);
	}
}
