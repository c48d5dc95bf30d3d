/* network.c: ranges of addresses, parsed and compared. */

#include "config/network.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

#define MAPPED_BYTES 12 /* before the IPv4 address in a v4-mapped one */

/* How many bits an address has; 0: no such family. */
static unsigned int
family_bits(unsigned int family)
{
	switch (family) {
	case AF_INET:
		return 32;
	case AF_INET6:
		return 128;
	default:
		return 0;
	}
}

/* Keep the first `bits`.  Returns false if any other bit was set. */
static bool
mask(unsigned char address[16], unsigned int bits)
{
	bool clean = true;

	for (unsigned int i = 0; i < 16; i++) {
		unsigned int keep = bits > 8 * i ? bits - 8 * i : 0;
		unsigned char kept =
		    keep >= 8 ? 0xff : (unsigned char)(0xff00u >> keep);

		clean = clean && (address[i] & ~kept) == 0;
		address[i] &= kept;
	}
	return clean;
}

/* "24"; at most `most`.  Returns false if it is not such a number. */
static bool
parse_bits(const char *text, unsigned int most, uint16_t *ret)
{
	unsigned int bits = 0;

	if (text[0] == '0' && text[1] != '\0')
		return false;
	for (const char *p = text; *p != '\0'; p++) {
		if (*p < '0' || *p > '9' || p - text >= 3)
			return false;
		bits = bits * 10 + (unsigned int)(*p - '0');
	}
	if (text[0] == '\0' || bits > most)
		return false;
	*ret = (uint16_t)bits;
	return true;
}

/* The part before the slash; fills in all but the bits. */
static int
parse_host(const char *text, size_t len, struct network *ret, struct error *err)
{
	struct in6_addr in6;
	char host[INET6_ADDRSTRLEN] = "";

	if (len < sizeof(host))
		memcpy(host, text, len);
	if (inet_pton(AF_INET, host, ret->address) == 1) {
		ret->family = AF_INET;
		return 0;
	}
	if (inet_pton(AF_INET6, host, &in6) != 1)
		return error_set(err,
		    "\"%.80s\" is not a network: write an address or "
		    "address/bits, such as 192.0.2.0/24 or 2001:db8::/32, or "
		    "unix",
		    text);
	if (IN6_IS_ADDR_V4MAPPED(&in6))
		return error_set(err,
		    "\"%.80s\": write an IPv4 network as 192.0.2.0/24, which "
		    "has the peers of IPv6 sockets as well",
		    text);
	ret->family = AF_INET6;
	memcpy(ret->address, &in6, sizeof(in6));
	return 0;
}

int
network_parse(const char *text, struct network *ret, struct error *err)
{
	const char *slash = strchr(text, '/');
	struct network network = { 0 };
	char masked[INET6_ADDRSTRLEN];
	unsigned int most;

	if (strcmp(text, "unix") == 0) {
		*ret = (struct network){ .family = AF_UNIX };
		return 0;
	}
	if (parse_host(text,
		slash != NULL ? (size_t)(slash - text) : strlen(text), &network,
		err) == -1)
		return -1;
	most = family_bits(network.family);
	network.bits = (uint16_t)most;
	if (slash != NULL && !parse_bits(slash + 1, most, &network.bits))
		return error_set(err,
		    "\"%.80s\": what follows the slash is not a number from 0 "
		    "to %u",
		    text, most);
	if (!mask(network.address, network.bits)) {
		inet_ntop(network.family, network.address, masked,
		    sizeof(masked));
		return error_set(err,
		    "\"%.80s\" has more than the first %u bits; write %s/%u "
		    "for the network",
		    text, network.bits, masked, network.bits);
	}
	*ret = network;
	return 0;
}

bool
network_same_bits(const unsigned char *a, const unsigned char *b,
    unsigned int bits)
{
	unsigned int whole = bits / 8, rest = bits % 8;

	if (memcmp(a, b, whole) != 0)
		return false;
	return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

bool
network_of(const struct sockaddr *sa, struct network *ret)
{
	const struct sockaddr_in *in = (const void *)sa;
	const struct sockaddr_in6 *in6 = (const void *)sa;

	*ret = (struct network){ .family = sa->sa_family };
	if (sa->sa_family == AF_UNIX)
		return true;
	if (sa->sa_family == AF_INET) {
		memcpy(ret->address, &in->sin_addr, sizeof(in->sin_addr));
	} else if (sa->sa_family == AF_INET6 &&
	    IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
		ret->family = AF_INET;
		memcpy(ret->address, in6->sin6_addr.s6_addr + MAPPED_BYTES,
		    sizeof(in->sin_addr));
	} else if (sa->sa_family == AF_INET6) {
		memcpy(ret->address, &in6->sin6_addr, sizeof(in6->sin6_addr));
	} else {
		return false;
	}
	ret->bits = (uint16_t)family_bits(ret->family);
	return true;
}

bool
network_has(const struct network *network, const struct sockaddr *sa)
{
	struct network single;

	return network_of(sa, &single) && single.family == network->family &&
	    network_same_bits(network->address, single.address, network->bits);
}

bool
network_valid(const struct network *network)
{
	struct network copy = *network;

	if (network->family != AF_UNIX && family_bits(network->family) == 0)
		return false;
	return network->bits <= family_bits(network->family) &&
	    mask(copy.address, network->bits);
}
