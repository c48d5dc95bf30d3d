/* check_proxy_header.c: the header of the PROXY protocol, and what is none. */

#include "fixture.h"

#include "config/address.h"
#include "worker/proxy_header.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

/* A header of version 2: everything behind the signature but the length. */
static size_t
make_v2(unsigned char *buf, unsigned int command, unsigned int family,
    const void *rest, size_t len)
{
	memcpy(buf, SIGNATURE, 12);
	buf[12] = (unsigned char)command;
	buf[13] = (unsigned char)family;
	buf[14] = (unsigned char)(len >> 8);
	buf[15] = (unsigned char)len;
	if (len > 0)
		memcpy(buf + 16, rest, len);
	return 16 + len;
}

/* Read all of it; beginnings, which come in a copy of their own, are not bad. */
static struct proxy_header
done(const void *buf, size_t len)
{
	struct proxy_header header;
	const char *wrong = NULL;

	for (size_t i = 0; i < len; i++) {
		void *part = malloc(i + 1);

		memcpy(part, buf, i);
		ck_assert_int_eq(proxy_header_read(part, i, &header, &wrong),
		    PROXY_MORE);
		free(part);
	}
	ck_assert_int_eq(proxy_header_read(buf, len, &header, &wrong),
	    PROXY_DONE);
	return header;
}

static const char *
text(const struct proxy_address *address)
{
	static char texts[2][ADDRESS_TEXT_MAX];
	static unsigned int next;

	return sockaddr_text(&address->u.sa, address->len, texts[next++ % 2]);
}

/* What is wrong with it; "" if nothing is, or if that is not known yet. */
static const char *
wrong(const void *buf, size_t len)
{
	struct proxy_header header;
	const char *wrong = NULL;

	return proxy_header_read(buf, len, &header, &wrong) == PROXY_BAD ? wrong
									 : "";
}

START_TEST(a_line_names_both_ends)
{
	static const struct {
		const char *line, *from, *to;
	} rows[] = {
		{ "PROXY TCP4 192.0.2.7 198.51.100.1 4411 443\r\n",
		    "192.0.2.7:4411", "198.51.100.1:443" },
		{ "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
		    "255.255.255.255:65535", "255.255.255.255:65535" },
		{ "PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", "0.0.0.0:0",
		    "0.0.0.0:0" },
		{ "PROXY TCP6 2001:db8::7 ::1 4411 443\r\n",
		    "[2001:db8::7]:4411", "[::1]:443" },
		{ "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
		  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
		    "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
		    "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct proxy_header header =
		    done(rows[i].line, strlen(rows[i].line));

		ck_assert_uint_eq(header.len, strlen(rows[i].line));
		ck_assert(header.has_addresses);
		ck_assert_str_eq(text(&header.from), rows[i].from);
		ck_assert_str_eq(text(&header.to), rows[i].to);
		ck_assert_uint_eq(header.tlvs_len, 0);
	}
}
END_TEST

START_TEST(a_line_may_not_know_the_client)
{
	static const char *const lines[] = { "PROXY UNKNOWN\r\n",
		"PROXY UNKNOWN ffff::1 ffff::1 65535 65535\r\n",
		"PROXY UNKNOWN any thing\x01  at all \r\n" };

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		struct proxy_header header = done(lines[i], strlen(lines[i]));

		ck_assert_uint_eq(header.len, strlen(lines[i]));
		ck_assert(!header.has_addresses);
	}
}
END_TEST

START_TEST(other_lines_are_bad)
{
	static const char *const lines[] = { "proxy TCP4", "PROXX", "PROXY\r\n",
		"PROXY \r\n", "PROXY\tTCP4",
		"PROXY  TCP4 1.1.1.1 2.2.2.2 1 2\r\n",
		"PROXY TCP5 1.1.1.1 2.2.2.2 1 2\r\n", "PROXY TCP4\r\n",
		"PROXY TCP4 \r\n", "PROXY TCP4 1.1.1.1\r\n",
		"PROXY TCP4 1.1.1.1 2.2.2.2\r\n",
		"PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n",
		"PROXY TCP4 1.1.1.1 2.2.2.2 1 2 \r\n",
		"PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n",
		"PROXY TCP4 1.1.1.1  2.2.2.2 1 2\r\n",
		"PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n",
		"PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n",
		"PROXY TCP4 1.1.1.1 2.2.2.2 -1 2\r\n",
		"PROXY TCP4 1.1.1.1 2.2.2.2 +1 2\r\n",
		"PROXY TCP4 1.1.1.1 2.2.2.2 1 x\r\n",
		"PROXY TCP4 1.1.1 2.2.2.2 1 2\r\n",
		"PROXY TCP4 01.1.1.1 2.2.2.2 1 2\r\n",
		"PROXY TCP4 1.1.1.256 2.2.2.2 1 2\r\n",
		"PROXY TCP4 ::1 ::1 1 2\r\n", "PROXY TCP4 a b 1 2\r\n",
		"PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n",
		"PROXY TCP6 ::1%lo ::1 1 2\r\n", "PROXY TCP6 [::1] ::1 1 2\r\n",
		"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n",
		"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\r\n", "PROXY UNKNOWN\n",
		"PROXY UNKNOWN\rX", "PROXY UNKNOWNX\r\n", "GET / HTTP/1.1\r\n",
		"hello", "\x16\x03\x01", "\n", " PROXY" };

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		ck_assert_msg(wrong(lines[i], strlen(lines[i]))[0] != '\0',
		    "line %zu: %s", i, lines[i]);
	ck_assert_str_ne(wrong("PROXY UNKNOWN\0\r\n", 16), "");
}
END_TEST

