/*
 * badcalls.c: makes calls where they make no sense, and logs their results:
 * "bad PHASE CALL = RESULT ERRNO".  The client names the phase.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* strerrorname_np */
#endif

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>

#include <sluice.h>

static const struct sl_option options[] = {
	{ "text", SL_OPTION_STRING, "words", "a string" },
	{ "number", SL_OPTION_INT, "42", "an integer" },
	{ 0 },
};

static char byte = 'x';

#define report(phase, call)                                                    \
	do {                                                                   \
		int64_t got_;                                                  \
		errno = 0;                                                     \
		got_ = (int64_t)(call);                                        \
		sl_log(NULL, SL_LOG_INFO, "bad %s %s = %" PRId64 " %s", phase, \
		    #call, got_, errno != 0 ? strerrorname_np(errno) : "-");   \
	} while (0)

/* Make every call there is, with arguments that would be right elsewhere. */
static void
call_all(struct sl_conn *c, const char *phase)
{
	struct sl_service *service = sl_service(c);
	struct iovec iov = { &byte, 1 };
	size_t len;

	report(phase, sl_write(c, &byte, 1));
	report(phase, sl_writev(c, &iov, 1));
	report(phase, sl_send(c, &byte, 1));
	report(phase, sl_sendv(c, &iov, 1));
	report(phase, sl_room(c) > 0);
	report(phase, sl_flush(c));
	report(phase, sl_pause(c));
	report(phase, sl_resume(c));
	report(phase, sl_pipe(c, c));
	report(phase, sl_unpipe(c));
	report(phase, sl_timeout(c, 100000));
	report(phase, sl_timer(service, c, 1, 100000));
	report(phase, sl_set_nodelay(c, 1));
	report(phase, sl_set_keepalive(c, 1, 1000));
	report(phase, sl_set_tos(c, 0));
	report(phase, sl_fd(c) >= 0);
	report(phase, sl_state(c));
	report(phase, sl_id(c) != 0);
	report(phase, sl_local(c) != NULL);
	report(phase, sl_remote(c) != NULL);
	report(phase, sl_peer(c) != NULL);
	report(phase, sl_proxy_tlv(c, 1, &len) != NULL);
	report(phase, sl_proxy_tlv(c, 1, NULL) != NULL);
	report(phase, sl_queued(c) > 0);
	report(phase, sl_service(c) != NULL);
	report(phase, sl_is_client(c));
	sl_set_data(c, sl_data(c));
	sl_ref(c);
	sl_unref(c);
	sl_ref(c);
	sl_conn_log(c, SL_LOG_INFO, "bad %s line", phase);
	report(phase, sl_next(c) != NULL);
	report(phase, sl_shutdown(c, SL_SHUT_READ));
	report(phase, sl_shutdown(c, SL_SHUT_WRITE));
	report(phase, sl_end(c, &byte, 1));
	report(phase, sl_close(c));
	report(phase, sl_terminate(c));
}

static void
call_without_service(void)
{
	const char *phase = "null";

	report(phase, sl_timer(NULL, NULL, 1, 1));
	report(phase, sl_service_name(NULL) != NULL);
	report(phase, sl_service_data(NULL) != NULL);
	sl_set_service_data(NULL, &byte);
	report(phase, sl_listen_address(NULL, 0) != NULL);
	report(phase, sl_find(NULL, 1) != NULL);
	report(phase, sl_first(NULL) != NULL);
	report(phase, sl_find_service(NULL, "b") != NULL);
	report(phase, sl_stop(NULL, 1));
	report(phase, sl_connect(NULL, NULL) != NULL);
	report(phase, sl_options(NULL) != NULL);
	report(phase, sl_option_string(NULL, "text") != NULL);
	report(phase, sl_option_int(NULL, "number"));
	report(phase, sl_option_float(NULL, "number"));
	report(phase, sl_option_bool(NULL, "number"));
	report(phase, sl_option_ms(NULL, "number"));
	report(phase, sl_option_size(NULL, "number"));
	report(phase, sl_option_count(NULL, "number"));
	report(phase, sl_option_at(NULL, "text", 0) != NULL);
	report(phase, sl_count(NULL, "name", 1));
	report(phase, sl_refuse(NULL, "text", "%s", "no"));
	sl_log(NULL, 99, "bad level");
	sl_log(NULL, SL_LOG_INFO, "bad line with a \n newline and \x1b");
	sl_conn_log(NULL, SL_LOG_INFO, "bad connection");
}

static void
call_with_strange_arguments(struct sl_conn *c)
{
	struct sl_service *service = sl_service(c);
	const struct sl_options *o = sl_options(service);
	const char *phase = "strange";
	struct iovec iov[2] = { { &byte, SIZE_MAX / 2 },
		{ &byte, SIZE_MAX / 2 } };
	struct iovec overflow[2] = { { &byte, SIZE_MAX }, { &byte, 2 } };
	struct iovec null = { NULL, 1 };
	char name[33];

	report(phase, sl_write(c, &byte, SIZE_MAX));
	report(phase, sl_write(c, &byte, (size_t)SSIZE_MAX + 1));
	report(phase, sl_write(c, NULL, 1));
	report(phase, sl_write(c, NULL, 0));
	report(phase, sl_write(c, &byte, 0));
	report(phase, sl_writev(c, iov, 2));
	report(phase, sl_writev(c, overflow, 2));
	report(phase, sl_writev(c, &null, 1));
	report(phase, sl_writev(c, iov, -1));
	report(phase, sl_writev(c, NULL, 1));
	report(phase, sl_writev(c, NULL, 0));
	report(phase, sl_writev(c, iov, INT_MAX));
	report(phase, sl_send(c, &byte, SIZE_MAX));
	report(phase, sl_send(c, NULL, 1));
	report(phase, sl_send(c, &byte, 0));
	report(phase, sl_sendv(c, iov, 2));
	report(phase, sl_sendv(c, overflow, 2));
	report(phase, sl_sendv(c, &null, 1));
	report(phase, sl_sendv(c, iov, -1));
	report(phase, sl_sendv(c, NULL, 0));
	report(phase, sl_broadcast(service, &byte, SIZE_MAX, NULL));
	report(phase, sl_broadcast(service, NULL, 1, c));
	report(phase, sl_broadcast(service, &byte, 0, c));
	report(phase, sl_end(c, NULL, 1));
	report(phase, sl_end(c, &byte, SIZE_MAX));
	report(phase, sl_shutdown(c, 0));
	report(phase, sl_shutdown(c, 0x80));
	report(phase, sl_timeout(c, UINT64_MAX));
	report(phase, sl_timeout(c, 0));
	report(phase, sl_timer(service, c, UINT32_MAX, UINT64_MAX));
	report(phase, sl_timer(service, c, UINT32_MAX, 0));
	report(phase, sl_timer(NULL, c, 1, 1));
	report(phase, sl_set_keepalive(c, 1, UINT64_MAX));
	report(phase, sl_set_keepalive(c, 1, 1));
	report(phase, sl_set_tos(c, -1));
	report(phase, sl_set_tos(c, 100000));
	report(phase, sl_find(service, 0) != NULL);
	report(phase, sl_find(service, UINT64_MAX) != NULL);
	report(phase, sl_find_service(service, NULL) != NULL);
	report(phase, sl_find_service(service, "nobody") != NULL);
	report(phase, sl_find_service(service, "b") == service);
	report(phase, sl_listen_address(service, UINT_MAX) != NULL);
	report(phase, sl_option_string(o, "nothing") != NULL);
	report(phase, sl_option_string(o, NULL) != NULL);
	report(phase, sl_option_int(o, "nothing"));
	report(phase, sl_option_int(o, "text"));
	report(phase, sl_option_count(o, "text"));
	report(phase, sl_option_count(o, "nothing"));
	report(phase, sl_option_at(o, "text", 5) != NULL);
	report(phase, sl_option_at(o, "nothing", 0) != NULL);
	report(phase, sl_count(service, "", 1));
	report(phase, sl_count(service, NULL, 1));
	report(phase, sl_count(service, "no\nline", 1));
	memset(name, 'n', sizeof(name));
	name[32] = '\0';
	report(phase, sl_count(service, name, 1));
	name[31] = '\0';
	report(phase, sl_count(service, name, 1));
	for (int i = 0; i < 31; i++) {
		name[0] = (char)(i < 26 ? 'A' + i : '0' + i - 26);
		sl_count(service, name, 1);
	}
	report(phase, sl_count(service, "one-too-many", 1));
	report(phase, sl_count(service, name, 1));
	report(phase, sl_fd(c) >= 0);
	report(phase, sl_state(c));
}

/* In a thread, where no call may do a thing, with what would be right. */
static struct {
	struct sl_service *service;
	const struct sl_options *options;
	struct sl_conn *conn;
} right;

static void *
call_in_thread(void *arg)
{
	struct sl_service *service = right.service;
	const char *phase = "thread";

	(void)arg;
	call_all(right.conn, phase);
	report(phase, sl_broadcast(service, &byte, 1, NULL));
	report(phase, sl_timer(service, NULL, 1, 1));
	report(phase, sl_service_name(service)[0] != '\0');
	report(phase, sl_find(service, sl_id(right.conn)) != NULL);
	report(phase, sl_first(service) != NULL);
	report(phase, sl_find_service(service, "b") != NULL);
	report(phase, sl_stop(service, 1));
	report(phase, sl_reload());
	report(phase, sl_count(service, "name", 1));
	report(phase, sl_now_ms() != 0);
	report(phase, sl_tls_version(right.conn) != NULL);
	report(phase, sl_upgrade_tls(right.conn, SL_TLS_SERVER, NULL));
	sl_log(service, SL_LOG_INFO, "bad thread line of a service");
	/* This is allowed. */
	report("anywhere", sl_option_int(right.options, "number"));
	report("anywhere", sl_option_int(right.options, "nubmer"));
	return NULL;
}

static void
call_from_thread(struct sl_conn *c)
{
	pthread_t thread;

	right.service = sl_service(c);
	right.options = sl_options(right.service);
	right.conn = c;
	if (pthread_create(&thread, NULL, call_in_thread, NULL) == 0)
		pthread_join(thread, NULL);
}

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	const char *word = buf;

#define is(text) (len == strlen(text) && memcmp(word, text, len) == 0)
	if (is("null")) {
		call_all(NULL, "null");
		call_without_service();
	} else if (is("strange")) {
		call_with_strange_arguments(c);
	} else if (is("thread")) {
		call_from_thread(c);
	} else if (is("ended")) {
		sl_end(c, NULL, 0);
		call_all(c, "ended");
	} else if (is("shut")) {
		sl_shutdown(c, SL_SHUT_READ | SL_SHUT_WRITE);
		call_all(c, "shut");
	} else if (is("closing")) {
		sl_close(c);
		call_all(c, "closing");
	} else if (is("terminated")) {
		sl_terminate(c);
		call_all(c, "terminated");
	} else if (is("sockets")) {
		report("sockets", sl_set_nodelay(c, 1));
		report("sockets", sl_set_keepalive(c, 1, 1000));
		report("sockets", sl_set_tos(c, 0));
	} else if (is("toomuch")) {
		return (ssize_t)len + 1;
	}
	sl_send(c, "done\n", 5);
	return (ssize_t)len;
}

static void
on_close(struct sl_conn *c, const struct sl_error *why)
{
	sl_log(NULL, SL_LOG_INFO, "bad close why %" PRIu32, why->why);
	call_all(c, "closed");
}

SL_PLUGIN(.name = "badcalls", .version = "1.0", .options = options,
    .flags = SL_MANY_WORKERS,
    .server = SL_HANDLERS(.data = on_data, .close = on_close));
