/*
 * delivery_fixture.h: a connection whose peer reads only when the test says so,
 * and a clock that moves only when the test says so.  Each program includes it
 * once.
 */

#ifndef SLUICE_TESTS_DELIVERY_FIXTURE_H
#define SLUICE_TESTS_DELIVERY_FIXTURE_H

#include "conn_plugin.h"

#define PART 100000 /* more than fits in the peer's receive buffer */
static char got[2 * PART];
static unsigned int skipped_ms;

/*
 * Move the clock on, and let the timer of the connection run out.  Over
 * loopback, what the peer has read is acknowledged at once.
 */
static inline void
pass_ms(unsigned int ms)
{
	skipped_ms += ms;
	worker_skip_ms(skipped_ms);
	if (plugin.conn != NULL)
		plugin.conn->timer.on_expire(&plugin.conn->timer);
	engine.now_ms = 0;
}

static inline void
begin_tcp(const struct sl_handlers *handlers, int *ret_fd)
{
	skipped_ms = 0;
	begin(handlers);
	worker_settings()->limits.write_queue = 1 << 20;
	*ret_fd = worker_connect_tcp();
}

static inline void
send_part(void)
{
	ck_assert_int_eq(sl_send(plugin.conn, bytes, PART), 0);
	worker_idle();
	ck_assert_uint_eq(sl_queued(plugin.conn), 0);
}

/* The peer reads len bytes; the loop does not run meanwhile. */
static inline void
peer_takes(int fd, size_t at, size_t len)
{
	for (size_t end = at + len; at < end;) {
		ssize_t n = recv(fd, got + at, end - at, 0);

		ck_assert_int_ne(n, 0);
		if (n > 0)
			at += n;
		else
			ck_assert_int_eq(errno, EAGAIN);
	}
}

#endif
