/*
 * tls_client_fixture.h: a worker whose plugin makes TLS connections, and their
 * server.  Each program includes it once.
 */

#ifndef SLUICE_TESTS_TLS_CLIENT_FIXTURE_H
#define SLUICE_TESTS_TLS_CLIENT_FIXTURE_H

#include <signal.h>

#include "connect_fixture.h"
#include "tls_peer.h"
#include "worker/tls_client.h"

static const struct sl_handlers talks = {
	.size = sizeof(talks),
	.handshake = on_handshake,
	.open = on_open,
	.data = on_data,
	.drain = on_drain,
	.end = on_end,
	.connect_error = on_connect_error,
	.error = on_error,
	.close = on_close,
};

static struct {
	int listening;
	uint16_t port;
	const struct tls_fixture *leaf, *ca;
	char ca_text[8192], cert_text[8192], key_text[8192];
	struct tls_peer peer; /* the server */
} fix;

static inline void
read_text(const char *path, char text[8192])
{
	FILE *file = fopen(path, "r");
	size_t n;

	ck_assert_ptr_nonnull(file);
	n = fread(text, 1, 8191, file);
	text[n] = '\0';
	fclose(file);
}

static inline void
begin_client(void)
{
	char path[512];

	signal(SIGPIPE, SIG_IGN);
	begin(&talks);
	ck_assert_int_eq(tls_init(), 0);
	worker_stream = stream_plain;
	memset(&fix, 0, sizeof(fix));
	fix.leaf = tls_fixture_leaf(fixture_dir);
	snprintf(path, sizeof(path), "%s/ca.pem", fixture_dir);
	read_text(path, fix.ca_text);
	read_text(fix.leaf->cert_file, fix.cert_text);
	read_text(fix.leaf->key_file, fix.key_text);
	fix.listening = listen_tcp(4, &fix.port);
	fix.peer.context = SSL_CTX_new(TLS_server_method());
	ck_assert_int_eq(
	    SSL_CTX_use_certificate(fix.peer.context, fix.leaf->cert), 1);
	ck_assert_int_eq(
	    SSL_CTX_use_PrivateKey(fix.peer.context, fix.leaf->key), 1);
	SSL_CTX_set_session_id_context(fix.peer.context, (void *)"x", 1);
}

static inline void
end_client(void)
{
	worker_end();
	SSL_free(fix.peer.ssl);
	SSL_CTX_free(fix.peer.context);
	if (fix.peer.fd > 0)
		close(fix.peer.fd);
	close(fix.listening);
	tls_client_forget_default();
	tls_done();
}

static inline struct sl_tls_options
trusting(const char *verify_name)
{
	return (struct sl_tls_options){
		.size = sizeof(struct sl_tls_options),
		.ca = fix.ca_text,
		.verify_name = verify_name,
	};
}

static inline struct sl_conn *
connect_tls(const struct sl_tls_options *tls)
{
	const struct sl_connect_options options = {
		.size = sizeof(options),
		.flags = SL_CONNECT_TLS,
		.host = "127.0.0.1",
		.port = fix.port,
		.tls = tls,
	};

	return sl_connect(worker_listener()->current, &options);
}

/* The server's end of the connection that is on its way. */
static inline void
accept_peer(void)
{
	struct tls_peer *peer = &fix.peer;

	SSL_free(peer->ssl);
	if (peer->fd > 0)
		close(peer->fd);
	do {
		worker_idle();
		peer->fd = accept4(fix.listening, NULL, NULL, SOCK_NONBLOCK);
	} while (peer->fd == -1 && errno == EAGAIN);
	ck_assert_int_gt(peer->fd, 0);
	peer->ssl = SSL_new(peer->context);
	SSL_set_fd(peer->ssl, peer->fd);
	SSL_set_accept_state(peer->ssl);
}

/* To the end of the handshake, which has this result for the server. */
static inline struct sl_conn *
connect_and_shake(const struct sl_tls_options *tls, int result)
{
	struct sl_conn *conn;

	memset(plugin.calls, 0, sizeof(plugin.calls));
	conn = connect_tls(tls);
	ck_assert_ptr_nonnull(conn);
	accept_peer();
	ck_assert_int_eq(peer_shake(&fix.peer), result);
	return conn;
}

/* Passes until so much has been called, and then no more. */
static inline void
await_calls(const char *calls)
{
	while (strlen(plugin.calls) < strlen(calls))
		worker_pass(true);
	worker_idle();
	ck_assert_str_eq(plugin.calls, calls);
}

/* Passes until the plugin was shown so much. */
static inline void
await_input(size_t len)
{
	while (plugin.input_len < len)
		worker_pass(true);
	ck_assert_uint_eq(plugin.input_len, len);
}

/* We close, and the server does. */
static inline void
both_close(struct sl_conn *conn)
{
	char byte;

	ck_assert_int_eq(sl_close(conn), 0);
	conn_pend(conn);
	worker_idle();
	SSL_read(fix.peer.ssl, &byte, 1);
	SSL_shutdown(fix.peer.ssl);
	shutdown(fix.peer.fd, SHUT_WR);
	worker_idle();
}

#endif
