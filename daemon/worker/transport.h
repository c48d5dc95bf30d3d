/*
 * transport.h: how bytes get in and out of a socket.  Plain sockets today; TLS
 * and a simulated one fit the same table.
 */

#ifndef SLUICE_TRANSPORT_H
#define SLUICE_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct transport;

/* One socket with its way of moving bytes. */
struct stream {
	const struct transport *transport;
	void *state; /* the transport's */
	int fd;	     /* owned; -1 when closed */
	/*
	 * EV_READ, EV_WRITE: what recv(), or send(), waits for when it has said
	 * EAGAIN.  They are not always the same as the direction: a key update
	 * has to be answered before more can be read.
	 */
	uint8_t recv_needs, send_needs;
	bool more; /* recv() has input at hand, of which no event will tell */
	bool is_unix;
	bool finished; /* no more output */
};

struct transport {
	const char *name;
	/*
	 * As recv(2), send(2) and sendmsg(2).  Less than was asked for does not
	 * say that there is no more input: `more` does.  It is false behind an
	 * error, EAGAIN included.
	 */
	ssize_t (*recv)(struct stream *stream, void *buf, size_t len);
	ssize_t (*send)(struct stream *stream, const void *buf, size_t len);
	ssize_t (
	    *sendv)(struct stream *stream, const struct iovec *iov, int count);
	/* No more output: the peer reads to the end and sees end of file. */
	int (*finish)(struct stream *stream);
	/* What broke it, an errno, or 0.  It is told once. */
	int (*error)(const struct stream *stream);
	/*
	 * Output that the peer has not acknowledged, in bytes.  At a unix
	 * socket it is the memory of what the peer has not read.
	 */
	uint32_t (*waiting)(const struct stream *stream);
	/* Milliseconds since it last acknowledged something; -1: unknown. */
	int64_t (*quiet_ms)(const struct stream *stream);
	/* Input that recv() would return at once, in bytes. */
	uint32_t (*unread)(const struct stream *stream);
	/*
	 * Give the socket back.  `hard`: with a reset, so that the peer sees
	 * an error instead of an end.  Nothing else is called afterwards.
	 */
	void (*close)(struct stream *stream, bool hard);
};

extern const struct transport transport_plain;

/* A plain stream over a non-blocking socket, which it takes over. */
struct stream stream_plain(int fd, bool is_unix);

#endif
