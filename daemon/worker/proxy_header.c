/*
 * proxy_header.c: parses the header of the PROXY protocol, strictly: whoever is
 * trusted to say who the client is has to say it well.
 */

#include "worker/proxy_header.h"

#include <arpa/inet.h>
#include <string.h>

#define V1_MAX 107 /* the longest line, with its CRLF */
#define V1_PREFIX "PROXY "
#define V1_PREFIX_LEN 6
#define V2_SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V2_SIGNATURE_LEN 12
#define V2_HEAD 16 /* signature, version and command, family, length */
#define TLV_HEAD 3 /* type, length */
#define TLV_CRC32C 0x03
#define CRC_SIZE 4

static enum proxy_result
bad(const char **ret_wrong, const char *wrong)
{
	*ret_wrong = wrong;
	return PROXY_BAD;
}

/* -- Version 1 -- */

/* The next word of the line, up to a blank or the end; false: it is empty. */
static bool
next_word(const char **line, char *word, size_t room)
{
	size_t len = strcspn(*line, " ");

	if (len == 0 || len >= room)
		return false;
	memcpy(word, *line, len);
	word[len] = '\0';
	*line += len;
	if (**line == ' ')
		++*line;
	return true;
}

static bool
parse_host(const char *word, struct proxy_address *ret)
{
	if (ret->u.sa.sa_family == AF_INET)
		return inet_pton(AF_INET, word, &ret->u.in.sin_addr) == 1;
	return inet_pton(AF_INET6, word, &ret->u.in6.sin6_addr) == 1;
}

/* A number without a leading zero. */
static bool
parse_port(const char *word, struct proxy_address *ret)
{
	unsigned int port = 0;

	if (word[0] == '0' && word[1] != '\0')
		return false;
	for (; *word != '\0'; word++) {
		if (*word < '0' || *word > '9')
			return false;
		port = port * 10 + (unsigned int)(*word - '0');
	}
	if (port > UINT16_MAX)
		return false;
	/* sin_port and sin6_port are at the same place. */
	ret->u.in.sin_port = htons((uint16_t)port);
	return true;
}

static void
set_family(struct proxy_address *address, sa_family_t family)
{
	memset(address, 0, sizeof(*address));
	address->u.sa.sa_family = family;
	address->len = family == AF_INET ? sizeof(address->u.in)
	    : family == AF_INET6	 ? sizeof(address->u.in6)
					 : sizeof(address->u.un);
}

/* What stands behind "PROXY " in the line, which has no NUL in it. */
static const char *
parse_line(const char *line, struct proxy_header *ret)
{
	char family[8], from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN];
	char from_port[6], to_port[6];
	bool ends_with_blank = line[strlen(line) - 1] == ' ';

	if (!next_word(&line, family, sizeof(family)))
		return "the line names no protocol";
	if (strcmp(family, "UNKNOWN") == 0)
		return NULL; /* whatever follows does not matter */
	if (strcmp(family, "TCP4") != 0 && strcmp(family, "TCP6") != 0)
		return "the protocol in the line is not TCP4, TCP6 or UNKNOWN";
	set_family(&ret->from, family[3] == '4' ? AF_INET : AF_INET6);
	set_family(&ret->to, family[3] == '4' ? AF_INET : AF_INET6);
	if (!next_word(&line, from, sizeof(from)) ||
	    !parse_host(from, &ret->from) ||
	    !next_word(&line, to, sizeof(to)) || !parse_host(to, &ret->to))
		return "an address in the line is malformed";
	if (!next_word(&line, from_port, sizeof(from_port)) ||
	    !parse_port(from_port, &ret->from) ||
	    !next_word(&line, to_port, sizeof(to_port)) ||
	    !parse_port(to_port, &ret->to))
		return "a port in the line is malformed";
	if (line[0] != '\0' || ends_with_blank)
		return "the line does not end behind the ports";
	ret->has_addresses = true;
	return NULL;
}

static enum proxy_result
read_v1(const char *buf, size_t len, struct proxy_header *ret,
    const char **ret_wrong)
{
	size_t most = len < V1_MAX ? len : V1_MAX, end;
	char line[V1_MAX];

	if (memcmp(buf, V1_PREFIX, len < V1_PREFIX_LEN ? len : V1_PREFIX_LEN))
		return bad(ret_wrong,
		    "the connection does not begin with a PROXY header");
	for (end = 0; end < most; end++)
		if (buf[end] == '\r' || buf[end] == '\n' || buf[end] == '\0')
			break;
	if (end == V1_MAX || (end == V1_MAX - 1 && end < len))
		return bad(ret_wrong, "the line is too long");
	if (end == len || (buf[end] == '\r' && end + 1 == len))
		return PROXY_MORE;
	if (buf[end] != '\r' || buf[end + 1] != '\n')
		return bad(ret_wrong, "the line does not end with CR and LF");
	if (end < V1_PREFIX_LEN + 1)
		return bad(ret_wrong, "the line names no protocol");
	memcpy(line, buf, end);
	line[end] = '\0';
	*ret_wrong = parse_line(line + V1_PREFIX_LEN, ret);
	if (*ret_wrong != NULL)
		return PROXY_BAD;
	ret->len = end + 2;
	return PROXY_DONE;
}

/* -- Version 2 -- */

static size_t
two_bytes(const unsigned char *at)
{
	return (size_t)at[0] << 8 | at[1];
}

/* CRC-32C of the bytes, of which four at `hole` count as 0. */
static uint32_t
crc32c(const unsigned char *bytes, size_t len, size_t hole)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < len; i++) {
		if (i < hole || i >= hole + CRC_SIZE)
			crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return ~crc;
}

