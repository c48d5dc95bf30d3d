/*
 * upstream.c: one of the servers behind the proxy: its address, and whether it
 * is well.
 */

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "proxy.h"

#define UNIX_PREFIX "unix:"
#define UNIX_PREFIX_LEN 5
#define HOST_MAX 253 /* of a name, in DNS */
#define LEVEL_MAX 20 /* by then any back-off is at its limit */

/* A whole number from 1 to most; 0: it is not. */
static uint32_t
read_number(const char *text, size_t len, uint32_t most)
{
	uint64_t value = 0;

	if (len == 0 || len > 10 || strspn(text, "0123456789") < len)
		return 0;
	for (size_t i = 0; i < len; i++)
		value = value * 10 + (uint64_t)(text[i] - '0');
	return value <= most ? (uint32_t)value : 0;
}

static bool
is_name(const char *host)
{
	return strspn(host,
		   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		   "0123456789-_.") == strlen(host) &&
	    host[0] != '.' && host[0] != '-' && host[0] != '\0' &&
	    strstr(host, "..") == NULL && strlen(host) <= HOST_MAX;
}

/* "[::1]", which becomes "::1". */
static bool
read_bracketed(char *host)
{
	size_t len = strlen(host);
	char bare[INET6_ADDRSTRLEN];
	struct in6_addr address;
	size_t digits;

	if (len < 2 || host[len - 1] != ']')
		return false;
	host[len - 1] = '\0';
	memmove(host, host + 1, len - 1);
	digits = strcspn(host, "%"); /* what follows is the interface */
	if (digits >= sizeof(bare))
		return false;
	memcpy(bare, host, digits);
	bare[digits] = '\0';
	return inet_pton(AF_INET6, bare, &address) == 1;
}

static int
read_address(struct upstream_spec *spec, char why[WHY_BYTES])
{
	const char *path = spec->name + UNIX_PREFIX_LEN, *colon;
	size_t path_max = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;
	size_t len;

	if (strncmp(spec->name, UNIX_PREFIX, UNIX_PREFIX_LEN) == 0) {
		if ((path[0] != '/' && path[0] != '@') || path[1] == '\0' ||
		    strlen(path) > path_max)
			return proxy_wrong(why,
			    "\"%s\" is not unix: and a path or @name of at "
			    "most %zu bytes",
			    spec->name, path_max);
		strcpy(spec->host, path);
		return 0;
	}
	colon = strrchr(spec->name, ':');
	if (colon == NULL)
		return proxy_wrong(why,
		    "\"%s\" has no port: HOST:PORT is needed", spec->name);
	spec->port =
	    (uint16_t)read_number(colon + 1, strlen(colon + 1), UINT16_MAX);
	if (spec->port == 0)
		return proxy_wrong(why, "\"%s\" has no port from 1 to 65535",
		    spec->name);
	len = (size_t)(colon - spec->name);
	memcpy(spec->host, spec->name, len);
	spec->host[len] = '\0';
	if (spec->host[0] == '[' ? !read_bracketed(spec->host)
				 : !is_name(spec->host))
		return proxy_wrong(why,
		    "\"%s\" has neither a name nor an address before its "
		    "port; IPv6 is written as [ADDRESS]:PORT",
		    spec->name);
	return 0;
}

/* "weight=2" */
static int
read_word(struct upstream_spec *spec, const char *word, size_t len,
    char why[WHY_BYTES])
{
	static const struct {
		const char *name;
		size_t at;
		uint32_t most;
	} words[] = {
		{ "weight=", offsetof(struct upstream_spec, weight),
		    WEIGHT_MAX },
		{ "max_connections=",
		    offsetof(struct upstream_spec, max_connections),
		    UINT32_MAX },
	};

	if (len == strlen("backup") && strncmp(word, "backup", len) == 0) {
		spec->backup = true;
		return 0;
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t name_len = strlen(words[i].name);
		uint32_t value;

		if (len < name_len || strncmp(word, words[i].name, name_len))
			continue;
		value =
		    read_number(word + name_len, len - name_len, words[i].most);
		if (value == 0)
			return proxy_wrong(why, "\"%s\": %sN, N from 1 to %u",
			    spec->name, words[i].name, words[i].most);
		memcpy((char *)spec + words[i].at, &value, sizeof(value));
		return 0;
	}
	return proxy_wrong(why,
	    "\"%s\" is followed by \"%.*s\", which is none of weight=N, "
	    "max_connections=N and backup",
	    spec->name, (int)(len > 60 ? 60 : len), word);
}

