/* metrics_peers.c: what is connected to, and our certificates. */

#include <stdbool.h>
#include <stdio.h>

#include "ipc/control_client.h"
#include "ipc/metrics_internal.h"

/* Each connector has a row for each worker that makes its connection. */
void
metrics_put_connectors(const struct metrics_writer *to,
    const json_t *connectors)
{
	char labels[METRICS_LABELS_MAX], number[24];
	const json_t *row, *states, *state;

	if (json_array_size(connectors) == 0)
		return;
	metrics_begin(to, "sluice_connector_up", METRICS_GAUGE,
	    "1 if it is connected.");
	for (size_t i = 0; i < json_array_size(connectors); i++) {
		row = json_array_get(connectors, i);
		states = json_object_get(row, "workers");
		for (size_t k = 0; k < json_array_size(states); k++) {
			state = json_array_get(states, k);
			labels[0] = '\0';
			metrics_label(labels, "connector",
			    answer_text(row, "name"));
			snprintf(number, sizeof(number), "%lld",
			    answer_number(state, "worker"));
			metrics_label(labels, "worker", number);
			metrics_sample(to, "sluice_connector_up", "", labels,
			    json_is_true(json_object_get(state, "up")));
		}
	}
}

/* A family with a value of each upstream. */
static void
put_upstream_family(const struct metrics_writer *to,
    const struct metrics_group *groups, unsigned int group_count,
    const char *name, enum metrics_type type, const char *help,
    const char *member)
{
	char labels[METRICS_LABELS_MAX];
	const json_t *row, *list, *one, *value;
	size_t i, j;

	metrics_begin(to, name, type, help);
	for (unsigned int k = 0; k < group_count; k++)
		json_array_foreach(groups[k].rows, i, row)
		{
			list = json_object_get(row, "upstreams");
			json_array_foreach(list, j, one)
			{
				metrics_identify(&groups[k], row, labels);
				metrics_label(labels, "upstream",
				    answer_text(one, "name"));
				value = json_object_get(one, member);
				metrics_sample(to, name,
				    type == METRICS_COUNTER ? "_total" : "",
				    labels,
				    json_is_boolean(value)
					? json_is_true(value)
					: json_integer_value(value));
			}
		}
}

static bool
has_upstreams(const struct metrics_group *groups, unsigned int group_count)
{
	const json_t *row;
	size_t i;

	for (unsigned int k = 0; k < group_count; k++)
		json_array_foreach(groups[k].rows, i, row)
		{
			if (json_array_size(json_object_get(row, "upstreams")) >
			    0)
				return true;
		}
	return false;
}

void
metrics_put_upstreams(const struct metrics_writer *to,
    const struct metrics_group *groups, unsigned int group_count)
{
	static const struct {
		const char *name;
		enum metrics_type type;
		const char *help, *member;
	} families[] = {
		{ "sluice_upstream_up", METRICS_GAUGE,
		    "1 if the last connection to it was made.", "up" },
		{ "sluice_upstream_connections", METRICS_GAUGE,
		    "Open connections to it.", "connections" },
		{ "sluice_upstream_attempts", METRICS_COUNTER,
		    "Connections to it that were begun.", "attempts" },
		{ "sluice_upstream_connected", METRICS_COUNTER,
		    "Connections to it that were made.", "connected" },
		{ "sluice_upstream_failures", METRICS_COUNTER,
		    "Connections to it that could not be made.", "failed" },
	};

	if (!has_upstreams(groups, group_count))
		return;
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		put_upstream_family(to, groups, group_count, families[i].name,
		    families[i].type, families[i].help, families[i].member);
}

static void
put_certificates(const struct metrics_writer *to,
    const struct metrics_group *group)
{
	const json_t *row, *list, *one;
	char labels[METRICS_LABELS_MAX];
	size_t i, k;

	json_array_foreach(group->rows, i, row)
	{
		list = json_object_get(row, "certificates");
		json_array_foreach(list, k, one)
		{
			metrics_identify(group, row, labels);
			metrics_label(labels, "group",
			    answer_text(one, "group"));
			metrics_label(labels, "name",
			    answer_string(json_array_get(
				json_object_get(one, "names"), 0)));
			metrics_sample(to,
			    "sluice_certificate_end_timestamp_seconds", "",
			    labels, answer_number(one, "ends_s"));
		}
	}
}

void
metrics_put_certificates(const struct metrics_writer *to,
    const struct metrics_group *groups, unsigned int group_count)
{
	metrics_begin(to, "sluice_certificate_end_timestamp_seconds",
	    METRICS_GAUGE,
	    "When a certificate of ours ends, in seconds since 1970.");
	for (unsigned int i = 0; i < group_count; i++)
		put_certificates(to, &groups[i]);
}