START_TEST(a_line_has_at_most_107_bytes)
{
	char line[200] = "PROXY UNKNOWN ";

	memset(line + 14, 'x', sizeof(line) - 14);
	ck_assert_str_eq(wrong(line, 106), "");
	ck_assert_str_eq(wrong(line, 107), "the line is too long");
	memcpy(line + 106, "\r\n", 2);
	ck_assert_str_eq(wrong(line, 107), "the line is too long");
	ck_assert_str_eq(wrong(line, 108), "the line is too long");
	memcpy(line + 105, "\r\n", 2);
	ck_assert_uint_eq(done(line, 107).len, 107);
}
END_TEST

START_TEST(data_behind_the_header_is_not_touched)
{
	static const char line[] = "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\nPROXY x";
	unsigned char buf[64];
	struct proxy_header header;
	const char *wrong;
	size_t len;

	ck_assert_int_eq(proxy_header_read(line, strlen(line), &header, &wrong),
	    PROXY_DONE);
	ck_assert_uint_eq(header.len, strlen(line) - 7);
	len = make_v2(buf, 0x21, 0x11, "\1\1\1\1\2\2\2\2\0\1\0\2", 12);
	memcpy(buf + len, "\3\0", 2);
	ck_assert_int_eq(proxy_header_read(buf, len + 2, &header, &wrong),
	    PROXY_DONE);
	ck_assert_uint_eq(header.len, len);
	ck_assert_uint_eq(header.tlvs_len, 0);
}
END_TEST

START_TEST(version_2_has_addresses_of_three_families)
{
	unsigned char buf[300], rest[216] = { 0 };
	struct proxy_header header;

	header = done(buf,
	    make_v2(buf, 0x21, 0x11, "\xc0\0\2\7\xc6\x33\x64\1\x11\x3b\1\xbb",
		12));
	ck_assert(header.has_addresses);
	ck_assert_str_eq(text(&header.from), "192.0.2.7:4411");
	ck_assert_str_eq(text(&header.to), "198.51.100.1:443");
	memcpy(rest, "\x20\1\x0d\xb8", 4);
	rest[15] = 7;
	rest[31] = 1;
	memcpy(rest + 32, "\x11\x3b\1\xbb", 4);
	header = done(buf, make_v2(buf, 0x21, 0x21, rest, 36));
	ck_assert_str_eq(text(&header.from), "[2001:db8::7]:4411");
	ck_assert_str_eq(text(&header.to), "[::1]:443");
	header = done(buf, make_v2(buf, 0x21, 0x22, rest, 36));
	ck_assert_str_eq(text(&header.from), "[2001:db8::7]:4411");
	memset(rest, 0, sizeof(rest));
	strcpy((char *)rest, "/run/a");
	memset(rest + 108, 'b', 108);
	rest[108] = '/';
	header = done(buf, make_v2(buf, 0x21, 0x31, rest, 216));
	ck_assert_str_eq(text(&header.from), "unix:/run/a");
	ck_assert_uint_eq(strlen(text(&header.to)), 5 + 108);
	memset(rest, 0, sizeof(rest));
	memcpy(rest + 108, "\0name", 5);
	header = done(buf, make_v2(buf, 0x21, 0x31, rest, 216));
	ck_assert_str_eq(text(&header.from), "unix");
	ck_assert_str_eq(text(&header.to), "unix:@name");
}
END_TEST

START_TEST(version_2_may_not_know_the_client)
{
	unsigned char buf[64];
	struct proxy_header header;

	header = done(buf, make_v2(buf, 0x20, 0, NULL, 0));
	ck_assert(!header.has_addresses);
	/* Of LOCAL everything else is ignored. */
	header = done(buf, make_v2(buf, 0x20, 0x99, "\3\xff\xff", 3));
	ck_assert(!header.has_addresses);
	ck_assert_uint_eq(header.len, 19);
	ck_assert_uint_eq(header.tlvs_len, 0);
	header = done(buf, make_v2(buf, 0x21, 0, "\1\0\2h2", 5));
	ck_assert(!header.has_addresses);
	ck_assert_uint_eq(header.tlvs_len, 5);
}
END_TEST

