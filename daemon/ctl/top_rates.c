/* top_rates.c: what the answers of two times say together. */

#include "ctl/top_rates.h"

#include <stdio.h>

#include "ctl/top_page.h"
#include "ipc/control_client.h"

const json_t *
top_find(const json_t *status, const char *array, const char *name,
    const json_t *value, size_t hint)
{
	const json_t *list = json_object_get(status, array), *one;

	one = json_array_get(list, hint);
	if (json_equal(json_object_get(one, name), value))
		return one;
	for (size_t i = 0; i < json_array_size(list); i++) {
		one = json_array_get(list, i);
		if (json_equal(json_object_get(one, name), value))
			return one;
	}
	return NULL;
}

static double
sum(const json_t *counts, const char *name)
{
	json_t *value = json_object_get(counts, name), *one;
	double all = (double)json_integer_value(value);
	const char *key;

	json_object_foreach(value, key, one)
		all += (double)json_integer_value(one);
	return all;
}

double
top_rate(const struct top_sample *before, const struct top_sample *now,
    const json_t *then, const json_t *one, const char *name)
{
	const json_t *a = json_object_get(then, "counts");
	const json_t *b = json_object_get(one, "counts");
	double more = sum(b, name) - sum(a, name);

	if (then == NULL || now->time_ms <= before->time_ms)
		return -1;
	/* A worker that was started again begins at 0. */
	return more < 0
	    ? 0
	    : more * 1000 / (double)(now->time_ms - before->time_ms);
}

double
top_open_of(const json_t *one)
{
	const json_t *workers = json_object_get(one, "workers");
	double up = (double)answer_number(one, "connections");

	for (size_t i = 0; i < json_array_size(workers); i++)
		up += json_is_true(
		    json_object_get(json_array_get(workers, i), "up"));
	return up;
}

double
top_cpu_of(const struct top_sample *before, const struct top_sample *now,
    long long pid)
{
	char name[24];
	const json_t *a, *b;

	snprintf(name, sizeof(name), "%lld", pid);
	a = json_object_get(before->cpu, name);
	b = json_object_get(now->cpu, name);
	if (a == NULL || b == NULL || now->time_ms <= before->time_ms)
		return -1;
	return (double)(json_integer_value(b) - json_integer_value(a)) * 100 /
	    (double)(now->time_ms - before->time_ms);
}

double
top_busy_of(const struct top_sample *before, const struct top_sample *now,
    const json_t *then, const json_t *one)
{
	const json_t *a =
	    json_object_get(json_object_get(then, "counts"), "callbacks");
	const json_t *b =
	    json_object_get(json_object_get(one, "counts"), "callbacks");
	double us = (double)(answer_number(b, "us") - answer_number(a, "us"));

	if (then == NULL || us < 0 || now->time_ms <= before->time_ms)
		return -1;
	return us / 10 / (double)(now->time_ms - before->time_ms);
}
