/* check_network.c: ranges of addresses. */

#include "fixture.h"

#include <arpa/inet.h>

#include "base/error.h"
#include "config/network_set.h"

static struct network
network(const char *text)
{
	struct network found;
	struct error err = { "" };

	ck_assert_msg(network_parse(text, &found, &err) == 0, "%s: %s", text,
	    err.text);
	ck_assert(network_valid(&found));
	return found;
}

/* Is the address, an IPv4 or IPv6 one or "unix", in the network? */
static bool
has(const char *text, const char *address)
{
	struct network found = network(text);
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct sockaddr nameless = { .sa_family = AF_UNIX };

	if (strcmp(address, "unix") == 0)
		return network_has(&found, &nameless);
	if (inet_pton(AF_INET, address, &in.sin_addr) == 1)
		return network_has(&found, (struct sockaddr *)&in);
	ck_assert_int_eq(inet_pton(AF_INET6, address, &in6.sin6_addr), 1);
	return network_has(&found, (struct sockaddr *)&in6);
}

START_TEST(a_network_has_its_addresses_and_no_others)
{
	static const struct {
		const char *network, *in, *out;
	} rows[] = {
		{ "192.0.2.0/24", "192.0.2.0", "192.0.3.0" },
		{ "192.0.2.0/24", "192.0.2.255", "192.0.1.255" },
		{ "192.0.2.128/25", "192.0.2.128", "192.0.2.127" },
		{ "192.0.2.7", "192.0.2.7", "192.0.2.6" },
		{ "192.0.2.6/31", "192.0.2.7", "192.0.2.8" },
		{ "10.0.0.0/8", "10.255.0.1", "11.0.0.0" },
		{ "0.0.0.0/0", "255.255.255.255", "::1" },
		{ "128.0.0.0/1", "200.0.0.1", "127.0.0.1" },
		{ "192.0.2.0/24", "::ffff:192.0.2.9", "::ffff:192.0.3.9" },
		{ "0.0.0.0/0", "::ffff:1.2.3.4", "::1.2.3.4" },
		{ "2001:db8::/32", "2001:db8:ffff::1", "2001:db9::" },
		{ "2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::" },
		{ "::1", "::1", "::2" },
		{ "::/0", "ffff::1", "192.0.2.1" },
		{ "::/0", "::", "::ffff:192.0.2.1" },
		{ "::/0", "::1", "unix" },
		{ "unix", "unix", "127.0.0.1" },
		{ "unix", "unix", "::1" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		ck_assert_msg(has(rows[i].network, rows[i].in), "%s has %s",
		    rows[i].network, rows[i].in);
		ck_assert_msg(!has(rows[i].network, rows[i].out),
		    "%s has no %s", rows[i].network, rows[i].out);
	}
}
END_TEST

START_TEST(what_is_not_a_network_is_refused)
{
	static const char *const texts[] = { "", "/", "/8", "10/8", "10.0.0/24",
		"10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8",
		"10.0.0.0/08", "10.0.0.0/8 ", " 10.0.0.0/8", "10.0.0.0/8/8",
		"10.0.0.0/255.0.0.0", "10.0.0.0/4294967304", "010.0.0.0/8",
		"10.0.0.1/8", "0.0.0.1/0", "192.0.2.3/31", "::/129", "::1/127",
		"2001:db8::1/64", "[::1]", "fe80::1%lo", "::ffff:10.0.0.0/104",
		"::ffff:10.0.0.1", "localhost", "*", "unix:", "unix:/run/x",
		"unix/0", "10.0.0.1:80",
		"1234:1234:1234:1234:1234:1234:1234:1234:1234:1234:1234/8" };
	struct network found;
	struct error err;

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		err.text[0] = '\0';
		ck_assert_msg(network_parse(texts[i], &found, &err) == -1,
		    "\"%s\"", texts[i]);
		ck_assert_msg(strlen(err.text) > 10, "%s", texts[i]);
	}
}
END_TEST

START_TEST(a_mistake_is_told_with_the_cure)
{
	struct network found;
	struct error err;

	network_parse("10.1.2.3/8", &found, &err);
	ck_assert_str_eq(err.text,
	    "\"10.1.2.3/8\" has more than the first 8 bits; write 10.0.0.0/8 "
	    "for the network");
	network_parse("2001:db8::1/64", &found, &err);
	ck_assert_ptr_nonnull(strstr(err.text, "write 2001:db8::/64 for"));
}
END_TEST

START_TEST(a_network_from_elsewhere_is_checked)
{
	struct network found = network("10.0.0.0/8");

	found.bits = 33;
	ck_assert(!network_valid(&found));
	found.bits = 7;
	ck_assert(network_valid(&found));
	found.bits = 4;
	ck_assert(!network_valid(&found));
	found = network("unix");
	found.bits = 1;
	ck_assert(!network_valid(&found));
	found = network("::1");
	found.family = 99;
	ck_assert(!network_valid(&found));
}
END_TEST

