/* check_tls.c: what a connection promises over TLS. */

#include "conn_plugin.h"
#include "ipc/counts.h"
#include "tls_peer.h"

static int secret;

static void
begin_tls(const struct sl_handlers *handlers)
{
	struct listener_settings *settings;
	const struct tls_fixture *leaf;

	leaf = tls_fixture_leaf(fixture_dir);
	begin(handlers);
	settings = peer_settings();
	secret = peer_secret(leaf, NULL);
	peer_server = peer_make_server(settings, &secret, 1);
	worker_stream = peer_stream;
}

static void
end_tls(void)
{
	worker_end();
	tls_server_unref(peer_server);
	tls_done();
	close(secret);
}

static const struct sl_handlers shaking_echo = {
	.size = sizeof(shaking_echo),
	.handshake = on_handshake,
	.open = on_open,
	.data = echo_data,
	.drain = on_drain,
	.end = on_end,
	.error = on_error,
	.close = on_close,
};

START_TEST(handshake_comes_before_open_and_bytes_after_it)
{
	struct tls_peer peer;
	char buf[5];

	begin_tls(&shaking_echo);
	peer_connect(&peer);
	ck_assert_str_eq(plugin.calls, "ho");
	peer_say(&peer, "hello", 5);
	peer_hear(&peer, buf, 5);
	ck_assert_mem_eq(buf, "hello", 5);
	ck_assert_str_eq(plugin.calls, "hod");
	ck_assert_uint_eq(sl_bytes_read(plugin.conn), 5);
	ck_assert_uint_eq(sl_bytes_written(plugin.conn), 5);
	peer_end(&peer);
	end_tls();
}
END_TEST

/* What the client says, in one piece; it has no socket. */
static size_t
hello_of(SSL *ssl, unsigned char *buf, size_t size)
{
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	int n;

	SSL_set_bio(ssl, in, out);
	SSL_do_handshake(ssl);
	n = BIO_read(out, buf, size);
	ck_assert_int_gt(n, 0);
	return n;
}

START_TEST(a_hello_in_segments_of_one_byte_is_a_hello)
{
	unsigned char hello[4096], answer[8192];
	struct tls_peer peer;
	size_t len;

	begin_tls(&shaking_echo);
	peer_begin(&peer);
	len = hello_of(peer.ssl, hello, sizeof(hello));
	for (size_t i = 0; i < len; i++)
		peer_write(peer.fd, &hello[i], 1);
	ck_assert_str_eq(plugin.calls, "");
	ck_assert_int_gt(recv(peer.fd, answer, sizeof(answer), 0), 500);
	peer_end(&peer);
	end_tls();
}
END_TEST

START_TEST(data_right_behind_the_handshake_is_data)
{
	struct tls_peer peer;
	char buf[5];

	begin_tls(&shaking_echo);
	peer_begin(&peer);
	/* Our last flight and the first data leave in one piece. */
	while (SSL_do_handshake(peer.ssl) != 1)
		if (SSL_want_read(peer.ssl))
			worker_pass(false);
	ck_assert_int_eq(SSL_write(peer.ssl, "early", 5), 5);
	worker_idle();
	peer_hear(&peer, buf, 5);
	ck_assert_mem_eq(buf, "early", 5);
	ck_assert_str_eq(plugin.calls, "hod");
	peer_end(&peer);
	end_tls();
}
END_TEST

START_TEST(a_megabyte_comes_back_as_it_was)
{
	static char got[sizeof(bytes)];
	size_t sent = 0, received = 0;
	struct tls_peer peer;
	int rc;

	begin_tls(&shaking_echo);
	worker_settings()->limits.write_buffer = 8192;
	worker_settings()->limits.read_buffer = 4096;
	peer_connect(&peer);
	small_buffers(peer.fd);
	SSL_set_mode(peer.ssl, SSL_MODE_ENABLE_PARTIAL_WRITE);
	while (received < sizeof(bytes)) {
		if (sent < sizeof(bytes)) {
			rc = SSL_write(peer.ssl, bytes + sent,
			    sizeof(bytes) - sent);
			sent += rc > 0 ? rc : 0;
		}
		worker_pass(false);
		rc = SSL_read(peer.ssl, got + received, sizeof(got) - received);
		received += rc > 0 ? rc : 0;
	}
	ck_assert_mem_eq(got, bytes, sizeof(bytes));
	peer_end(&peer);
	end_tls();
}
END_TEST

