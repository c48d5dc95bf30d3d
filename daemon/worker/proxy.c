/*
 * proxy.c: reads the header of the PROXY protocol from a new stream.  What has
 * arrived is looked at before it is taken, since what follows the header must
 * stay in the socket: it is for the next transport.
 */

#include "worker/proxy.h"

#include <errno.h>
#include <event2/event.h>
#include <sluice.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "worker/tls.h"
#include "worker/tls_server.h"

struct proxy {
	struct tls_server *tls; /* what follows; NULL: plain */
	struct counts *counts;
	unsigned char *kept; /* what was taken of the header; NULL: nothing */
	size_t kept_len;
	struct stream_fault fault;
};

static void
proxy_free(struct proxy *proxy)
{
	tls_server_unref(proxy->tls);
	free(proxy->kept);
	free(proxy);
}

/* It cannot go on.  As start(). */
static int
give_up(struct proxy *proxy, enum sl_why why, int error, const char *text)
{
	proxy->fault = (struct stream_fault){ .why = why,
		.stage = error != 0 ? SL_STAGE_READ : SL_STAGE_NONE,
		.sys_errno = error,
		.text = text };
	return fail(error != 0 ? error : EPIPE);
}

/* The input has ended. */
static int
ended(struct proxy *proxy)
{
	/* Many proxies look whether we listen by connecting and leaving. */
	if (proxy->kept_len == 0)
		return give_up(proxy, SL_WHY_PEER, 0, NULL);
	return give_up(proxy, SL_WHY_PROXY, ECONNRESET,
	    "the peer has ended the connection within the header");
}

static int
broken(struct proxy *proxy)
{
	if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS ||
	    errno == ENOMEM)
		return -1;
	return give_up(proxy, SL_WHY_RESET, errno, NULL);
}

/* Take so many bytes, all of which are there.  0, or -1. */
static int
take(struct stream *stream, struct proxy *proxy, size_t len)
{
	unsigned char *kept = realloc(proxy->kept, proxy->kept_len + len);
	ssize_t n;

	if (kept == NULL)
		return fail(ENOMEM);
	proxy->kept = kept;
	n = recv(stream->fd, kept + proxy->kept_len, len, 0);
	if (n == -1)
		return broken(proxy);
	proxy->kept_len += (size_t)n;
	return 0;
}

/*
 * Take what has arrived of the header.  Nothing of it may stay in the socket,
 * which would be readable all the time.  Returns 1 when all of it was taken, 0
 * when there may be more, or -1.
 */
static int
advance(struct stream *stream, struct proxy *proxy)
{
	static unsigned char seen[PROXY_HEADER_MAX];
	size_t had = proxy->kept_len, len;
	struct proxy_header header;
	const char *wrong;
	ssize_t n;

	if (had > 0)
		memcpy(seen, proxy->kept, had);
	n = recv(stream->fd, seen + had, sizeof(seen) - had, MSG_PEEK);
	if (n == -1)
		return broken(proxy);
	if (n == 0)
		return ended(proxy);
	len = had + (size_t)n;
	switch (proxy_header_read(seen, len, &header, &wrong)) {
	case PROXY_DONE:
		len = header.len;
		break;
	case PROXY_MORE:
		header.len = SIZE_MAX;
		break;
	case PROXY_BAD:
		return give_up(proxy, SL_WHY_PROXY, EPROTO, wrong);
	}
	if (take(stream, proxy, len - had) == -1)
		return -1;
	return proxy->kept_len == header.len;
}

static int
proxy_start(struct stream *stream)
{
	struct proxy *proxy = stream->state;
	int rc;

	while ((rc = advance(stream, proxy)) == 0)
		;
	if (rc == -1)
		return -1;
	stream->phase = proxy->tls != NULL ? PHASE_HANDSHAKE : PHASE_OPEN;
	return 0;
}

static const struct stream_fault *
proxy_fault(const struct stream *stream)
{
	const struct proxy *proxy = stream->state;

	return proxy->fault.why != SL_WHY_NONE ? &proxy->fault : NULL;
}

static int
proxy_error(const struct stream *stream)
{
	return transport_plain.error(stream);
}

static uint32_t
proxy_unread(const struct stream *stream)
{
	return transport_plain.unread(stream);
}

static void
proxy_close(struct stream *stream, bool hard)
{
	proxy_free(stream->state);
	stream->state = NULL;
	transport_plain.close(stream, hard);
}

const struct transport transport_proxy = {
	.name = "proxy",
	.start = proxy_start,
	.fault = proxy_fault,
	.error = proxy_error,
	.unread = proxy_unread,
	.close = proxy_close,
};

bool
proxy_begin(struct stream *stream, struct tls_server *tls,
    struct counts *counts)
{
	struct proxy *proxy = calloc(1, sizeof(*proxy));

	if (proxy == NULL)
		return false;
	if (tls != NULL)
		proxy->tls = tls_server_ref(tls);
	proxy->counts = counts;
	stream->transport = &transport_proxy;
	stream->state = proxy;
	stream->phase = PHASE_PREAMBLE;
	stream->recv_needs = EV_READ;
	return true;
}

bool
proxy_is(const struct stream *stream)
{
	return stream->transport == &transport_proxy;
}

/* What the header says, in memory of its own.  0, or -1. */
static int
copy_facts(const struct proxy *proxy, struct proxied **ret)
{
	struct proxy_header header;
	struct proxied *proxied;
	const char *wrong;

	*ret = NULL;
	if (proxy_header_read(proxy->kept, proxy->kept_len, &header, &wrong) !=
		PROXY_DONE ||
	    (!header.has_addresses && header.tlvs_len == 0))
		return 0;
	proxied = malloc(sizeof(*proxied) + header.tlvs_len);
	if (proxied == NULL)
		return fail(ENOMEM);
	*proxied = (struct proxied){
		.has_addresses = header.has_addresses,
		.from = header.from,
		.to = header.to,
		.tlvs_len = header.tlvs_len,
	};
	if (header.tlvs_len > 0)
		memcpy(proxied->tlvs, header.tlvs, header.tlvs_len);
	*ret = proxied;
	return 0;
}

int
proxy_end(struct stream *stream, struct proxied **ret)
{
	struct proxy *proxy = stream->state;
	int rc = copy_facts(proxy, ret);

	stream->transport = &transport_plain;
	stream->state = NULL;
	if (rc == 0 && proxy->tls != NULL &&
	    !tls_upgrade(stream, proxy->tls, proxy->counts)) {
		free(*ret);
		*ret = NULL;
		rc = fail(ENOMEM);
	}
	proxy_free(proxy);
	return rc;
}