static bool
crc_is_right(const unsigned char *header, size_t len, size_t at)
{
	uint32_t crc = (uint32_t)two_bytes(header + at) << 16 |
	    (uint32_t)two_bytes(header + at + 2);

	return crc32c(header, len, at) == crc;
}

/* Look through the TLVs, which begin at `at`. */
static const char *
check_tlvs(const unsigned char *header, size_t len, size_t at)
{
	size_t value, crc_at = 0;

	for (; at < len; at += TLV_HEAD + value) {
		if (len - at < TLV_HEAD)
			return "the last TLV is cut off";
		value = two_bytes(header + at + 1);
		if (len - at - TLV_HEAD < value)
			return "a TLV is longer than the header";
		if (header[at] != TLV_CRC32C)
			continue;
		if (value != CRC_SIZE || crc_at != 0)
			return "the checksum is malformed";
		crc_at = at + TLV_HEAD;
	}
	if (crc_at != 0 && !crc_is_right(header, len, crc_at))
		return "the checksum is wrong";
	return NULL;
}

static void
set_in(struct proxy_address *address, const unsigned char *host,
    const unsigned char *port)
{
	set_family(address, AF_INET);
	memcpy(&address->u.in.sin_addr, host, 4);
	memcpy(&address->u.in.sin_port, port, 2);
}

static void
set_in6(struct proxy_address *address, const unsigned char *host,
    const unsigned char *port)
{
	set_family(address, AF_INET6);
	memcpy(&address->u.in6.sin6_addr, host, 16);
	memcpy(&address->u.in6.sin6_port, port, 2);
}

/* A name of 108 bytes, which is a path if it does not begin with a NUL. */
static void
set_un(struct proxy_address *address, const unsigned char *name)
{
	size_t len = sizeof(address->u.un.sun_path);

	set_family(address, AF_UNIX);
	memcpy(address->u.un.sun_path, name, len);
	/* The NULs at the end only fill the field. */
	while (len > 0 && name[len - 1] == '\0')
		len--;
	address->len =
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

/*
 * The addresses, of `room` bytes with the TLVs.  Returns how many bytes they
 * take, or -1 if they do not fit or the family is unknown.
 */
static int
take_addresses(unsigned int family, const unsigned char *at, size_t room,
    struct proxy_header *ret)
{
	static const unsigned char sizes[] = { 0, 12, 36, 216 };
	unsigned int of = family >> 4, transport = family & 0xf;

	if (family == 0)
		return 0; /* not known */
	if (of < 1 || of > 3 || transport < 1 || transport > 2 ||
	    room < sizes[of])
		return -1;
	if (of == 1) {
		set_in(&ret->from, at, at + 8);
		set_in(&ret->to, at + 4, at + 10);
	} else if (of == 2) {
		set_in6(&ret->from, at, at + 32);
		set_in6(&ret->to, at + 16, at + 34);
	} else {
		set_un(&ret->from, at);
		set_un(&ret->to, at + 108);
	}
	ret->has_addresses = true;
	return sizes[of];
}

static enum proxy_result
read_v2(const unsigned char *buf, size_t len, struct proxy_header *ret,
    const char **ret_wrong)
{
	size_t total;
	int size;

	if (memcmp(buf, V2_SIGNATURE,
		len < V2_SIGNATURE_LEN ? len : V2_SIGNATURE_LEN) != 0)
		return bad(ret_wrong,
		    "the connection does not begin with a PROXY header");
	if (len > 12 && buf[12] != 0x20 && buf[12] != 0x21)
		return bad(ret_wrong, "the version or the command is unknown");
	if (len < V2_HEAD)
		return PROXY_MORE;
	total = V2_HEAD + two_bytes(buf + 14);
	if (total > PROXY_HEADER_MAX)
		return bad(ret_wrong, "the header is longer than 4096 bytes");
	if (len < total)
		return PROXY_MORE;
	ret->len = total;
	if (buf[12] == 0x20)
		return PROXY_DONE; /* LOCAL: the rest is to be ignored */
	size = take_addresses(buf[13], buf + V2_HEAD, total - V2_HEAD, ret);
	if (size == -1)
		return bad(ret_wrong, "the family or the length is wrong");
	*ret_wrong = check_tlvs(buf, total, V2_HEAD + (size_t)size);
	if (*ret_wrong != NULL)
		return PROXY_BAD;
	ret->tlvs = buf + V2_HEAD + size;
	ret->tlvs_len = total - V2_HEAD - (size_t)size;
	return PROXY_DONE;
}

_Static_assert(PROXY_HEADER_MAX == 4096, "as its message says");

enum proxy_result
proxy_header_read(const void *buf, size_t len, struct proxy_header *ret,
    const char **ret_wrong)
{
	struct proxy_header header = { 0 };
	enum proxy_result result;

	if (len == 0)
		return PROXY_MORE;
	if (*(const char *)buf == V1_PREFIX[0])
		result = read_v1(buf, len, &header, ret_wrong);
	else
		result = read_v2(buf, len, &header, ret_wrong);
	if (result == PROXY_DONE)
		*ret = header;
	return result;
}

const void *
proxy_tlv_find(const unsigned char *tlvs, size_t tlvs_len, uint8_t type,
    size_t *ret_len)
{
	size_t value;

	for (size_t at = 0; at < tlvs_len; at += TLV_HEAD + value) {
		value = two_bytes(tlvs + at + 1);
		if (tlvs[at] != type)
			continue;
		*ret_len = value;
		return tlvs + at + TLV_HEAD;
	}
	return NULL;
}