START_TEST(close_notify_is_an_end)
{
	struct tls_peer peer;
	char buf[8];
	int error;

	begin_tls(&shaking_echo);
	peer_connect(&peer);
	peer_say(&peer, "bye", 3);
	SSL_shutdown(peer.ssl);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "hode");
	sl_close(plugin.conn);
	conn_pend(plugin.conn);
	worker_idle();
	ck_assert_uint_eq(peer_hear_end(&peer, buf, sizeof(buf), &error), 3);
	ck_assert_int_eq(error, SSL_ERROR_ZERO_RETURN);
	peer_end(&peer);
	ck_assert_str_eq(plugin.calls, "hodec");
	ck_assert_uint_eq(plugin.why, SL_WHY_PEER);
	end_tls();
}
END_TEST

START_TEST(an_end_without_close_notify_is_told_as_truncation)
{
	struct tls_peer peer;

	begin_tls(&shaking_echo);
	peer_connect(&peer);
	peer_say(&peer, "bye", 3);
	shutdown(peer.fd, SHUT_WR);
	worker_idle();
	peer_end(&peer);
	ck_assert_str_eq(plugin.calls, "hodxc");
	ck_assert_uint_eq(plugin.error_why, SL_WHY_TRUNCATED);
	ck_assert_uint_eq(plugin.why, SL_WHY_TRUNCATED);
	end_tls();
}
END_TEST

static void
end_output(struct sl_conn *c)
{
	sl_end(c, "done", 4);
}

START_TEST(a_half_close_leaves_the_other_half_open)
{
	struct tls_peer peer;
	char buf[8];
	int error;

	begin_tls(&full);
	plugin.in_data = end_output;
	peer_connect(&peer);
	peer_say(&peer, "x", 1);
	plugin.in_data = NULL;
	ck_assert_uint_eq(peer_hear_end(&peer, buf, sizeof(buf), &error), 4);
	ck_assert_int_eq(error, SSL_ERROR_ZERO_RETURN);
	ck_assert_mem_eq(buf, "done", 4);
	peer_say(&peer, "more", 4);
	ck_assert_uint_eq(plugin.input_len, 5);
	SSL_shutdown(peer.ssl);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "oddec");
	peer_end(&peer);
	end_tls();
}
END_TEST

/* Something that is not TLS: it fails for this reason, with so many bytes. */
static void
say_nonsense(const void *nonsense, size_t len, const char *reason,
    size_t answer)
{
	struct tls_peer peer;
	char buf[64];

	begin_tls(&shaking_echo);
	peer_begin(&peer);
	peer_write(peer.fd, nonsense, len);
	ck_assert_str_eq(plugin.calls, "H");
	ck_assert_uint_eq(plugin.error_why, SL_WHY_HANDSHAKE);
	ck_assert_str_eq(plugin.error_text, reason);
	ck_assert_int_eq(peer_read_to_end(peer.fd, buf, sizeof(buf)),
	    (ssize_t)answer);
	if (answer > 0)
		ck_assert_int_eq(buf[0], SSL3_RT_ALERT);
	peer_end(&peer);
	end_tls();
}

START_TEST(a_hello_that_is_broken_is_answered_by_an_alert)
{
	static const unsigned char hello[] = { 22, 3, 1, 0, 4, 1, 0, 0, 0 };

	say_nonsense(hello, sizeof(hello),
	    "the TLS handshake failed: length too short", 7);
}
END_TEST

START_TEST(a_peer_that_speaks_http_is_no_mystery)
{
	say_nonsense("GET / HTTP/1.0\r\n\r\n", 18,
	    "the TLS handshake failed: http request", 0);
}
END_TEST

