/*
 * api_facts.c: the functions of sluice.h for the socket of a connection, and for
 * what is known of it.
 */

#include <errno.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>

#include "base/fail.h"
#include "config/settings.h"
#include "worker/conn.h"
#include "worker/own_thread.h"
#include "worker/proxy.h"
#include "worker/service.h"

static bool
has_no_socket(const struct sl_conn *c)
{
	return conn_gone(c) || c->stream.fd == -1;
}

static int
set_option(struct sl_conn *c, int level, int name, int value)
{
	return setsockopt(c->stream.fd, level, name, &value, sizeof(value));
}

static bool
is_unix(const struct sl_conn *c)
{
	return c->peer.sa.sa_family == AF_UNIX;
}

int
sl_set_nodelay(struct sl_conn *c, int on)
{
	if (own_thread_is_other())
		return -1;
	if (has_no_socket(c))
		return fail(ENOTCONN);
	if (is_unix(c))
		return fail(EOPNOTSUPP);
	return set_option(c, IPPROTO_TCP, TCP_NODELAY, on != 0);
}

int
sl_set_keepalive(struct sl_conn *c, int on, uint64_t idle_ms)
{
	uint64_t idle_s = keepidle_s(idle_ms);

	if (own_thread_is_other())
		return -1;
	if (has_no_socket(c))
		return fail(ENOTCONN);
	if (is_unix(c))
		return fail(EOPNOTSUPP);
	if (on && idle_s > KEEPIDLE_MAX_S)
		return fail(EINVAL);
	if (on && idle_s > 0 &&
	    set_option(c, IPPROTO_TCP, TCP_KEEPIDLE, idle_s) == -1)
		return -1;
	return set_option(c, SOL_SOCKET, SO_KEEPALIVE, on != 0);
}

int
sl_set_tos(struct sl_conn *c, int tos)
{
	if (own_thread_is_other())
		return -1;
	if (has_no_socket(c))
		return fail(ENOTCONN);
	if (tos < 0 || tos > 255)
		return fail(EINVAL);
	if (is_unix(c))
		return fail(EOPNOTSUPP);
	if (c->peer.sa.sa_family == AF_INET)
		return set_option(c, IPPROTO_IP, IP_TOS, tos);
	if (set_option(c, IPPROTO_IPV6, IPV6_TCLASS, tos) == -1)
		return -1;
	/* For a mapped IPv4 peer the option of IPv4 counts. */
	if (IN6_IS_ADDR_V4MAPPED(&c->peer.in6.sin6_addr))
		return set_option(c, IPPROTO_IP, IP_TOS, tos);
	return 0;
}

int
sl_fd(const struct sl_conn *c)
{
	if (own_thread_is_other())
		return -1;
	return has_no_socket(c) ? fail(ENOTCONN) : c->stream.fd;
}

uint64_t
sl_id(const struct sl_conn *c)
{
	if (own_thread_is_other())
		return 0;
	return c != NULL ? c->id.id : 0;
}

int
sl_state(const struct sl_conn *c)
{
	if (own_thread_is_other())
		return SL_STATE_CLOSED;
	if (conn_gone(c))
		return SL_STATE_CLOSED;
	if (conn_closing(c))
		return SL_STATE_CLOSING;
	if (conn_marked(c, MARK_STARTING))
		return c->phase < PHASE_PREAMBLE ? SL_STATE_CONNECTING
						 : SL_STATE_HANDSHAKE;
	if (c->in != HALF_OPEN)
		return SL_STATE_READ_CLOSED;
	if (c->out != HALF_OPEN)
		return SL_STATE_WRITE_CLOSED;
	return SL_STATE_OPEN;
}

static const struct sl_address nowhere = {
	.size = sizeof(nowhere),
	.text = "",
};

const struct sl_address *
sl_local(struct sl_conn *c)
{
	if (own_thread_is_other())
		return &nowhere;
	return c != NULL ? conn_local(c) : &nowhere;
}

const struct sl_address *
sl_remote(struct sl_conn *c)
{
	if (own_thread_is_other())
		return &nowhere;
	return c != NULL ? conn_remote(c) : &nowhere;
}

const struct sl_address *
sl_peer(struct sl_conn *c)
{
	if (own_thread_is_other())
		return &nowhere;
	return c != NULL ? conn_peer(c) : &nowhere;
}

const void *
sl_proxy_tlv(struct sl_conn *c, uint8_t type, size_t *ret_len)
{
	const struct proxied *proxied;
	const void *value = NULL;

	if (own_thread_is_other())
		return NULL;
	proxied = c != NULL ? conn_proxied(c) : NULL;
	if (ret_len == NULL) {
		errno = EINVAL;
		return NULL;
	}
	*ret_len = 0;
	if (proxied != NULL)
		value = proxy_tlv_find(proxied->tlvs, proxied->tlvs_len, type,
		    ret_len);
	if (value == NULL)
		errno = c != NULL ? ENODATA : ENOTCONN;
	return value;
}

uint64_t
sl_bytes_read(const struct sl_conn *c)
{
	if (own_thread_is_other())
		return 0;
	return c != NULL ? c->bytes_in : 0;
}

uint64_t
sl_bytes_written(const struct sl_conn *c)
{
	if (own_thread_is_other())
		return 0;
	return c != NULL ? c->bytes_out : 0;
}

size_t
sl_queued(const struct sl_conn *c)
{
	if (own_thread_is_other())
		return 0;
	return c != NULL ? conn_unsent(c) : 0;
}

void *
sl_data(const struct sl_conn *c)
{
	if (own_thread_is_other())
		return NULL;
	return c != NULL ? c->data : NULL;
}

void
sl_set_data(struct sl_conn *c, void *data)
{
	if (own_thread_is_other())
		return;
	if (c != NULL)
		c->data = data;
}

struct sl_service *
sl_service(struct sl_conn *c)
{
	if (own_thread_is_other())
		return NULL;
	return c != NULL ? c->service : NULL;
}

int
sl_is_client(const struct sl_conn *c)
{
	if (own_thread_is_other())
		return 0;
	return c != NULL && c->is_client;
}

void
sl_ref(struct sl_conn *c)
{
	if (own_thread_is_other())
		return;
	if (c != NULL)
		conn_set_hold(c, true);
}

void
sl_unref(struct sl_conn *c)
{
	if (own_thread_is_other())
		return;
	if (c != NULL)
		conn_set_hold(c, false);
}
