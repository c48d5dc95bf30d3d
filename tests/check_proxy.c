/*
 * check_proxy.c: connections that begin with the header of a proxy, over a unix
 * socket: nothing of the header is data, and no data is taken for header.
 */

#include "conn_plugin.h"

#include <arpa/inet.h>

#include "ipc/counts.h"
#include "log_fixture.h"
#include "worker/proxy.h"

#define LINE "PROXY TCP4 192.0.2.7 198.51.100.1 4411 443\r\n"
#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
static char logged_so_far[8192];

/* From here on the log is kept. */
static void
keep_log(void)
{
	logged_so_far[0] = '\0';
	capture(0);
}

/* It has a line with this in it. */
static void
expect_line(const char *part)
{
	const char *more = logged();

	ck_assert_uint_lt(strlen(logged_so_far) + strlen(more),
	    sizeof(logged_so_far));
	strcat(logged_so_far, more);
	ck_assert_msg(strstr(logged_so_far, part) != NULL, "\"%s\" in:\n%s",
	    part, logged_so_far);
}

static struct stream
proxied_stream(int fd, bool is_unix)
{
	struct stream stream = stream_plain(fd, is_unix);

	ck_assert(
	    proxy_begin(&stream, NULL, worker_listener()->endpoint.counts));
	return stream;
}

/* A new connection that waits for a header.  Returns the peer's end. */
static int
begin_proxied(struct sl_conn **ret_conn)
{
	begin(&no_end);
	engine.log_access = true;
	worker_stream = proxied_stream;
	return worker_begin_connect(ret_conn);
}

static uint64_t
counted(unsigned int count)
{
	return worker_listener()->endpoint.counts->value[count];
}

/* It has ended for this reason, and the plugin was never told of it. */
static void
expect_end(int fd, enum sl_why why)
{
	char byte;

	worker_idle();
	ck_assert_int_le(recv(fd, &byte, 1, 0), 0);
	ck_assert_str_eq(plugin.calls, "");
	ck_assert_uint_eq(counted(COUNT_CLOSED + why), 1);
	ck_assert_uint_eq(conn_count(), 0);
	close(fd);
	worker_end();
}

