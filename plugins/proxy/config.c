/* config.c: the options, as a service keeps them. */

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy.h"

#define HOST_CHARS \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

const struct sl_option proxy_options[] = {
	{ "upstreams", SL_OPTION_STRINGS, NULL,
	    "HOST:PORT or unix:PATH, then weight=N, max_connections=N, backup" },
	{ "sni_routes", SL_OPTION_STRINGS, NULL,
	    "a host, and the upstreams for clients that ask for it by TLS" },
	{ "alpn_routes", SL_OPTION_STRINGS, NULL,
	    "a protocol, and the upstreams for it, when TLS ends here" },
	{ "hello_timeout", SL_OPTION_DURATION, "10s",
	    "for the first message of TLS, with sni_routes" },
	{ "balance", SL_OPTION_STRING, "round_robin",
	    "or least_connections, hash_address" },
	{ "connect_timeout", SL_OPTION_DURATION, "5s",
	    "for a connection to one upstream" },
	{ "retries", SL_OPTION_INT, "2",
	    "how many more upstreams are tried for a client" },
	{ "fail_count", SL_OPTION_INT, "3",
	    "failures in a row that take an upstream out; 0: none do" },
	{ "fail_backoff", SL_OPTION_DURATION, "1s",
	    "for how long at first; doubles each time" },
	{ "fail_backoff_max", SL_OPTION_DURATION, "30s", "and at most" },
	{ "check_interval", SL_OPTION_DURATION, "0",
	    "connect to each upstream this often; 0: never" },
	{ "max_connections", SL_OPTION_INT, "0",
	    "to each upstream, from each worker; 0: no limit" },
	{ "idle_timeout", SL_OPTION_DURATION, "0",
	    "of a client and its upstream; 0: timeouts.idle" },
	{ "send_proxy", SL_OPTION_STRING, "none",
	    "tell upstreams who the client is: v1, v2" },
	{ "upstream_tls", SL_OPTION_BOOL, "false",
	    "TLS to upstreams, by connect_tls of the listener" },
	{ "upstream_servername", SL_OPTION_STRING, NULL,
	    "the host to ask for; else that of the upstream" },
	{ "upstream_verify_name", SL_OPTION_STRING, NULL,
	    "that their certificates are for; else the same" },
	{ "upstream_verify", SL_OPTION_BOOL, "true",
	    "refuse upstreams without a good certificate" },
	{ "log_connections", SL_OPTION_BOOL, "true",
	    "a line for each at its end" },
	{ 0 },
};

int
proxy_wrong(char why[WHY_BYTES], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, WHY_BYTES, fmt, ap);
	va_end(ap);
	return -1;
}

/* What went wrong, while a struct proxy is made. */
struct fault {
	const char **ret_option;
	char *why;
};

static int __attribute__((format(printf, 3, 4)))
refuse(const struct fault *fault, const char *option, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(fault->why, WHY_BYTES, fmt, ap);
	va_end(ap);
	*fault->ret_option = option;
	return -1;
}

static int
no_memory(const struct fault *fault)
{
	return refuse(fault, NULL, "out of memory");
}

/* The value's place in `words`, which end with NULL. */
static int
read_choice(const struct sl_options *options, const char *name,
    const char *const *words, int *ret, const struct fault *fault)
{
	const char *value = sl_option_string(options, name);
	char all[WHY_BYTES / 2] = "";
	size_t used = 0;

	for (int i = 0; words[i] != NULL; i++) {
		if (strcmp(value, words[i]) == 0) {
			*ret = i;
			return 0;
		}
		used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s",
		    i > 0 ? ", " : "", words[i]);
	}
	return refuse(fault, name, "\"%.60s\" is none of: %s", value, all);
}

static int
read_int(const struct sl_options *options, const char *name, int64_t most,
    uint32_t *ret, const struct fault *fault)
{
	int64_t value = sl_option_int(options, name);

	if (value < 0 || value > most)
		return refuse(fault, name, "must be from 0 to %lld",
		    (long long)most);
	*ret = (uint32_t)value;
	return 0;
}

static int
read_upstreams(struct proxy *proxy, const struct proxy *prev,
    const struct sl_options *options, const struct fault *fault)
{
	size_t count = sl_option_count(options, "upstreams");

	if (count == 0 && proxy->by_name.count + proxy->by_alpn.count == 0)
		return refuse(fault, "upstreams",
		    "at least one upstream is needed, such as "
		    "[ \"127.0.0.1:80\" ]");
	for (size_t i = 0; i < count; i++) {
		if (group_add(proxy, prev, &proxy->group,
			sl_option_at(options, "upstreams", i),
			fault->why) == -1) {
			*fault->ret_option = "upstreams";
			return -1;
		}
	}
	return 0;
}

static int
read_routes(struct proxy *proxy, const struct proxy *prev,
    const struct sl_options *options, const char *name, bool hosts,
    struct routes *routes, const struct fault *fault)
{
	size_t count = sl_option_count(options, name);

	for (size_t i = 0; i < count; i++) {
		if (routes_add(proxy, prev, routes, hosts,
			sl_option_at(options, name, i), fault->why) == -1) {
			*fault->ret_option = name;
			return -1;
		}
	}
	return 0;
}

