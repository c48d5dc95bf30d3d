/* check_address.c: addresses from text, and back. */

#include "fixture.h"

#include <arpa/inet.h>

#include "base/error.h"
#include "config/address.h"

#define MAX 16

static const char *
round_trip(const char *spec)
{
	static char text[ADDRESS_TEXT_MAX];
	struct address found[MAX];
	struct error err = { "" };
	int count = address_resolve(spec, found, MAX, &err);

	ck_assert_msg(count == 1, "%s: %s", spec, err.text);
	ck_assert(address_valid(&found[0]));
	ck_assert_int_eq(address_check(spec, &err), 0);
	return address_text(&found[0], text);
}

START_TEST(addresses_read_back_as_written)
{
	static const char *const specs[] = { "127.0.0.1:7007", "0.0.0.0:0",
		"[::1]:80", "[::]:65535", "[fe80::1%1]:80", "*:80", "*:0",
		"unix:/run/x.sock", "unix:@name", "systemd:echo" };

	for (size_t i = 0; i < sizeof(specs) / sizeof(*specs); i++)
		ck_assert_str_eq(round_trip(specs[i]), specs[i]);
}
END_TEST

START_TEST(malformed_addresses_are_refused)
{
	static const char *const specs[] = { "", "7007", ":7007", "host",
		"127.0.0.1:", "127.0.0.1:http", "127.0.0.1:-1",
		"127.0.0.1:65536", "127.0.0.1:99999999999", "127.0.0.1: 80",
		"::1:80", "[::1]", "[::1]80", "[::1:80", "[]:80",
		"[127.0.0.1]:80", "[*]:80", "udp:127.0.0.1:1",
		"unix:", "unix:path", "unix:./path", "unix:/", "unix:/run/",
		"unix:@", "systemd:", "systemd:a:b", "a\nb:80", "unix:/a\nb",
		"a b:80", "256.0.0.1.:x", "[fe80::1]:80" };
	struct address found[MAX];
	struct error err;

	for (size_t i = 0; i < sizeof(specs) / sizeof(*specs); i++) {
		err.text[0] = '\0';
		ck_assert_msg(address_resolve(specs[i], found, MAX, &err) == -1,
		    "%s", specs[i]);
		ck_assert_msg(strlen(err.text) > 10, "%s", specs[i]);
		ck_assert_ptr_null(strchr(err.text, '\n'));
	}
}
END_TEST

START_TEST(what_was_probably_meant_is_said)
{
	struct address found[MAX];
	struct error err;

	ck_assert_int_eq(address_resolve("/run/x.sock", found, MAX, &err), -1);
	ck_assert_ptr_nonnull(
	    strstr(err.text, "is a path: write unix:/run/x.sock"));
	ck_assert_int_eq(
	    address_resolve("[::1]:80,127.0.0.1:80", found, MAX, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "are a list of strings"));
	ck_assert_int_eq(
	    address_resolve("[fe80::1%nowhere]:80", found, MAX, &err), -1);
	ck_assert_ptr_nonnull(
	    strstr(err.text, "there is no interface \"nowhere\""));
}
END_TEST

START_TEST(address_check_resolves_no_name)
{
	struct error err;

	ck_assert_int_eq(address_check("no-such-host.invalid:80", &err), 0);
	ck_assert_int_eq(address_check("no-such-host.invalid", &err), -1);
}
END_TEST

START_TEST(a_name_gives_each_of_its_addresses_once)
{
	struct address found[MAX];
	struct error err = { "" };
	int count, i, j;

	if (!fixture_localhost())
		return;
	count = address_resolve("localhost:7007", found, MAX, &err);
	ck_assert_msg(count >= 1, "%s", err.text);
	for (i = 0; i < count; i++) {
		ck_assert_uint_eq(address_port(&found[i]), 7007);
		for (j = 0; j < i; j++)
			ck_assert(!address_equal(&found[i], &found[j]));
	}
	ck_assert_int_eq(address_resolve("localhost:7007", found, 1, &err), 1);
}
END_TEST

START_TEST(the_error_for_an_unknown_name_contains_it)
{
	struct address found[MAX];
	struct error err;

	ck_assert_int_eq(
	    address_resolve("no-such-host.invalid:80", found, MAX, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "no-such-host.invalid"));
}
END_TEST

