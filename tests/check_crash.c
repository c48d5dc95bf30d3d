/* check_crash.c: how a crash report is written, and how it is read. */

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netinet/in.h>

#include "config/address.h"
#include "fixture.h"
#include "ipc/board.h"
#include "master/crashes.h"
#include "worker/crash_symbol.h"
#include "worker/crash_text.h"

static char buffer[256];
static struct crash_text text;

static void
begin(size_t room)
{
	memset(buffer, 0, sizeof(buffer));
	text = (struct crash_text){ .text = buffer, .room = room };
}

START_TEST(numbers_are_written_in_full)
{
	begin(sizeof(buffer) - 1);
	crash_put_number(&text, 0);
	crash_put(&text, " ");
	crash_put_number(&text, UINT64_MAX);
	crash_put(&text, " ");
	crash_put_hex(&text, 0);
	crash_put(&text, " ");
	crash_put_hex(&text, UINT64_MAX);
	crash_put(&text, " ");
	crash_put_bytes(&text, (const uint8_t *)"\x00\x1f\xf0", 3);
	ck_assert_str_eq(buffer,
	    "0 18446744073709551615 0x0 0xffffffffffffffff 001ff0");
}
END_TEST

START_TEST(what_does_not_fit_is_cut_off)
{
	begin(5);
	crash_put(&text, "abc");
	crash_put_number(&text, 12345);
	crash_put(&text, NULL);
	ck_assert_str_eq(buffer, "abc12");
	ck_assert_uint_eq(text.used, 5);
	begin(5);
	crash_put_some(&text, "abc", 2);
	ck_assert_str_eq(buffer, "ab");
}
END_TEST

/* The formatter for signal handlers gives the same text as the ordinary one. */
static void
same_text(const struct sockaddr *sa, socklen_t len)
{
	char wanted[ADDRESS_TEXT_MAX];

	begin(sizeof(buffer) - 1);
	crash_put_peer(&text, sa);
	ck_assert_str_eq(buffer, sockaddr_text(sa, len, wanted));
}

START_TEST(peers_have_the_usual_text)
{
	static const char *const in6_texts[] = { "::", "::1", "1::", "1::2",
		"2001:db8::1:0:0:1", "2001:0:0:1:0:0:0:1", "1:2:3:4:5:6:7:8",
		"1:0:3:4:5:6:7:8", "fe80::a:b", "::ffff:192.0.2.7",
		"1:2:3:4:5:6::", "::3:4:5:6:7:8" };
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	const struct sockaddr un = { .sa_family = AF_UNIX };

	in.sin_port = htons(65535);
	inet_pton(AF_INET, "255.0.10.1", &in.sin_addr);
	same_text((const struct sockaddr *)&in, sizeof(in));
	in6.sin6_port = htons(7);
	for (size_t i = 0; i < sizeof(in6_texts) / sizeof(in6_texts[0]); i++) {
		ck_assert_int_eq(
		    inet_pton(AF_INET6, in6_texts[i], &in6.sin6_addr), 1);
		same_text((const struct sockaddr *)&in6, sizeof(in6));
	}
	same_text(&un, sizeof(sa_family_t));
}
END_TEST

static int __attribute__((noinline, used)) here_is_a_static_function(int value)
{
	return value * value + 3;
}

START_TEST(static_functions_have_names)
{
	uintptr_t at = (uintptr_t)here_is_a_static_function, base;
	char name[SYMBOL_NAME_MAX];
	uint64_t start = 0;
	Dl_info info;
	int fd;

	ck_assert_int_ne(dladdr((void *)at, &info), 0);
	base = (uintptr_t)info.dli_fbase;
	/* Not /proc/self/exe, which under valgrind is another program. */
	fd = open(info.dli_fname, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert(crash_symbol(fd, at + 1 - base, name, &start));
	ck_assert_str_eq(name, "here_is_a_static_function");
	ck_assert_uint_eq(start, at - base);
	ck_assert(!crash_symbol(fd, 1, name, &start));
	close(fd);
}
END_TEST

START_TEST(without_a_good_elf_file_there_are_no_names)
{
	char name[SYMBOL_NAME_MAX], bytes[4096];
	uint64_t start;
	int fd;

	memset(bytes, 0xff, sizeof(bytes));
	memcpy(bytes, "\177ELF", 4);
	fd = open(fixture_file("odd", bytes, sizeof(bytes)), O_RDONLY);
	ck_assert(!crash_symbol(fd, 0x1000, name, &start));
	close(fd);
	fd = open(fixture_file("short", bytes, 10), O_RDONLY);
	ck_assert(!crash_symbol(fd, 0x1000, name, &start));
	close(fd);
	ck_assert(!crash_symbol(-1, 0x1000, name, &start));
}
END_TEST

static struct board_row row;
static struct crash crash;

static const char *
taken(const char *report, uint32_t length)
{
	memset(row.report, 'x', sizeof(row.report));
	memcpy(row.report, report, strlen(report));
	atomic_store(&row.report_length, length);
	memset(crash.text, '?', sizeof(crash.text));
	crash_take_report(&crash, &row);
	return crash.text;
}

START_TEST(a_report_is_sanitized)
{
	ck_assert_str_eq(taken("", 0), "");
	ck_assert_str_eq(taken("a\nb\n", 4), "a\nb\n");
	ck_assert_str_eq(taken("a\nb", 3), "a\nb\n");
	ck_assert_str_eq(taken("\n\na\033[2J\n\n", 9), "a[2J\n");
	ck_assert_str_eq(taken("\x80\xff\r", 3), "");
	/* A length beyond the room, and a report that fills all of it. */
	ck_assert_uint_eq(strlen(taken("", UINT32_MAX)), BOARD_REPORT_MAX - 1);
	ck_assert_uint_eq(strlen(taken("", BOARD_REPORT_MAX)),
	    BOARD_REPORT_MAX - 1);
}
END_TEST

static uint32_t seen, first;

static void
see(void *arg, const struct crash *one)
{
	(void)arg;
	if (seen == 0)
		first = one->generation;
	ck_assert_uint_eq(one->generation, first + seen);
	seen++;
}

START_TEST(the_last_ones_are_kept_oldest_first)
{
	struct crashes *crashes = crashes_new();

	crashes_each(crashes, see, NULL);
	ck_assert_uint_eq(seen, 0);
	for (uint32_t i = 1; i <= CRASHES_MAX + 3; i++) {
		crash.generation = i;
		crashes_add(crashes, &crash);
	}
	crashes_each(crashes, see, NULL);
	ck_assert_uint_eq(seen, CRASHES_MAX);
	ck_assert_uint_eq(first, 4);
	ck_assert_uint_eq(crashes_count(crashes), CRASHES_MAX + 3);
	crashes_free(crashes);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		numbers_are_written_in_full,
		what_does_not_fit_is_cut_off,
		peers_have_the_usual_text,
		static_functions_have_names,
		without_a_good_elf_file_there_are_no_names,
		a_report_is_sanitized,
		the_last_ones_are_kept_oldest_first,
		NULL,
	};

	return fixture_run("crash", tests);
}
