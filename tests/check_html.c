/* check_html.c: text, numbers and lines of the status page. */

#include "fixture.h"

#include "ipc/counts.h"
#include "status/history.h"
#include "status/html.h"

static char *written;
static size_t length;
static FILE *out;

static void
begin(void)
{
	out = open_memstream(&written, &length);
	ck_assert_ptr_nonnull(out);
}

static void
end(void)
{
	fclose(out);
	free(written);
}

static void
expect(const char *text)
{
	fflush(out);
	ck_assert_str_eq(written, text);
	end();
	begin();
}

START_TEST(nothing_in_a_text_is_html)
{
	begin();
	html_text(out, "<b a=\"x\" b='y'>&amp;</b>");
	expect("&lt;b a=&quot;x&quot; b=&#39;y&#39;&gt;&amp;amp;&lt;/b&gt;");
	html_text(out, "\x1b[2J\x7f\xff gr\xc3\xbc\xc3\x9f");
	expect("\\x1b[2J\\x7f\\xff gr\xc3\xbc\xc3\x9f");
	end();
}
END_TEST

START_TEST(numbers_can_be_read)
{
	begin();
	html_number(out, 0);
	expect("0");
	html_number(out, 999);
	expect("999");
	html_number(out, 1000);
	expect("1,000");
	html_number(out, -1234567);
	expect("-1,234,567");
	html_number(out, INT64_MAX);
	expect("9,223,372,036,854,775,807");
	html_bytes(out, 1023);
	expect("1023 B");
	html_bytes(out, 3.25 * 1024 * 1024);
	expect("3.2 MiB");
	html_bytes(out, 512.0 * 1024);
	expect("512 KiB");
	html_bytes(out, 1e30);
	ck_assert_int_eq(fflush(out), 0);
	ck_assert_ptr_nonnull(strstr(written, " EiB"));
	end();
	begin();
	html_age(out, -5);
	expect("0 s");
	html_age(out, 3 * 86400 + 4 * 3600 + 59);
	expect("3 d 4 h");
	html_rate(out, 0.25);
	expect("0.2");
	html_rate(out, 12345.6);
	expect("12,345");
	end();
}
END_TEST

START_TEST(a_quantile_is_the_bound_of_a_bucket)
{
	json_t *histogram = json_pack("{s:i, s:[i,i,i,i]}", "count", 100,
	    "buckets", 0, 98, 1, 1);

	begin();
	html_quantile(out, histogram, 50);
	expect("&lt; 2 \xc2\xb5s");
	html_quantile(out, histogram, 99);
	expect("&lt; 4 \xc2\xb5s");
	html_quantile(out, histogram, 100);
	expect("&lt; 8 \xc2\xb5s");
	html_quantile(out, NULL, 99);
	expect("\xe2\x80\x93");
	/* The last bucket has all that took longer; sums may be anything. */
	for (unsigned int i = 4; i < COUNT_BUCKETS; i++)
		json_array_append_new(json_object_get(histogram, "buckets"),
		    json_integer(INT64_MAX));
	json_object_set_new(histogram, "count", json_integer(INT64_MAX));
	html_quantile(out, histogram, 50);
	expect("&lt; 16 \xc2\xb5s");
	for (unsigned int i = 0; i + 1 < COUNT_BUCKETS; i++)
		json_array_set_new(json_object_get(histogram, "buckets"), i,
		    json_integer(0));
	html_quantile(out, histogram, 50);
	expect("&gt; 16 s");
	end();
	json_decref(histogram);
}
END_TEST

/* An answer to `status` with one listener. */
static json_t *
answer(const char *name, json_int_t accepted, json_int_t in)
{
	return json_pack("{s:[{s:s, s:{s:I, s:I, s:i}}]}", "listeners", "name",
	    name, "counts", "accepted", accepted, "bytes_in", in, "bytes_out",
	    0);
}

static void
note(const char *name, json_int_t accepted, json_int_t in, uint64_t now_ms)
{
	json_t *status = answer(name, accepted, in);

	history_note(status, now_ms);
	json_decref(status);
}

START_TEST(a_rate_needs_two_points)
{
	const struct history *history;

	note("a", 7, 100, 1000);
	ck_assert_uint_eq(history_of("a")->count, 0);
	note("a", 17, 600, 6000);
	history = history_of("a");
	ck_assert_uint_eq(history->count, 1);
	ck_assert(history_at(history, 0)->accepted == 2);
	ck_assert(history_at(history, 0)->in == 100);
	/* Another listener of that name: a count that falls is no rate. */
	note("a", 3, 0, 11000);
	ck_assert(history_at(history, 1)->accepted == 0);
	ck_assert(history_at(history, 1)->in == 0);
	ck_assert_ptr_null(history_of("b"));
	history_forget();
}
END_TEST

START_TEST(the_oldest_points_are_forgotten_and_so_are_listeners)
{
	const struct history *history;

	for (unsigned int i = 0; i <= HISTORY_POINTS + 10; i++)
		note("a", 0, (json_int_t)i * i, 1000 * (i + 1));
	history = history_of("a");
	ck_assert_uint_eq(history->count, HISTORY_POINTS);
	/* (i + 1)^2 - i^2 = 2i + 1 */
	ck_assert(history_at(history, 0)->in == 21);
	ck_assert(history_at(history, HISTORY_POINTS - 1)->in ==
	    2 * (HISTORY_POINTS + 9) + 1);
	begin();
	html_sparkline(out, history);
	fclose(out);
	ck_assert_ptr_nonnull(
	    strstr(written, "up to 139 B/s in the last 295 s"));
	free(written);
	note("b", 0, 0, 200000);
	ck_assert_ptr_null(history_of("a"));
	ck_assert_ptr_nonnull(history_of("b"));
	history_forget();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		nothing_in_a_text_is_html,
		numbers_can_be_read,
		a_quantile_is_the_bound_of_a_bucket,
		a_rate_needs_two_points,
		the_oldest_points_are_forgotten_and_so_are_listeners,
		NULL,
	};

	return fixture_run("html", tests);
}
