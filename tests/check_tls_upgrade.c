/* check_tls_upgrade.c: a plain connection that goes on with TLS. */

#include "conn_plugin.h"
#include "tls_peer.h"

static int secret;
static bool upgraded;

static const struct sl_handlers talks = {
	.size = sizeof(talks),
	.handshake = on_handshake,
	.open = on_open,
	.data = on_data,
	.drain = on_drain,
	.end = on_end,
	.error = on_error,
	.close = on_close,
};

static void
begin_plain(void)
{
	struct listener_settings *settings;

	begin(&talks);
	settings = peer_settings();
	settings->tls.starttls = true;
	secret = peer_secret(tls_fixture_leaf(fixture_dir), NULL);
	worker_stream = stream_plain;
	worker_listener()->tls = peer_make_server(settings, &secret, 1);
	upgraded = false;
}

static void
end_plain(void)
{
	worker_end();
	tls_done();
	close(secret);
}

static void
upgrade(struct sl_conn *c)
{
	if (upgraded)
		return;
	upgraded = true;
	ck_assert_int_eq(sl_write(c, "go\n", 3), 3);
	ck_assert_int_eq(sl_upgrade_tls(c, SL_TLS_SERVER, NULL), 0);
	ck_assert_int_eq(sl_upgrade_tls(c, SL_TLS_SERVER, NULL), -1);
	ck_assert_int_eq(errno, EALREADY);
}

START_TEST(an_upgrade_goes_on_with_the_same_connection)
{
	struct tls_peer peer;
	char buf[5];

	begin_plain();
	plugin.in_data = upgrade;
	peer_begin(&peer);
	peer_write(peer.fd, "STARTTLS\n", 9);
	peer_read(peer.fd, buf, 3);
	ck_assert_mem_eq(buf, "go\n", 3);
	ck_assert_str_eq(plugin.calls, "od");
	sl_set_data(plugin.conn, &peer);
	ck_assert_int_eq(peer_shake(&peer), 1);
	/* `open` was called before. */
	ck_assert_str_eq(plugin.calls, "odh");
	ck_assert_ptr_eq(sl_data(plugin.conn), &peer);
	peer_say(&peer, "hello", 5);
	ck_assert_uint_eq(plugin.input_len, 14);
	ck_assert_int_eq(sl_write(plugin.conn, "world", 5), 5);
	conn_pend(plugin.conn);
	peer_hear(&peer, buf, 5);
	ck_assert_mem_eq(buf, "world", 5);
	ck_assert_int_eq(sl_upgrade_tls(plugin.conn, SL_TLS_SERVER, NULL), -1);
	ck_assert_int_eq(errno, EALREADY);
	peer_end(&peer);
	end_plain();
}
END_TEST

static void
write_go(struct sl_conn *c)
{
	ck_assert_int_eq(sl_write(c, "go\n", 3), 3);
}

START_TEST(nothing_is_taken_until_the_handshake_is_over)
{
	struct tls_peer peer;
	char buf[3];

	begin_plain();
	plugin.in_data = upgrade;
	peer_begin(&peer);
	peer_write(peer.fd, "STARTTLS\n", 9);
	peer_read(peer.fd, buf, 3);
	worker_idle();
	ck_assert(tls_is(&plugin.conn->stream));
	ck_assert_int_eq(sl_write(plugin.conn, "x", 1), 0);
	ck_assert_int_eq(sl_send(plugin.conn, "x", 1), -1);
	ck_assert_int_eq(errno, ENOBUFS);
	plugin.in_handshake = write_go;
	ck_assert_int_eq(peer_shake(&peer), 1);
	ck_assert_str_eq(plugin.calls, "odhr");
	peer_hear(&peer, buf, 3);
	ck_assert_mem_eq(buf, "go\n", 3);
	peer_say(&peer, "hello", 5);
	ck_assert_uint_eq(plugin.input_len, 14);
	peer_end(&peer);
	end_plain();
}
END_TEST