START_TEST(unix_paths_fill_sun_path_to_its_end)
{
	char spec[256] = "unix:/";
	struct address found[1];
	struct error err;

	memset(spec + 6, 'x', 106);
	ck_assert_str_eq(round_trip(spec), spec);
	spec[112] = 'x';
	ck_assert_int_eq(address_resolve(spec, found, 1, &err), -1);
	memset(spec, 0, sizeof(spec));
	memset(spec, 'x', 113);
	memcpy(spec, "unix:@", 6);
	ck_assert_str_eq(round_trip(spec), spec);
	spec[113] = 'x';
	ck_assert_int_eq(address_resolve(spec, found, 1, &err), -1);
}
END_TEST

static struct address
resolved(const char *spec)
{
	struct address found[1];
	struct error err;

	ck_assert_int_eq(address_resolve(spec, found, 1, &err), 1);
	return found[0];
}

static bool
conflict(const char *a, const char *b)
{
	struct address aa = resolved(a), bb = resolved(b);

	ck_assert_int_eq(address_conflict(&aa, &bb),
	    address_conflict(&bb, &aa));
	return address_conflict(&aa, &bb);
}

START_TEST(equal_addresses_conflict)
{
	ck_assert(conflict("127.0.0.1:80", "127.0.0.1:80"));
	ck_assert(conflict("[::1]:80", "[0:0:0:0:0:0:0:1]:80"));
	ck_assert(conflict("unix:/a", "unix:/a"));
	ck_assert(conflict("*:80", "0.0.0.0:80"));
	ck_assert(conflict("*:80", "[::]:80"));
	ck_assert(!conflict("0.0.0.0:80", "[::]:80"));
	ck_assert(!conflict("127.0.0.1:80", "127.0.0.1:81"));
	ck_assert(!conflict("127.0.0.1:80", "0.0.0.0:80"));
	ck_assert(!conflict("*:80", "127.0.0.1:80"));
	ck_assert(!conflict("unix:/a", "unix:@/a"));
	ck_assert(!conflict("unix:/a", "unix:/b"));
	ck_assert(!conflict("systemd:a", "systemd:b"));
}
END_TEST

START_TEST(mapped_peers_read_as_ipv4)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
		.sin6_port = htons(4411) };
	char text[ADDRESS_TEXT_MAX];

	inet_pton(AF_INET6, "::ffff:192.0.2.7", &in6.sin6_addr);
	ck_assert_str_eq(sockaddr_text((void *)&in6, sizeof(in6), text),
	    "192.0.2.7:4411");
}
END_TEST

START_TEST(strange_peers_have_a_text)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	char text[ADDRESS_TEXT_MAX];

	ck_assert_str_eq(sockaddr_text((void *)&un, sizeof(sa_family_t), text),
	    "unix");
	memcpy(un.sun_path, "\0a\nb\x1b", 5);
	ck_assert_str_eq(
	    sockaddr_text((void *)&un, sizeof(sa_family_t) + 5, text),
	    "unix:@a?b?");
	memset(un.sun_path, 'x', sizeof(un.sun_path));
	ck_assert_uint_eq(strlen(sockaddr_text((void *)&un, sizeof(un), text)),
	    5 + sizeof(un.sun_path));
	un.sun_family = AF_APPLETALK;
	ck_assert_str_eq(sockaddr_text((void *)&un, sizeof(un), text),
	    "unknown");
	ck_assert_str_eq(sockaddr_text((void *)&un, 0, text), "unknown");
}
END_TEST

START_TEST(addresses_from_messages_are_checked)
{
	struct address good = resolved("unix:/a/path"), bad;

	bad = good;
	bad.len = sizeof(bad.u.un) + 1;
	ck_assert(!address_valid(&bad));
	bad.len = 3;
	ck_assert(!address_valid(&bad));
	bad = good;
	memset(bad.u.un.sun_path, 'x', sizeof(bad.u.un.sun_path));
	bad.len = sizeof(bad.u.un);
	ck_assert(!address_valid(&bad));
	bad.kind = 77;
	ck_assert(!address_valid(&bad));
	bad = resolved("systemd:x");
	memset(bad.u.name, 'x', sizeof(bad.u.name));
	ck_assert(!address_valid(&bad));
	bad = resolved("127.0.0.1:80");
	bad.u.sa.sa_family = AF_INET6;
	ck_assert(!address_valid(&bad));
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		addresses_read_back_as_written,
		malformed_addresses_are_refused,
		what_was_probably_meant_is_said,
		address_check_resolves_no_name,
		a_name_gives_each_of_its_addresses_once,
		the_error_for_an_unknown_name_contains_it,
		unix_paths_fill_sun_path_to_its_end,
		equal_addresses_conflict,
		mapped_peers_read_as_ipv4,
		strange_peers_have_a_text,
		addresses_from_messages_are_checked,
		NULL,
	};

	return fixture_run("address", tests);
}