int
upstream_parse(const char *text, size_t len, struct upstream_spec *ret,
    char why[WHY_BYTES])
{
	const char *end = text + len;
	size_t n;

	memset(ret, 0, sizeof(*ret));
	ret->weight = 1;
	while (text < end) {
		n = strcspn(text, " \t");
		if (n > (size_t)(end - text))
			n = (size_t)(end - text);
		if (n == 0) {
			text++;
			continue;
		}
		if (ret->name[0] != '\0') {
			if (read_word(ret, text, n, why) == -1)
				return -1;
		} else if (n >= sizeof(ret->name)) {
			return proxy_wrong(why, "an address of %zu bytes", n);
		} else {
			memcpy(ret->name, text, n);
			if (read_address(ret, why) == -1)
				return -1;
		}
		text += n;
	}
	if (ret->name[0] == '\0')
		return proxy_wrong(why, "an address is empty");
	return 0;
}

/* FNV-1a */
static uint64_t
hash_text(const char *text)
{
	uint64_t hash = 14695981039346656037u;

	for (; *text != '\0'; text++)
		hash = (hash ^ (unsigned char)*text) * 1099511628211u;
	return hash;
}

struct upstream *
upstream_new(const struct upstream_spec *spec, uint64_t number)
{
	size_t len = strlen(spec->name) + 1;
	struct upstream *upstream = calloc(1, sizeof(*upstream) + len);

	if (upstream == NULL)
		return NULL;
	upstream->host = strdup(spec->host);
	if (upstream->host == NULL) {
		free(upstream);
		return NULL;
	}
	memcpy(upstream->name, spec->name, len);
	upstream->port = spec->port;
	upstream->number = number;
	upstream->hash = hash_text(spec->name);
	upstream->refs = 1;
	return upstream;
}

struct upstream *
upstream_ref(struct upstream *upstream)
{
	upstream->refs++;
	return upstream;
}

void
upstream_unref(struct upstream *upstream)
{
	if (upstream == NULL || --upstream->refs > 0)
		return;
	free(upstream->host);
	free(upstream);
}

struct sl_conn *
upstream_connect(const struct upstream *upstream, struct sl_service *service,
    uint64_t timeout_ms, const struct sl_tls_options *tls, void *data)
{
	struct sl_connect_options options = {
		.size = sizeof(options),
		.flags = SL_CONNECT_QUIET | (tls != NULL ? SL_CONNECT_TLS : 0),
		.tls = tls,
		.timeout_ms = timeout_ms,
		.data = data,
	};

	if (upstream->port == 0) {
		options.unix_path = upstream->host;
	} else {
		options.host = upstream->host;
		options.port = upstream->port;
	}
	return sl_connect(service, &options);
}

/* -- Is it well? -- */

bool
upstream_usable(const struct upstream *upstream,
    const struct health_rules *rules)
{
	if (!upstream->out)
		return true;
	return !rules->checks && !upstream->trial &&
	    sl_now_ms() >= upstream->out_until_ms;
}

void
upstream_good(struct upstream *upstream, struct sl_service *service)
{
	upstream->failures = 0;
	if (!upstream->out)
		return;
	upstream->out = false;
	upstream->out_until_ms = sl_now_ms();
	sl_log(service, SL_LOG_INFO, "upstream %s is back", upstream->name);
}

/* Out, and longer than the last time unless it has been well for long since. */
static void
take_out(struct upstream *upstream, struct sl_service *service,
    const struct health_rules *rules, const char *text)
{
	uint64_t now = sl_now_ms(), wait = rules->backoff_ms;

	if (!upstream->out &&
	    now > upstream->out_until_ms + rules->backoff_max_ms)
		upstream->backoff_level = 0;
	wait <<= upstream->backoff_level;
	if (wait > rules->backoff_max_ms)
		wait = rules->backoff_max_ms;
	else if (upstream->backoff_level < LEVEL_MAX)
		upstream->backoff_level++;
	upstream->out = true;
	upstream->out_until_ms = now + wait;
	if (rules->checks)
		sl_log(service, SL_LOG_WARN,
		    "upstream %s is out until a check finds it well, after "
		    "failures in a row: %u, the last: %s",
		    upstream->name, upstream->failures, text);
	else
		sl_log(service, SL_LOG_WARN,
		    "upstream %s is out for %llu ms, after failures in a row: "
		    "%u, the last: %s",
		    upstream->name, (unsigned long long)wait,
		    upstream->failures, text);
}

void
upstream_bad(struct upstream *upstream, struct sl_service *service,
    const struct health_rules *rules, bool was_trial, const char *text)
{
	if (upstream->failures < UINT16_MAX)
		upstream->failures++;
	/* Others that were on their way when it went out say nothing new. */
	if (upstream->out && !was_trial)
		return;
	if (rules->fail_count > 0 && upstream->failures >= rules->fail_count)
		take_out(upstream, service, rules, text);
}
