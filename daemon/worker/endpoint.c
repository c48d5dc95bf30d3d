/* endpoint.c: lines of the log about a listener or connector. */

#include "worker/endpoint.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/container_of.h"
#include "base/log_line.h"
#include "config/settings.h"
#include "worker/engine.h"

void
endpoint_log(const struct endpoint *endpoint, enum log_level level,
    const char *fmt, ...)
{
	const struct log_field field = { "listener", endpoint->name, 0, true };
	char text[LOG_MESSAGE_MAX], prefix[LOG_MESSAGE_MAX + NAME_MAX];
	va_list ap;

	if (!log_enabled(level))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(prefix, sizeof(prefix), "%s: %s", endpoint->name, text);
	log_fields(level, prefix, &field, 1);
}

bool
endpoint_logs_access(const struct endpoint *endpoint)
{
	if (endpoint->access->lines == ACCESS_INHERIT)
		return engine.log_access;
	return endpoint->access->lines == ACCESS_ON;
}

static void
sum_up_refused(struct log_limit *limit, uint32_t skipped)
{
	static const char *const why[REFUSALS] = {
		"limits.connections",
		"limits.per_address",
		"out of memory",
		"out of descriptors",
		"`allow` or `deny`",
		"limits.accept_rate",
		"limits.accept_rate_per_address",
	};
	struct refusal_lines *lines =
	    container_of(limit, struct refusal_lines, limit);
	unsigned int reason = lines->reason;

	endpoint_log(container_of(lines - reason, struct endpoint, refused[0]),
	    LOG_LEVEL_WARN, "%u more were refused since the last such line: %s",
	    skipped, why[reason]);
}

static void
sum_up_slow(struct log_limit *limit, uint32_t skipped)
{
	endpoint_log(container_of(limit, struct endpoint, slow), LOG_LEVEL_WARN,
	    "%u more callbacks were slow since the last such line", skipped);
}

static void
sum_up_unwanted(struct log_limit *limit, uint32_t skipped)
{
	endpoint_log(container_of(limit, struct endpoint, unwanted),
	    LOG_LEVEL_INFO, "%u more connections ended by a limit or a fault",
	    skipped);
}

static void
sum_up_plugin_lines(struct log_limit *limit, uint32_t skipped)
{
	endpoint_log(container_of(limit, struct endpoint, plugin_lines),
	    LOG_LEVEL_WARN,
	    "%u lines of its plugin were left out: it may log %lld a second, "
	    "its log_rate",
	    skipped,
	    (long long)container_of(limit, struct endpoint, plugin_lines)
		->access->plugin_lines);
}

bool
endpoint_lets_log(struct endpoint *endpoint)
{
	uint32_t most = (uint32_t)endpoint->access->plugin_lines;

	return most == 0 || log_limit(&endpoint->plugin_lines, most, NULL);
}

void
endpoint_limit_lines(struct endpoint *endpoint)
{
	for (unsigned int i = 0; i < REFUSALS; i++) {
		endpoint->refused[i].limit.sum_up = sum_up_refused;
		endpoint->refused[i].reason = i;
	}
	endpoint->slow.sum_up = sum_up_slow;
	endpoint->unwanted.sum_up = sum_up_unwanted;
	endpoint->plugin_lines.sum_up = sum_up_plugin_lines;
}

void
endpoint_lines_done(struct endpoint *endpoint)
{
	for (unsigned int i = 0; i < REFUSALS; i++)
		log_limit_done(&endpoint->refused[i].limit);
	log_limit_done(&endpoint->slow);
	log_limit_done(&endpoint->unwanted);
	log_limit_done(&endpoint->plugin_lines);
}

int
endpoint_pace(struct endpoint *endpoint)
{
	for (enum pace i = 0; i < PACES; i++)
		if (pacer_init(&endpoint->pacer[i], endpoint, i) == -1)
			return -1;
	return 0;
}

void
endpoint_pace_configure(struct endpoint *endpoint)
{
	for (enum pace i = 0; i < PACES; i++)
		pacer_configure(&endpoint->pacer[i]);
}

void
endpoint_pace_done(struct endpoint *endpoint)
{
	for (enum pace i = 0; i < PACES; i++)
		pacer_done(&endpoint->pacer[i]);
}
