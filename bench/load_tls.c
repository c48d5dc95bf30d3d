/*
 * load_tls.c: connections that speak TLS, and the mode handshake.  All servers
 * get the same: TLS 1.3 with one cipher suite and one group.  Certificates are
 * not verified, since that would cost the client and not the server.
 */

#include <sys/epoll.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "load.h"

#define CIPHER_SUITE "TLS_AES_128_GCM_SHA256"
#define GROUP "X25519"
#define SERVER_NAME "localhost"
#define RECORD_MAX 16384

static SSL_CTX *context;
static SSL_SESSION *session; /* the first that a server has sent */

static _Noreturn void
fail_tls(const char *what)
{
	const char *reason = ERR_reason_error_string(ERR_peek_error());

	errx(1, "%s: %s", what,
	    reason != NULL ? reason : "the server has closed the connection");
}

/* It keeps the session if it returns 1. */
static int
on_session(SSL *ssl, SSL_SESSION *offered)
{
	(void)ssl;
	if (session != NULL)
		return 0;
	session = offered;
	return 1;
}

void
tls_begin(void)
{
	if (!opt.tls && strcmp(opt.mode, "handshake") != 0)
		return;
	signal(SIGPIPE, SIG_IGN);
	context = SSL_CTX_new(TLS_client_method());
	if (context == NULL ||
	    SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_ciphersuites(context, CIPHER_SUITE) != 1 ||
	    SSL_CTX_set1_groups_list(context, GROUP) != 1)
		fail_tls("OpenSSL");
	SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_mode(context,
	    SSL_MODE_ENABLE_PARTIAL_WRITE |
		SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(context,
	    SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(context, on_session);
}

/* A copy: OpenSSL does not resume a session that has ended without a notice. */
static void
use_session(SSL *ssl)
{
	SSL_SESSION *copy = SSL_SESSION_dup(session);

	if (copy == NULL || SSL_set_session(ssl, copy) != 1)
		fail_tls("the session");
	SSL_SESSION_free(copy);
}

static void
tls_new(struct client *cl)
{
	cl->ssl = SSL_new(context);
	if (cl->ssl == NULL || SSL_set_fd(cl->ssl, cl->fd) != 1 ||
	    SSL_set_tlsext_host_name(cl->ssl, SERVER_NAME) != 1)
		fail_tls("OpenSSL");
	if (opt.resume && session != NULL)
		use_session(cl->ssl);
}

void
tls_connect(struct client *cl)
{
	tls_new(cl);
	ERR_clear_error();
	if (SSL_connect(cl->ssl) != 1)
		fail_tls("handshake");
	if (fcntl(cl->fd, F_SETFL, O_NONBLOCK) == -1)
		err(1, "O_NONBLOCK");
}

/* -1 with errno, or 0 at the end. */
static ssize_t
not_done(struct client *cl, int rc)
{
	switch (SSL_get_error(cl->ssl, rc)) {
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		errno = EAGAIN;
		return -1;
	default:
		fail_tls("TLS");
	}
}

ssize_t
tls_send(struct client *cl, const void *buf, size_t len)
{
	int rc;

	ERR_clear_error();
	rc = SSL_write(cl->ssl, buf, (int)len);
	return rc > 0 ? rc : not_done(cl, rc);
}

ssize_t
tls_recv(struct client *cl, void *buf, size_t len)
{
	size_t done = 0;
	int rc;

	/* Always whole records: the rest of one would cause no event. */
	ERR_clear_error();
	do {
		rc = SSL_read(cl->ssl, (char *)buf + done, (int)(len - done));
		if (rc > 0)
			done += (size_t)rc;
	} while (rc > 0 && len - done >= RECORD_MAX);
	return done > 0 ? (ssize_t)done : not_done(cl, rc);
}

/* -- Handshakes -- */

/* Our end goes out at once, and does not wait for the server's tickets. */
static void
handshake_done(struct client *cl)
{
	if (opt.resume && !SSL_session_reused(cl->ssl))
		errx(1, "the server does not resume the session");
	SSL_shutdown(cl->ssl);
	if (shutdown(cl->fd, SHUT_WR) == -1 && errno != ENOTCONN)
		err(1, "shutdown");
}

/*
 * The connection is closed when the server has ended it.  A client that closes
 * earlier resets the connection, and spares the server a part of the work.
 */
static void
handshake_step(struct client *cl, uint32_t events)
{
	char byte;
	int rc;

	ERR_clear_error();
	if (cl->ssl == NULL) {
		if ((events & EPOLLOUT) == 0)
			errx(1, "the server has closed a connection");
		tls_new(cl);
		watch(EPOLL_CTL_MOD, cl->fd, EPOLLIN, cl);
	}
	if (!SSL_is_init_finished(cl->ssl)) {
		rc = SSL_connect(cl->ssl);
		if (rc == 1)
			handshake_done(cl);
		else if (SSL_get_error(cl->ssl, rc) != SSL_ERROR_WANT_READ)
			fail_tls("handshake");
		return;
	}
	rc = SSL_read(cl->ssl, &byte, 1);
	if (rc > 0)
		errx(1, "data that nobody asked for");
	if (SSL_get_error(cl->ssl, rc) == SSL_ERROR_WANT_READ)
		return; /* that was a ticket */
	SSL_free(cl->ssl);
	cl->ssl = NULL;
	short_end(cl);
}

/* Get a session that the others can resume. */
static void
take_session(void)
{
	struct client cl = { .fd = open_socket(0) };
	struct pollfd pfd = { .fd = cl.fd, .events = POLLIN };
	char byte;

	if (connect(cl.fd, (struct sockaddr *)&server, server_len) == -1)
		err(1, "connect");
	tls_connect(&cl);
	while (session == NULL) {
		if (poll(&pfd, 1, ANSWER_TIMEOUT_S * 1000) != 1)
			errx(1, "no ticket for %d s", ANSWER_TIMEOUT_S);
		if (tls_recv(&cl, &byte, 1) == 0 && session == NULL)
			errx(1, "the server sends no ticket");
	}
	SSL_shutdown(cl.ssl);
	SSL_free(cl.ssl);
	close(cl.fd);
}

void
run_handshake(void)
{
	if (opt.resume)
		take_session();
	run_short(handshake_step);
}
