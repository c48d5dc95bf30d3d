/*
 * check_home.c: the page and the metrics, with an answer in which each value in
 * turn is something else.
 */

#include "fixture.h"
#include "ipc/metrics.h"
#include "status/home.h"
#include "status/news.h"

static const char answer[] =
    "{\"version\":\"1\",\"pid\":1,\"uptime_s\":5,\"config\":\"c\","
    "\"generation\":2,\"reload\":\"idle\",\"crashes\":1,"
    "\"last\":{\"ok\":false,\"time\":\"t\",\"verdict\":\"v\","
    "\"problems\":[\"p\"]},"
    "\"workers\":[{\"worker\":1,\"group\":\"g\",\"pid\":2,\"state\":\"serving\","
    "\"generation\":2,\"connections\":3,\"slow_callbacks\":1,"
    "\"memory\":4096,\"loop_lag_us\":5,\"loop_lag_max_us\":200000,"
    "\"doing\":\"d\",\"counts\":{\"bytes_in\":1}}],"
    "\"replaced\":[{\"worker\":1,\"pid\":3}],"
    "\"old_workers\":[{\"worker\":1,\"pid\":4444,\"state\":\"drains\","
    "\"connections_at_upgrade\":5,\"left_ms\":61000}],"
    "\"listeners\":[{\"name\":\"l\",\"plugin\":\"p\",\"version\":\"1\","
    "\"addresses\":[\"a:1\"],\"connections\":1,\"drained\":false,"
    "\"set_aside\":false,\"certificates\":[{\"group\":\"tls\",\"names\":"
    "[\"n\"],\"ends\":\"e\",\"ends_s\":1,\"days\":3}],"
    "\"upstreams\":[{\"name\":\"u:1\",\"state\":\"down\",\"up\":false,"
    "\"for_s\":1,\"tried_s\":1,\"connections\":0,\"connected\":0,"
    "\"failed\":1,\"failed_in_a_row\":1,\"error\":\"refused\"}],"
    "\"counts\":{\"accepted\":1,\"bytes_in\":1,\"bytes_out\":1,"
    "\"refused\":{\"connections\":1},\"closed\":{\"peer\":1},\"failed\":1,"
    "\"callbacks\":{\"count\":2,\"us\":3,\"buckets\":[1,1]},"
    "\"counters\":{\"x.y\":1}}}],"
    "\"connectors\":[{\"name\":\"c\",\"plugin\":\"p\",\"connect\":\"h:1\","
    "\"workers\":[{\"worker\":1,\"state\":\"up\",\"up\":true,\"for_s\":1,"
    "\"error\":null}],\"counts\":{}}],"
    "\"log\":{\"file\":null,\"lost\":3,\"error\":null}}";

static json_t *whole, *crashes;
static unsigned int written;

static char *
home(int *ret_status)
{
	struct news news = { .status = whole,
		.crashes = crashes,
		.came_ms = 1 };
	char *text;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	*ret_status = home_write(out, &news);
	fclose(out);
	return text;
}

static void
write_all(void)
{
	char *text;
	size_t length;
	FILE *out;
	int status;

	text = home(&status);
	ck_assert_int_eq(status, 200);
	ck_assert_ptr_null(strstr(text, "<script"));
	ck_assert_ptr_null(strchr(text, '\x1b'));
	ck_assert_ptr_nonnull(strstr(text, "</body></html>"));
	free(text);
	for (int format = METRICS_TEXT; format <= METRICS_OPEN; format++) {
		out = open_memstream(&text, &length);
		metrics_write(out, whole, (enum metrics_format)format);
		fclose(out);
		ck_assert_ptr_null(strchr(text, '\x1b'));
		free(text);
	}
	written++;
}

static const char *const others[] = { "null", "true", "-1",
	"9223372036854775807", "1e300", "\"<script>\\u001b[2J&'\"", "[]", "{}",
	"[1,{}]", "{\"a\":[]}" };

static void vary(json_t *in);

/* Puts others in the place of a value, and of those in it. */
static void
vary_value(json_t *in, const char *key, size_t index, json_t *value)
{
	json_incref(value);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		json_t *other = json_loads(others[i], JSON_DECODE_ANY, NULL);

		ck_assert_ptr_nonnull(other);
		if (key != NULL)
			json_object_set_new(in, key, other);
		else
			json_array_set_new(in, index, other);
		write_all();
	}
	if (key != NULL)
		json_object_set(in, key, value);
	else
		json_array_set(in, index, value);
	vary(value);
	json_decref(value);
}

static void
vary(json_t *in)
{
	const char *key;
	json_t *value;
	size_t i;
	void *next;

	json_object_foreach_safe(in, next, key, value)
	{
		char *copy = strdup(key);

		vary_value(in, copy, 0, value);
		free(copy);
	}
	json_array_foreach(in, i, value) vary_value(in, NULL, i, value);
}

START_TEST(any_value_may_be_something_else)
{
	whole = json_loads(answer, 0, NULL);
	crashes = json_loads(
	    "{\"count\":1,\"crashes\":[{\"time\":\"t\",\"how\":\"<script>\"}]}",
	    0, NULL);
	ck_assert_ptr_nonnull(whole);
	ck_assert_ptr_nonnull(crashes);
	write_all();
	vary(whole);
	ck_assert_uint_gt(written, 900);
	json_decref(whole);
	json_decref(crashes);
}
END_TEST

START_TEST(what_is_wrong_is_on_the_page)
{
	static const char *const texts[] = { "Lost lines of the log",
		"Of the program before an upgrade", "4444", "1 min 1 s",
		"<h2>Upstreams</h2>", "refused", "Last crashes", "not ready",
		"up to 200.0 ms", "set aside: its plugin crashed" };
	json_t *listener;
	char *text;
	int status;

	whole = json_loads(answer, 0, NULL);
	crashes = json_loads("{\"crashes\":[{\"time\":\"t\"}]}", 0, NULL);
	listener = json_array_get(json_object_get(whole, "listeners"), 0);
	json_object_set_new(listener, "set_aside", json_true());
	json_object_set_new(listener, "addresses", json_array());
	text = home(&status);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		ck_assert_msg(strstr(text, texts[i]) != NULL, "%s", texts[i]);
	free(text);
	json_decref(whole);
	json_decref(crashes);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		any_value_may_be_something_else,
		what_is_wrong_is_on_the_page,
		NULL,
	};

	return fixture_run("home", tests);
}
