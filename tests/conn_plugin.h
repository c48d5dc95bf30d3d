/*
 * conn_plugin.h: the plugin of the check_conn_*.c, which records its calls and
 * does what the test asks of it.  conn_run() runs the tests over the plain
 * transport and over the cruel one.  Each program includes it once.
 */

#ifndef SLUICE_TESTS_CONN_PLUGIN_H
#define SLUICE_TESTS_CONN_PLUGIN_H

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sluice.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "config/settings.h"
#include "cruel.h"
#include "fixture.h"
#include "worker/conn.h"
#include "worker/engine.h"
#include "worker/listener.h"
#include "worker_fixture.h"

/* What the plugin was called with, and what it shall do in its callbacks. */
static struct {
	struct sl_conn *conn;
	char calls[4096]; /* names, one letter each */
	char input[1 << 20];
	size_t input_len;
	uint32_t why;
	uint32_t error_why;
	int error_errno;
	uint32_t error_stage;
	char error_text[256];
	uint64_t lost; /* in `close` */
	int depth;
	size_t consume_most; /* of each data call */
	ssize_t data_result; /* returned instead when not 0 */
	int open_result;
	void (*in_handshake)(struct sl_conn *c);
	void (*in_connect_error)(struct sl_conn *c);
	void (*in_open)(struct sl_conn *c);
	void (*in_data)(struct sl_conn *c);
	void (*in_drain)(struct sl_conn *c);
	void (*in_end)(struct sl_conn *c);
	void (*in_close)(struct sl_conn *c);
	void (*in_timeout)(struct sl_conn *c);
	void (*in_error)(struct sl_conn *c);
} plugin;

static inline void
called(char letter)
{
	size_t n = strlen(plugin.calls);

	ck_assert_int_eq(plugin.depth, 0);
	if (n + 1 < sizeof(plugin.calls))
		plugin.calls[n] = letter;
}

static inline void
run(void (*fn)(struct sl_conn *c), struct sl_conn *c)
{
	plugin.depth++;
	if (fn != NULL)
		fn(c);
	plugin.depth--;
}

static inline void
tell_error(const struct sl_error *err)
{
	plugin.error_why = err->why;
	plugin.error_errno = err->sys_errno;
	plugin.error_stage = err->stage;
	ck_assert_ptr_nonnull(err->text);
	snprintf(plugin.error_text, sizeof(plugin.error_text), "%s", err->text);
}

static inline void
on_handshake(struct sl_conn *c, const struct sl_error *err)
{
	called(err == NULL ? 'h' : 'H');
	if (err != NULL)
		tell_error(err);
	run(plugin.in_handshake, c);
}

static inline void
on_connect_error(struct sl_conn *c, const struct sl_error *err)
{
	called('C');
	tell_error(err);
	run(plugin.in_connect_error, c);
}

static inline int
on_open(struct sl_conn *c)
{
	called('o');
	plugin.conn = c;
	run(plugin.in_open, c);
	return plugin.open_result;
}

static inline ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	size_t n = len < plugin.consume_most ? len : plugin.consume_most;

	called('d');
	if (plugin.data_result != 0)
		return plugin.data_result;
	ck_assert_uint_le(plugin.input_len + n, sizeof(plugin.input));
	memcpy(plugin.input + plugin.input_len, buf, n);
	plugin.input_len += n;
	run(plugin.in_data, c);
	return n;
}

static inline ssize_t
echo_data(struct sl_conn *c, const void *buf, size_t len)
{
	called('d');
	return sl_write(c, buf, len);
}

static inline void
on_drain(struct sl_conn *c)
{
	called('r');
	run(plugin.in_drain, c);
}

static inline void
on_end(struct sl_conn *c)
{
	called('e');
	run(plugin.in_end, c);
}

static inline void
on_timeout(struct sl_conn *c)
{
	called('t');
	run(plugin.in_timeout, c);
}

static inline void
on_error(struct sl_conn *c, const struct sl_error *err)
{
	called('x');
	tell_error(err);
	run(plugin.in_error, c);
}

static inline void
on_close(struct sl_conn *c, const struct sl_error *why)
{
	called('c');
	plugin.why = why->why;
	plugin.lost = c->lost;
	run(plugin.in_close, c);
	plugin.conn = NULL;
}

static __attribute__((unused)) const struct sl_handlers full = {
	.size = sizeof(full),
	.open = on_open,
	.data = on_data,
	.drain = on_drain,
	.end = on_end,
	.timeout = on_timeout,
	.error = on_error,
	.close = on_close,
};
static __attribute__((unused)) const struct sl_handlers no_end = {
	.size = sizeof(no_end),
	.open = on_open,
	.data = on_data,
	.drain = on_drain,
	.error = on_error,
	.close = on_close,
};
static __attribute__((unused)) const struct sl_handlers echo = {
	.size = sizeof(echo),
	.open = on_open,
	.data = echo_data,
	.error = on_error,
	.close = on_close,
};

static inline void
begin(const struct sl_handlers *handlers)
{
	memset(&plugin, 0, sizeof(plugin));
	plugin.consume_most = SIZE_MAX;
	worker_begin(handlers);
	worker_settings()->timeouts.idle_ms = 0;
}

static __attribute__((unused)) char bytes[1 << 20];

static inline void
fill(void)
{
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = i * 31 + i / 253;
}

static inline void
small_buffers(int fd)
{
	int size = 4096;

	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	setsockopt(sl_fd(plugin.conn), SOL_SOCKET, SO_SNDBUF, &size,
	    sizeof(size));
}

static inline void
pause_it(struct sl_conn *c)
{
	ck_assert_int_eq(sl_pause(c), 0);
}

static inline void
close_it(struct sl_conn *c)
{
	ck_assert_int_eq(sl_close(c), 0);
}

static inline void
over_plain(void)
{
	worker_stream = stream_plain;
}

static inline void
over_cruel(void)
{
	cruel_reset();
	worker_stream = cruel_stream;
}

/* Begin a test over the cruel transport alone.  Returns the peer's end. */
static inline int
begin_cruel(const struct sl_handlers *handlers)
{
	over_cruel();
	begin(handlers);
	return worker_connect();
}

/* From here on `transport` takes the place of the plain one. */
static inline void
conn_under(struct sl_conn *conn, const struct transport *transport)
{
	if (conn->stream.transport == &transport_cruel)
		cruel_below = transport;
	else
		conn->stream.transport = transport;
}

/* Run every test of the list, which ends with NULL, over both transports. */
static inline int
conn_run(const char *name, const TTest *const *tests)
{
	fill();
	return fixture_run_in(name, tests, over_plain) == EXIT_SUCCESS &&
		fixture_run_in("the same over a cruel transport", tests,
		    over_cruel) == EXIT_SUCCESS
	    ? EXIT_SUCCESS
	    : EXIT_FAILURE;
}

#endif
