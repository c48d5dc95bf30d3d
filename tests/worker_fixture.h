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

/* What connections of the fixture go over; stream_plain() at first. */
extern struct stream (*worker_stream)(int fd, bool is_unix);

/* Begin; handlers is copied.  The settings may be changed between passes. */
void worker_begin(const struct sl_handlers *handlers);
/* End; fails the test when a connection is left over. */
void worker_end(void);

struct listener *worker_listener(void);
struct listener_settings *worker_settings(void);
struct plugin *worker_plugin(void);

/* A new connection, which is open; returns the peer's end, non-blocking. */
int worker_connect(void);
/* The same, but it may still be starting. */
int worker_begin_connect(struct sl_conn **ret_conn);

/*
 * The same over TCP, where the peer's kernel takes little before the peer
 * reads, and ours takes all that the tests send.
 */
int worker_connect_tcp(void);

/* One pass of the loop, which waits for an event or not at all. */
void worker_pass(bool wait);
/* Passes until nothing is left to do at once. */
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
