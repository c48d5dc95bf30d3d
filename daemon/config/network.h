/* network.h: a range of addresses, as an operator writes it: 10.0.0.0/8. */

#ifndef SLUICE_NETWORK_H
#define SLUICE_NETWORK_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct error;

struct network {
	uint16_t family; /* AF_INET, AF_INET6; AF_UNIX: every unix socket */
	uint16_t bits;	 /* the first bits that count; the others are 0 */
	unsigned char address[16]; /* in network order; unused bytes are 0 */
};

/*
 * "192.0.2.0/24", "2001:db8::/32", a single address, or "unix".  Returns 0, or
 * -1 with a sentence in err that quotes the text.
 */
int network_parse(const char *text, struct network *ret, struct error *err);

/* Is the address in it?  A v4-mapped IPv6 address counts as IPv4. */
bool network_has(const struct network *network, const struct sockaddr *sa);

/*
 * The network of this address alone; a v4-mapped IPv6 address counts as IPv4.
 * false: there is none, the family is another.
 */
bool network_of(const struct sockaddr *sa, struct network *ret);
/* Have both addresses the same first bits? */
bool network_same_bits(const unsigned char *a, const unsigned char *b,
    unsigned int bits);

/* Is it one that network_parse() makes?  For networks from another process. */
bool network_valid(const struct network *network);

#endif
