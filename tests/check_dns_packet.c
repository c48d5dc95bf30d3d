/* check_dns_packet.c: how long an answer of a resolver holds. */

#include <stdlib.h>

#include "fixture.h"
#include "worker/dns_packet.h"

#define HEADER(answers, others) \
	0, 0, 0x81, 0x80, 0, 1, 0, answers, 0, others, 0, 0
#define QUESTION 1, 'a', 4, 't', 'e', 's', 't', 0, 0, 1, 0, 1
#define TYPE(type, ttl, len) 0, type, 0, 1, 0, 0, 0, ttl, 0, len
#define A(ttl) 0xc0, 12, TYPE(1, ttl, 4), 192, 0, 2, 1
#define CNAME(ttl) 0xc0, 12, TYPE(5, ttl, 4), 1, 'b', 0xc0, 14
#define NUMBER(n) 0, 0, 0, n
#define SOA(ttl, minimum)                                                   \
	4, 't', 'e', 's', 't', 0, TYPE(6, ttl, 26), 1, 'n', 0xc0, 14, 0, 0, \
	    NUMBER(1), NUMBER(2), NUMBER(3), NUMBER(4), NUMBER(minimum)

/* Copied, so that a sanitizer sees each byte that is read behind it. */
static uint32_t
ttl_s(const unsigned char *packet, size_t len, bool has_address)
{
	unsigned char *copy = malloc(len > 0 ? len : 1);
	uint32_t result;

	memcpy(copy, packet, len);
	result = dns_ttl_s(copy, len, has_address);
	free(copy);
	return result;
}

START_TEST(addresses_hold_as_long_as_the_shortest_record)
{
	const unsigned char packet[] = { HEADER(3, 0), QUESTION, CNAME(50),
		A(70), A(60) };
	unsigned char negative[sizeof(packet)];

	ck_assert_uint_eq(ttl_s(packet, sizeof(packet), true), 50);
	memcpy(negative, packet, sizeof(packet));
	negative[12 + 12 + 6] = 0x80; /* the upper bit of the TTL */
	ck_assert_uint_eq(ttl_s(negative, sizeof(packet), true), 0);
}
END_TEST

START_TEST(without_addresses_the_zone_says_it)
{
	const unsigned char minimum[] = { HEADER(0, 1), QUESTION, SOA(90, 40) };
	const unsigned char ttl[] = { HEADER(0, 1), QUESTION, SOA(30, 40) };
	const unsigned char alias[] = { HEADER(1, 1), QUESTION, CNAME(20),
		SOA(30, 40) };
	const unsigned char second[] = { HEADER(0, 2), QUESTION, A(10),
		SOA(30, 40) };
	const unsigned char nothing[] = { HEADER(0, 0), QUESTION };

	ck_assert_uint_eq(ttl_s(minimum, sizeof(minimum), false), 40);
	ck_assert_uint_eq(ttl_s(ttl, sizeof(ttl), false), 30);
	ck_assert_uint_eq(ttl_s(alias, sizeof(alias), false), 20);
	ck_assert_uint_eq(ttl_s(second, sizeof(second), false), 30);
	ck_assert_uint_eq(ttl_s(nothing, sizeof(nothing), false), 0);
}
END_TEST

START_TEST(what_is_cut_short_does_not_hold)
{
	const unsigned char packet[] = { HEADER(1, 1), QUESTION, CNAME(20),
		SOA(30, 40) };

	for (size_t len = 0; len < sizeof(packet); len++)
		ck_assert_uint_eq(ttl_s(packet, len, false), 0);
	ck_assert_uint_eq(ttl_s(packet, sizeof(packet), false), 20);
}
END_TEST

START_TEST(any_bytes_are_harmless)
{
	unsigned char packet[] = { HEADER(1, 1), QUESTION, CNAME(20),
		SOA(30, 40) };

	for (size_t i = 0; i < sizeof(packet); i++)
		for (unsigned int byte = 0; byte < 256; byte++) {
			unsigned char was = packet[i];

			packet[i] = (unsigned char)byte;
			ttl_s(packet, sizeof(packet), byte % 2 == 0);
			packet[i] = was;
		}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		addresses_hold_as_long_as_the_shortest_record,
		without_addresses_the_zone_says_it,
		what_is_cut_short_does_not_hold,
		any_bytes_are_harmless,
		NULL,
	};

	return fixture_run("dns_packet", tests);
}
