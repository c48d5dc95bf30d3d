/* check_network.c: ranges of addresses. */

#include "fixture.h"

#include <arpa/inet.h>

#include "base/error.h"
#include "config/network.h"

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

int
main(void)
{
	const TTest *const tests[] = {
		a_network_has_its_addresses_and_no_others,
		what_is_not_a_network_is_refused,
		a_mistake_is_told_with_the_cure,
		a_network_from_elsewhere_is_checked,
		NULL,
	};

	return fixture_run("network", tests);
}
