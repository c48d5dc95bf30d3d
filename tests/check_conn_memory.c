/*
 * check_conn_memory.c: output when there is no memory for it.  The program is
 * linked so that malloc() fails on demand (-Wl,--wrap=malloc).
 */

#include "conn_plugin.h"
#include "ipc/counts.h"
#include "tls_peer.h"
#include "worker/proxy.h"

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

static bool failing;

void *
__wrap_malloc(size_t size)
{
	if (failing) {
		errno = ENOMEM;
		return NULL;
	}
	return __real_malloc(size);
}

START_TEST(a_write_that_runs_out_of_memory_is_short_and_owes_a_drain)
{
	static char got[200000];
	struct iovec iov[2] = { { bytes, 1000 }, { bytes + 1000, 100000 } };
	ssize_t n;
	int fd;

	begin(&full);
	worker_settings()->limits.write_buffer = 1 << 20;
	fd = worker_connect();
	plugin.conn->marks |= MARK_BLOCKED; /* so that output is queued */
	/* The chunk has room for the next 1000 bytes, but not for all. */
	ck_assert_int_eq(sl_write(plugin.conn, bytes, 500), 500);
	failing = true;
	n = sl_writev(plugin.conn, iov, 2);
	failing = false;
	ck_assert_int_eq(n, 1000);
	plugin.conn->marks &= ~MARK_BLOCKED;
	worker_idle();
	ck_assert_str_eq(plugin.calls, "or");
	peer_read(fd, got, 1500);
	ck_assert_mem_eq(got + 500, bytes, 1000);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(a_message_in_parts_without_memory_leaves_nothing_behind)
{
	static char got[200000];
	struct iovec iov[2] = { { bytes, 1000 }, { bytes + 1000, 100000 } };
	int fd, rc;

	begin(&full);
	worker_settings()->limits.write_buffer = 1 << 20;
	fd = worker_connect();
	plugin.conn->marks |= MARK_BLOCKED; /* so that output is queued */
	/* The chunk has room for the first part, but not for all. */
	ck_assert_int_eq(sl_write(plugin.conn, bytes, 500), 500);
	failing = true;
	errno = 0;
	rc = sl_sendv(plugin.conn, iov, 2);
	failing = false;
	ck_assert_int_eq(rc, -1);
	ck_assert_int_eq(errno, ENOMEM);
	ck_assert_uint_eq(sl_queued(plugin.conn), 500);
	ck_assert_int_eq(sl_sendv(plugin.conn, iov, 2), 0);
	plugin.conn->marks &= ~MARK_BLOCKED;
	worker_idle();
	peer_read(fd, got, 101500);
	ck_assert_mem_eq(got, bytes, 500);
	ck_assert_mem_eq(got + 500, bytes, 101000);
	close(fd);
	worker_end();
}
END_TEST

START_TEST(a_write_that_takes_nothing_fails_with_enomem)
{
	ssize_t n;
	int fd, error;

	begin(&full);
	fd = worker_connect();
	plugin.conn->marks |= MARK_BLOCKED;
	failing = true;
	n = sl_write(plugin.conn, bytes, 100000);
	error = errno;
	failing = false;
	ck_assert_int_eq(n, -1);
	ck_assert_int_eq(error, ENOMEM);
	plugin.conn->marks &= ~MARK_BLOCKED;
	worker_idle();
	/* Nothing was taken, so no drain follows. */
	ck_assert_str_eq(plugin.calls, "o");
	close(fd);
	worker_end();
}
END_TEST

static ssize_t
echo_without_memory(struct sl_conn *c, const void *buf, size_t len)
{
	ssize_t n = sl_write(c, buf, len);

	/* Over the plain transport the queue only refers to it; now a copy fails. */
	failing = worker_stream == stream_plain;
	return n;
}

static void
error_with_memory(struct sl_conn *c, const struct sl_error *err)
{
	failing = false;
	on_error(c, err);
}

/* The queue refers to input memory that is about to be reused. */
START_TEST(input_written_back_that_cannot_be_copied_ends_it)
{
	struct sl_handlers handlers = full;
	int fd;

	handlers.data = echo_without_memory;
	handlers.error = error_with_memory;
	begin(&handlers);
	worker_settings()->limits.read_buffer = 16384;
	fd = worker_connect();
	ck_assert_int_eq(send(fd, bytes, 20000, 0), 20000);
	small_buffers(fd);
	worker_pass(true);
	failing = false;
	if (worker_stream == stream_plain) {
		ck_assert_uint_eq(plugin.error_why, SL_WHY_MEMORY);
		ck_assert_ptr_null(plugin.conn);
	}
	close(fd);
	worker_idle();
	worker_end();
}
END_TEST

static ssize_t
consume_nothing_without_memory(struct sl_conn *c, const void *buf, size_t len)
{
	(void)c;
	(void)buf;
	(void)len;
	called('d');
	failing = true;
	return 0;
}

static void
answer_with_memory(struct sl_conn *c, const struct sl_error *err)
{
	error_with_memory(c, err);
	ck_assert_int_eq(sl_send(c, "busy", 4), 0);
}

START_TEST(error_can_answer_input_that_cannot_be_kept)
{
	struct sl_handlers handlers = full;
	char answer[8];
	int fd;

	handlers.data = consume_nothing_without_memory;
	handlers.error = answer_with_memory;
	begin(&handlers);
	fd = worker_connect();
	peer_write(fd, "abc", 3);
	shutdown(fd, SHUT_WR);
	ck_assert_int_eq(peer_read_to_end(fd, answer, sizeof(answer)), 4);
	worker_idle();
	ck_assert_uint_eq(plugin.error_why, SL_WHY_MEMORY);
	ck_assert_str_eq(plugin.calls, "odxc");
	close(fd);
	worker_end();
}
END_TEST

static struct stream
proxied_stream(int fd, bool is_unix)
{
	struct stream stream = stream_plain(fd, is_unix);

	ck_assert(
	    proxy_begin(&stream, NULL, worker_listener()->endpoint.counts));
	return stream;
}

/* It is not served as if the proxy were the client. */
START_TEST(a_header_that_cannot_be_kept_ends_it)
{
	static const char line[] = "PROXY TCP4 192.0.2.7 192.0.2.8 1 2\r\n";
	struct stream (*before)(int fd, bool is_unix) = worker_stream;
	struct sl_conn *conn;
	int fd;

	begin(&full);
	worker_stream = proxied_stream;
	fd = worker_begin_connect(&conn);
	ck_assert_int_eq(send(fd, line, strlen(line), 0), (int)strlen(line));
	failing = true;
	conn_settle(conn);
	failing = false;
	worker_idle();
	ck_assert_str_eq(plugin.calls, "");
	ck_assert_uint_eq(conn_count(), 0);
	ck_assert_uint_eq(
	    worker_listener()
		->endpoint.counts->value[COUNT_CLOSED + SL_WHY_MEMORY],
	    1);
	close(fd);
	worker_stream = before;
	worker_end();
}
END_TEST

/* Bytes that TLS has taken and cannot keep: they will never be sent. */
START_TEST(output_of_tls_that_cannot_be_kept_ends_it)
{
	static char got[sizeof(bytes)];
	struct stream (*before)(int fd, bool is_unix) = worker_stream;
	struct listener_settings *settings;
	struct tls_peer peer;
	ssize_t n;
	int secret;

	begin(&full);
	settings = peer_settings();
	settings->limits.write_buffer = 1 << 20;
	secret = peer_secret(tls_fixture_leaf(fixture_dir), NULL);
	peer_server = peer_make_server(settings, &secret, 1);
	worker_stream = peer_stream;
	peer_connect(&peer);
	small_buffers(peer.fd);
	failing = true;
	n = sl_write(plugin.conn, bytes, sizeof(bytes));
	failing = false;
	ck_assert_int_gt(n, 0);
	ck_assert_int_lt(n, (int)sizeof(bytes));
	conn_pend(plugin.conn);
	worker_idle();
	sl_write(plugin.conn, "more", 4);
	conn_pend(plugin.conn);
	for (int i = 0; i < 10 && plugin.conn != NULL; i++) {
		recv(peer.fd, got, sizeof(got), MSG_DONTWAIT);
		worker_pass(false);
	}
	ck_assert_str_eq(plugin.calls, "orxc");
	ck_assert_uint_eq(plugin.error_why, SL_WHY_MEMORY);
	peer_end(&peer);
	worker_end();
	tls_server_unref(peer_server);
	tls_done();
	close(secret);
	worker_stream = before;
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_write_that_runs_out_of_memory_is_short_and_owes_a_drain,
		a_message_in_parts_without_memory_leaves_nothing_behind,
		a_write_that_takes_nothing_fails_with_enomem,
		input_written_back_that_cannot_be_copied_ends_it,
		error_can_answer_input_that_cannot_be_kept,
		a_header_that_cannot_be_kept_ends_it,
		output_of_tls_that_cannot_be_kept_ends_it,
		NULL,
	};

	return conn_run("conn_memory", tests);
}
