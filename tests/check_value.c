/* check_value.c: durations and sizes. */

#include "fixture.h"

#include "base/error.h"
#include "config/value.h"

static uint64_t
ms(const char *text)
{
	struct error err = { "" };
	uint64_t value = 4711;

	ck_assert_msg(value_duration(text, &value, &err) == 0, "%s", err.text);
	return value;
}

static uint64_t
bytes(const char *text)
{
	struct error err = { "" };
	uint64_t value = 4711;

	ck_assert_msg(value_size(text, &value, &err) == 0, "%s", err.text);
	return value;
}

START_TEST(durations_have_units)
{
	ck_assert_uint_eq(ms("250ms"), 250);
	ck_assert_uint_eq(ms("10s"), 10000);
	ck_assert_uint_eq(ms("5m"), 300000);
	ck_assert_uint_eq(ms("1h"), 3600000);
	ck_assert_uint_eq(ms("7d"), 604800000);
	ck_assert_uint_eq(ms("1.5s"), 1500);
	ck_assert_uint_eq(ms("0.001s"), 1);
	ck_assert_uint_eq(ms("0"), 0);
	ck_assert_uint_eq(ms("0s"), 0);
}
END_TEST

START_TEST(strange_durations_are_refused)
{
	static const char *const texts[] = { "", " ", "s", "10", "-1s", "+1s",
		"1 s", "1S", "1sec", "10s ", "1e3s", "0x10s", "inf", "nan",
		".5s", "1.s", "1..2s", "0.0001s", "99999999999999999999d",
		"4000d", "1d1h" };
	struct error err;
	uint64_t value = 4711;

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		err.text[0] = '\0';
		ck_assert_msg(value_duration(texts[i], &value, &err) == -1,
		    "%s", texts[i]);
		ck_assert_msg(strstr(err.text, texts[i]) != NULL, "%s",
		    err.text);
	}
	ck_assert_uint_eq(value, 4711);
}
END_TEST

START_TEST(the_error_for_a_duration_without_unit_suggests_one)
{
	struct error err;
	uint64_t value;

	ck_assert_int_eq(value_duration("60", &value, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "\"60s\""));
}
END_TEST

START_TEST(numbers_are_seconds)
{
	struct error err;
	uint64_t value;

	ck_assert_int_eq(value_duration_seconds(0, &value, &err), 0);
	ck_assert_uint_eq(value, 0);
	ck_assert_int_eq(value_duration_seconds(2, &value, &err), 0);
	ck_assert_uint_eq(value, 2000);
	ck_assert_int_eq(value_duration_seconds(0.25, &value, &err), 0);
	ck_assert_uint_eq(value, 250);
	ck_assert_int_eq(value_duration_seconds(-1, &value, &err), -1);
	ck_assert_int_eq(value_duration_seconds(0.0001, &value, &err), -1);
	ck_assert_int_eq(value_duration_seconds(1e300, &value, &err), -1);
	ck_assert_int_eq(value_duration_seconds(1e300 * 1e300, &value, &err),
	    -1);
}
END_TEST

START_TEST(sizes_have_units)
{
	ck_assert_uint_eq(bytes("0"), 0);
	ck_assert_uint_eq(bytes("512"), 512);
	ck_assert_uint_eq(bytes("512B"), 512);
	ck_assert_uint_eq(bytes("64KiB"), 65536);
	ck_assert_uint_eq(bytes("64K"), 65536);
	ck_assert_uint_eq(bytes("1MiB"), 1048576);
	ck_assert_uint_eq(bytes("1.5M"), 1572864);
	ck_assert_uint_eq(bytes("4GiB"), 4294967296);
	ck_assert_uint_eq(bytes("1G"), 1073741824);
}
END_TEST

START_TEST(strange_sizes_are_refused)
{
	static const char *const texts[] = { "", "B", "KiB", "-1", "1 KiB",
		"1kib", "1TiB", "1.5", "0.3KiB", "99999999999999999999GiB",
		"0x10", "1e3" };
	struct error err;
	uint64_t value = 4711;

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		ck_assert_msg(value_size(texts[i], &value, &err) == -1, "%s",
		    texts[i]);
	ck_assert_uint_eq(value, 4711);
}
END_TEST

START_TEST(the_error_for_a_decimal_size_suggests_a_binary_one)
{
	struct error err;
	uint64_t value;

	ck_assert_int_eq(value_size("64KB", &value, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "write KiB"));
	ck_assert_int_eq(value_size("64kb", &value, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "write KiB"));
	ck_assert_int_eq(value_size("1mB", &value, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "write MiB"));
}
END_TEST

START_TEST(written_values_read_back_the_same)
{
	static const uint64_t values[] = { 1, 250, 999, 1000, 1500, 30000,
		90000, 3600000, 86400000, 1024, 65536, 65537, 16777216,
		4294967296 };
	char text[VALUE_TEXT_MAX];

	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		ck_assert_uint_eq(ms(value_duration_text(values[i], text)),
		    values[i]);
		ck_assert_uint_eq(bytes(value_size_text(values[i], text)),
		    values[i]);
	}
	ck_assert_str_eq(value_duration_text(30000, text), "30s");
	ck_assert_str_eq(value_duration_text(90000, text), "90s");
	ck_assert_str_eq(value_duration_text(1500, text), "1500ms");
	ck_assert_str_eq(value_duration_text(0, text), "0");
	ck_assert_str_eq(value_size_text(65536, text), "64KiB");
	ck_assert_str_eq(value_size_text(1000, text), "1000B");
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		durations_have_units,
		strange_durations_are_refused,
		the_error_for_a_duration_without_unit_suggests_one,
		numbers_are_seconds,
		sizes_have_units,
		strange_sizes_are_refused,
		the_error_for_a_decimal_size_suggests_a_binary_one,
		written_values_read_back_the_same,
		NULL,
	};

	return fixture_run("value", tests);
}
