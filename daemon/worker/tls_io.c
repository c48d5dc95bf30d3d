/* tls_io.c: ciphertext, through two buffers that all TLS streams share. */

#include "worker/tls_io.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fail.h"

/* A turn's share of input and some records' worth of overhead. */
#define INPUT_SIZE (272u << 10)
/* The largest record: OpenSSL takes a record only when it is whole. */
#define RECORD_MAX (17u << 10)
/* Output that one visit gathers before it is sent, with its overhead. */
#define OUTPUT_SIZE (272u << 10)

static struct {
	struct tls_io *io; /* whose visit it is; NULL: none */
	unsigned char *in, *out;
	size_t in_start, in_end; /* input that OpenSSL has not taken */
	size_t in_room;		 /* how much to receive next */
	bool in_again;		 /* the visit has received before */
	bool dry;		 /* the socket has no more for this visit */
	size_t out_len, out_room;
	BIO_METHOD *method;
} shared;

void
tls_bytes_free(struct tls_bytes *bytes)
{
	free(bytes->data);
	*bytes = (struct tls_bytes){ 0 };
}

/* Is it an error that goes away by itself? */
static bool
may_pass(int error)
{
	return error == EAGAIN || error == ENOBUFS || error == ENOMEM;
}

/*
 * Receive.  Returns bytes, 0 at end of file, or -1 with errno.
 *
 * A peer can send faster than tiny records are decrypted.  So a visit takes only
 * what it has room for, and then what completes the last record.  The rest stays
 * in the socket, which makes another event of it.
 */
static ssize_t
receive(struct tls_io *io)
{
	ssize_t n;

	if (io->eof)
		return 0;
	if (io->in_error != 0)
		return fail(io->in_error);
	if (shared.dry)
		return fail(EAGAIN);
	do
		n = recv(io->fd, shared.in, shared.in_room, 0);
	while (n == -1 && errno == EINTR);
	shared.in_start = 0;
	shared.in_end = n > 0 ? n : 0;
	/* Less than there was room for: there is no need to ask again. */
	io->in_left = n == (ssize_t)shared.in_room;
	shared.dry = !io->in_left || shared.in_again;
	shared.in_again = true;
	shared.in_room = RECORD_MAX;
	if (n == 0)
		io->eof = true;
	else if (n == -1 && !may_pass(errno))
		io->in_error = errno;
	return n;
}

/* Take up to len bytes from the front. */
static int
take(const unsigned char *data, size_t *start, size_t end, char *buf, int len)
{
	size_t n = end - *start < (size_t)len ? end - *start : (size_t)len;

	memcpy(buf, data + *start, n);
	*start += n;
	return n;
}

static int
bio_read(BIO *bio, char *buf, int len)
{
	struct tls_io *io = BIO_get_data(bio);
	size_t start = io->in.start;
	ssize_t n;

	assert(io == shared.io);
	BIO_clear_retry_flags(bio);
	if (len <= 0)
		return 0;
	if (io->in_error != 0)
		return -1;
	if (io->in.data != NULL) {
		n = take(io->in.data, &start, io->in.end, buf, len);
		io->in.start = start;
		if (start == io->in.end)
			tls_bytes_free(&io->in);
		return n;
	}
	if (shared.in_start == shared.in_end) {
		n = receive(io);
		if (n == -1 && io->in_error == 0)
			BIO_set_retry_read(bio);
		if (n <= 0)
			return n;
	}
	return take(shared.in, &shared.in_start, shared.in_end, buf, len);
}

/* Behind what was gathered; it grows for what is larger than a batch. */
static int
bio_write(BIO *bio, const char *buf, int len)
{
	struct tls_io *io = BIO_get_data(bio);
	size_t room = shared.out_room;
	unsigned char *larger;

	assert(io == shared.io);
	BIO_clear_retry_flags(bio);
	if (len <= 0)
		return 0;
	while (room - shared.out_len < (size_t)len)
		room *= 2;
	if (room > shared.out_room) {
		larger = realloc(shared.out, room);
		if (larger == NULL) {
			io->out_error = ENOMEM;
			return -1;
		}
		shared.out = larger;
		shared.out_room = room;
	}
	memcpy(shared.out + shared.out_len, buf, len);
	shared.out_len += len;
	return len;
}

