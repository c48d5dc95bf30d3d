/*
 * proxy_header.h: the header of the PROXY protocol, with which a proxy says for
 * whom it has connected.  Version 1 is a line of text, version 2 is binary and
 * may have more facts, as TLVs (type, length, value).  Bytes in, facts out.
 */

#ifndef SLUICE_PROXY_HEADER_H
#define SLUICE_PROXY_HEADER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

/*
 * The longest header that is accepted, in bytes.  The protocol allows 64 KiB;
 * addresses, a name, an ALPN and facts about TLS take less than 1 KiB.
 */
#define PROXY_HEADER_MAX 4096

/* One end of the proxied connection. */
struct proxy_address {
	socklen_t len;
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	} u;
};

struct proxy_header {
	size_t len; /* of the header; what follows is data */
	/*
	 * False: it does not say who is connected.  Either the proxy itself is
	 * (LOCAL), or the proxy does not know the client.
	 */
	bool has_addresses;
	struct proxy_address from; /* the client */
	struct proxy_address to;   /* what the client has connected to */
	/* Within the bytes that were read.  Well formed. */
	const unsigned char *tlvs;
	size_t tlvs_len;
};

enum proxy_result {
	PROXY_MORE, /* all bytes belong to the header, and more have to come */
	PROXY_DONE,
	PROXY_BAD,
};

/*
 * Read the header at the beginning of buf.  PROXY_DONE fills in *ret, and
 * PROXY_BAD fills in *ret_wrong: what is wrong, for people.
 */
enum proxy_result proxy_header_read(const void *buf, size_t len,
    struct proxy_header *ret, const char **ret_wrong);

/* The first TLV of that type, or NULL.  *ret_len: how long its value is. */
const void *proxy_tlv_find(const unsigned char *tlvs, size_t tlvs_len,
    uint8_t type, size_t *ret_len);

#endif
