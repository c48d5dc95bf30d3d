/* control_counts.c: counts as JSON, by their table. */

#include <stdint.h>

#include "ipc/counts.h"
#include "master/control_conn.h"

/* A plugin may have written one that is too large. */
json_t *
control_number(uint64_t value)
{
	return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

/* Those that are not 0. */
static json_t *
labelled(const struct counts_sum *sum, const struct count_row *row)
{
	json_t *object = json_object();

	for (unsigned int i = 0; i < row->many; i++)
		if (sum->value[row->first + i] != 0)
			json_object_set_new(object, row->label_value(i),
			    control_number(sum->value[row->first + i]));
	return object;
}

/* Up to the last that is not 0. */
static json_t *
histogram(const struct counts_sum *sum, const struct count_row *row,
    uint64_t tick_scale)
{
	const uint64_t *value = &sum->value[row->first];
	uint64_t ticks = sum->value[row->first - 1];
	json_t *buckets = json_array();
	unsigned int many = row->many;

	while (many > 0 && value[many - 1] == 0)
		many--;
	for (unsigned int i = 0; i < many; i++)
		json_array_append_new(buckets, control_number(value[i]));
	return json_pack("{s:o, s:o, s:o}", "count",
	    control_number(counts_sum_total(sum, row)), "us",
	    control_number(ticks_half_us(ticks, tick_scale) / 2), "buckets",
	    buckets);
}

static json_t *
plugin_counters(const struct counts_sum *sum)
{
	json_t *object = json_object();

	for (unsigned int i = 0; i < sum->named; i++)
		json_object_set_new(object, sum->counters[i].name,
		    control_number(sum->counters[i].value));
	return object;
}

json_t *
control_counts(const struct counts_sum *sum, uint64_t tick_scale)
{
	json_t *object = json_object(), *value = NULL;
	const struct count_row *row;

	for (size_t i = 0; i < count_table_size; i++) {
		row = &count_table[i];
		switch (row->kind) {
		case COUNT_PLAIN:
			value = control_number(sum->value[row->first]);
			break;
		case COUNT_BY_LABEL:
			value = labelled(sum, row);
			break;
		case COUNT_HISTOGRAM:
			value = histogram(sum, row, tick_scale);
			break;
		}
		json_object_set_new(object, row->name, value);
	}
	json_object_set_new(object, "counters", plugin_counters(sum));
	return object;
}