static long
bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
	const struct tls_io *io = BIO_get_data(bio);

	(void)number;
	(void)pointer;
	switch (command) {
	case BIO_CTRL_FLUSH: /* it leaves at the end of the visit */
		return 1;
	case BIO_CTRL_EOF:
		return io->eof;
	default:
		return 0;
	}
}

int
tls_io_init(void)
{
	shared.in = malloc(INPUT_SIZE);
	shared.out = malloc(OUTPUT_SIZE);
	shared.out_room = OUTPUT_SIZE;
	shared.method =
	    BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "sluice");
	if (shared.in == NULL || shared.out == NULL || shared.method == NULL) {
		tls_io_done();
		return fail(ENOMEM);
	}
	BIO_meth_set_read(shared.method, bio_read);
	BIO_meth_set_write(shared.method, bio_write);
	BIO_meth_set_ctrl(shared.method, bio_ctrl);
	return 0;
}

void
tls_io_done(void)
{
	free(shared.in);
	free(shared.out);
	BIO_meth_free(shared.method);
	memset(&shared, 0, sizeof(shared));
}

BIO *
tls_io_bio(struct tls_io *io)
{
	BIO *bio = BIO_new(shared.method);

	if (bio == NULL)
		return NULL;
	BIO_set_data(bio, io);
	BIO_set_init(bio, 1);
	return bio;
}

void
tls_io_enter(struct tls_io *io, size_t room)
{
	assert(shared.io == NULL);
	shared.io = io;
	shared.in_start = shared.in_end = 0;
	shared.in_again = shared.dry = io->in_left = false;
	shared.out_len = 0;
	if (room < RECORD_MAX)
		room = RECORD_MAX;
	shared.in_room = room < INPUT_SIZE ? room : INPUT_SIZE;
}

int
tls_io_fill(struct tls_io *io)
{
	assert(io == shared.io);
	if (io->in.data != NULL || shared.in_start < shared.in_end)
		return 0;
	return receive(io) == -1 ? -1 : 0;
}

size_t
tls_io_gathered(void)
{
	return shared.out_len;
}

/* How much of it the kernel takes, or -1: io->out_error. */
static ssize_t
offer(struct tls_io *io, const unsigned char *data, size_t len)
{
	size_t sent = 0;
	ssize_t n;

	while (sent < len) {
		n = send(io->fd, data + sent, len - sent, MSG_NOSIGNAL);
		if (n >= 0) {
			sent += n;
			if (sent == len)
				break;
			io->full = EAGAIN; /* it takes less only when full */
			break;
		} else if (may_pass(errno)) {
			io->full = errno;
			break;
		} else if (errno != EINTR) {
			io->out_error = errno;
			return -1;
		}
	}
	return sent;
}

/* Behind what waits already. */
static int
keep_output(struct tls_io *io, const unsigned char *data, size_t len)
{
	uint32_t before = tls_bytes_len(&io->out);
	unsigned char *all = malloc(before + len);

	if (all == NULL) {
		io->out_error = ENOMEM;
		return fail(ENOMEM);
	}
	if (before > 0)
		memcpy(all, io->out.data + io->out.start, before);
	memcpy(all + before, data, len);
	tls_bytes_free(&io->out);
	io->out = (struct tls_bytes){ all, 0, before + len };
	return 0;
}

int
tls_io_send(struct tls_io *io)
{
	size_t len = shared.out_len;
	ssize_t n;

	assert(io == shared.io);
	shared.out_len = 0;
	if (io->out_error != 0)
		return fail(io->out_error);
	if (io->out.data != NULL) {
		n = offer(io, io->out.data + io->out.start,
		    tls_bytes_len(&io->out));
		if (n == -1)
			return -1;
		io->out.start += n;
		if (io->out.start < io->out.end)
			return len > 0 ? keep_output(io, shared.out, len) : 0;
		tls_bytes_free(&io->out);
	}
	n = offer(io, shared.out, len);
	if (n == -1)
		return -1;
	return (size_t)n < len ? keep_output(io, shared.out + n, len - n) : 0;
}

void
tls_io_leave(struct tls_io *io)
{
	size_t left = shared.in_end - shared.in_start;

	assert(io == shared.io);
	shared.io = NULL;
	if (left == 0)
		return;
	assert(io->in.data == NULL);
	io->in.data = malloc(left);
	if (io->in.data == NULL) {
		io->in_error = ENOMEM;
		return;
	}
	memcpy(io->in.data, shared.in + shared.in_start, left);
	io->in.start = 0;
	io->in.end = left;
}