START_TEST(the_client_takes_the_place_of_the_proxy)
{
	struct sl_conn *conn;
	int fd = begin_proxied(&conn);
	char label[CONN_LABEL_MAX];

	peer_write(fd, LINE, strlen(LINE));
	ck_assert_str_eq(plugin.calls, "o");
	ck_assert_str_eq(sl_remote(conn)->text, "192.0.2.7:4411");
	ck_assert_uint_eq(sl_remote(conn)->family, AF_INET);
	ck_assert_uint_eq(sl_remote(conn)->port, 4411);
	ck_assert_str_eq(sl_local(conn)->text, "198.51.100.1:443");
	ck_assert_str_eq(sl_peer(conn)->text, "unix");
	ck_assert_uint_eq(sl_peer(conn)->family, AF_UNIX);
	ck_assert_ptr_nonnull(
	    strstr(conn_label(conn, label), " test 192.0.2.7:4411"));
	/* The socket is still that of the proxy. */
	ck_assert_int_eq(sl_set_nodelay(conn, 1), -1);
	ck_assert_int_eq(errno, EOPNOTSUPP);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(data_in_the_same_segment_is_data)
{
	struct sl_conn *conn;
	int fd = begin_proxied(&conn);

	peer_write(fd, LINE LINE, 2 * strlen(LINE));
	ck_assert_str_eq(plugin.calls, "od");
	ck_assert_uint_eq(plugin.input_len, strlen(LINE));
	ck_assert_mem_eq(plugin.input, LINE, strlen(LINE));
	ck_assert_uint_eq(sl_bytes_read(conn), strlen(LINE));
	close(fd);
	worker_end();
}
END_TEST

START_TEST(every_split_gives_the_same)
{
	static const char all[] = LINE "data";
	size_t len = sizeof(all) - 1;

	for (size_t at = 1; at < len; at++) {
		struct sl_conn *conn;
		int fd = begin_proxied(&conn);

		peer_write(fd, all, at);
		peer_write(fd, all + at, len - at);
		ck_assert_uint_eq(plugin.input_len, 4);
		ck_assert_mem_eq(plugin.input, "data", 4);
		ck_assert_str_eq(sl_remote(conn)->text, "192.0.2.7:4411");
		close(fd);
		worker_end();
	}
}
END_TEST

/* A socket that stays readable would keep the loop busy: worker_idle() fails. */
START_TEST(a_header_in_pieces_of_one_byte_leaves_nothing_in_the_socket)
{
	struct sl_conn *conn;
	int fd = begin_proxied(&conn);

	for (size_t i = 0; i < strlen(LINE); i++) {
		ck_assert_str_eq(plugin.calls, "");
		peer_write(fd, &LINE[i], 1);
		ck_assert_uint_eq(conn->stream.transport->unread(&conn->stream),
		    0);
	}
	ck_assert_str_eq(plugin.calls, "o");
	close(fd);
	worker_end();
}
END_TEST

static void
look_at_tlvs(struct sl_conn *c)
{
	static char value[2048];
	const void *found;
	size_t len;

	memset(value, 'v', sizeof(value));
	found = sl_proxy_tlv(c, 0xe0, &len);
	ck_assert_uint_eq(len, sizeof(value));
	ck_assert_mem_eq(found, value, sizeof(value));
	ck_assert_ptr_nonnull(sl_proxy_tlv(c, 0xe1, &len));
	ck_assert_uint_eq(len, 0);
	len = 1;
	ck_assert_ptr_null(sl_proxy_tlv(c, 1, &len));
	ck_assert_uint_eq(len, 0);
	ck_assert_int_eq(errno, ENODATA);
	ck_assert_ptr_null(sl_proxy_tlv(c, 0xe0, NULL));
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_ptr_null(sl_proxy_tlv(NULL, 0xe0, &len));
	ck_assert_int_eq(errno, ENOTCONN);
}

START_TEST(tlvs_are_there_until_close)
{
	static unsigned char header[16 + 12 + 3 + 2048 + 3] =
	    SIGNATURE "\x21\x11..\1\1\1\1\2\2\2\2\0\1\0\2\xe0\x08";
	struct sl_conn *conn;
	int fd = begin_proxied(&conn);

	header[14] = (sizeof(header) - 16) >> 8;
	header[15] = (sizeof(header) - 16) & 0xff;
	memset(header + 31, 'v', 2048);
	header[31 + 2048] = 0xe1;
	plugin.in_open = plugin.in_close = look_at_tlvs;
	peer_write(fd, header, sizeof(header));
	ck_assert_str_eq(plugin.calls, "o");
	close(fd);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "oc");
	worker_end();
}
END_TEST

START_TEST(local_leaves_the_addresses_as_they_are)
{
	struct sl_conn *conn;
	int fd = begin_proxied(&conn);

	peer_write(fd, SIGNATURE "\x20\0\0\1zdata", 16 + 1 + 4);
	ck_assert_str_eq(plugin.calls, "od");
	ck_assert_mem_eq(plugin.input, "data", 4);
	ck_assert_str_eq(sl_remote(conn)->text, "unix");
	ck_assert_ptr_eq(sl_peer(conn), sl_remote(conn));
	ck_assert_ptr_null(conn_proxied(conn));
	close(fd);
	worker_end();
}
END_TEST

START_TEST(what_is_no_header_ends_it)
{
	struct sl_conn *conn;
	int fd;

	keep_log();
	fd = begin_proxied(&conn);
	peer_write(fd, "GET / HTTP/1.1\r\n", 16);
	expect_line("test unix closed why=proxy in=0 out=0 ");
	expect_line("does not begin with a PROXY header\"\n");
	ck_assert_uint_eq(counted(COUNT_FAILED), 1);
	expect_end(fd, SL_WHY_PROXY);
}
END_TEST

START_TEST(an_end_within_the_header_is_an_error)
{
	struct sl_conn *conn;
	int fd;

	keep_log();
	fd = begin_proxied(&conn);
	peer_write(fd, LINE, 10);
	shutdown(fd, SHUT_WR);
	worker_idle();
	expect_line(
	    "reason=\"the peer has ended the connection within the header\"");
	expect_end(fd, SL_WHY_PROXY);
}
END_TEST

START_TEST(a_proxy_that_only_looks_whether_we_listen_is_no_error)
{
	struct sl_conn *conn;
	int fd = begin_proxied(&conn);

	shutdown(fd, SHUT_WR);
	worker_idle();
	ck_assert_uint_eq(counted(COUNT_FAILED), 0);
	expect_end(fd, SL_WHY_PEER);
}
END_TEST

