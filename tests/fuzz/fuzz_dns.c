/*
 * fuzz_dns.c: any bytes as the answer of a resolver, for libFuzzer: make fuzz,
 * then tests/fuzz/fuzz_dns CORPUS-DIRECTORY.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "worker/dns_packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t with = dns_ttl_s(data, size, true);
	uint32_t without = dns_ttl_s(data, size, false);

	/* A zone only makes it shorter. */
	if (with > INT32_MAX || without > with)
		abort();
	return 0;
}
