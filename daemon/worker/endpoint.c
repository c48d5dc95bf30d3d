/* endpoint.c: lines of the log about a listener or connector. */

#include "worker/endpoint.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/log_line.h"

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