static struct sockaddr *
address(const char *text, struct sockaddr_in6 *room)
{
	struct sockaddr_in *in = (void *)room;

	memset(room, 0, sizeof(*room));
	if (strcmp(text, "unix") == 0) {
		room->sin6_family = AF_UNIX;
	} else if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
	} else {
		ck_assert_int_eq(inet_pton(AF_INET6, text, &room->sin6_addr),
		    1);
		room->sin6_family = AF_INET6;
	}
	return (struct sockaddr *)room;
}

START_TEST(a_set_has_what_one_of_its_networks_has)
{
	static const char *const networks[] = { "192.0.2.128/25", "10.0.0.0/8",
		"10.1.0.0/16", "192.0.2.7", "10.1.2.3", "2001:db8::/32",
		"2001:db8::/32", "2001:db8:1::1", "172.16.0.0/12" };
	static const char *const in[] = { "192.0.2.7", "192.0.2.128",
		"192.0.2.255", "10.0.0.0", "10.255.255.255", "10.1.2.4",
		"172.31.255.255", "2001:db8::", "2001:db8:ffff::1",
		"::ffff:10.9.8.7" };
	static const char *const out[] = { "192.0.2.6", "192.0.2.8",
		"192.0.2.127", "192.0.3.0", "9.255.255.255", "11.0.0.0",
		"172.15.255.255", "172.32.0.0", "2001:db7::1",
		"2001:db9::", "::ffff:11.0.0.0", "::10.0.0.1", "unix",
		"0.0.0.0", "255.255.255.255" };
	struct network_set set = { NULL, 0 };
	struct sockaddr_in6 room;
	struct network one;

	ck_assert(!network_set_has(&set, address("10.0.0.1", &room)));
	for (size_t i = 0; i < sizeof(networks) / sizeof(*networks); i++) {
		one = network(networks[i]);
		ck_assert_int_eq(network_set_add(&set, &one), 0);
	}
	ck_assert(!network_set_sorted(&set));
	network_set_sort(&set);
	ck_assert(network_set_sorted(&set));
	ck_assert_uint_eq(set.count, 5);
	for (size_t i = 0; i < sizeof(in) / sizeof(*in); i++)
		ck_assert_msg(network_set_has(&set, address(in[i], &room)),
		    "%s", in[i]);
	for (size_t i = 0; i < sizeof(out) / sizeof(*out); i++)
		ck_assert_msg(!network_set_has(&set, address(out[i], &room)),
		    "%s", out[i]);
	one = network("unix");
	ck_assert_int_eq(network_set_add(&set, &one), 0);
	network_set_sort(&set);
	ck_assert(network_set_has(&set, address("unix", &room)));
	network_set_free(&set);
}
END_TEST

/* As many as an operator may have, each compared with the plain way. */
START_TEST(a_large_set_agrees_with_its_networks)
{
	struct network_set set = { NULL, 0 };
	struct network *plain;
	struct sockaddr_in6 room;
	struct sockaddr_in *in = (void *)&room;
	uint32_t state = 1, count = 3000;

	plain = calloc(count, sizeof(*plain));
	for (uint32_t i = 0; i < count; i++) {
		uint32_t bits = 8 + i % 25;

		state = state * 1664525 + 1013904223;
		plain[i].family = AF_INET;
		plain[i].bits = (uint16_t)bits;
		state &= 0x0fffffff; /* close together, so that many overlap */
		*(uint32_t *)(void *)plain[i].address =
		    htonl((state << 4) & (bits == 32 ? ~0u : ~(~0u >> bits)));
		ck_assert(network_valid(&plain[i]));
		ck_assert_int_eq(network_set_add(&set, &plain[i]), 0);
	}
	network_set_sort(&set);
	for (uint32_t i = 0; i < 20000; i++) {
		bool expected = false;

		state = state * 1664525 + 1013904223;
		address("0.0.0.0", &room);
		in->sin_addr.s_addr = htonl(state);
		for (uint32_t k = 0; k < count && !expected; k++)
			expected = network_has(&plain[k], (void *)&room);
		ck_assert_int_eq(network_set_has(&set, (void *)&room),
		    expected);
	}
	free(plain);
	network_set_free(&set);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_network_has_its_addresses_and_no_others,
		what_is_not_a_network_is_refused,
		a_mistake_is_told_with_the_cure,
		a_network_from_elsewhere_is_checked,
		a_set_has_what_one_of_its_networks_has,
		a_large_set_agrees_with_its_networks,
		NULL,
	};

	return fixture_run("network", tests);
}
