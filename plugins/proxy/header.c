/*
 * header.c: the header of the PROXY protocol, versions 1 and 2, for upstreams
 * that want to know who the client is.
 */

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "proxy.h"

#define V2_SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V2_SIGNATURE_LEN 12
#define V2_HEAD 16
#define V2_PROXY 0x21
#define UNIX_NAME 108
#define TLV_HEAD 3
#define TLV_VALUE_MAX 255 /* more does not fit, and no name is longer */

enum tlv {
	TLV_ALPN = 0x01,
	TLV_AUTHORITY = 0x02,
	TLV_UNIQUE_ID = 0x05,
	TLV_SSL = 0x20,
	TLV_SSL_VERSION = 0x21,
	TLV_SSL_CIPHER = 0x23,
};
#define SSL_USED 0x01 /* bits of the first byte of TLV_SSL */
#define SSL_CERT 0x02

const char *
header_of_check(enum send_proxy version, size_t *ret_len)
{
	static const char v1[] = "PROXY UNKNOWN\r\n";
	static const char v2[] = V2_SIGNATURE "\x20\0\0"; /* LOCAL */

	switch (version) {
	case SEND_V1:
		*ret_len = sizeof(v1) - 1;
		return v1;
	case SEND_V2:
		*ret_len = sizeof(v2); /* its NUL is the last byte */
		return v2;
	default:
		return NULL;
	}
}

/* The address without its port, as bytes and as text. */
static bool
read_host(const struct sl_address *address, unsigned char bytes[16],
    char text[INET6_ADDRSTRLEN])
{
	const char *from = address->text, *end = strrchr(from, ':');

	if (end == NULL)
		return false;
	if (*from == '[') {
		from++;
		end = from + strcspn(from, "%]");
	}
	if ((size_t)(end - from) >= INET6_ADDRSTRLEN)
		return false;
	memcpy(text, from, (size_t)(end - from));
	text[end - from] = '\0';
	return inet_pton(address->family, text, bytes) == 1;
}

/* Both ends of the client's connection, in one family that has ports. */
struct ends {
	unsigned char from[16], to[16];
	char from_text[INET6_ADDRSTRLEN], to_text[INET6_ADDRSTRLEN];
	uint16_t from_port, to_port;
	uint16_t family;
};

static bool
read_ends(struct sl_conn *client, struct ends *ret)
{
	const struct sl_address *from = sl_remote(client);
	const struct sl_address *to = sl_local(client);

	if (from->family != to->family ||
	    (from->family != AF_INET && from->family != AF_INET6))
		return false;
	ret->family = from->family;
	ret->from_port = from->port;
	ret->to_port = to->port;
	return read_host(from, ret->from, ret->from_text) &&
	    read_host(to, ret->to, ret->to_text);
}

size_t
header_v1(struct sl_conn *client, char buf[HEADER_MAX])
{
	struct ends ends;
	int n;

	if (!read_ends(client, &ends))
		n = snprintf(buf, HEADER_MAX, "PROXY UNKNOWN\r\n");
	else
		n = snprintf(buf, HEADER_MAX, "PROXY TCP%c %s %s %u %u\r\n",
		    ends.family == AF_INET ? '4' : '6', ends.from_text,
		    ends.to_text, ends.from_port, ends.to_port);
	return (size_t)n;
}

/* -- Version 2 -- */

struct out {
	char *buf;
	size_t len;
};

static void
put(struct out *out, const void *bytes, size_t len)
{
	memcpy(out->buf + out->len, bytes, len);
	out->len += len;
}

static void
put_byte(struct out *out, unsigned int byte)
{
	out->buf[out->len++] = (char)byte;
}

static void
put_two_bytes(struct out *out, size_t value)
{
	put_byte(out, (unsigned int)value >> 8);
	put_byte(out, (unsigned int)value & 0xff);
}

/* The two bytes at `at` become the length of what begins at `from`. */
static void
set_length(struct out *out, size_t at, size_t from)
{
	size_t len = out->len;

	out->len = at;
	put_two_bytes(out, len - from);
	out->len = len;
}

