/*
 * transport.h: how bytes get in and out of a connection.  Plain sockets today;
 * TLS and a simulated network fit the same table.
 *
 * A stream is non-blocking.  Whatever cannot be done now fails with EAGAIN, the
 * stream then says which readiness it needs, and the connection comes again.
 * EINTR: again at once; ENOBUFS, ENOMEM: again after a while; any other errno:
 * it is broken, for the reason that `fault` gives or else for that errno.
 * Functions cause no callback and may be called at any time before close().
 */

#ifndef SLUICE_TRANSPORT_H
#define SLUICE_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct transport;

/* What has broken a stream, or cut its input short. */
struct stream_fault {
	uint16_t why;	/* enum sl_why */
	uint16_t stage; /* enum sl_stage */
	int32_t sys_errno;
	const char *text; /* for people; NULL: what errno says */
};

/*
 * How far a stream has come.  All but the last are what start() does; it takes
 * those that it has, in this order.
 */
enum phase {
	PHASE_NEW,
	PHASE_RESOLVE,	 /* the peer's name */
	PHASE_CONNECT,	 /* to it */
	PHASE_PREAMBLE,	 /* what stands in front of all, such as a header that
			    says who the peer is */
	PHASE_HANDSHAKE, /* of TLS */
	PHASE_OPEN,	 /* bytes of the plugin's move */
};

/*
 * One way of moving bytes.  The transport writes here, the connection reads,
 * except where something else is said.
 */
struct stream {
	const struct transport *transport;
	void *state; /* the transport's own; given back by close() */
	int fd;	     /* owned; -1 when closed, and until start() has made it */
	/*
	 * Output that send() has taken and that is not with the kernel yet, in
	 * bytes as the kernel will get them.  The connection sets it to 0 when
	 * it gives the output up; nothing is to be sent any more then.
	 */
	uint32_t unsent;
	/*
	 * EV_READ, EV_WRITE: what recv(), and what send(), flush() and
	 * finish(), wait for when they have said EAGAIN.  It is not always the
	 * direction: a key update has to be answered before more can be read.
	 */
	uint8_t recv_needs, send_needs;
	bool more;     /* recv() has input at hand, of which no event tells */
	uint8_t phase; /* enum phase: what start() is about to do */
	bool is_unix;  /* set by whoever makes it */
	bool finished; /* finish() was told to the peer; it reads to the end */
};

struct transport {
	const char *name;
	/*
	 * Go on with `phase` until that is over.  Returns 0 when it is, and has
	 * moved `phase` on; or -1: EAGAIN waits for recv_needs, and as long as
	 * there is no socket, for conn_pend() by whoever has news.  It is called
	 * until the phase is PHASE_OPEN, and before that nothing else is but
	 * error(), unread() and close().  What has to be done next may be
	 * another transport's: `transport` and `state` may change here.
	 * NULL where a stream is open from the beginning.
	 */
	int (*start)(struct stream *stream);
	/*
	 * As recv(2): bytes, 0 at the end of the input, or -1.  An end with a
	 * fault is one that the peer may not have meant: all input before it
	 * has arrived, but there may have been more.
	 * Less than `len` does not say that there is nothing left: `more` does.
	 * It is false behind EAGAIN.
	 */
	ssize_t (*recv)(struct stream *stream, void *buf, size_t len);
	/*
	 * As send(2) and sendmsg(2): how much was taken, which is the caller's
	 * no longer, or -1.  What is unsent goes first, and as long as some of
	 * it is left nothing is taken: EAGAIN.  So `unsent` is never more than
	 * comes of one call; where that is large, less is taken.
	 * What was not taken need not come again in the same pieces.
	 */
	ssize_t (*send)(struct stream *stream, const void *buf, size_t len);
	ssize_t (
	    *sendv)(struct stream *stream, const struct iovec *iov, int count);
	/*
	 * Pass on what is unsent, also what recv() had to answer.  0: all of
	 * it, or -1.  NULL where `unsent` is always 0.
	 */
	int (*flush)(struct stream *stream);
	/*
	 * No more output: the peer reads to the end and sees end of file.  It
	 * is called when nothing is unsent, and again after EAGAIN, until it
	 * returns 0; or -1.  `last`: the input has ended, the peer has all our
	 * output, and close() follows when this is done; where that says the
	 * same to the peer, nothing need be done.
	 */
	int (*finish)(struct stream *stream, bool last);
	/*
	 * What has broken the stream, or cut its input short; NULL: nothing, or
	 * errno says it all.  Once there it stands; lives until close().
	 * NULL in the table where it is never known better.
	 */
	const struct stream_fault *(*fault)(const struct stream *stream);
	/* What broke the socket, an errno, or 0.  It is told once. */
	int (*error)(const struct stream *stream);
	/*
	 * Output in the kernel that the peer has not acknowledged, in bytes,
	 * without what finish() has put behind it.  At a unix socket it is the
	 * memory of what the peer has not read.
	 */
	uint32_t (*waiting)(const struct stream *stream);
	/* Milliseconds since it last acknowledged something; -1: unknown. */
	int64_t (*quiet_ms)(const struct stream *stream);
	/* Input that has come and was not received, in bytes, roughly. */
	uint32_t (*unread)(const struct stream *stream);
	/*
	 * Give everything back, at once.  `hard`: with a reset, so that the
	 * peer sees an error instead of an end.  Otherwise what is unsent may
	 * be offered once more: to say why.
	 */
	void (*close)(struct stream *stream, bool hard);
};

static inline const struct stream_fault *
stream_fault(const struct stream *stream)
{
	return stream->transport->fault != NULL
	    ? stream->transport->fault(stream)
	    : NULL;
}

extern const struct transport transport_plain;

/* A plain stream over a non-blocking socket, which it takes over. */
struct stream stream_plain(int fd, bool is_unix);

#endif
