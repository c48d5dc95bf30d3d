/*
 * tls_io.h: ciphertext on its way between OpenSSL and a socket.  All TLS
 * streams of a worker share one buffer for each direction; a stream keeps only
 * what has to wait: input that OpenSSL has not taken, output that the kernel
 * has not taken.
 *
 * A visit is one call of a transport function: tls_io_enter(), any number of
 * calls into OpenSSL, tls_io_leave().  During a visit OpenSSL only reads and
 * writes memory, apart from a few recv().  A write never has to wait, so OpenSSL
 * never asks for the same write again.
 */

#ifndef SLUICE_TLS_IO_H
#define SLUICE_TLS_IO_H

#include <openssl/bio.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes [start, end) of data, which is owned; NULL: none. */
struct tls_bytes {
	unsigned char *data;
	uint32_t start, end;
};

struct tls_io {
	int fd; /* borrowed */
	struct tls_bytes in, out;
	int in_error, out_error; /* what has broken a direction; 0: nothing */
	int full;     /* why `out` waits: EAGAIN, or the kernel has no memory */
	bool eof;     /* the socket's input has ended */
	bool in_left; /* the visit has ended before the socket's input did */
};

/* The shared buffers, for the life of the process.  0, or -1 with ENOMEM. */
int tls_io_init(void);
void tls_io_done(void);

/* A BIO over io, which must outlive it.  NULL: no memory. */
BIO *tls_io_bio(struct tls_io *io);

/*
 * Begin a visit.  `room`: how much input the caller can take; no more than
 * that, and a record, is received in this visit.
 */
void tls_io_enter(struct tls_io *io, size_t room);
/* Has input come, or does some wait?  If not, receives once.  0, or -1: errno. */
int tls_io_fill(struct tls_io *io);
/* Output of this visit so far, in bytes. */
size_t tls_io_gathered(void);
/*
 * Send what waits in io, and then what this visit has gathered.  What the kernel
 * does not take waits in io.  Returns 0, or -1 with io->out_error in errno.
 */
int tls_io_send(struct tls_io *io);
/* End the visit, after tls_io_send(): keep the input that is left. */
void tls_io_leave(struct tls_io *io);

static inline uint32_t
tls_bytes_len(const struct tls_bytes *bytes)
{
	return bytes->end - bytes->start;
}
void tls_bytes_free(struct tls_bytes *bytes);

#endif
