/*
 * fuzz_proxy.c: any bytes as the header of the PROXY protocol, for libFuzzer:
 * make fuzz, then tests/fuzz/fuzz_proxy CORPUS-DIRECTORY tests/fuzz/seeds/proxy.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/address.h"
#include "worker/proxy_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool good)
{
	if (!good)
		abort();
}

/* Read so many bytes, in memory of just that size. */
static enum proxy_result
read_part(const uint8_t *data, size_t len, struct proxy_header *ret)
{
	uint8_t *part = malloc(len + (len == 0));
	const char *wrong = NULL;
	enum proxy_result result;

	must(part != NULL);
	memcpy(part, data, len);
	result = proxy_header_read(part, len, ret, &wrong);
	must((result == PROXY_BAD) == (wrong != NULL));
	free(part);
	return result;
}

static void
check_address(const struct proxy_address *address)
{
	char text[ADDRESS_TEXT_MAX];

	must(address->len <= sizeof(address->u));
	must(strlen(sockaddr_text(&address->u.sa, address->len, text)) > 0);
}

/* Each TLV is found, or one of its type before it. */
static void
check_tlvs(const struct proxy_header *header)
{
	const unsigned char *at = header->tlvs, *end = at + header->tlvs_len;
	const unsigned char *value;
	size_t len;

	while (at < end) {
		value =
		    proxy_tlv_find(header->tlvs, header->tlvs_len, at[0], &len);
		must(value != NULL && value <= at + 3 && value + len <= end);
		at += 3 + (at[1] << 8 | at[2]);
	}
	must(at == end);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxy_header header, again;
	enum proxy_result result;
	const char *wrong;

	result = read_part(data, size, &header);
	if (result == PROXY_MORE)
		must(size < PROXY_HEADER_MAX);
	if (result != PROXY_DONE)
		return 0;
	proxy_header_read(data, size, &header, &wrong);
	must(header.len <= size && header.len <= PROXY_HEADER_MAX);
	/* In whatever pieces it comes, it ends at the same byte. */
	for (size_t len = 0; len < header.len; len++)
		must(read_part(data, len, &again) == PROXY_MORE);
	must(read_part(data, header.len, &again) == PROXY_DONE);
	must(again.len == header.len);
	must(again.has_addresses == header.has_addresses);
	if (header.has_addresses) {
		check_address(&header.from);
		check_address(&header.to);
	}
	check_tlvs(&header);
	return 0;
}