/* "unix:/path", "unix:@name", "unix" for one without a name. */
static void
put_unix_name(struct out *out, const struct sl_address *address)
{
	const char *name = address->text;
	size_t len;

	memset(out->buf + out->len, 0, UNIX_NAME);
	if (strncmp(name, "unix:", 5) == 0) {
		name += 5;
		len = strnlen(name, UNIX_NAME);
		memcpy(out->buf + out->len, name, len);
		if (*name == '@')
			out->buf[out->len] = '\0';
	}
	out->len += UNIX_NAME;
}

static void
put_addresses(struct out *out, struct sl_conn *client)
{
	struct ends ends;
	size_t size;

	if (read_ends(client, &ends)) {
		size = ends.family == AF_INET ? 4 : 16;
		put_byte(out, ends.family == AF_INET ? 0x11 : 0x21);
		put_two_bytes(out, 0); /* the length, later */
		put(out, ends.from, size);
		put(out, ends.to, size);
		put_two_bytes(out, ends.from_port);
		put_two_bytes(out, ends.to_port);
	} else if (sl_remote(client)->family == AF_UNIX) {
		put_byte(out, 0x31);
		put_two_bytes(out, 0);
		put_unix_name(out, sl_remote(client));
		put_unix_name(out, sl_local(client));
	} else {
		put_byte(out, 0); /* not known */
		put_two_bytes(out, 0);
	}
}

static void
put_tlv(struct out *out, enum tlv type, const void *value, size_t len)
{
	if (len == 0 || len > TLV_VALUE_MAX)
		return;
	put_byte(out, type);
	put_two_bytes(out, len);
	put(out, value, len);
}

static void
put_text(struct out *out, enum tlv type, const char *text)
{
	if (text != NULL)
		put_tlv(out, type, text, strlen(text));
}

/* TLS has not ended here: what a proxy before us knows, and the name. */
static void
put_others(struct out *out, struct sl_conn *client, const char *name)
{
	static const enum tlv types[] = { TLV_ALPN, TLV_AUTHORITY,
		TLV_UNIQUE_ID, TLV_SSL };
	const void *value;
	size_t len;

	put_text(out, TLV_AUTHORITY, name);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		value = sl_proxy_tlv(client, types[i], &len);
		if (value != NULL &&
		    (types[i] != TLV_AUTHORITY || name[0] == '\0'))
			put_tlv(out, types[i], value, len);
	}
}

/* The TLS that ended here. */
static void
put_ssl(struct out *out, struct sl_conn *client)
{
	const struct sl_cipher *cipher = sl_tls_cipher(client);
	unsigned int bits = SSL_USED;
	size_t at = out->len;

	if (sl_peer_certificate(client) != NULL)
		bits |= SSL_CERT;
	put_byte(out, TLV_SSL);
	put_two_bytes(out, 0);
	put_byte(out, bits);
	/* 0: there is a certificate, and it is good. */
	put_two_bytes(out, 0);
	put_two_bytes(out, sl_authorized(client) == 1 ? 0 : 1);
	put_text(out, TLV_SSL_VERSION, sl_tls_version(client));
	if (cipher != NULL)
		put_text(out, TLV_SSL_CIPHER, cipher->name);
	set_length(out, at + 1, at + TLV_HEAD);
}

size_t
header_v2(struct sl_conn *client, const char *name, char buf[HEADER_MAX])
{
	struct out out = { .buf = buf };

	put(&out, V2_SIGNATURE, V2_SIGNATURE_LEN);
	put_byte(&out, V2_PROXY);
	put_addresses(&out, client);
	if (sl_tls_version(client) != NULL) {
		put_text(&out, TLV_ALPN, sl_alpn(client));
		put_text(&out, TLV_AUTHORITY, sl_servername(client));
		put_ssl(&out, client);
	} else {
		put_others(&out, client, name);
	}
	set_length(&out, V2_HEAD - 2, V2_HEAD);
	return out.len;
}

/* The largest: two unix names, and all TLVs. */
_Static_assert(V2_HEAD + 2 * UNIX_NAME + 4 * (TLV_HEAD + TLV_VALUE_MAX) +
	    TLV_HEAD + 5 <=
	HEADER_MAX,
    "see HEADER_MAX");