START_TEST(plain_text_behind_the_command_ends_it)
{
	struct tls_peer peer;

	begin_plain();
	plugin.in_data = upgrade;
	plugin.consume_most = 9;
	peer_begin(&peer);
	peer_write(peer.fd, "STARTTLS\nEVIL\n", 14);
	ck_assert_str_eq(plugin.calls, "odxc");
	ck_assert_uint_eq(plugin.error_why, SL_WHY_TLS);
	ck_assert_uint_eq(plugin.input_len, 9);
	peer_end(&peer);
	end_plain();
}
END_TEST

START_TEST(plain_text_that_comes_later_is_no_handshake)
{
	struct tls_peer peer;

	begin_plain();
	plugin.in_data = upgrade;
	peer_begin(&peer);
	peer_write(peer.fd, "STARTTLS\n", 9);
	peer_write(peer.fd, "EVIL\n", 5);
	ck_assert_str_eq(plugin.calls, "odHxc");
	ck_assert_uint_eq(plugin.error_why, SL_WHY_HANDSHAKE);
	ck_assert_uint_eq(plugin.input_len, 9);
	peer_end(&peer);
	end_plain();
}
END_TEST

static void
owe_drain(struct sl_conn *c)
{
	plugin.in_data = NULL;
	while (sl_write(c, bytes, sizeof(bytes)) == sizeof(bytes))
		;
}

START_TEST(plain_text_is_not_shown_once_the_upgrade_is_asked_for)
{
	static char got[sizeof(bytes)];
	struct tls_peer peer;

	begin_plain();
	worker_settings()->limits.write_buffer = 4096;
	plugin.in_data = owe_drain;
	plugin.in_drain = upgrade;
	plugin.consume_most = 9;
	peer_begin(&peer);
	small_buffers(peer.fd);
	peer_write(peer.fd, "STARTTLS\nEVIL\n", 14);
	while (strchr(plugin.calls, 'r') == NULL)
		peer_read(peer.fd, got, 4096);
	ck_assert_uint_eq(plugin.input_len, 9);
	while (plugin.conn != NULL &&
	    recv(peer.fd, got, sizeof(got), MSG_DONTWAIT) != 0)
		worker_pass(false);
	ck_assert_str_eq(plugin.calls, "odrxc");
	ck_assert_uint_eq(plugin.error_why, SL_WHY_TLS);
	peer_end(&peer);
	end_plain();
}
END_TEST

static void
upgrade_and_end(struct sl_conn *c)
{
	upgrade(c);
	sl_shutdown(c, SL_SHUT_WRITE);
}

START_TEST(half_an_end_behind_the_upgrade_ends_it)
{
	struct tls_peer peer;
	char buf[8];

	begin_plain();
	plugin.in_data = upgrade_and_end;
	peer_begin(&peer);
	peer_write(peer.fd, "STARTTLS\n", 9);
	peer_write(peer.fd, "EVIL\n", 5);
	ck_assert_int_eq(peer_read_to_end(peer.fd, buf, sizeof(buf)), 3);
	worker_idle();
	ck_assert_uint_eq(plugin.input_len, 9);
	peer_end(&peer);
	ck_assert_str_eq(plugin.calls, "odc");
	end_plain();
}
END_TEST

static void
upgrade_and_pause(struct sl_conn *c)
{
	upgrade(c);
	sl_pause(c);
}

START_TEST(a_pause_does_not_hold_up_the_handshake)
{
	struct tls_peer peer;
	char buf[3];

	begin_plain();
	plugin.in_data = upgrade_and_pause;
	peer_begin(&peer);
	peer_write(peer.fd, "STARTTLS\n", 9);
	peer_read(peer.fd, buf, 3);
	for (int i = 0; i < 10 && SSL_do_handshake(peer.ssl) != 1; i++)
		worker_pass(false);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "odh");
	SSL_write(peer.ssl, "hello", 5);
	worker_idle();
	ck_assert_uint_eq(plugin.input_len, 9);
	sl_resume(plugin.conn);
	worker_idle();
	ck_assert_uint_eq(plugin.input_len, 14);
	peer_end(&peer);
	end_plain();
}
END_TEST