START_TEST(a_header_that_is_late_ends_it)
{
	struct sl_conn *conn;
	int fd;

	keep_log();
	fd = begin_proxied(&conn);
	worker_settings()->timeouts.handshake_ms = 1;
	peer_write(fd, LINE, 10);
	/* Another piece does not give it more time. */
	ck_assert_int_eq(send(fd, &LINE[10], 10, 0), 10);
	worker_skip_ms(4900);
	conn_judge_time(conn);
	conn_settle(conn);
	ck_assert(!conn->dead);
	worker_skip_ms(5000);
	conn_judge_time(conn);
	conn_settle(conn);
	expect_line("reason=\"it was not complete within "
		    "proxy_protocol.timeout\"");
	expect_end(fd, SL_WHY_PROXY);
}
END_TEST

START_TEST(a_header_that_came_in_time_is_seen_by_a_late_timer)
{
	struct sl_conn *conn;
	int fd = begin_proxied(&conn);

	worker_idle();
	ck_assert_int_eq(send(fd, LINE, strlen(LINE), 0), (int)strlen(LINE));
	worker_skip_ms(9000);
	conn_judge_time(conn);
	conn_settle(conn);
	worker_idle();
	ck_assert_str_eq(plugin.calls, "o");
	close(fd);
	worker_end();
}
END_TEST

START_TEST(each_client_has_its_own_limit)
{
	struct sl_conn *conn;
	int first, second, third;

	keep_log();
	first = begin_proxied(&conn);
	worker_settings()->limits.per_address = 1;
	peer_write(first, LINE, strlen(LINE));
	ck_assert_str_eq(plugin.calls, "o");
	second = worker_begin_connect(&conn);
	peer_write(second, LINE, strlen(LINE));
	ck_assert_str_eq(plugin.calls, "o");
	expect_line("refused 192.0.2.7:4411: limits.per_address (1)");
	ck_assert_uint_eq(counted(COUNT_REFUSED_PER_ADDRESS), 1);
	ck_assert_uint_eq(counted(COUNT_CLOSED + SL_WHY_LIMIT), 1);
	ck_assert_uint_eq(counted(COUNT_FAILED), 0);
	third = worker_begin_connect(&conn);
	peer_write(third, "PROXY TCP4 192.0.2.8 1.1.1.1 1 2\r\n", 34);
	ck_assert_str_eq(plugin.calls, "oo");
	/* A place that was left is free. */
	close(first);
	worker_idle();
	close(second);
	second = worker_begin_connect(&conn);
	peer_write(second, LINE, strlen(LINE));
	ck_assert_uint_eq(counted(COUNT_REFUSED_PER_ADDRESS), 1);
	ck_assert_str_eq(sl_remote(conn)->text, "192.0.2.7:4411");
	close(second);
	close(third);
	worker_end();
}
END_TEST

START_TEST(it_can_be_closed_while_it_waits_for_the_header)
{
	struct sl_conn *conn;
	int fd = begin_proxied(&conn);

	peer_write(fd, LINE, 10);
	conn_expire(conn, SL_WHY_RELOAD);
	expect_end(fd, SL_WHY_RELOAD);
}
END_TEST

START_TEST(the_log_names_both_once)
{
	struct sl_conn *conn;
	int fd;

	keep_log();
	fd = begin_proxied(&conn);
	peer_write(fd, LINE, strlen(LINE));
	expect_line(
	    "test 192.0.2.7:4411 proxied via=unix to=198.51.100.1:443\n");
	close(fd);
	worker_idle();
	expect_line("test 192.0.2.7:4411 closed why=peer");
	worker_end();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		the_client_takes_the_place_of_the_proxy,
		data_in_the_same_segment_is_data,
		every_split_gives_the_same,
		a_header_in_pieces_of_one_byte_leaves_nothing_in_the_socket,
		tlvs_are_there_until_close,
		local_leaves_the_addresses_as_they_are,
		what_is_no_header_ends_it,
		an_end_within_the_header_is_an_error,
		a_proxy_that_only_looks_whether_we_listen_is_no_error,
		a_header_that_is_late_ends_it,
		a_header_that_came_in_time_is_seen_by_a_late_timer,
		each_client_has_its_own_limit,
		it_can_be_closed_while_it_waits_for_the_header,
		the_log_names_both_once,
		NULL,
	};

	return fixture_run("proxy", tests);
}
