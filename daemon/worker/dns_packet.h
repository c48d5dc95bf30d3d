/*
 * dns_packet.h: the one thing that we read from a DNS packet ourselves, since
 * c-ares does not tell it.
 */

#ifndef SLUICE_DNS_PACKET_H
#define SLUICE_DNS_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * For how many seconds an answer holds: not longer than any record in it, and if
 * it has no address, nor than the zone's SOA record allows (RFC 2308).  0: not
 * at all, also if it does not say or is malformed.
 */
uint32_t dns_ttl_s(const unsigned char *packet, size_t len, bool has_address);

#endif