static int
read_health(struct proxy *proxy, const struct sl_options *options,
    const struct fault *fault)
{
	struct health_rules *rules = &proxy->health;

	if (read_int(options, "fail_count", UINT16_MAX, &rules->fail_count,
		fault) == -1)
		return -1;
	rules->backoff_ms = sl_option_ms(options, "fail_backoff");
	rules->backoff_max_ms = sl_option_ms(options, "fail_backoff_max");
	if (rules->backoff_ms == 0)
		return refuse(fault, "fail_backoff",
		    "must be longer than 0; fail_count = 0 switches it off");
	if (rules->backoff_max_ms < rules->backoff_ms)
		return refuse(fault, "fail_backoff",
		    "%llu ms is longer than fail_backoff_max, %llu ms: set one "
		    "of them, so that it is not",
		    (unsigned long long)rules->backoff_ms,
		    (unsigned long long)rules->backoff_max_ms);
	proxy->check_interval_ms = sl_option_ms(options, "check_interval");
	rules->checks = proxy->check_interval_ms > 0;
	return 0;
}

/*
 * Names that sl_connect() would refuse for every client.  It knows best, so this
 * finds only what cannot be meant.
 */
static int
check_names(const struct sl_tls_options *tls, const struct fault *fault)
{
	const char *name = tls->servername;
	struct in6_addr in;

	if (name != NULL &&
	    (name[strspn(name, HOST_CHARS)] != '\0' ||
		inet_pton(AF_INET, name, &in) == 1))
		return refuse(fault, "upstream_servername",
		    "\"%.200s\" is not the name of a host", name);
	name = tls->verify_name;
	if (name != NULL &&
	    (name[0] == '\0' ||
		(name[strspn(name, HOST_CHARS)] != '\0' &&
		    inet_pton(AF_INET6, name, &in) != 1)))
		return refuse(fault, "upstream_verify_name",
		    "\"%.200s\" is neither the name of a host nor an address",
		    name);
	return 0;
}

static int
read_tls(struct proxy *proxy, const struct sl_options *options,
    const struct fault *fault)
{
	struct sl_tls_options *tls = &proxy->tls.options;
	const char *needless = NULL;

	*tls = (struct sl_tls_options){
		.size = sizeof(*tls),
		.flags = sl_option_bool(options, "upstream_verify")
		    ? 0
		    : SL_TLS_NO_VERIFY,
		.servername = sl_option_string(options, "upstream_servername"),
		.verify_name =
		    sl_option_string(options, "upstream_verify_name"),
	};
	proxy->tls.on = sl_option_bool(options, "upstream_tls");
	if (proxy->tls.on)
		return check_names(tls, fault);
	if (tls->servername != NULL)
		needless = "upstream_servername";
	else if (tls->verify_name != NULL)
		needless = "upstream_verify_name";
	else if (tls->flags != 0)
		needless = "upstream_verify";
	return needless == NULL
	    ? 0
	    : refuse(fault, needless, "means nothing without upstream_tls");
}

static int
read_options(struct proxy *proxy, const struct proxy *prev,
    const struct sl_options *options, const struct fault *fault)
{
	static const char *const balances[] = { "round_robin",
		"least_connections", "hash_address", NULL };
	static const char *const versions[] = { "none", "v1", "v2", NULL };
	int choice = 0;

	if (read_choice(options, "balance", balances, &choice, fault) == -1)
		return -1;
	proxy->balance = (enum balance)choice;
	if (read_choice(options, "send_proxy", versions, &choice, fault) == -1)
		return -1;
	proxy->send_proxy = (enum send_proxy)choice;
	if (read_int(options, "retries", RETRIES_MAX, &proxy->retries, fault) ==
		-1 ||
	    read_health(proxy, options, fault) == -1 ||
	    read_tls(proxy, options, fault) == -1)
		return -1;
	proxy->connect_timeout_ms = sl_option_ms(options, "connect_timeout");
	if (proxy->connect_timeout_ms == 0)
		return refuse(fault, "connect_timeout",
		    "must be longer than 0");
	proxy->hello_timeout_ms = sl_option_ms(options, "hello_timeout");
	if (proxy->hello_timeout_ms == 0)
		return refuse(fault, "hello_timeout", "must be longer than 0");
	proxy->idle_timeout_ms = sl_option_ms(options, "idle_timeout");
	proxy->log_connections = sl_option_bool(options, "log_connections");
	if (read_int(options, "max_connections", UINT32_MAX,
		&proxy->max_connections, fault) == -1 ||
	    read_routes(proxy, prev, options, "sni_routes", true,
		&proxy->by_name, fault) == -1 ||
	    read_routes(proxy, prev, options, "alpn_routes", false,
		&proxy->by_alpn, fault) == -1)
		return -1;
	return read_upstreams(proxy, prev, options, fault);
}

struct proxy *
proxy_new(const struct sl_options *options, const struct proxy *prev,
    const char **ret_option, char why[WHY_BYTES])
{
	const struct fault fault = { ret_option, why };
	struct proxy *proxy = calloc(1, sizeof(*proxy));

	if (proxy == NULL) {
		no_memory(&fault);
		return NULL;
	}
	if (prev != NULL)
		proxy->last_number = prev->last_number;
	if (read_options(proxy, prev, options, &fault) == -1) {
		proxy_free(proxy);
		return NULL;
	}
	return proxy;
}

void
proxy_free(struct proxy *proxy)
{
	if (proxy == NULL)
		return;
	for (size_t i = 0; i < proxy->upstream_count; i++)
		upstream_unref(proxy->upstreams[i]);
	free(proxy->upstreams);
	group_done(&proxy->group);
	routes_done(&proxy->by_name);
	routes_done(&proxy->by_alpn);
	free(proxy);
}
