/*
 * worker_fixture.h: a worker without processes: an engine, one listener with
 * a plugin made of the test's own functions, and socketpairs as connections.
 */

#ifndef SLUICE_WORKER_FIXTURE_H
#define SLUICE_WORKER_FIXTURE_H

#include <sluice.h>
#include <stdbool.h>

#include "worker/transport.h"

struct listener;
struct listener_settings;
struct plugin;

/* Makes the stream of each new connection; stream_plain() at first. */
extern struct stream (*worker_stream)(int fd, bool is_unix);

/* Begin; handlers is copied.  The settings may be changed between passes. */
void worker_begin(const struct sl_handlers *handlers);
/* End; the test fails when a connection is left over. */
void worker_end(void);

struct listener *worker_listener(void);
struct listener_settings *worker_settings(void);
struct plugin *worker_plugin(void);

/* Make a connection that is open.  Returns the peer's end, non-blocking. */
int worker_connect(void);
/* The same, but the connection may still be starting. */
int worker_begin_connect(struct sl_conn **ret_conn);

/*
 * The same as worker_connect() over TCP.  The peer's receive buffer is small,
 * and our send buffer holds all that the tests send.
 */
int worker_connect_tcp(void);

/* One pass of the loop.  With `wait` it waits for an event. */
void worker_pass(bool wait);
/* Run passes until there is nothing left to do now. */
void worker_idle(void);

/* Let the clock jump forward. */
void worker_skip_ms(unsigned int ms);

/* Write all of it to the peer's end, with passes in between. */
void peer_write(int fd, const void *buf, size_t len);
/* Read exactly len bytes, with passes in between. */
void peer_read(int fd, void *buf, size_t len);
/* Read to end of file, with passes in between.  Returns bytes, -1 on error. */
ssize_t peer_read_to_end(int fd, void *buf, size_t size);

#endif