START_TEST(a_peer_that_speaks_something_else_is_closed)
{
	say_nonsense("EHLO example.org\r\n", 18,
	    "the TLS handshake failed: wrong version number, as if it did "
	    "not speak TLS",
	    0);
}
END_TEST

START_TEST(data_comes_before_the_alert_that_follows_it)
{
	struct tls_peer peer;

	begin_tls(&shaking_echo);
	peer_connect(&peer);
	ck_assert_int_eq(SSL_write(peer.ssl, "last", 4), 4);
	/* A record that is none.  The answer to "last" finds it broken. */
	peer_write(peer.fd,
	    "\x17\x03\x03\x00\x20garbagegarbagegarbagegarbage....", 37);
	ck_assert_str_eq(plugin.calls, "hodxc");
	ck_assert_uint_eq(plugin.error_why, SL_WHY_TLS);
	ck_assert_str_eq(plugin.error_text,
	    "a TLS error: decryption failed or bad record mac");
	peer_end(&peer);
	end_tls();
}
END_TEST

/* As a plugin does that uses OpenSSL itself, without looking at the result. */
static void
leave_an_error(struct sl_conn *c)
{
	ERR_raise(ERR_LIB_SSL, SSL_R_WRONG_VERSION_NUMBER);
	sl_write(c, "ok", 2);
}

/* All connections of a thread share one queue of errors. */
START_TEST(errors_of_others_break_no_connection)
{
	struct tls_peer peer, other;
	char buf[2];

	begin_tls(&full);
	plugin.in_data = leave_an_error;
	peer_connect(&peer);
	peer_say(&peer, "one", 3);
	ERR_clear_error();
	peer_hear(&peer, buf, 2);
	/* A connection that is broken leaves errors, too. */
	peer_begin(&other);
	peer_write(other.fd, "nonsense", 8);
	peer_end(&other);
	ERR_raise(ERR_LIB_SSL, SSL_R_WRONG_VERSION_NUMBER);
	worker_idle();
	peer_say(&peer, "two", 3);
	peer_say(&peer, "three", 5);
	ck_assert_str_eq(plugin.calls, "oddd");
	ck_assert_uint_eq(plugin.input_len, 11);
	peer_end(&peer);
	end_tls();
}
END_TEST

