/* check_metrics.c: metrics of any answer, whatever names and numbers it has. */

#include "fixture.h"
#include "ipc/metrics_internal.h"

static char *written;
static size_t length;

static void
write_metrics(const json_t *status, enum metrics_format format)
{
	FILE *out = open_memstream(&written, &length);

	metrics_write(out, status, format);
	fclose(out);
}

static unsigned int
count_of(const char *text)
{
	unsigned int count = 0;
	const char *at = written;

	while ((at = strstr(at, text)) != NULL) {
		count++;
		at++;
	}
	return count;
}

START_TEST(a_label_is_escaped)
{
	char labels[METRICS_LABELS_MAX] = "";

	metrics_label(labels, "a", "x\\y\"z\n\xc3\xbc");
	metrics_label(labels, "b", "");
	metrics_label(labels, "c", "\x1b[2J\t");
	ck_assert_str_eq(labels,
	    "a=\"x\\\\y\\\"z\\n\xc3\xbc\",b=\"\","
	    "c=\"\\\\x1b[2J\\\\t\"");
}
END_TEST

START_TEST(a_label_that_is_too_long_is_cut_between_characters)
{
	char labels[METRICS_LABELS_MAX], value[4096];
	size_t used;

	for (unsigned int first = 0; first < 8; first++) {
		memset(value, 'x', first);
		value[first] = '\0';
		while (strlen(value) < 3000)
			strcat(value, "\xe2\x82\xac");
		labels[0] = '\0';
		metrics_label(labels, "name", value);
		used = strlen(labels);
		ck_assert_uint_lt(used, METRICS_LABELS_MAX);
		ck_assert_uint_ge(used, METRICS_LABELS_MAX - 16);
		ck_assert_str_eq(labels + used - 2, "\xac\"");
		/* There is no room for another. */
		metrics_label(labels, "other", "value");
		ck_assert_uint_eq(strlen(labels), used);
	}
	memset(value, '"', 3000);
	value[3000] = '\0';
	labels[0] = '\0';
	metrics_label(labels, "name", value);
	used = strlen(labels);
	ck_assert_str_eq(labels + used - 3, "\\\"\"");
}
END_TEST

/* Two listeners, each with so many counters, which have the same names. */
static json_t *
with_counters(unsigned int count)
{
	json_t *status = json_pack("{s:[]}", "listeners"), *counters;
	char name[32];

	for (unsigned int i = 0; i < 2; i++) {
		counters = json_object();
		for (unsigned int k = 0; k < count; k++) {
			snprintf(name, sizeof(name), "n.%u", k);
			json_object_set_new(counters, name, json_integer(k));
		}
		json_array_append_new(json_object_get(status, "listeners"),
		    json_pack("{s:s, s:{s:o}}", "name", i == 0 ? "a" : "b",
			"counts", "counters", counters));
	}
	return status;
}

START_TEST(each_family_of_plugins_counters_is_there_once)
{
	json_t *status = with_counters(100);
	json_t *listener =
	    json_array_get(json_object_get(status, "listeners"), 0);
	json_t *counters =
	    json_object_get(json_object_get(listener, "counts"), "counters");

	/* The same name as a metric, but not for the plugin. */
	json_object_set_new(counters, "n-7", json_integer(77));
	write_metrics(status, METRICS_TEXT);
	ck_assert_uint_eq(count_of("# TYPE sluice_plugin_n_"), 100);
	ck_assert_uint_eq(count_of("# TYPE sluice_plugin_n_7_total "), 1);
	ck_assert_uint_eq(count_of("\nsluice_plugin_n_7_total{"), 3);
	ck_assert_uint_eq(count_of("counter=\"n-7\"} 77\n"), 1);
	ck_assert_uint_eq(count_of("counter=\"n.7\"} 7\n"), 2);
	free(written);
	json_decref(status);
}
END_TEST

START_TEST(an_answer_without_sense_has_metrics_all_the_same)
{
	static const char *const answers[] = { "{}", "{\"listeners\":7}",
		"{\"listeners\":[7,null,{\"upstreams\":[1,{}]}],"
		"\"workers\":[[],{\"counts\":[]}],\"log\":\"x\"}",
		"{\"listeners\":[{\"counts\":{\"callbacks\":{\"buckets\":"
		"[9223372036854775807,9223372036854775807,-5],\"count\":"
		"9223372036854775807,\"us\":-1}}}]}" };
	json_t *status;

	for (unsigned int i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
		status = json_loads(answers[i], 0, NULL);
		ck_assert_ptr_nonnull(status);
		write_metrics(status, METRICS_OPEN);
		ck_assert_uint_eq(count_of("# EOF\n"), 1);
		free(written);
		json_decref(status);
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_label_is_escaped,
		a_label_that_is_too_long_is_cut_between_characters,
		each_family_of_plugins_counters_is_there_once,
		an_answer_without_sense_has_metrics_all_the_same,
		NULL,
	};

	return fixture_run("metrics", tests);
}
