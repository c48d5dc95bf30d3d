/*
 * transport_connect.h: the transport of a connection that we make: it connects a socket to
 * the peer, and then hands the stream on to transport_plain.
 */

#ifndef SLUICE_TRANSPORT_CONNECT_H
#define SLUICE_TRANSPORT_CONNECT_H

#include "worker/connect_socket.h"
#include "worker/transport.h"

/*
 * A stream in PHASE_CONNECT, or in PHASE_RESOLVE if there is a host.  The
 * addresses of a host are in a race (connect_race.h).  *in_progress is borrowed:
 * it is one more until the stream is connected or closed.  The plan is copied.
 * Returns 0, or -1 with ENOMEM.
 */
int stream_connect(struct stream *ret_stream, const struct connect_plan *plan,
    unsigned int *in_progress);

/*
 * While such a stream has no socket, news(arg) says that start() should be
 * called.  Not called from inside of a function of the transport.
 */
void stream_connect_news(struct stream *stream, void (*news)(void *arg),
    void *arg);

#endif
