/*
 * transport.h: how bytes get in and out of a connection.  Plain sockets today;
 * TLS and a simulated network fit the same table.
 *
 * A stream is non-blocking.  A call that fails says by errno what to do next:
 *   EAGAIN           call again when the descriptor is ready for recv_needs or
 *                    send_needs
 *   EINTR            call again at once
 *   ENOBUFS, ENOMEM  call again after a while
 *   EBUSY            the same, of start() alone: the peer has no room now
 *   anything else    the stream is broken: fault() says why, or else this errno
 * The functions cause no callback.  They may be called at any time before
 * close(), except that start() has to come first.
 */

#ifndef SLUICE_TRANSPORT_H
#define SLUICE_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct transport;

/* Why a stream is broken, or why its input was cut short. */
struct stream_fault {
	uint16_t why;	/* enum sl_why */
	uint16_t stage; /* enum sl_stage */
	int32_t sys_errno;
	const char *text; /* for people; NULL: use the text of sys_errno */
};

/*
 * How far a stream has come.  start() works through all phases but the last, in
 * this order, and skips those that its transport does not have.
 */
enum phase {
	PHASE_NEW,
	PHASE_RESOLVE,	 /* look up the peer's name */
	PHASE_CONNECT,	 /* connect to the peer */
	PHASE_PREAMBLE,	 /* read what comes before everything else, such as a
			    header that says who the peer is */
	PHASE_HANDSHAKE, /* the TLS handshake */
	PHASE_OPEN,	 /* the plugin's bytes move */
};

/*
 * One byte stream.  The transport writes these fields and the connection
 * reads them, except where a field says otherwise.
 */
struct stream {
	const struct transport *transport;
	void *state; /* of the transport alone; close() frees it */
	int fd;	     /* owned; -1 before start() has made it, and when closed */
	/*
	 * Output that send() has taken and the kernel has not, in bytes as the
	 * kernel will get them.  The connection sets it to 0 when it gives the
	 * output up; the transport must not send that output any more.
	 */
	uint32_t unsent;
	/*
	 * EV_READ, EV_WRITE or both: what to wait for after EAGAIN.  recv_needs
	 * holds for start() and recv(), send_needs for send(), flush() and
	 * finish().  Reading may need EV_WRITE: for example, a TLS key update
	 * has to be answered before more can be read.  start() is called for the
	 * first time when recv_needs is ready; 0: at once.
	 */
	uint8_t recv_needs, send_needs;
	bool more;     /* recv() has input ready that causes no event */
	uint8_t phase; /* enum phase: what start() does next */
	bool is_unix;  /* a unix socket; set by whoever makes the stream */
	bool outgoing; /* we connect to the peer; set by the same */
	bool finished; /* finish() has told the peer that output has ended */
};

struct transport {
	const char *name;
	/*
	 * Work on the current phase.  Returns 0 when that phase is over, having
	 * set `phase` to the next one, or -1.  After EAGAIN the connection
	 * waits for recv_needs; while there is no socket, it waits until
	 * somebody calls conn_pend() on it.
	 *
	 * The connection calls start() until the phase is PHASE_OPEN, and only
	 * fault(), error(), unread() and close() besides.  start() may hand the
	 * stream to another transport by changing `transport` and `state`.
	 * NULL if the stream is open from the beginning.
	 */
	int (*start)(struct stream *stream);
	/*
	 * As recv(2): returns the number of bytes, 0 at the end of the input,
	 * or -1.  If fault() is set at the end of the input, the peer may not
	 * have meant to end it: all input before the end has arrived, but more
	 * may have been cut off.
	 * A result below `len` does not mean that no input is left: see `more`.
	 * After EAGAIN `more` is false.
	 */
	ssize_t (*recv)(struct stream *stream, void *buf, size_t len);
	/*
	 * As send(2) and sendmsg(2): returns how many bytes were taken, or -1.
	 * The transport is responsible for the bytes that it took; the caller
	 * may free them.  Older unsent output goes first.  While any is left,
	 * the call takes nothing and fails with EAGAIN.  So `unsent` never
	 * exceeds what one call adds; where that would be large, the transport
	 * takes only part of the call.  Bytes that were not taken may be
	 * offered again in other pieces.
	 */
	ssize_t (*send)(struct stream *stream, const void *buf, size_t len);
	ssize_t (
	    *sendv)(struct stream *stream, const struct iovec *iov, int count);
	/*
	 * Pass unsent output to the kernel, including answers that recv() had
	 * to make.  Returns 0 when nothing is left unsent, or -1.
	 * NULL if `unsent` is always 0.
	 */
	int (*flush)(struct stream *stream);
	/*
	 * End the output: the peer reads all of it and then sees end of file.
	 * Returns 0 when that is done, or -1.  It is called when nothing is
	 * unsent, and again after EAGAIN until it returns 0.
	 * `last`: the input has ended, the peer has all our output, and close()
	 * follows as soon as this is done.  If close() tells the peer the same,
	 * finish() need do nothing.
	 */
	int (*finish)(struct stream *stream, bool last);
	/*
	 * Why the stream is broken, or why its input was cut short.  Returns
	 * NULL if neither is so, or if errno says it all.  A fault does not
	 * change once it is set; it is valid until close().
	 * NULL if errno always says it all.
	 */
	const struct stream_fault *(*fault)(const struct stream *stream);
	/* The errno that broke the socket, or 0.  Each is reported once. */
	int (*error)(const struct stream *stream);
	/*
	 * Output in the kernel that the peer has not acknowledged, in bytes,
	 * without what finish() added.  For a unix socket: the kernel memory
	 * that holds what the peer has not read.
	 */
	uint32_t (*waiting)(const struct stream *stream);
	/* Milliseconds since the peer last acknowledged; -1: unknown. */
	int64_t (*quiet_ms)(const struct stream *stream);
	/* Input that waits in the socket for recv(), in bytes, roughly. */
	uint32_t (*unread)(const struct stream *stream);
	/*
	 * Free everything and close the socket, without waiting.  `hard`: with
	 * a reset, so that the peer sees an error instead of end of file.
	 * Otherwise the transport may offer what is unsent to the kernel once
	 * more, so that the peer learns why.
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

/* What the stream says about an end for this reason; NULL: nothing. */
static inline const char *
stream_fault_text(const struct stream *stream, uint16_t why)
{
	const struct stream_fault *fault = stream_fault(stream);

	return fault != NULL && fault->why == why ? fault->text : NULL;
}

extern const struct transport transport_plain;

/* A plain stream over a non-blocking socket, which the stream now owns. */
struct stream stream_plain(int fd, bool is_unix);

#endif