START_TEST(a_key_update_is_answered)
{
	struct tls_peer peer;
	char buf[5];

	begin_tls(&shaking_echo);
	peer_connect(&peer);
	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(
		    SSL_key_update(peer.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
		peer_say(&peer, "hello", 5);
		peer_hear(&peer, buf, 5);
		ck_assert_mem_eq(buf, "hello", 5);
	}
	peer_end(&peer);
	end_tls();
}
END_TEST

#define MANY 20

/* How many of them have an answer. */
static int
answered(const struct tls_peer *peers)
{
	char byte;
	int n = 0;

	for (int i = 0; i < MANY; i++)
		if (recv(peers[i].fd, &byte, 1, MSG_PEEK) == 1)
			n++;
	return n;
}

START_TEST(handshakes_take_turns_in_order_and_leave_room_for_others)
{
	static struct tls_peer peers[MANY];
	struct tls_peer open;
	unsigned char hello[4096];
	char byte;
	int before = 0, now;

	begin_tls(&shaking_echo);
	peer_connect(&open);
	for (int i = 0; i < MANY; i++)
		peer_begin(&peers[i]);
	worker_idle();
	for (int i = 0; i < MANY; i++)
		send(peers[i].fd, hello,
		    hello_of(peers[i].ssl, hello, sizeof(hello)), 0);
	while (before < MANY) {
		ck_assert_int_eq(SSL_write(open.ssl, "x", 1), 1);
		worker_pass(false);
		/* Whoever is open is served in each pass. */
		ck_assert_int_eq(SSL_read(open.ssl, &byte, 1), 1);
		now = answered(peers);
		ck_assert_int_gt(now, before);
		ck_assert_int_le(now - before, 16);
		before = now;
	}
	for (int i = 0; i < MANY; i++)
		peer_end(&peers[i]);
	peer_end(&open);
	end_tls();
}
END_TEST

/* Everything that has come, as it is.  Returns bytes. */
static size_t
drain_raw(int fd)
{
	static char room[1 << 16];
	size_t all = 0;
	ssize_t n;

	while ((n = recv(fd, room, sizeof(room), 0)) > 0)
		all += n;
	return all;
}

START_TEST(output_that_was_given_up_is_not_sent_when_the_stream_closes)
{
	struct tls_peer peer;

	begin_tls(&full);
	peer_connect(&peer);
	small_buffers(peer.fd);
	ck_assert_int_eq(sl_send(plugin.conn, bytes, sizeof(bytes)), 0);
	ck_assert_uint_gt(plugin.conn->stream.unsent, 0);
	conn_drop_output(plugin.conn);
	ck_assert_uint_gt(drain_raw(peer.fd), 0);
	conn_fail(plugin.conn, SL_WHY_SHUTDOWN, 0, SL_STAGE_NONE);
	conn_pend(plugin.conn);
	worker_idle();
	ck_assert_uint_eq(drain_raw(peer.fd), 0);
	peer_end(&peer);
	end_tls();
}
END_TEST

static uint64_t
counted(enum count count)
{
	return worker_listener()->endpoint.counts->value[count];
}

static void
end_all_while_they_wait(void (*end)(struct listener *, enum sl_why),
    enum sl_why why)
{
	static struct tls_peer peers[MANY];
	unsigned char hello[4096];

	begin_tls(&shaking_echo);
	for (int i = 0; i < MANY; i++)
		peer_begin(&peers[i]);
	worker_idle();
	for (int i = 0; i < MANY; i++)
		send(peers[i].fd, hello,
		    hello_of(peers[i].ssl, hello, sizeof(hello)), 0);
	worker_pass(false);
	ck_assert(conn_start_is_queued());
	/* Some peers leave, too. */
	for (int i = 0; i < MANY; i += 3)
		shutdown(peers[i].fd, SHUT_RDWR);
	worker_pass(false);
	if (end != NULL)
		end(worker_listener(), why);
	worker_idle();
	if (end != NULL)
		ck_assert_uint_eq(conn_count(), 0);
	for (int i = 0; i < MANY; i++)
		peer_end(&peers[i]);
	ck_assert_uint_eq(conn_count(), 0);
	end_tls();
}

START_TEST(handshakes_that_wait_end_with_all_others)
{
	end_all_while_they_wait(NULL, SL_WHY_NONE);
	end_all_while_they_wait(listener_close_all, SL_WHY_RELOAD);
	end_all_while_they_wait(listener_kill_all, SL_WHY_SHUTDOWN);
}
END_TEST

/* Their last bytes are here, but each pass makes only so many steps. */
START_TEST(handshakes_that_wait_their_turn_are_not_too_late)
{
	static struct tls_peer peers[MANY];
	unsigned int opened = 0;

	begin_tls(&shaking_echo);
	worker_settings()->timeouts.handshake_ms = 1000;
	for (int i = 0; i < MANY; i++) {
		peer_begin(&peers[i]);
		SSL_do_handshake(peers[i].ssl);
	}
	worker_idle();
	for (int i = 0; i < MANY; i++)
		ck_assert_int_eq(SSL_do_handshake(peers[i].ssl), 1);
	worker_skip_ms(1001);
	for (int i = 0; i < MANY; i++)
		peers[i].conn->timer.on_expire(&peers[i].conn->timer);
	engine.now_ms = 0;
	worker_idle();
	for (const char *c = plugin.calls; *c != '\0'; c++)
		opened += *c == 'o';
	ck_assert_uint_eq(opened, MANY);
	for (int i = 0; i < MANY; i++)
		peer_end(&peers[i]);
	end_tls();
}
END_TEST

START_TEST(each_handshake_is_counted_once_by_how_it_ended)
{
	struct tls_peer peer;

	begin_tls(&shaking_echo);
	peer_connect(&peer);
	peer_end(&peer);
	ck_assert_uint_eq(counted(COUNT_HANDSHAKES_FULL), 1);
	peer_begin(&peer);
	peer_write(peer.fd, "EHLO example.org\r\n", 18);
	peer_end(&peer);
	ck_assert_uint_eq(counted(COUNT_HANDSHAKES_PROTOCOL), 1);
	peer_begin(&peer);
	peer_end(&peer); /* it has said nothing */
	ck_assert_uint_eq(counted(COUNT_HANDSHAKES_PEER), 1);
	peer_begin(&peer);
	SSL_set_verify(peer.ssl, SSL_VERIFY_PEER, NULL); /* by no CA */
	ck_assert_int_eq(peer_shake(&peer), -1);
	peer_end(&peer);
	ck_assert_uint_eq(counted(COUNT_HANDSHAKES_ALERT), 1);
	peer_begin(&peer);
	listener_kill_all(worker_listener(), SL_WHY_SHUTDOWN);
	worker_idle();
	peer_end(&peer);
	ck_assert_uint_eq(counted(COUNT_HANDSHAKES_UNFINISHED), 1);
	ck_assert_uint_eq(counted(COUNT_HANDSHAKES_RESUMED), 0);
	ck_assert_uint_eq(counted(COUNT_HANDSHAKES_CERTIFICATE), 0);
	end_tls();
}
END_TEST

START_TEST(before_the_first_byte_there_is_no_session)
{
	struct tls_peer peer;

	begin_tls(&shaking_echo);
	peer_begin(&peer);
	worker_idle();
	ck_assert_ptr_null(tls_session(&peer.conn->stream));
	ck_assert_int_eq(peer_shake(&peer), 1);
	ck_assert_ptr_nonnull(tls_session(&peer.conn->stream));
	peer_end(&peer);
	end_tls();
}
END_TEST

START_TEST(a_handshake_that_stalls_ends_by_the_clock)
{
	unsigned char hello[4096];
	struct tls_peer peer;

	begin_tls(&shaking_echo);
	worker_settings()->timeouts.handshake_ms = 100000;
	peer_begin(&peer);
	hello_of(peer.ssl, hello, sizeof(hello));
	for (unsigned int s = 30; s <= 120; s += 30) {
		ck_assert_str_eq(plugin.calls, "");
		worker_skip_ms(1000 * s);
		send(peer.fd, &hello[s / 30], 1, MSG_NOSIGNAL);
		peer.conn->timer.on_expire(&peer.conn->timer);
		engine.now_ms = 0;
	}
	worker_idle();
	ck_assert_str_eq(plugin.calls, "H");
	ck_assert_int_eq(plugin.error_errno, ETIMEDOUT);
	peer_end(&peer);
	end_tls();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		handshake_comes_before_open_and_bytes_after_it,
		a_hello_in_segments_of_one_byte_is_a_hello,
		data_right_behind_the_handshake_is_data,
		a_megabyte_comes_back_as_it_was,
		close_notify_is_an_end,
		an_end_without_close_notify_is_told_as_truncation,
		a_half_close_leaves_the_other_half_open,
		a_hello_that_is_broken_is_answered_by_an_alert,
		a_peer_that_speaks_something_else_is_closed,
		a_peer_that_speaks_http_is_no_mystery,
		data_comes_before_the_alert_that_follows_it,
		errors_of_others_break_no_connection,
		a_key_update_is_answered,
		handshakes_take_turns_in_order_and_leave_room_for_others,
		handshakes_that_wait_end_with_all_others,
		handshakes_that_wait_their_turn_are_not_too_late,
		output_that_was_given_up_is_not_sent_when_the_stream_closes,
		each_handshake_is_counted_once_by_how_it_ended,
		before_the_first_byte_there_is_no_session,
		a_handshake_that_stalls_ends_by_the_clock,
		NULL,
	};

	fill();
	return fixture_run("tls", tests);
}