START_TEST(other_headers_of_version_2_are_bad)
{
	static const struct {
		unsigned int command, family;
		size_t len;
	} rows[] = {
		{ 0x11, 0x11, 12 },
		{ 0x31, 0x11, 12 },
		{ 0x22, 0x11, 12 },
		{ 0x01, 0x11, 12 },
		{ 0x21, 0x10, 12 },
		{ 0x21, 0x13, 12 },
		{ 0x21, 0x01, 12 },
		{ 0x21, 0x41, 216 },
		{ 0x21, 0x11, 11 },
		{ 0x21, 0x21, 35 },
		{ 0x21, 0x31, 215 },
		{ 0x21, 0x11, 0 },
		{ 0x21, 0x11, 13 },
		{ 0x21, 0x11, 14 },
	};
	unsigned char buf[300], rest[300] = { 0 };

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		ck_assert_msg(wrong(buf,
				  make_v2(buf, rows[i].command, rows[i].family,
				      rest, rows[i].len))[0] != '\0',
		    "row %zu", i);
	/* It is refused as soon as that can be known. */
	ck_assert_str_ne(wrong(SIGNATURE "\x11", 13), "");
	ck_assert_str_ne(wrong("\r\n\r\n\0\r\nQUIX", 11), "");
}
END_TEST

START_TEST(the_length_is_limited)
{
	static unsigned char buf[PROXY_HEADER_MAX + 1], rest[PROXY_HEADER_MAX];
	size_t room = PROXY_HEADER_MAX - 16 - 12 - 3;

	rest[12] = 0xe0;
	rest[13] = (unsigned char)(room >> 8);
	rest[14] = (unsigned char)room;
	ck_assert_uint_eq(
	    done(buf, make_v2(buf, 0x21, 0x11, rest, 12 + 3 + room)).tlvs_len,
	    3 + room);
	make_v2(buf, 0x21, 0x11, rest, 12 + 3 + room + 1);
	ck_assert_str_eq(wrong(buf, 16),
	    "the header is longer than 4096 bytes");
	make_v2(buf, 0x20, 0, NULL, 0);
	memset(buf + 14, 0xff, 2);
	ck_assert_str_eq(wrong(buf, 16),
	    "the header is longer than 4096 bytes");
}
END_TEST

START_TEST(tlvs_are_found_by_type)
{
	unsigned char buf[64];
	struct proxy_header header;
	size_t len = 99;
	const void *value;

	header = done(buf,
	    make_v2(buf, 0x21, 0x11,
		"\1\1\1\1\2\2\2\2\0\1\0\2\1\0\2h2\4\0\0\1\0\1x", 12 + 12));
	value = proxy_tlv_find(header.tlvs, header.tlvs_len, 1, &len);
	ck_assert_uint_eq(len, 2);
	ck_assert_mem_eq(value, "h2", 2);
	value = proxy_tlv_find(header.tlvs, header.tlvs_len, 4, &len);
	ck_assert_ptr_nonnull(value);
	ck_assert_uint_eq(len, 0);
	ck_assert_ptr_null(
	    proxy_tlv_find(header.tlvs, header.tlvs_len, 2, &len));
}
END_TEST

START_TEST(tlvs_that_do_not_fit_are_bad)
{
	static const struct {
		const char *tlvs;
		size_t len;
	} rows[] = {
		{ "\1", 1 },
		{ "\1\0", 2 },
		{ "\1\0\1", 3 },
		{ "\1\0\1x\2", 5 },
		{ "\1\xff\xff", 3 },
		{ "\1\1\0x", 4 },
		{ "\3\0\3abc", 6 },
		{ "\3\0\5abcde", 8 },
	};
	unsigned char buf[64];

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		ck_assert_msg(wrong(buf,
				  make_v2(buf, 0x21, 0, rows[i].tlvs,
				      rows[i].len))[0] != '\0',
		    "row %zu", i);
}
END_TEST

START_TEST(a_checksum_is_verified)
{
	/* CRC-32C of this header, with 0 in its place. */
	static const unsigned char crc[] = { 0x6d, 0x15, 0xa7, 0x55 };
	unsigned char buf[64],
	    rest[] = "\xc0\0\2\7\xc6\x33\x64\1\x11\x3b\1\xbb"
		     "\3\0\4....\1\0\2h2";
	size_t len;

	memcpy(rest + 15, crc, 4);
	len = make_v2(buf, 0x21, 0x11, rest, sizeof(rest) - 1);
	done(buf, len);
	for (size_t i = 16; i < len; i++) {
		if (i == 16 + 12)
			continue; /* with another type it is no checksum */
		buf[i] ^= 0x10;
		ck_assert_str_ne(wrong(buf, len), "");
		buf[i] ^= 0x10;
	}
	/* Of two, none could be right. */
	memcpy(rest + 12 + 7, "\3\0\2", 3);
	len = make_v2(buf, 0x21, 0x11, rest, sizeof(rest) - 1);
	ck_assert_str_eq(wrong(buf, len), "the checksum is malformed");
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_line_names_both_ends,
		a_line_may_not_know_the_client,
		other_lines_are_bad,
		a_line_has_at_most_107_bytes,
		data_behind_the_header_is_not_touched,
		version_2_has_addresses_of_three_families,
		version_2_may_not_know_the_client,
		other_headers_of_version_2_are_bad,
		the_length_is_limited,
		tlvs_are_found_by_type,
		tlvs_that_do_not_fit_are_bad,
		a_checksum_is_verified,
		NULL,
	};

	return fixture_run("proxy_header", tests);
}
