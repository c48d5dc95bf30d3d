/* dns_packet.c: how long an answer holds. */

#include "worker/dns_packet.h"

#include <arpa/nameser.h>

/* What is left of a packet. */
struct rest {
	const unsigned char *at;
	size_t len;
};

struct record {
	unsigned int type;
	uint32_t ttl_s;
	struct rest data;
};

static bool
skip(struct rest *rest, size_t len)
{
	if (len > rest->len)
		return false;
	rest->at += len;
	rest->len -= len;
	return true;
}

static uint32_t
number(const unsigned char *at, unsigned int bytes)
{
	uint32_t value = 0;

	while (bytes-- > 0)
		value = value << 8 | *at++;
	return value;
}

static bool
skip_name(struct rest *rest)
{
	while (rest->len > 0 && *rest->at != 0) {
		if ((*rest->at & NS_CMPRSFLGS) == NS_CMPRSFLGS)
			return skip(rest, 2); /* it goes on elsewhere */
		if (!skip(rest, 1 + (size_t)*rest->at))
			return false;
	}
	return skip(rest, 1);
}

static bool
take_record(struct rest *rest, struct record *ret)
{
	const unsigned char *at;

	if (!skip_name(rest))
		return false;
	at = rest->at;
	if (!skip(rest, NS_RRFIXEDSZ))
		return false;
	ret->type = number(at, 2);
	ret->ttl_s = number(at + 4, 4);
	ret->data.at = rest->at;
	ret->data.len = number(at + 8, 2);
	return skip(rest, ret->data.len);
}

/* A number above 2^31 - 1 is to be taken as 0: RFC 2181, 8. */
static uint32_t
ttl_s(const struct record *record)
{
	return record->ttl_s <= INT32_MAX ? record->ttl_s : 0;
}

/* An SOA record ends with five numbers, of which the last is meant. */
static uint32_t
soa_ttl_s(const struct record *soa)
{
	uint32_t minimum_s;

	if (soa->data.len < 5 * NS_INT32SZ)
		return 0;
	minimum_s =
	    number(soa->data.at + soa->data.len - NS_INT32SZ, NS_INT32SZ);
	return minimum_s < ttl_s(soa) ? minimum_s : ttl_s(soa);
}

/* What the SOA record among the next records allows; 0: there is none. */
static uint32_t
find_soa(struct rest *rest, unsigned int records)
{
	struct record record;

	while (records-- > 0 && take_record(rest, &record))
		if (record.type == ns_t_soa)
			return soa_ttl_s(&record);
	return 0;
}

uint32_t
dns_ttl_s(const unsigned char *packet, size_t len, bool has_address)
{
	struct rest rest = { packet, len };
	uint32_t questions, answers, soa_s, least_s = INT32_MAX;
	struct record record;

	if (!skip(&rest, NS_HFIXEDSZ))
		return 0;
	questions = number(packet + 4, 2);
	answers = number(packet + 6, 2);
	while (questions-- > 0)
		if (!skip_name(&rest) || !skip(&rest, NS_QFIXEDSZ))
			return 0;
	while (answers-- > 0) {
		if (!take_record(&rest, &record))
			return 0;
		if (ttl_s(&record) < least_s)
			least_s = ttl_s(&record);
	}
	if (has_address)
		return least_s;
	soa_s = find_soa(&rest, number(packet + 8, 2));
	return soa_s < least_s ? soa_s : least_s;
}