static void
write_much_and_upgrade(struct sl_conn *c)
{
	if (upgraded)
		return;
	ck_assert_int_eq(sl_send(c, bytes, sizeof(bytes)), 0);
	upgrade(c);
	/* From here on nothing is taken, since it would be plain. */
	ck_assert_int_eq(sl_write(c, "x", 1), 0);
	ck_assert_int_eq(sl_send(c, "x", 1), -1);
	ck_assert_int_eq(errno, ENOBUFS);
}

START_TEST(output_from_before_goes_out_in_plain_text_first)
{
	static char got[sizeof(bytes)];
	struct tls_peer peer;

	begin_plain();
	worker_settings()->limits.write_buffer = 4 << 20;
	plugin.in_data = write_much_and_upgrade;
	peer_begin(&peer);
	small_buffers(peer.fd);
	peer_write(peer.fd, "STARTTLS\n", 9);
	peer_read(peer.fd, got, sizeof(got));
	ck_assert_mem_eq(got, bytes, sizeof(got));
	peer_read(peer.fd, got, 3);
	ck_assert_mem_eq(got, "go\n", 3);
	ck_assert_int_eq(peer_shake(&peer), 1);
	/* What was refused meanwhile may be written now. */
	ck_assert_str_eq(plugin.calls, "odhr");
	peer_end(&peer);
	end_plain();
}
END_TEST

START_TEST(who_is_refused_stays_plain)
{
	const struct sl_tls_options options = { .size = sizeof(options) };
	struct tls_server *server;
	struct tls_peer peer;

	begin_plain();
	peer_begin(&peer);
	worker_idle();
	ck_assert_int_eq(sl_upgrade_tls(NULL, SL_TLS_SERVER, NULL), -1);
	ck_assert_int_eq(errno, ENOTCONN);
	ck_assert_int_eq(sl_upgrade_tls(plugin.conn, SL_TLS_SERVER, &options),
	    -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(sl_upgrade_tls(plugin.conn, 0, NULL), -1);
	ck_assert_int_eq(errno, EINVAL);
	server = worker_listener()->tls;
	worker_listener()->tls = NULL;
	ck_assert_int_eq(sl_upgrade_tls(plugin.conn, SL_TLS_SERVER, NULL), -1);
	ck_assert_int_eq(errno, ENOPROTOOPT);
	worker_listener()->tls = server;
	peer_write(peer.fd, "plain", 5);
	ck_assert_uint_eq(plugin.input_len, 5);
	sl_shutdown(plugin.conn, SL_SHUT_WRITE);
	ck_assert_int_eq(sl_upgrade_tls(plugin.conn, SL_TLS_SERVER, NULL), -1);
	ck_assert_int_eq(errno, EPIPE);
	peer_end(&peer);
	end_plain();
}
END_TEST

START_TEST(a_close_behind_the_upgrade_closes_as_it_is)
{
	struct tls_peer peer;
	char buf[8];

	begin_plain();
	plugin.in_data = upgrade;
	plugin.in_handshake = close_it;
	peer_begin(&peer);
	peer_write(peer.fd, "STARTTLS\n", 9);
	peer_read(peer.fd, buf, 3);
	sl_close(plugin.conn);
	conn_pend(plugin.conn);
	ck_assert_int_eq(peer_read_to_end(peer.fd, buf, sizeof(buf)), 0);
	worker_idle();
	peer_end(&peer);
	ck_assert_str_eq(plugin.calls, "odc");
	end_plain();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		an_upgrade_goes_on_with_the_same_connection,
		nothing_is_taken_until_the_handshake_is_over,
		plain_text_behind_the_command_ends_it,
		plain_text_that_comes_later_is_no_handshake,
		output_from_before_goes_out_in_plain_text_first,
		plain_text_is_not_shown_once_the_upgrade_is_asked_for,
		half_an_end_behind_the_upgrade_ends_it,
		a_pause_does_not_hold_up_the_handshake,
		who_is_refused_stays_plain,
		a_close_behind_the_upgrade_closes_as_it_is,
		NULL,
	};

	fill();
	return fixture_run("tls_upgrade", tests);
}
